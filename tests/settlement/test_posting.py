"""When a batch is posted, and where it ends."""

import dataclasses
import random
from typing import Any

import orjson
import pytest
import rlp

from trex.chain.batches import explain_batch
from trex.settlement.blocks import L2Block, Origin
from trex.settlement.posting import Policy, Situation, Why, decide
from trex.settlement.spans import Ends, Packer, Span, SpanError, span_of, within_drift, within_window
from trex.types.primitives import Hash32, Wei

POLICY = Policy(
    max_blobs=3,
    target_age_s=100,
    max_age_s=1000,
    usual_blob_fee_wei=Wei(10),
    patience_s=100,
    margin_s=50,
)
CALM = Situation(fill=0.2, age_s=10.0, idle_s=20.0, left_s=10_000.0, blob_fee_wei=Wei(1))
CHAIN_ID = 1962


@pytest.mark.parametrize(
    ("changes", "post", "why"),
    [
        ({}, False, Why.YOUNG),
        ({"age_s": None}, False, Why.YOUNG),
        ({"age_s": 100.0}, True, Why.AGE),
        ({"fill": 1.0}, True, Why.FULL),
        ({"fill": 1.0, "age_s": None}, True, Why.FULL),
        ({"age_s": 100.0, "blob_fee_wei": Wei(20)}, True, Why.AGE),
        ({"age_s": 100.0, "blob_fee_wei": Wei(21)}, False, Why.DEAR),
        ({"fill": 1.0, "blob_fee_wei": Wei(21)}, False, Why.DEAR),
        ({"age_s": 400.0, "blob_fee_wei": Wei(160)}, True, Why.AGE),
        ({"age_s": 999.0, "blob_fee_wei": Wei(10**30)}, False, Why.DEAR),
        ({"age_s": 1000.0, "blob_fee_wei": Wei(10**30)}, True, Why.OLDEST),
        ({"age_s": None, "idle_s": 1000.0, "blob_fee_wei": Wei(10**30)}, True, Why.OLDEST),
        ({"left_s": 50.0, "blob_fee_wei": Wei(10**30)}, True, Why.WINDOW),
        ({"left_s": -10.0, "age_s": None}, True, Why.WINDOW),
    ],
)
def test_rule_weighs_size_age_and_price(changes: dict[str, Any], post: bool, why: Why) -> None:
    """PST-020, PST-021."""
    decision = decide(POLICY, dataclasses.replace(CALM, **changes))
    assert (decision.post, decision.why) == (post, why)
    # Before a window closes, and at the greatest age, price does not matter; else there is a limit.
    assert (decision.most_blob_fee_wei is None) == (why in {Why.WINDOW, Why.OLDEST, Why.YOUNG})


def test_whatever_the_price_nothing_waits_beyond_the_greatest_age() -> None:
    """PST-022."""
    chance = random.Random(1)
    for _ in range(2000):
        now = Situation(
            fill=chance.random() * 2,
            age_s=chance.choice([None, chance.uniform(0, 2000)]),
            idle_s=chance.uniform(0, 2000),
            left_s=chance.uniform(-100, 4000),
            blob_fee_wei=Wei(int(10 ** chance.uniform(0, 20))),
        )
        decision = decide(POLICY, now)
        if max(now.age_s or 0, now.idle_s) >= POLICY.max_age_s or now.left_s <= POLICY.margin_s:
            assert decision.post
        if decision.post and decision.most_blob_fee_wei is not None:
            assert now.blob_fee_wei <= decision.most_blob_fee_wei


@pytest.mark.parametrize(
    "wrong",
    [{"max_blobs": 0}, {"max_blobs": 10}, {"target_age_s": 2000.0}, {"patience_s": 0.0}, {"margin_s": -1.0}],
)
def test_numbers_that_make_no_rule_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"blobs|age|patience"):
        dataclasses.replace(POLICY, **wrong).check()


def blocks_of(sizes: list[int], origins: list[int], chance: random.Random) -> Span:
    """Blocks with so many bytes of transactions, whose L1 origins have these numbers, 12 seconds apart."""

    def word(number: int) -> Hash32:
        return Hash32(number.to_bytes(32, "big"))

    def origin_at(number: int) -> Origin:
        return Origin(number, word(number), 1000 + 12 * number)

    parent = L2Block(0, word(0), word(0), 0, 1000, word(99), None, (), ())
    made = []
    for at, (size, origin) in enumerate(zip(sizes, origins, strict=True), 1):
        new = origin if at == 1 or origin != origins[at - 2] else None
        raw = tuple(legacy(chance) for _ in range(size))
        announced = None if new is None else origin_at(origin)
        time = 1000 + 12 * origin
        made.append(L2Block(at, word(at), word(at - 1), at, time, word(at), announced, (), raw))
    return span_of(parent, origin_at(0), made)


def legacy(chance: random.Random) -> bytes:
    """A legacy transaction that nobody has signed: the codec does not mind."""

    def word() -> bytes:
        return chance.randbytes(31).lstrip(b"\0")

    to, data = chance.randbytes(20), chance.randbytes(400)
    v = 2 * CHAIN_ID + 35
    return bytes(rlp.encode([1, 10**9, 90_000, to, 5, data, v, word(), word()]))


def everywhere(span: Span) -> Ends:
    lengths = tuple(range(1, len(span) + 1))
    return Ends(lengths, (), (0,) * len(lengths))


def test_span_ends_before_the_sequencing_window_does() -> None:
    """DRV-023."""
    chance = random.Random(2)
    span = blocks_of([0, 1, 0, 1, 1], [1, 5, 9, 10, 20], chance)
    assert len(within_window(span, 12 * 5)) == 4
    assert len(within_window(span, 12 * 5 - 1)) == 3
    assert len(within_window(span, 12 * 15)) == 5
    # A block without transactions does not hold the rest back.
    assert len(within_window(blocks_of([0, 0, 1], [1, 2, 500], chance), 12)) == 3


def test_span_ends_where_blocks_are_too_far_from_their_origin() -> None:
    """DRV-022."""
    span = blocks_of([1, 1, 1], [1, 1, 2], random.Random(3))
    late = dataclasses.replace(span.blocks[1], timestamp=span.origins[1].timestamp + 31)
    early = dataclasses.replace(span.blocks[2], timestamp=span.origins[2].timestamp - 1)
    assert len(within_drift(span, 30)) == 3
    for at, block in ((1, late), (2, early)):
        blocks = (*span.blocks[:at], block, *span.blocks[at + 1 :])
        assert len(within_drift(dataclasses.replace(span, blocks=blocks), 30)) == at


async def test_batches_fill_their_blobs_and_leave_nothing_out() -> None:
    chance = random.Random(4)
    span = blocks_of([chance.randrange(60) for _ in range(60)], [at // 7 for at in range(60)], chance)
    packer = Packer(CHAIN_ID, 2)
    rest, seen = span, 0
    fills = []
    while rest.blocks:
        encoded = await packer.pack(rest, everywhere(rest))
        assert 1 <= len(encoded.blobs) <= 2
        told = orjson.loads(explain_batch(list(encoded.blobs), CHAIN_ID))["batch"]
        assert told["bytes"] == encoded.size
        assert told["parent_output"] == "0x" + rest.parent.output_root.hex()
        assert [len(one["transactions"]) for one in told["blocks"]] == [
            len(block.transactions) for block in encoded.span.blocks
        ]
        fills.append(encoded.size / (2 * 130_044))
        seen += len(encoded.span)
        rest = span_of(encoded.span.last, encoded.span.origin, span.blocks[seen:])
    assert seen == 60
    assert len(fills) > 3
    assert all(fill > 0.7 for fill in fills[:-1]), fills


async def test_batch_ends_only_where_it_may() -> None:
    """PST-010."""
    span = blocks_of([20] * 30, [1] * 30, random.Random(5))
    ends = Ends((3, 11, 30), (7, 8, 9), (0, 1, 3))
    encoded = await Packer(CHAIN_ID, 1).pack(span, ends)
    assert len(encoded.span) == 11
    # What can be no shorter takes what one L1 transaction carries, and no more.
    whole = await Packer(CHAIN_ID, 1).pack(span, Ends((30,), (), (0,)))
    assert len(whole.span) == 30
    assert 1 < len(whole.blobs) <= 6
    large = blocks_of([60] * 30, [1] * 30, random.Random(6))
    with pytest.raises(SpanError, match="do not fit 6 blobs"):
        await Packer(CHAIN_ID, 1).pack(large, Ends((30,), (), (0,)))
    with pytest.raises(SpanError, match="cannot end there"):
        await Packer(CHAIN_ID, 1).pack(span, Ends((), (), ()))
