"""Facts of the persona contracts."""

from typing import Any

import pytest
from eth_abi.abi import encode

from trex.engine.ingest.events import Block, Event
from trex.engine.pipeline.normalise import normalise
from trex.engine.pipeline.persona import CONTRACTS, ShapeError
from trex.types.network_file import keccak256

WORD = "0x" + "ab" * 32
PERSON = "0x" + "11" * 20


def event(
    role: str, signature: str, indexed: list[int], types: list[str], values: list[Any], **where: Any
) -> Event:
    chain = where.get("chain", 1962)
    payload = {
        "transaction": WORD,
        "address": where.get("address", CONTRACTS.get(chain, CONTRACTS[1962])[role]),
        "topics": ["0x" + keccak256(signature.encode()).hex(), *(f"0x{word:064x}" for word in indexed)],
        "data": "0x" + encode(types, values).hex(),
    }
    return Event(Block(f"evm:{chain}", chain, 5, WORD, 9), "evm.log", (0, 0), payload)


def created(**where: Any) -> Event:
    values = [1, bytes.fromhex(PERSON[2:])]
    return event(
        "passport",
        "PassportCreated(uint256,bytes32,uint8,bytes)",
        [7, 99],
        ["uint8", "bytes"],
        values,
        **where,
    )


CASES = [
    (
        created(),
        "links",
        {"passport": "7", "key": f"0x{99:064x}", "way": "created", "role": 1, "account": PERSON},
    ),
    (
        event(
            "passport",
            "KeyAdded(uint256,bytes32,uint8,uint8,bytes)",
            [7, 1],
            ["uint8", "uint8", "bytes"],
            [2, 2, b"x" * 96],
        ),
        "links",
        {"way": "added", "role": 2, "kind": 2, "account": None},
    ),
    (
        event("passport", "KeyRemoved(uint256,bytes32,uint8)", [7, 1], ["uint8"], [2]),
        "links",
        {"way": "removed", "role": 2, "account": None},
    ),
    (
        event(
            "badges",
            "BadgeGranted(uint256,uint256,bytes32,uint16,uint32,uint64,bytes32,bytes32,uint256)",
            [3, 7, 255],
            ["uint16", "uint32", "uint64", "bytes32", "bytes32", "uint256"],
            [2, 50, 0, bytes(32), bytes(32), 1],
        ),
        "badges",
        {"token": "3", "passport": "7", "policy": f"0x{255:064x}", "level": 2, "points": 50, "state": 1},
    ),
    (
        event("badges", "BadgeState(uint256,uint8,bytes32)", [3], ["uint8", "bytes32"], [4, bytes(32)]),
        "badges",
        {"token": "3", "state": 4},
    ),
    (
        event(
            "policies",
            "PolicyPublished(bytes32,address,bytes32,uint16,uint8,string,string)",
            [255, 1, 2],
            ["uint16", "uint8", "string", "string"],
            [3, 1, "<b>Early</b>", "ipfs://x"],
        ),
        "policies",
        {"policy": f"0x{255:064x}", "levels": 3, "is_public": True, "name": "<b>Early</b>"},
    ),
    (
        event(
            "points",
            "PointsRecorded(uint256,uint256,uint32,int64,bytes32,bytes32,uint256)",
            [1, 7, 2],
            ["int64", "bytes32", "bytes32", "uint256"],
            [-20, bytes(32), bytes(32), 1],
        ),
        "points",
        {"entry": "1", "passport": "7", "season": 2, "amount": -20},
    ),
    (
        event(
            "rewards",
            "RewardPaid(uint256,uint256,uint256,uint256,address)",
            [4, 7],
            ["uint256", "uint256", "address"],
            [0, 10**18, PERSON],
        ),
        "rewards",
        {"passport": "7", "epoch": "4", "amount": str(10**18), "payout": PERSON},
    ),
]


@pytest.mark.parametrize(("log", "table", "row"), CASES)
def test_what_the_contracts_log_is_a_fact(log: Event, table: str, row: dict[str, Any]) -> None:
    """FCT-002, FCT-003."""
    (fact,) = normalise(log)
    assert fact.table == table
    assert fact.row | row == fact.row
    assert fact.id == f"{log.id}.0"


def test_a_look_alike_elsewhere_is_none() -> None:
    """FCT-003: another contract, another chain, or the address of the other network."""
    assert normalise(created(address=PERSON)) == []
    assert normalise(created(chain=1)) == []
    assert normalise(created(chain=1628, address=CONTRACTS[1962]["passport"])) == []
    assert normalise(created(chain=1628)) != []


def test_a_known_event_of_another_shape_is_refused() -> None:
    log = event(
        "points", "PointsRecorded(uint256,uint256,uint32,int64,bytes32,bytes32,uint256)", [1], ["uint8"], [1]
    )
    with pytest.raises(ShapeError):
        normalise(log)
