"""Facts of the persona contracts: badges, policies, points, links, rewards."""

from collections.abc import Callable, Iterator
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trex.engine.ingest.events import Event
from trex.types.network_file import keccak256

Rows = Iterator[tuple[str, dict[str, Any]]]
Reader = tuple[str, tuple[str, ...], Callable[[list[int], tuple[Any, ...]], Rows]]
"""Contract, ABI types of the data, and what follows from indexed words and data."""


class ShapeError(ValueError):
    """A log names a known event and is not of its shape."""


def _predeploy(number: int) -> str:
    return "0x54726578" + "0" * 30 + f"{number:02x}"


CONTRACTS: dict[int, dict[str, str]] = {
    chain: {
        "passport": passport,
        "badges": badges,
        "policies": _predeploy(6),
        "points": _predeploy(10),
        "rewards": _predeploy(11),
    }
    for chain, passport, badges in (
        (1628, "0xbbb216c52f5b9095391f463adc438d65a8ac2242", "0x6f52cccfab0712db45c31863b262e2683097bb5c"),
        (1962, "0x06fab5a4e177fefe5cc15dc41c64ba933021418a", "0xa51b53dc3aa7f4ef5fe9bb429521a73f411ad867"),
    )
}
"""Where the persona contracts of each network are (specs/network.md)."""
EVM, ED25519 = 1, 3
"""Kinds of keys whose data is an account."""


def persona(event: Event) -> list[tuple[str, dict[str, Any]]]:
    """Return what a log of a persona contract says; nothing for any other (FCT-003).

    Raises:
        ShapeError: it names a known event and is not of its shape.
    """
    told = event.payload
    there = CONTRACTS.get(event.block.chain)
    reader = READERS.get(told["topics"][0]) if told["topics"] else None
    if there is None or reader is None or there[reader[0]] != told["address"]:
        return []
    _, types, read = reader
    try:
        data = decode(types, bytes.fromhex(told["data"][2:]))
        return list(read([int(topic, 16) for topic in told["topics"][1:]], data))
    except (DecodingError, OverflowError, ValueError, IndexError) as error:
        raise ShapeError(f"not what {reader[0]} emits: {error}") from error


def _word(value: int) -> str:
    return f"0x{value:064x}"


def _granted(words: list[int], data: tuple[Any, ...]) -> Rows:
    token, passport, policy = words
    level, points, expires_s, evidence, version, _ = data
    yield (
        "badges",
        {
            "token": str(token),
            "passport": str(passport),
            "policy": _word(policy),
            "level": level,
            "points": points,
            "expires_s": expires_s,
            "state": 1,
            "evidence": "0x" + evidence.hex(),
            "validator_version": "0x" + version.hex(),
        },
    )


def _state(words: list[int], data: tuple[Any, ...]) -> Rows:
    yield "badges", {"token": str(words[0]), "state": data[0]}


def _policy(words: list[int], data: tuple[Any, ...]) -> Rows:
    policy, publisher, document = words
    levels, class_, name, uri = data
    yield (
        "policies",
        {
            "policy": _word(policy),
            "publisher": f"0x{publisher:040x}",
            "document": _word(document),
            "levels": levels,
            "is_public": class_ == 1,
            "name": name,
            "uri": uri,
        },
    )


def _recorded(words: list[int], data: tuple[Any, ...]) -> Rows:
    entry, passport, season = words
    amount, kind, source, _ = data
    yield (
        "points",
        {
            "entry": str(entry),
            "passport": str(passport),
            "season": season,
            "amount": amount,
            "deed": "0x" + kind.hex(),
            "origin": "0x" + source.hex(),
        },
    )


def _link(passport: int, key: int, way: str, role: int | None, kind: int | None, data: bytes) -> Rows:
    account = "0x" + data.hex() if kind in (EVM, ED25519) else None
    yield (
        "links",
        {
            "passport": str(passport),
            "key": _word(key),
            "way": way,
            "role": role,
            "kind": kind,
            "account": account,
        },
    )


def _created(words: list[int], data: tuple[Any, ...]) -> Rows:
    return _link(words[0], words[1], "created", 1, data[0], data[1])


def _added(words: list[int], data: tuple[Any, ...]) -> Rows:
    return _link(words[0], words[1], "added", *data)


def _removed(words: list[int], data: tuple[Any, ...]) -> Rows:
    return _link(words[0], words[1], "removed", data[0], None, b"")


def _paid(words: list[int], data: tuple[Any, ...]) -> Rows:
    _, amount, payout = data
    yield (
        "rewards",
        {
            "passport": str(words[1]),
            "epoch": str(words[0]),
            "amount": str(amount),
            "value": float(amount),
            "payout": payout.lower(),
        },
    )


def _topic(signature: str) -> str:
    return "0x" + keccak256(signature.encode()).hex()


_BADGE_DATA = ("uint16", "uint32", "uint64", "bytes32", "bytes32", "uint256")
READERS: dict[str, Reader] = {
    _topic("BadgeGranted(uint256,uint256,bytes32,uint16,uint32,uint64,bytes32,bytes32,uint256)"): (
        "badges",
        _BADGE_DATA,
        _granted,
    ),
    _topic("BadgeState(uint256,uint8,bytes32)"): ("badges", ("uint8", "bytes32"), _state),
    _topic("PolicyPublished(bytes32,address,bytes32,uint16,uint8,string,string)"): (
        "policies",
        ("uint16", "uint8", "string", "string"),
        _policy,
    ),
    _topic("PointsRecorded(uint256,uint256,uint32,int64,bytes32,bytes32,uint256)"): (
        "points",
        ("int64", "bytes32", "bytes32", "uint256"),
        _recorded,
    ),
    _topic("PassportCreated(uint256,bytes32,uint8,bytes)"): ("passport", ("uint8", "bytes"), _created),
    _topic("KeyAdded(uint256,bytes32,uint8,uint8,bytes)"): ("passport", ("uint8", "uint8", "bytes"), _added),
    _topic("KeyRemoved(uint256,bytes32,uint8)"): ("passport", ("uint8",), _removed),
    _topic("RewardPaid(uint256,uint256,uint256,uint256,address)"): (
        "rewards",
        ("uint256", "uint256", "address"),
        _paid,
    ),
}
"""How to read the persona contracts' logs, by their first topic."""
