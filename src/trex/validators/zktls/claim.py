"""A Reclaim claim as it comes: the shapes of its document, and its fields in their one accepted form."""

import re
from dataclasses import dataclass
from typing import Any

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.types.strict_json import StrictJsonError, parse_strict_json

MAX_DOCUMENT_BYTES = 262_144
"""Longest document that is read (ZKT-001)."""
MAX_PART_BYTES = 65_536
"""Longest `parameters` or `context` that is read (ZKT-001)."""
MAX_DEPTH = 24
"""Deepest nesting that is read (ZKT-001)."""
CLAIM_EPOCH = 1
"""The only epoch: attestors write it into every claim."""

_HASH = re.compile(r"0x[0-9a-f]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}")

_PROOF_KEYS = frozenset({"claimData", "identifier", "signatures", "witnesses"})


class ClaimError(ValueError):
    """The document holds no claim in an accepted form."""

    def __init__(self, rule: str, code: str, message: str) -> None:
        """Make a fault.

        Args:
            rule: of specs/zktls.md.
            code: stable name.
            message: what is wrong, for people.
        """
        super().__init__(message)
        self.rule = rule
        self.code = code


@dataclass(frozen=True, slots=True)
class Witness:
    """Who the document says signed it; nobody signs this."""

    id: str
    """Address as written."""
    url: str
    """Where the attestor is said to be; empty if not said."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim says, before anything of it is believed."""

    provider: str
    """Kind of the attestor's reader, `http`."""
    parameters: str
    """What was asked and looked for, as JSON text."""
    context: str
    """What the claimant and the attestor wrote beside it, as JSON text."""
    owner: Address
    """The key that asked for the claim; usually made for one session."""
    timestamp_s: int
    """Unix time in seconds, which the claimant chose: up to 10 minutes ahead, any time back."""
    epoch: int
    """Always 1."""
    identifiers: tuple[str, ...]
    """Each place where the document says the claim's identifier."""
    signature: bytes
    """65 bytes."""
    witnesses: tuple[Witness, ...]
    """Empty where the document names none."""
    extracted_outside: dict[str, Any] | None
    """`extractedParameterValues` beside the claim, which nobody signs; None where there is none."""
    unsigned: tuple[str, ...]
    """Other fields of the document, which nobody signs."""
    flags: tuple[str, ...]
    """Fields that mark a claim made by other means than an attested TLS session."""

    def identifier(self) -> Hash32:
        """Hash of what is claimed (ZKT-010)."""
        text = f"{self.provider}\n{self.parameters}\n{self.context}"
        return keccak256(text.encode())

    def signed_text(self) -> bytes:
        """What the attestor signs by EIP-191 (ZKT-011)."""
        lines = (
            f"0x{self.identifier().hex()}",
            f"0x{self.owner.hex()}",
            str(self.timestamp_s),
            str(self.epoch),
        )
        return "\n".join(lines).encode()


def read_claim(document: bytes) -> Claim:
    """Read a document that holds one claim.

    It may be a proof as attestors and SDKs give it, the same under `proof`, a list of one, or the form that
    contracts take (`claimInfo` and `signedClaim`) (ZKT-002).

    Raises:
        ClaimError: it is none of these, or a field is not in its one accepted form.
    """
    try:
        root = parse_strict_json(document, max_bytes=MAX_DOCUMENT_BYTES, max_depth=MAX_DEPTH)
    except StrictJsonError as error:
        raise ClaimError("ZKT-001", f"document_{error.code}", str(error)) from error
    if isinstance(root, list):
        if len(root) != 1:
            raise ClaimError(
                "ZKT-002", "not_one_claim", f"the document lists {len(root)} claims; judge one at a time"
            )
        root = root[0]
    if isinstance(root, dict) and "claimData" not in root and isinstance(root.get("proof"), dict):
        root = root["proof"]
    if not isinstance(root, dict):
        raise ClaimError("ZKT-002", "no_claim", "the document is not a proof: no object with claimData")
    if "claimData" in root:
        return _proof(root)
    if "claimInfo" in root and "signedClaim" in root:
        return _onchain(root)
    raise ClaimError(
        "ZKT-002", "no_claim", "the document has neither claimData nor claimInfo and signedClaim"
    )


def _proof(root: dict[str, Any]) -> Claim:
    data = _object(root, "claimData")
    identifiers = [_hash(data, "identifier", "claimData.identifier")]
    if "identifier" in root:
        identifiers.append(_hash(root, "identifier", "identifier"))
    known = _PROOF_KEYS | {"extractedParameterValues"}
    outside = root.get("extractedParameterValues")
    if outside is not None and not isinstance(outside, dict):
        raise _form("extractedParameterValues", "an object", outside)
    return Claim(
        provider=_provider(data, "claimData"),
        parameters=_part(data, "parameters", "claimData"),
        context=_part(data, "context", "claimData"),
        owner=_owner(data, "claimData"),
        timestamp_s=_timestamp(data, "claimData"),
        epoch=_epoch(data, "claimData"),
        identifiers=tuple(identifiers),
        signature=_signature(root),
        witnesses=_witnesses(root),
        extracted_outside=outside,
        unsigned=tuple(sorted(root.keys() - known)),
        flags=_flags(root),
    )


def _onchain(root: dict[str, Any]) -> Claim:
    info, signed = _object(root, "claimInfo"), _object(root, "signedClaim")
    claim = _object(signed, "claim")
    return Claim(
        provider=_provider(info, "claimInfo"),
        parameters=_part(info, "parameters", "claimInfo"),
        context=_part(info, "context", "claimInfo"),
        owner=_owner(claim, "signedClaim.claim"),
        timestamp_s=_timestamp(claim, "signedClaim.claim"),
        epoch=_epoch(claim, "signedClaim.claim"),
        identifiers=(_hash(claim, "identifier", "signedClaim.claim.identifier"),),
        signature=_signature(signed),
        witnesses=_witnesses(root),
        extracted_outside=None,
        unsigned=tuple(sorted(root.keys() - {"claimInfo", "signedClaim", "witnesses"})),
        flags=_flags(root),
    )


def _form(where: str, expected: str, found: object) -> ClaimError:
    shown = repr(found)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return ClaimError("ZKT-003", "wrong_form", f"{where} must be {expected}, this is {shown}")


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    found = parent.get(key)
    if not isinstance(found, dict):
        raise _form(key, "an object", found)
    return found


def _hash(parent: dict[str, Any], key: str, where: str) -> str:
    found = parent.get(key)
    if not isinstance(found, str) or not _HASH.fullmatch(found):
        raise _form(where, "0x and 64 lower-case hexadecimal digits", found)
    return found


def _provider(parent: dict[str, Any], where: str) -> str:
    found = parent.get("provider")
    if found != "http":
        raise _form(f"{where}.provider", "'http'", found)
    return "http"


def _part(parent: dict[str, Any], key: str, where: str) -> str:
    found = parent.get(key)
    if not isinstance(found, str):
        raise _form(f"{where}.{key}", "a string of JSON", found)
    if len(found.encode()) > MAX_PART_BYTES:
        raise ClaimError("ZKT-001", f"{key}_too_large", f"{where}.{key} has more than {MAX_PART_BYTES} bytes")
    return found


def _owner(parent: dict[str, Any], where: str) -> Address:
    found = parent.get("owner")
    if not isinstance(found, str) or not _ADDRESS.fullmatch(found):
        raise _form(f"{where}.owner", "an address", found)
    return Address(bytes.fromhex(found[2:]))


def _timestamp(parent: dict[str, Any], where: str) -> int:
    found = parent.get("timestampS")
    if type(found) is not int or not 0 < found < 2**32:
        raise _form(f"{where}.timestampS", "a JSON integer of seconds", found)
    return found


def _epoch(parent: dict[str, Any], where: str) -> int:
    found = parent.get("epoch")
    if type(found) is not int or found != CLAIM_EPOCH:
        raise _form(f"{where}.epoch", str(CLAIM_EPOCH), found)
    return found


def _signature(parent: dict[str, Any]) -> bytes:
    found = parent.get("signatures")
    if not isinstance(found, list) or not found:
        raise _form("signatures", "a list of one signature", found)
    if len(found) != 1:
        raise ClaimError("ZKT-012", "several_signatures", f"{len(found)} signatures; a claim has one")
    if not isinstance(found[0], str) or not _SIGNATURE.fullmatch(found[0]):
        raise ClaimError(
            "ZKT-012", "signature_form", "the signature must be 0x and 130 hexadecimal digits (65 bytes)"
        )
    return bytes.fromhex(found[0][2:])


def _witnesses(root: dict[str, Any]) -> tuple[Witness, ...]:
    found = root.get("witnesses")
    if found is None:
        return ()
    if not isinstance(found, list):
        raise _form("witnesses", "a list", found)
    witnesses = []
    for at, entry in enumerate(found):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise _form(f"witnesses[{at}]", "an object with id", entry)
        url = entry.get("url", "")
        if not isinstance(url, str):
            raise _form(f"witnesses[{at}].url", "a string", url)
        witnesses.append(Witness(entry["id"], url))
    return tuple(witnesses)


OTHER_MEANS = frozenset({"isaiproof", "isportalproof"})
"""Flags, in lower case, of claims that a model or an operator vouches for."""


def flags_of(value: Any, where: str) -> list[str]:
    """Find flags of other means anywhere in a value; one that says false or null flags nothing."""
    found, waiting = [], [(where, value)]
    while waiting:
        path, current = waiting.pop()
        if isinstance(current, dict):
            for key, inner in current.items():
                if key.lower().replace("_", "") in OTHER_MEANS and inner not in (False, None):
                    found.append(f"{path}.{key}")
                waiting.append((f"{path}.{key}", inner))
        elif isinstance(current, list):
            waiting.extend((f"{path}[{at}]", inner) for at, inner in enumerate(current))
    return sorted(found)


def _flags(root: dict[str, Any]) -> tuple[str, ...]:
    found = flags_of(root, "document")
    witnesses = root.get("witnesses")
    if isinstance(witnesses, list):
        found += [
            f"witnesses[{at}].url"
            for at, entry in enumerate(witnesses)
            if isinstance(entry, dict) and entry.get("url") == "manual-verify"
        ]
    return tuple(found)
