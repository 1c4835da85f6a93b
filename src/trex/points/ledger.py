"""Reads the ledger of points: its entries, seasons and sums (specs/points.md)."""

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode

from trex.passport.client import PersonaClient
from trex.passport.contracts import Method
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

POINTS_RECORDED = keccak256(b"PointsRecorded(uint256,uint256,uint32,int64,bytes32,bytes32,uint256)")
"""Topic of the event by which an entry is written."""
BADGE_KIND = keccak256(b"badge")
"""Kind of the entries that follow badges (PTS-005)."""
TOTAL_OF = Method("totalOf", ("uint256",), ("uint256",))
SEASON_COUNT = Method("seasonCount", (), ("uint32",))
SEASON_OF = Method("seasonOf", ("uint32",), ("(uint64,uint64,uint64,bytes32[],uint64[])",))
SEASON_TOTAL_OF = Method("seasonTotalOf", ("uint32", "uint256"), ("uint256",))
KIND_TOTAL_OF = Method("kindTotalOf", ("uint32", "uint256", "bytes32"), ("uint256",))
ENTRY_OF = Method("entryOf", ("uint256",), ("(uint96,int64,uint64,uint32,bytes32,bytes32,uint256)",))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger (PTS-001)."""

    number: int
    """Counted from 1 over all passports."""
    passport: int
    """Whose."""
    season: int
    """0 for badges."""
    amount: int
    """Points; negative for a reversal."""
    kind: Hash32
    """Of deed; of a reversal that of the entry it reverses."""
    source: Hash32
    """What identifies the deed; the badge's number; the number of the entry reversed."""
    attestation: int
    """Which attestation stands behind it; 0 for a badge's."""
    block: int
    """In which it was written."""


@dataclass(frozen=True, slots=True)
class Season:
    """A season with what one passport has in it (PTS-003, PTS-004)."""

    number: int
    """Counted from 1."""
    start_s: int
    """First second, Unix time."""
    end_s: int
    """First second after it."""
    passport_cap: int
    """Most points of a passport."""
    kind_caps: dict[Hash32, int]
    """Most points of a passport for each kind that counts."""


def read_entry(log: dict[str, Any]) -> Entry:
    """Read an entry from its event."""
    number, passport, season = (int(topic, 16) for topic in log["topics"][1:])
    kinds = ["int64", "bytes32", "bytes32", "uint256"]
    amount, kind, source, attestation = decode(kinds, bytes.fromhex(log["data"][2:]))
    block = int(log["blockNumber"], 16)
    return Entry(number, passport, season, amount, Hash32(kind), Hash32(source), attestation, block)


def reversed_by(entries: list[Entry]) -> dict[int, int]:
    """Which entries were taken back, and by which."""
    return {int.from_bytes(one.source): one.number for one in entries if one.amount < 0}


async def entries_of(client: PersonaClient, passport: int) -> list[Entry]:
    """Every entry of a passport, oldest first."""
    query = {
        "address": f"0x{client.contracts.points.hex()}",
        "topics": [f"0x{POINTS_RECORDED.hex()}", None, f"0x{passport:064x}"],
        "fromBlock": "0x0",
        "toBlock": "latest",
    }
    found = [read_entry(log) for log in await client.rpc.call("eth_getLogs", query)]
    return sorted(found, key=lambda one: one.number)


async def recorded_s(client: PersonaClient, numbers: list[int]) -> list[int]:
    """When entries were written, Unix seconds."""
    at = client.contracts.points
    return [int(one[2]) for one in await client.ask(*((at, ENTRY_OF, (number,)) for number in numbers))]


async def total_of(client: PersonaClient, passport: int) -> int:
    """Points of a passport, all seasons and badges (PTS-006)."""
    (found,) = await client.ask((client.contracts.points, TOTAL_OF, (passport,)))
    return int(found)


async def seasons(client: PersonaClient) -> list[Season]:
    """Every season that was announced, in order."""
    at = client.contracts.points
    (count,) = await client.ask((at, SEASON_COUNT, ()))
    told = await client.ask(*((at, SEASON_OF, (number,)) for number in range(1, count + 1)))
    return [
        Season(number, start, end, cap, {Hash32(kind): most for kind, most in zip(kinds, caps, strict=True)})
        for number, (start, end, cap, kinds, caps) in enumerate(told, 1)
    ]


async def deed_points_of(client: PersonaClient, passport: int) -> int:
    """Points of a passport for deeds, all seasons together; badges' are none of them."""
    at = client.contracts.points
    (count,) = await client.ask((at, SEASON_COUNT, ()))
    asked = [(at, SEASON_TOTAL_OF, (number, passport)) for number in range(1, count + 1)]
    return sum(await client.ask(*asked))


def season_at(known: list[Season], moment_s: int) -> Season | None:
    """Return the season of a moment; None between seasons."""
    return next((one for one in known if one.start_s <= moment_s < one.end_s), None)


async def season_totals(
    client: PersonaClient, passport: int, season: Season
) -> tuple[int, dict[Hash32, int]]:
    """Points of a passport in a season, and for each kind that counts in it."""
    at, kinds = client.contracts.points, list(season.kind_caps)
    whole, *each = await client.ask(
        (at, SEASON_TOTAL_OF, (season.number, passport)),
        *((at, KIND_TOTAL_OF, (season.number, passport, kind)) for kind in kinds),
    )
    return int(whole), dict(zip(kinds, map(int, each), strict=True))
