"""Recomputes a grant from its evidence: the same questions at the same blocks (BDG-052, BDG-053)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trex.badges.chain.contract import HeldBadge
from trex.badges.chain.evidence import Evidence, digest_of, read_evidence, wallets_that_count
from trex.badges.evaluate import FUTURE_S, PolicyDecision, evaluate
from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition, Policy
from trex.passport.client import PersonaClient
from trex.passport.keys import Key, KeyKind
from trex.passport.private_link import PrivateLink, are_linked
from trex.types.decision import Outcome, Reason, all_of
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.metadata import Fetch
from trex.validators.onchain.observe import observe
from trex.validators.onchain.place import blocks_named
from trex.validators.onchain.source import EvmSource, SourceError
from trex.validators.zktls.disclosure import DisclosedClaim
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR

EVM_FAMILIES = frozenset({"token", "nft", "web3"})
"""Validators whose answers a chain gives again for a past block."""

OLDEST_S = 7_200
"""A block that evidence names is at most that much older than the decision: else who asks could choose the
moment at which a wallet was rich."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a grant's digest was made of."""

    document: bytes
    """The evidence document, byte for byte."""
    salt: bytes
    """Of private evidence; empty for public."""
    claims: tuple[DisclosedClaim, ...] = ()
    """zkTLS claims behind it, as far as they are shown."""
    links: tuple[PrivateLink, ...] = ()
    """What opens the private links of its wallets, as far as it is shown."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Who is asked again."""

    chains: Mapping[int, EvmSource]
    """EVM chains by id."""
    fetch: Fetch | None = None
    """Brings metadata by content."""
    trusted: tuple[Address, ...] = (PRODUCTION_ATTESTOR,)
    """Attestors of zkTLS claims that count."""
    take_recorded: bool = False
    """Take what nobody answers for a past moment as it was recorded: attestors do, outsiders cannot. Claims
    of zkTLS answer for themselves: without one nothing is taken."""


@dataclass(frozen=True, slots=True)
class Reexecution:
    """What came of it."""

    outcome: Outcome
    """Granted: the same again; refused: something differs; undecided: not all could be asked."""
    decision: PolicyDecision | None
    """What follows now; None if the evidence could not be opened."""
    steps: tuple[Reason, ...]
    """Everything that was compared, in order."""


async def reexecute(
    client: PersonaClient, badge: HeldBadge, policy: Policy, opened: Opened, sources: Sources
) -> Reexecution:
    """Recompute a badge's newest grant.

    Args:
        client: of the chain that has the badge, with state of the block of the evidence.
        badge: what was granted.
        policy: whose hash the badge has, as its document says.
        opened: the evidence.
        sources: who is asked again.

    Raises:
        EvidenceError: the document opens the digest and is no evidence document.
        EndpointError: the chain does not answer.
    """
    steps = [
        _same("policy", "BDG-001", badge.document, policy.document_hash),
        _same("evidence_digest", "BDG-003", badge.evidence, digest_of(opened.document, opened.salt)),
    ]
    if all_of(step.outcome for step in steps) is not Outcome.GRANTED:
        return Reexecution(Outcome.REFUSED, None, tuple(steps))
    evidence = read_evidence(opened.document)
    steps.append(_time(badge, evidence))
    passport, is_public = badge.passport, badge.is_public
    decision, asked = await recompute(client, passport, policy, evidence, opened, sources, is_public)
    steps += [*asked, _decided(badge, decision)]
    return Reexecution(all_of(step.outcome for step in steps), decision, tuple(steps))


async def recompute(
    client: PersonaClient,
    passport: int,
    policy: Policy,
    evidence: Evidence,
    opened: Opened,
    sources: Sources,
    is_public: bool,
    since_s: int | None = None,
) -> tuple[PolicyDecision, list[Reason]]:
    """Ask everything again that evidence says, and decide anew.

    Args:
        client: of the chain that has the passport, with state of the block of the evidence.
        passport: whose evidence it is.
        policy: under which it was decided.
        evidence: as it was written.
        opened: with its claims and links.
        sources: who is asked again.
        is_public: whether public wallets alone count (BDG-051).
        since_s: Unix time before which activity does not count (TSK-008); None for all.

    Returns:
        What follows, and how each part compares.

    Raises:
        EndpointError: the chain does not answer.
    """
    steps = [await _wallets(client, passport, evidence, opened.links, is_public)]
    found = dict(evidence.observations)
    judged = _judged(client, passport, evidence, opened.claims, sources.trusted)
    for check in policy.checks():
        if (told := evidence.observations.get(check.key)) is None or told.value is None:
            continue  # it was not known then: nothing rests on it
        again, step = await _again(check, told, evidence, judged, sources, since_s)
        steps.append(step)
        if again is not None:
            found[check.key] = again
    return evaluate(policy, found, evidence.at_s), steps


def _same(code: str, rule: str, on_chain: Hash32, here: Hash32) -> Reason:
    if on_chain == here:
        return Reason(code, Outcome.GRANTED, f"0x{here.hex()}", rule)
    message = f"the chain has 0x{on_chain.hex()}, this is 0x{here.hex()}"
    return Reason(code, Outcome.REFUSED, message, rule)


def _time(badge: HeldBadge, evidence: Evidence) -> Reason:
    apart = abs(evidence.at_s - badge.attested_s)
    outcome = Outcome.GRANTED if apart <= FUTURE_S else Outcome.REFUSED
    return Reason("time", outcome, f"decided {apart} s from when it was attested", "BDG-052")


async def _wallets(
    client: PersonaClient, passport: int, evidence: Evidence, links: Sequence[PrivateLink], is_public: bool
) -> Reason:
    """Whether the wallets of the evidence are those that the passport had: public ones, then private."""
    block = hex(evidence.block)
    head = await client.rpc.call("eth_getBlockByNumber", block, False)
    if head is None:
        return Reason("wallets", Outcome.UNDECIDED, f"the node has no block {evidence.block}", "BDG-052")
    if abs(int(head["timestamp"], 16) - evidence.at_s) > FUTURE_S:
        message = f"block {evidence.block} is not of the time of the decision"
        return Reason("wallets", Outcome.REFUSED, message, "BDG-052")
    held = wallets_that_count([one.key for one in await client.keys(passport, block)])
    hidden = evidence.wallets[len(held) :]
    outcome = Outcome.GRANTED if evidence.wallets[: len(held)] == held else Outcome.REFUSED
    if is_public and hidden:
        outcome = Outcome.REFUSED
    if outcome is Outcome.GRANTED and hidden:
        outcome = await _hidden(client, passport, hidden, links, block)
    message = f"{len(evidence.wallets)} in the evidence, {len(held)} public ones at block {evidence.block}"
    return Reason("wallets", outcome, message, "BDG-052")


async def _hidden(
    client: PersonaClient, passport: int, hidden: Sequence[Key], links: Sequence[PrivateLink], block: str
) -> Outcome:
    """Whether wallets were the passport's by private links, which are opened (PAS-045)."""
    by_key = {one.key_id: one for one in links}
    if any(one.id not in by_key for one in hidden):
        return Outcome.UNDECIDED
    stood = await are_linked(client, passport, [by_key[one.id] for one in hidden], block)
    return Outcome.GRANTED if all(stood) else Outcome.REFUSED


def _judged(
    client: PersonaClient,
    passport: int,
    evidence: Evidence,
    claims: Sequence[DisclosedClaim],
    trusted: tuple[Address, ...],
) -> dict[Hash32, Observation]:
    """Answers of the claims that the evidence names, judged anew as this passport's."""
    found: dict[Hash32, Observation] = {}
    for claim in claims:
        verdict, observed = claim.judge(trusted, client.contracts, passport)
        if verdict.identifier in evidence.claim_ids and claim.judged_at_s <= evidence.at_s:
            found |= observed
    return found


async def _again(
    check: CheckCondition,
    told: Observation,
    evidence: Evidence,
    judged: Mapping[Hash32, Observation],
    sources: Sources,
    since_s: int | None,
) -> tuple[Observation | None, Reason]:
    """Ask one check again; return the answer, None if nobody can give it, and how it compares."""
    family, code = check.validator.partition(".")[0], check.validator
    if family == "zktls" and (claimed := judged.get(check.key)) is not None:
        return claimed, _compared(code, told, claimed)
    if family not in EVM_FAMILIES:
        if sources.take_recorded and family != "zktls":
            return None, Reason(code, Outcome.GRANTED, "as recorded: nobody answers for then", "BDG-054")
        why = "its claim is not shown" if family == "zktls" else "nobody answers for a past moment"
        return None, Reason(code, Outcome.UNDECIDED, why, "BDG-053")
    try:
        blocks = await blocks_named(told.source, sources.chains)
    except SourceError as error:
        return None, Reason(code, Outcome.UNDECIDED, str(error), "BDG-052")
    if old := [one for one in blocks.values() if one.timestamp_s < evidence.at_s - OLDEST_S]:
        why = f"block {old[0].number} was {evidence.at_s - old[0].timestamp_s} s old when it was decided"
        return None, Reason(code, Outcome.REFUSED, why, "BDG-052")
    wallets = [key.address for key in evidence.wallets if key.kind is KeyKind.EVM]
    answers = await observe([check], sources.chains, wallets, evidence.at_s, sources.fetch, blocks, since_s)
    again = answers[check.key]
    if again.value is None:
        return None, Reason(code, Outcome.UNDECIDED, again.reason, "BDG-052")
    return again, _compared(code, told, again)


def _compared(code: str, told: Observation, again: Observation) -> Reason:
    if (told.value, told.observed_at_s) == (again.value, again.observed_at_s):
        return Reason(code, Outcome.GRANTED, f"{again.value} again, {again.source}", "BDG-052")
    message = f"{told.value} in the evidence, {again.value} asked again, {again.source}"
    return Reason(code, Outcome.REFUSED, message, "BDG-052")


def _decided(badge: HeldBadge, decision: PolicyDecision) -> Reason:
    """Whether what follows is what the badge says."""
    here = (decision.level, decision.points, decision.expires_at_s or 0)
    there = (badge.level, badge.points, badge.expires_s)
    if here == there:
        return Reason("decision", Outcome.GRANTED, f"level {badge.level}, {badge.points} points", "BDG-052")
    message = "level, points, expiry on the chain are {}, {}, {}; recomputed {}, {}, {}".format(*there, *here)
    return Reason("decision", Outcome.REFUSED, message, "BDG-052")
