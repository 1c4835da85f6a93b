"""Evaluates a policy on what a passport has (GTW-042): collects observations and decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from solders.pubkey import Pubkey

from trex.badges.catalogue import EvidenceClass
from trex.badges.chain.evidence import Evidence, wallets_that_count
from trex.badges.evaluate import PolicyDecision, evaluate
from trex.badges.policy import CheckCondition, Policy
from trex.gateway import attendance, claims, people, social, stages, students
from trex.gateway.people import AccountOf
from trex.gateway.service import Gateway
from trex.passport.keys import Key, KeyKind
from trex.passport.private_link import are_linked
from trex.validators.onchain.metadata import Fetch
from trex.validators.onchain.metadata import gateway as ipfs
from trex.validators.onchain.observe import observe
from trex.validators.onchain.observe_solana import observe_solana
from trex.validators.onchain.solana import SolanaSource
from trex.validators.onchain.source import EvmSource

EVM_FAMILIES = frozenset({"token", "nft", "web3"})
"""Validators that look at EVM wallets."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A decision with what it rests on."""

    decision: PolicyDecision
    """What follows."""
    evidence: Evidence
    """What was seen, and when."""
    accounts: tuple[AccountOf, ...]
    """Accounts whose nullifiers a grant names."""
    left_out: int
    """Wallets of the passport that were not looked at: beyond the first 32."""


def _family(check: CheckCondition) -> str:
    return check.validator.partition(".")[0]


def _by_kind(keys: Sequence[Key], kind: KeyKind) -> list[Key]:
    return [key for key in keys if key.kind is kind]


async def evaluate_for(
    gateway: Gateway, passport: int, policy: Policy, *, since_s: int | None = None
) -> Evaluation:
    """Decide a policy for a passport, on its wallets, claims and accounts.

    Of wallets the first 32 count, in the order in which they came; how many more there are is said. Under
    public evidence the public ones alone count: a published sum would tell of the others (BDG-051).

    Args:
        gateway: which one.
        passport: whose.
        policy: what is asked.
        since_s: Unix time before which activity and posts do not count (TSK-008); None for all.
    """
    block, _ = await gateway.client.latest()
    public = [one.key for one in await gateway.client.keys(passport, block)]
    known = await people.linked(gateway, passport)
    private: list[Key] = []
    if policy.evidence_class is not EvidenceClass.PUBLIC:
        links = await people.private_links(gateway, known)
        stood = await are_linked(gateway.client, passport, links, block)
        there = {link.key_id for link, stands in zip(links, stood, strict=True) if stands}
        mine = [one.key for one in known if one.key is not None and one.key.id in there]
        private = [key for key in mine if key not in public]
    held = [*public, *private]
    wallets = wallets_that_count(held)
    left_out = sum(key.kind is not KeyKind.PASSKEY for key in held) - len(wallets)
    evm, solana = _by_kind(wallets, KeyKind.EVM), _by_kind(wallets, KeyKind.ED25519)
    checks, now = policy.checks(), gateway.now_s
    families = {_family(check) for check in checks}
    addresses = [key.address for key in evm]
    found = await observe(checks, evm_sources(gateway), addresses, now, metadata_of(gateway), since_s=since_s)
    if "solana" in families:
        endpoints = gateway.settings.solana
        source = SolanaSource(endpoints, len(endpoints) // 2 + 1, gateway.http) if endpoints else None
        found |= await observe_solana(checks, source, [Pubkey.from_bytes(key.data) for key in solana], now)
    shown, shown_by = await social.observations_of(gateway, checks, known, since_s)
    found |= shown
    proved = await claims.observations_of(gateway, passport, checks, known)
    found |= proved.observations
    found |= await attendance.observations_of(gateway, passport, checks)
    found |= await stages.observations_of(gateway, passport, checks, int(block, 16))
    used: list[AccountOf] = []
    if families & EVM_FAMILIES:
        used += map(people.account_of_key, evm)
    if "solana" in families:
        used += map(people.account_of_key, solana)
    found |= (enrolled := students.observations_of(gateway, checks, known)).observations
    used += proved.accounts + shown_by + enrolled.accounts
    if not used:  # a claim that names no account, or a policy of time alone: somebody stands for it still
        used += map(people.account_of_key, wallets or held)
    evidence = Evidence(now, int(block, 16), wallets, found, proved.ids)
    return Evaluation(evaluate(policy, found, now), evidence, tuple(dict.fromkeys(used)), left_out)


def evm_sources(gateway: Gateway) -> dict[int, EvmSource]:
    """Whom the gateway asks about EVM chains, by chain id."""
    return {
        chain: EvmSource(told, gateway.http, pace=gateway.paces.get(chain))
        for chain, told in gateway.settings.chains.items()
    }


def metadata_of(gateway: Gateway) -> Fetch | None:
    """Who brings metadata by content; None if no such gateway is configured."""
    at = gateway.settings.ipfs_gateway
    return ipfs(at, gateway.http) if at else None
