"""Epochs as the chain has them, and whether they are what follows from it (PTS-027 to PTS-035)."""

from dataclasses import dataclass
from typing import Any

from trex.engagement.facts import FactsError, collect, logs
from trex.engagement.formula import rewards
from trex.engagement.terms import Terms, TermsError, read_terms
from trex.engagement.tree import RewardTree, make_tree
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts, Method
from trex.types.eip712 import Fields, TypedMessage
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

REWARDS = "(bytes32,uint256,address,uint64,bytes32)"
CLAIM = "(uint256,uint256,uint256,bytes32[])"
PUBLISH = Method("publish", (REWARDS, "uint64", "bytes"))
CLAIM_MANY = Method("claimMany", ("uint256", f"{CLAIM}[]"), ("uint256",))
EPOCH_COUNT = Method("epochCount", (), ("uint256",))
EPOCH_OF = Method("epochOf", ("uint256",), (REWARDS, "uint64", "uint256"))
IS_PAID = Method("isPaid", ("uint256", "uint256"), ("bool",))
EPOCH_PUBLISHED = keccak256(b"EpochPublished(uint256,(bytes32,uint256,address,uint64,bytes32),uint64)")
REWARD_SKIPPED = keccak256(b"RewardSkipped(uint256,uint256,uint256)")
_PUBLISHED: Fields = (
    ("uint256", "epoch"),
    ("bytes32", "root"),
    ("uint256", "total"),
    ("address", "token"),
    ("uint64", "claimUntil"),
    ("bytes32", "formula"),
)


@dataclass(frozen=True, slots=True)
class EpochRewards:
    """What the contract has of an epoch (PTS-020)."""

    root: Hash32
    """Of the tree of rewards."""
    total: int
    """Sum of all, in the token's smallest unit."""
    token: Address
    """ERC-20 contract; zero for ether."""
    claim_until_s: int
    """Last second of claims, Unix time."""
    formula: Hash32
    """Hash of the terms."""

    @property
    def tuple(self) -> tuple[bytes, int, str, int, bytes]:
        """As the contract takes it."""
        return (self.root, self.total, f"0x{self.token.hex()}", self.claim_until_s, self.formula)


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch on the chain."""

    number: int
    """Counted from 1."""
    rewards: EpochRewards
    """As attested."""
    opens_at_s: int
    """When claims open, Unix time."""
    left: int
    """What is not claimed yet."""


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What follows from the chain for an epoch, beside what was published."""

    epoch: Epoch
    """As published."""
    terms: Terms
    """As published."""
    tree: RewardTree
    """As it follows."""
    faults: tuple[str, ...]
    """In what they differ; empty if they do not."""


class EpochError(Exception):
    """The epoch cannot be recomputed; says why."""


async def epoch_of(client: PersonaClient, number: int) -> Epoch | None:
    """Return an epoch; None if there is none of that number, or it was cancelled."""
    (told,) = await client.ask((client.contracts.rewards, EPOCH_OF, (number,)))
    (root, total, token, until, formula), opens_at, left = told
    if not opens_at:
        return None
    address = Address(bytes.fromhex(token[2:]))
    return Epoch(number, EpochRewards(Hash32(root), total, address, until, Hash32(formula)), opens_at, left)


async def count(client: PersonaClient) -> int:
    """How many epochs were published, cancelled ones with them."""
    (found,) = await client.ask((client.contracts.rewards, EPOCH_COUNT, ()))
    return int(found)


async def terms_of(client: PersonaClient, epoch: Epoch) -> Terms:
    """Read the terms of an epoch from the transaction that published it (PTS-027).

    Raises:
        EpochError: they do not stand there.
    """
    topics = [f"0x{EPOCH_PUBLISHED.hex()}", f"0x{epoch.number:064x}"]
    head, _ = await client.latest()
    found = await logs(client, client.contracts.rewards, topics, 0, int(head, 16))
    if not found:
        raise EpochError(f"the endpoint has no event of epoch {epoch.number}")
    transaction = await client.rpc.call("eth_getTransactionByHash", found[-1]["transactionHash"])
    sent = bytes.fromhex(transaction["input"][2:])
    for at in range(len(sent) - 1, -1, -1):
        if sent[at : at + 1] == b"{" and keccak256(sent[at:]) == epoch.rewards.formula:
            try:
                return read_terms(sent[at:])
            except TermsError as error:
                raise EpochError(f"terms of epoch {epoch.number}: {error}") from error
    raise EpochError(
        f"the terms of epoch {epoch.number} do not follow its publishing transaction's arguments"
    )


async def newest_terms(client: PersonaClient, before: int) -> Terms | None:
    """Return the terms of the newest epoch below a number that was not cancelled; None if there is none."""
    for number in range(before - 1, 0, -1):
        epoch = await epoch_of(client, number)
        if epoch is not None:
            return await terms_of(client, epoch)
    return None


async def compute(client: PersonaClient, terms: Terms) -> RewardTree:
    """Compute the rewards of an epoch from the chain.

    Raises:
        EpochError: the chain is another, or cannot tell.
    """
    try:
        return make_tree(terms.epoch, rewards(terms, await collect(client, terms)))
    except FactsError as error:
        raise EpochError(str(error)) from error


async def recompute(client: PersonaClient, number: int) -> Recomputed:
    """Compute an epoch's rewards anew and compare (PTS-035).

    Raises:
        EpochError: it is not there, or cannot be recomputed by this endpoint.
    """
    epoch = await epoch_of(client, number)
    if epoch is None:
        raise EpochError(f"there is no epoch {number}, or it was cancelled")
    terms = await terms_of(client, epoch)
    before = await newest_terms(client, number)
    tree = await compute(client, terms)
    return Recomputed(epoch, terms, tree, tuple(_faults(client, epoch, terms, before, tree)))


def _faults(
    client: PersonaClient, epoch: Epoch, terms: Terms, before: Terms | None, tree: RewardTree
) -> list[str]:
    said = [
        ("chain", terms.chain_id, client.contracts.chain_id),
        ("epoch", terms.epoch, epoch.number),
        ("token", terms.token.hex(), epoch.rewards.token.hex()),
        ("first block", terms.from_block, before.to_block + 1 if before else terms.from_block),  # PTS-029
        ("total", epoch.rewards.total, tree.total),
        ("root", epoch.rewards.root.hex(), tree.root.hex()),
    ]
    return [f"{what}: published {there}, follows {here}" for what, there, here in said if there != here]


def publish_message(contracts: Contracts, number: int, wanted: EpochRewards) -> TypedMessage:
    """What is signed for an epoch (PTS-020)."""
    names = [name for _, name in _PUBLISHED]
    value: dict[str, Any] = dict(zip(names, (number, *wanted.tuple), strict=True))
    return TypedMessage(contracts.rewards_domain, "EpochRewards", {"EpochRewards": _PUBLISHED}, value)


def publish_call(wanted: EpochRewards, document: bytes, set_epoch: int, signatures: bytes) -> bytes:
    """Calldata that publishes an epoch, with its terms behind the arguments (PTS-027)."""
    return PUBLISH.call(wanted.tuple, set_epoch, signatures) + document


def claim_call(epoch: int, claims: list[tuple[int, int, int, list[bytes]]]) -> bytes:
    """Calldata that pays many: (index, passport, amount, proof) of each (PTS-023)."""
    return CLAIM_MANY.call(epoch, claims)
