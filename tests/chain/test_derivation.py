"""Blocks made of what L1 says, and the batch that makes them again elsewhere: the core as Python sees it."""

import json
from contextlib import closing
from pathlib import Path

import pytest
import rlp
from eth_hash.auto import keccak

from trex.chain.core import Sealed
from trex.chain.opening import open_chain
from trex.types.errors import CoreError

ROOT = Path(__file__).parents[2]
GENESIS_ORIGIN = 7
DEPOSIT = bytes([0xD0]) * 20 + bytes([0xD1]) * 20 + bytes(32)
OPAQUE = (5).to_bytes(32, "big") * 2 + (100_000).to_bytes(8, "big") + b"\0"


def network() -> bytes:
    """Return the devnet above an L1 whose block 7 is genesis's origin."""
    document = json.loads((ROOT / "networks" / "devnet.json").read_text())
    document["genesis"]["l1Origin"].update(number=GENESIS_ORIGIN, hash="0x" + "07" * 32)
    document["l1"] = {"chainId": 31337, "contracts": {}, "parameters": {"maxDriftS": 600}}
    return json.dumps(document).encode()


def l1_headers(first_time_s: int, count: int) -> list[bytes]:
    """Return RLP of L1 blocks from 8 on, a second apart."""
    parent, headers = bytes([7]) * 32, []
    for index in range(count):
        fields: list[bytes | int] = [parent, bytes(32), bytes(20), *[bytes(32)] * 3, bytes(256)]
        fields += [0, GENESIS_ORIGIN + 1 + index, 0, 0, first_time_s + index, b"", bytes(32), bytes(8)]
        headers.append(rlp.encode([*fields, 7, bytes(32), 0, 0, bytes(32)]))
        parent = keccak(headers[-1])
    return headers


def test_built_blocks_with_l1_deposits_are_derived_again_from_their_batch(tmp_path: Path) -> None:
    """DRV-050 to DRV-053."""
    with (
        closing(open_chain(tmp_path / "one", network())) as builder,
        closing(open_chain(tmp_path / "two", network())) as follower,
    ):
        headers = l1_headers(builder.genesis_time_s, 2)
        origin = keccak(headers[1])
        record = (9).to_bytes(8, "big") + DEPOSIT + OPAQUE

        def build(slot: int) -> Sealed | None:
            deposits = [(record, 3, origin)]
            return builder.build(
                slot, allow_empty=False, budget_ms=1000, l1_headers=headers, deposits=deposits
            )

        first = build(10)
        assert first is not None
        assert first.transactions == 2
        assert build(11) is None
        assert builder.origin(0) == (GENESIS_ORIGIN, bytes([7]) * 32)
        assert builder.origin(1) == (9, origin)

        accumulator = keccak(bytes(32) + keccak(record))
        blob = builder.batch(1, 1, [3])
        header = b"".join(
            [
                bytes(9),
                b"\1",
                (9).to_bytes(8, "big"),
                origin,
                (1).to_bytes(8, "big"),
                accumulator,
                bytes(32),
                b"\1",
                bytes([1]) * 32,
            ]
        )
        answer = json.loads(
            follower.derive(
                0,
                header=header,
                queue=(0, bytes(32)),
                blobs=blob,
                l1_headers=headers,
                deposits=[record],
            )
        )
        assert answer["outcome"]["name"] == "batch"
        assert follower.head().hash == first.hash


def test_build_on_another_l1_or_too_late_names_the_reason(tmp_path: Path) -> None:
    """DRV-050, DRV-052."""
    with closing(open_chain(tmp_path, network())) as chain:
        headers = l1_headers(chain.genesis_time_s, 3)
        assert chain.build(5, allow_empty=True, budget_ms=100, l1_headers=headers[:1]) is not None
        fork = l1_headers(chain.genesis_time_s + 1, 3)
        for code, slot, given in [
            ("l1_reorg", 6, fork),
            ("origin_time", 5 * 700, []),
            ("derivation", 6, [b""]),
        ]:
            with pytest.raises(CoreError) as caught:
                chain.build(slot, allow_empty=True, budget_ms=100, l1_headers=given)
            assert caught.value.code == code
        with pytest.raises(ValueError, match="deposits"):
            chain.build(6, allow_empty=True, budget_ms=100, deposits=[(b"", 0, b"short")])
