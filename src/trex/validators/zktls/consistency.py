"""What must hold of a claim whatever it is about: its signature, and that it does not contradict itself."""

import re
from collections.abc import Collection
from typing import Any

from trex.types.evm import SignatureError, checksum_address, recover_message_signer
from trex.types.primitives import Address
from trex.validators.zktls.claim import Claim, ClaimError, flags_of
from trex.validators.zktls.parameters import Parameters, read_canonical, read_parameters
from trex.validators.zktls.patterns import placeholders
from trex.validators.zktls.verdict import Extracted, Steps

CLOCK_SKEW_S = 600
"""How far ahead of its own clock an attestor signs a timestamp, in seconds."""
FIRST_TIMESTAMP_S = 1_672_531_200
"""2023-01-01: no attestor signed a claim of this form before, so an earlier timestamp is made up."""

_HASH = re.compile(r"0x[0-9a-f]{64}")


def judge_signature(claim: Claim, trusted: Collection[Address], steps: Steps) -> Address | None:
    """Judge identifier, signature and signer; return the signer if there is one (ZKT-010 to ZKT-014)."""
    identifier = f"0x{claim.identifier().hex()}"
    if wrong := [found for found in claim.identifiers if found != identifier]:
        steps.broken(
            "ZKT-010", "wrong_identifier", f"the document says {wrong[0]}, its content hashes to {identifier}"
        )
    else:
        steps.held("ZKT-010", "identifier", "the identifier is the hash of provider, parameters and context")
    try:
        signer = recover_message_signer(claim.signed_text(), claim.signature)
    except SignatureError as error:
        steps.broken("ZKT-012", "bad_signature", str(error))
        return None
    steps.held("ZKT-012", "signature", f"one signature in its one form, by {checksum_address(signer)}")
    if signer in trusted:
        steps.held("ZKT-013", "signer", "the signer is a trusted attestor")
    else:
        names = ", ".join(checksum_address(address) for address in trusted) or "nobody"
        steps.broken("ZKT-013", "untrusted_signer", f"signed by {checksum_address(signer)}; trusted: {names}")
    _judge_witnesses(claim, signer, steps)
    return signer


def _judge_witnesses(claim: Claim, signer: Address, steps: Steps) -> None:
    if not claim.witnesses:
        return
    if len(claim.witnesses) != 1 or claim.witnesses[0].id.lower() != f"0x{signer.hex()}":
        named = ", ".join(witness.id[:64] for witness in claim.witnesses[:4])
        steps.broken(
            "ZKT-014", "other_witness", f"the document names {named} as who signed, which is not the signer"
        )
    else:
        steps.held("ZKT-014", "witness", "the document names the signer as its one witness")


def judge_time(claim: Claim, now_s: int, steps: Steps) -> None:
    """Judge that the timestamp can be true at all (ZKT-015)."""
    if claim.timestamp_s > now_s + CLOCK_SKEW_S:
        ahead = claim.timestamp_s - now_s
        steps.broken(
            "ZKT-015", "future_timestamp", f"dated {ahead} s ahead; an attestor signs at most {CLOCK_SKEW_S}"
        )
    elif claim.timestamp_s < FIRST_TIMESTAMP_S:
        steps.broken(
            "ZKT-015", "impossible_timestamp", f"dated {claim.timestamp_s}, before any attestor signed claims"
        )
    else:
        steps.held(
            "ZKT-015",
            "timestamp",
            f"dated {claim.timestamp_s}, which the claimant chose: no proof of its age",
        )


def judge_content(
    claim: Claim, steps: Steps
) -> tuple[Parameters | None, dict[str, Any], tuple[Extracted, ...]]:
    """Judge parameters and context against each other (ZKT-020 to ZKT-027).

    Returns:
        The parameters if they can be read, the context as far as it can, and what the attestor extracted;
        nothing of a value that it may not have extracted.
    """
    parameters = _read(claim, steps)
    context = _context(claim, steps)
    for where in (*claim.flags, *flags_of(context, "context")):
        steps.broken(
            "ZKT-025", "other_means", f"{where} marks a claim made by other means than a TLS session"
        )
    if parameters is None:
        return None, context, ()
    _judge_provider_hash(parameters, context, steps)
    return parameters, context, _extracted(claim, parameters, context, steps)


def _read(claim: Claim, steps: Steps) -> Parameters | None:
    try:
        parameters = read_parameters(claim.parameters)
    except ClaimError as error:
        steps.broken(error.rule, error.code, str(error))
        return None
    steps.held("ZKT-020", "parameters", f"asked {parameters.method} {parameters.url}")
    return parameters


def _context(claim: Claim, steps: Steps) -> dict[str, Any]:
    if not claim.context:
        steps.broken("ZKT-024", "no_context", "the context is empty: no attestor leaves it so")
        return {}
    try:
        context = read_canonical(claim.context, "context", "ZKT-024")
    except ClaimError as error:
        steps.broken(error.rule, error.code, str(error))
        return {}
    for key in ("contextAddress", "contextMessage"):
        if not isinstance(context.get(key, ""), str):
            steps.broken("ZKT-024", "context_form", f"context.{key} must be a string")
    steps.held("ZKT-024", "context", "the context is one object in canonical JSON")
    return context


def _judge_provider_hash(parameters: Parameters, context: dict[str, Any], steps: Steps) -> None:
    found = context.get("providerHash")
    if not isinstance(found, str) or not _HASH.fullmatch(found):
        steps.broken(
            "ZKT-022", "no_provider_hash", "the context has no providerHash: nothing of it is attested"
        )
        return
    for formula, hash_ in parameters.provider_hashes().items():
        if f"0x{hash_.hex()}" == found:
            note = "; it does not cover the body" if formula == "first" and parameters.body else ""
            steps.held(
                "ZKT-022", "provider_hash", f"providerHash fits the parameters ({formula} formula{note})"
            )
            return
    steps.broken(
        "ZKT-022", "wrong_provider_hash", f"providerHash {found} is not of these parameters by any formula"
    )


def _extracted(
    claim: Claim, parameters: Parameters, context: dict[str, Any], steps: Steps
) -> tuple[Extracted, ...]:
    """What the attestor must have extracted, and that the claim says just that (ZKT-023 to ZKT-027)."""
    try:
        caught = parameters.caught_names()
    except ClaimError as error:
        steps.broken(error.rule, error.code, str(error))
        return ()
    given = parameters.shown_placeholders()
    said = context.get("extractedParameters")
    if said is not None and not (
        isinstance(said, dict) and all(isinstance(value, str) for value in said.values())
    ):
        steps.broken("ZKT-026", "extracted_form", "context.extractedParameters must be an object of texts")
        return ()
    values: dict[str, str] = said or {}
    if wrong := sorted(values.keys() - set(caught) - given.keys()):
        why = (
            "no pattern or template of the claim extracts it" if caught or given else "nothing was extracted"
        )
        steps.broken(
            "ZKT-026",
            "not_extracted",
            f"extractedParameters says {', '.join(map(repr, wrong))[:120]}, but {why}",
        )
        return ()
    for name, value in given.items():
        if values.get(name) != value:
            steps.broken(
                "ZKT-026",
                "other_value",
                f"{name!r} is {values.get(name, 'nothing')[:64]!r}, the template says {value[:64]!r}",
            )
            return ()
    if claim.extracted_outside not in (None, {}, values):
        steps.broken(
            "ZKT-027",
            "unsigned_values",
            "extractedParameterValues beside the claim differs from what is signed",
        )
        return ()
    _explain(caught, given, values, steps)
    in_matches = {name for match in parameters.matches for name in placeholders(match.value)}
    return tuple(
        Extracted(name, value, _origin(name, given, in_matches)) for name, value in sorted(values.items())
    )


def _origin(name: str, given: dict[str, str], in_matches: set[str]) -> str:
    if name not in given:
        return "response"
    return "template" if name in in_matches else "request"


def _explain(caught: tuple[str, ...], given: dict[str, str], values: dict[str, str], steps: Steps) -> None:
    read = sorted(name for name in values if name in caught)
    if read:
        steps.held(
            "ZKT-026",
            "caught",
            f"patterns caught {', '.join(read)}; whether they look at the right field, a provider says",
        )
    if given:
        steps.held(
            "ZKT-026",
            "template_values",
            f"the claimant gave {', '.join(given)}: attested is just that the response holds a text with it",
        )
    if not values:
        steps.held(
            "ZKT-026",
            "no_values",
            "no value was extracted: the claim says only that texts were in the response",
        )
