"""The evidence document of a grant: what its digest on the chain is over (BDG-050)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from trex.badges.catalogue import CATALOGUE, ValueKind
from trex.badges.observation import Observation, check_key
from trex.badges.policy import Policy
from trex.passport.keys import Key, KeyKind
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.types.strict_json import StrictJsonError, canonical_json, parse_strict_json

MAX_EVIDENCE_BYTES = 8_388_608
"""Longest evidence document."""
MAX_WALLETS = 32
"""A decision looks at no more wallets (GTW-042)."""
MAX_NULLIFIERS = 48
"""A grant names no more (BDG-011)."""
MEMBERS = frozenset({"atS", "block", "wallets", "observations", "claimIds"})
"""Members of an evidence document."""


class EvidenceError(ValueError):
    """Not an evidence document; says why."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a grant was decided on."""

    at_s: int
    """When it was decided, Unix time in seconds."""
    block: int
    """Block of this chain at which the passport's wallets were read."""
    wallets: tuple[Key, ...]
    """Of public evidence: the wallets that counted, in the order in which they came."""
    observations: Mapping[Hash32, Observation]
    """Answers by the key of their check."""
    claim_ids: tuple[Hash32, ...] = ()
    """Of private evidence: identifiers of the zkTLS claims that were judged."""

    def write(self, policy: Policy) -> bytes:
        """Write the document, in canonical JSON, with the answers in the policy's order."""
        observations = [
            {
                "validator": check.validator,
                "parameters": dict(check.parameters),
                "value": _plain(found.value),
                "observedAtS": found.observed_at_s,
                "source": found.source,
                "reason": found.reason,
            }
            for check in policy.checks()
            if (found := self.observations.get(check.key)) is not None
        ]
        wallets = [{"kind": one.kind.name.lower(), "data": f"0x{one.data.hex()}"} for one in self.wallets]
        return canonical_json(
            {
                "atS": self.at_s,
                "block": self.block,
                "wallets": wallets,
                "observations": observations,
                "claimIds": [f"0x{one.hex()}" for one in self.claim_ids],
            }
        )


def wallets_that_count(keys: Sequence[Key]) -> tuple[Key, ...]:
    """Return the wallets among a passport's keys that a decision looks at: the first 32 (GTW-042)."""
    return tuple(key for key in keys if key.kind is not KeyKind.PASSKEY)[:MAX_WALLETS]


def digest_of(document: bytes, salt: bytes) -> Hash32:
    """Return the digest that the chain has: over salt, empty for public evidence, and document (BDG-003)."""
    return keccak256(salt + document)


def read_evidence(document: bytes) -> Evidence:
    """Read an evidence document.

    Raises:
        EvidenceError: it is none.
    """
    try:
        root = parse_strict_json(document, max_bytes=MAX_EVIDENCE_BYTES, max_depth=40)
        if not isinstance(root, dict) or root.keys() != MEMBERS:
            raise EvidenceError(f"an object with {', '.join(sorted(MEMBERS))} is expected")
        at_s, block = root["atS"], root["block"]
        if type(at_s) is not int or type(block) is not int or block < 0:
            raise EvidenceError("atS and block are whole numbers")
        wallets = tuple(
            Key(KeyKind[one["kind"].upper()], bytes.fromhex(one["data"][2:])) for one in root["wallets"]
        )
        claims = tuple(Hash32(bytes.fromhex(one[2:])) for one in root["claimIds"])
        return Evidence(at_s, block, wallets, dict(read_observations(root["observations"])), claims)
    except EvidenceError:
        raise
    except (StrictJsonError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"not an evidence document: {error}") from error


def read_observations(entries: Sequence[Mapping[str, Any]]) -> list[tuple[Hash32, Observation]]:
    """Read answers as evidence documents and `trex badge dry-run` have them.

    Raises:
        EvidenceError: an entry is none.
    """
    try:
        return [_observation(entry) for entry in entries]
    except EvidenceError:
        raise
    except (StrictJsonError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"not an observation: {error}") from error


def _observation(entry: Mapping[str, Any]) -> tuple[Hash32, Observation]:
    kind, value = CATALOGUE[entry["validator"]].answers, entry["value"]
    if value is not None and kind is ValueKind.NUMBER:
        if not isinstance(value, str):
            raise EvidenceError("a number is written as text")
        try:
            value = Decimal(value)
        except InvalidOperation as error:
            raise EvidenceError(f"{value[:32]!r} is not a number") from error
    observed = entry["observedAtS"]
    if type(observed) is not int:
        raise EvidenceError("observedAtS is whole seconds")
    key = check_key(entry["validator"], entry["parameters"])
    return key, Observation(value, observed, str(entry["source"]), str(entry.get("reason", "")))


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (bool, str)) else str(value)
