"""Answer a policy's checks of items: what wallets own, hold, made, bought, offer and put to use."""

from collections.abc import Collection
from decimal import Decimal

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.types.primitives import Address
from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.collect_listings import collect_listings
from trex.validators.onchain.collect_nft import collect_nft
from trex.validators.onchain.metadata import Fetch
from trex.validators.onchain.nft import NftEvidence, Way, came, flips, held_s, only, owned
from trex.validators.onchain.place import source_name
from trex.validators.onchain.source import EvmSource

DAY_S = 86_400


async def answer_nft(
    check: CheckCondition,
    source: EvmSource,
    wallets: Collection[Address],
    fetch: Fetch | None,
    block: BlockRef | None,
) -> Observation:
    """Answer one `nft.` check as of one block.

    Args:
        check: the question.
        source: the chain.
        wallets: all that the passport has linked.
        fetch: brings metadata by content; None if no gateway is configured.
        block: as of which; None for the newest that is final.

    Raises:
        SourceError: the facts cannot be had.
    """
    asked = check.parameters
    collection = _address(asked["collection"])
    span_s = asked.get("days", 0) * DAY_S
    if check.validator == "nft.listed":
        markets = [_address(one) for one in asked["protocols"]]
        at, value = await collect_listings(
            source,
            wallets,
            collection,
            asked["standard"],
            markets,
            ids=frozenset(int(one) for one in asked.get("ids", ())),
            history_s=span_s,
            block=block,
        )
        return _said(check, source, at, value, len(frozenset(wallets)))
    evidence = await collect_nft(
        source,
        wallets,
        collection,
        asked["standard"],
        traits="traits" in asked,
        protocols=[_address(one) for one in asked.get("protocols", ())],
        placed_s=span_s,
        fetch=fetch,
        block=block,
    )
    value_or_none = _value(check, evidence, span_s)
    return _said(check, source, evidence.block, value_or_none, len(evidence.wallets))


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def _said(
    check: CheckCondition, source: EvmSource, at: BlockRef, value: int | None, wallets: int
) -> Observation:
    where = source_name(source.chain.chain_id, at)
    if value is None:
        traits = "traits" in check.parameters
        why = "traits cannot be read" if traits else "events do not add up to what is owned"
        return Observation(None, at.timestamp_s, where, why)
    return Observation(Decimal(value), at.timestamp_s, where, f"{value} over {wallets} wallets")


def _value(check: CheckCondition, evidence: NftEvidence, span_s: int) -> int | None:
    asked = check.parameters
    ids = frozenset(int(one) for one in asked.get("ids", ()))
    since_s = evidence.block.timestamp_s - span_s if span_s else 0
    if check.validator == "nft.owned":
        return owned(evidence, ids, asked.get("traits", {}))
    if check.validator == "nft.placed":
        return sum(amount for one, amount in evidence.placed.items() if not ids or one in ids)
    evidence = only(evidence, ids)
    if check.validator == "nft.held":
        return held_s(evidence, continuous=asked["mode"] == "continuous", since_s=since_s)
    if check.validator == "nft.flipped":
        return flips(evidence, span_s)
    return came(evidence, Way(check.validator.removeprefix("nft.")), since_s)
