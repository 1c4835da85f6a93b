"""Judge a Reclaim claim: pure, from the document and what it is to be compared with."""

from collections.abc import Collection
from dataclasses import dataclass

from trex.types.decision import Outcome, Reason
from trex.types.primitives import Address
from trex.validators.zktls.claim import ClaimError, read_claim
from trex.validators.zktls.consistency import judge_content, judge_signature, judge_time
from trex.validators.zktls.provider import Provider
from trex.validators.zktls.template import (
    Binding,
    judge_binding,
    judge_freshness,
    judge_template,
    judge_value,
)
from trex.validators.zktls.verdict import Steps, Verdict, VerdictWord

PRODUCTION_ATTESTOR = Address(bytes.fromhex("244897572368eadf65bfbc5aec98d8e5443a9072"))
"""Reclaim's production attestor, the only one that is trusted unless others are named (ZKT-013)."""

SCOPE_CONSISTENCY = (
    "signature and inner consistency only: without a provider nothing says that the claim looked at the right"
    " page and field, is fresh, or belongs to anyone"
)
"""What is judged without a provider."""
SCOPE_PROVIDER = "signature, inner consistency, template, freshness, binding and value"
"""What is judged with one."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a claim is compared with."""

    now_s: int
    """Unix time in seconds."""
    trusted: Collection[Address] = (PRODUCTION_ATTESTOR,)
    """Attestors whose signature counts, instead of the production attestor."""
    provider: Provider | None = None
    """What the claim should prove; None to judge signature and consistency only."""
    binding: Binding | None = None
    """What was handed out to the person; None if not known."""
    account: str | None = None
    """The account at the platform that the passport has linked; None if not known."""
    allow_unverified: bool = False
    """Judge by a provider that is marked unverified."""


def judge_claim(document: bytes, request: Request) -> Verdict:
    """Judge a document that holds one claim. Never raises on what a document says."""
    scope = SCOPE_PROVIDER if request.provider else SCOPE_CONSISTENCY
    provider_id = request.provider.id if request.provider else ""
    try:
        claim = read_claim(document)
    except ClaimError as error:
        reason = Reason(error.code, Outcome.REFUSED, str(error), error.rule)
        return Verdict(VerdictWord.REFUSED, scope, (reason,), provider_id)
    steps = Steps()
    signer = judge_signature(claim, request.trusted, steps)
    judge_time(claim, request.now_s, steps)
    parameters, context, extracted = judge_content(claim, steps)
    signed = all(
        reason.outcome is not Outcome.REFUSED for reason in steps.reasons if reason.rule in _SIGNATURE_RULES
    )
    extracted = extracted if signed else ()
    message = context.get("contextMessage", "")
    value = None
    if request.provider is not None and parameters is not None:
        _judge_status(request.provider, request.allow_unverified, steps)
        fits = judge_template(request.provider, parameters, steps)
        judge_freshness(request.provider, claim, request.now_s, request.binding, steps)
        judge_binding(message if isinstance(message, str) else "", request.binding, steps)
        if fits and signed:
            value = judge_value(request.provider, extracted, request.account, steps)
    outcome = steps.outcome()
    address, hash_ = context.get("contextAddress", ""), context.get("providerHash", "")
    return Verdict(
        word=_word(outcome, request.provider),
        scope=scope,
        reasons=tuple(steps.reasons),
        provider=provider_id,
        signer=signer,
        identifier=claim.identifier(),
        owner=claim.owner,
        timestamp_s=claim.timestamp_s,
        url=parameters.url if parameters else "",
        method=parameters.method if parameters else "",
        provider_hash=hash_ if isinstance(hash_, str) else "",
        context_address=address if isinstance(address, str) else "",
        context_message=message if isinstance(message, str) else "",
        extracted=() if outcome is Outcome.REFUSED else extracted,
        value=None if outcome is Outcome.REFUSED else value,
    )


_SIGNATURE_RULES = frozenset({"ZKT-010", "ZKT-012", "ZKT-013", "ZKT-014"})


def _judge_status(provider: Provider, allow_unverified: bool, steps: Steps) -> None:
    if provider.verified:
        steps.held(
            "ZKT-030",
            "provider",
            f"{provider.id} version {provider.version}, made from {provider.sources[0]}",
        )
    elif allow_unverified:
        steps.held("ZKT-030", "unverified_provider", f"{provider.id} is unverified, and was allowed")
    else:
        steps.unknown(
            "ZKT-030",
            "unverified_provider",
            f"{provider.id} is unverified and off: its page was never seen by a source",
        )


def _word(outcome: Outcome, provider: Provider | None) -> VerdictWord:
    if outcome is Outcome.REFUSED:
        return VerdictWord.REFUSED
    if outcome is Outcome.UNDECIDED:
        return VerdictWord.UNDECIDED
    return VerdictWord.ACCEPTED if provider else VerdictWord.CONSISTENT
