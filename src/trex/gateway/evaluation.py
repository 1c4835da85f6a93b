"""Evaluates a policy on what a passport has (GTW-042): collects observations and decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from solders.pubkey import Pubkey

from trex.badges.evaluate import PolicyDecision, evaluate
from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition, Policy
from trex.gateway import claims, people, social
from trex.gateway.people import MAX_NULLIFIERS, AccountOf
from trex.gateway.service import Gateway
from trex.passport.keys import Key, KeyKind
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.types.strict_json import canonical_json
from trex.validators.onchain.metadata import gateway as ipfs
from trex.validators.onchain.observe import observe
from trex.validators.onchain.solana import SolanaSource, observe_solana
from trex.validators.onchain.source import EvmSource

EVM_FAMILIES = frozenset({"token", "nft", "web3"})
"""Validators that look at EVM wallets."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A decision with what it rests on."""

    decision: PolicyDecision
    """What follows."""
    observations: Mapping[Hash32, Observation]
    """By check."""
    accounts: tuple[AccountOf, ...]
    """Accounts whose nullifiers a grant names."""
    at_s: int
    """Unix time in seconds."""

    def document(self, policy: Policy) -> bytes:
        """Write the evidence as `trex badge dry-run` reads it, in canonical JSON."""
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
        return canonical_json({"observations": observations})


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (bool, str)) else str(value)


@cache
def validator_version() -> Hash32:
    """Name the code that decides: keccak256 over every file of the validators and policies packages."""
    digest = b""
    for package in ("trex.badges", "trex.validators"):
        root = resources.files(package)
        with resources.as_file(root) as folder:
            for file in sorted(folder.rglob("*")):
                if file.suffix in (".py", ".json"):
                    name = file.relative_to(folder).as_posix()
                    digest += keccak256(f"{package}/{name}\n".encode() + file.read_bytes())
    return keccak256(digest)


def _family(check: CheckCondition) -> str:
    return check.validator.partition(".")[0]


def _by_kind(keys: list[Key], kind: KeyKind) -> list[Key]:
    return [key for key in keys if key.kind is kind]


async def evaluate_for(
    gateway: Gateway, passport: int, policy: Policy, *, since_s: int | None = None
) -> Evaluation:
    """Decide a policy for a passport, on its public and private wallets, claims and accounts.

    Of wallets the first eight count, in the order in which they came: a grant names no more nullifiers.

    Args:
        gateway: which one.
        passport: whose.
        policy: what is asked.
        since_s: Unix time before which activity and posts do not count (TSK-008); None for all.
    """
    public = [one.key for one in await gateway.client.keys(passport)]
    known = await people.linked(gateway, passport)
    private = [one.key for one in known if one.key is not None and one.key not in public]
    wallets = [key for key in [*public, *private] if key.kind is not KeyKind.PASSKEY][:MAX_NULLIFIERS]
    evm, solana = _by_kind(wallets, KeyKind.EVM), _by_kind(wallets, KeyKind.ED25519)
    checks, now = policy.checks(), gateway.now_s
    families = {_family(check) for check in checks}
    settings = gateway.settings
    sources = {chain: EvmSource(told, gateway.http) for chain, told in settings.chains.items()}
    fetch = ipfs(settings.ipfs_gateway, gateway.http) if settings.ipfs_gateway else None
    found: dict[Hash32, Observation] = {}
    found |= await observe(checks, sources, [key.address for key in evm], now, fetch, since_s)
    if "solana" in families:
        count = len(settings.solana)
        source = SolanaSource(settings.solana, count // 2 + 1, gateway.http) if count else None
        found |= await observe_solana(checks, source, [Pubkey.from_bytes(key.data) for key in solana], now)
    shown, shown_by = await social.observations_of(gateway, checks, known, since_s)
    found |= shown
    proved = await claims.observations_of(gateway, passport, checks, known)
    found |= proved.observations
    used: list[AccountOf] = []
    if families & EVM_FAMILIES:
        used += map(people.account_of_key, evm)
    if "solana" in families:
        used += map(people.account_of_key, solana)
    used += proved.accounts + shown_by
    if not used:  # a claim that names no account, or a policy of time alone: somebody stands for it still
        used += map(people.account_of_key, [*public, *private])
    unique = tuple(dict.fromkeys(used))[:MAX_NULLIFIERS]
    return Evaluation(evaluate(policy, found, now), found, unique, now)
