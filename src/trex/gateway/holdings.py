"""What the chain says a passport has: badges and points."""

from collections.abc import Sequence
from dataclasses import dataclass

from trex.badges.chain.contract import BADGE_GRANTED, HeldBadge, badges
from trex.gateway.service import Gateway
from trex.passport.contracts import Method
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

TOKEN_URI = Method("tokenURI", ("uint256",), ("string",))
TOTAL_OF = Method("totalOf", ("uint256",), ("uint256",))
SEASON_COUNT = Method("seasonCount", (), ("uint32",))
SEASON_TOTAL_OF = Method("seasonTotalOf", ("uint32", "uint256"), ("uint256",))
ENTRY_OF = Method("entryOf", ("uint256",), ("(uint96,int64,uint64,uint32,bytes32,bytes32,uint256)",))
POINTS_RECORDED = keccak256(b"PointsRecorded(uint256,uint256,uint32,int64,bytes32,bytes32,uint256)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the points ledger (PTS-001)."""

    number: int
    """Counted from 1."""
    amount: int
    """Negative for a reversal."""
    season: int
    """0 for badges."""
    kind: Hash32
    """Of deed."""
    source: Hash32
    """What identifies it."""
    recorded_s: int
    """Unix time in seconds."""


async def _numbers(gateway: Gateway, contract: bytes, topics: Sequence[str | None]) -> list[int]:
    query = {
        "address": f"0x{contract.hex()}",
        "topics": list(topics),
        "fromBlock": "0x0",
        "toBlock": "latest",
    }
    logs = await gateway.client.rpc.call("eth_getLogs", query)
    return sorted({int(log["topics"][1], 16) for log in logs})


async def badge(gateway: Gateway, token_id: int) -> HeldBadge | None:
    """Return a badge; None if there is none of that number."""
    found = await badges(gateway.client, [token_id])
    return found[0] if found else None


async def badges_of(gateway: Gateway, passport: int) -> list[HeldBadge]:
    """Every badge of a passport, in the order in which they were first granted."""
    topics = [f"0x{BADGE_GRANTED.hex()}", None, f"0x{passport:064x}"]
    return await badges(gateway.client, await _numbers(gateway, gateway.settings.contracts.badges, topics))


async def points_of(gateway: Gateway, passport: int) -> int:
    """Points of a passport, all seasons and badges."""
    (found,) = await gateway.client.ask((gateway.settings.contracts.points, TOTAL_OF, (passport,)))
    return int(found)


async def entries_of(gateway: Gateway, passport: int, most: int = 100) -> list[Entry]:
    """The newest lines of a passport's ledger, oldest first."""
    at = gateway.settings.contracts.points
    topics = [f"0x{POINTS_RECORDED.hex()}", None, f"0x{passport:064x}"]
    numbers = (await _numbers(gateway, at, topics))[-most:]
    told = await gateway.client.ask(*((at, ENTRY_OF, (one,)) for one in numbers))
    return [
        Entry(number, amount, season, Hash32(kind), Hash32(source), recorded)
        for number, (_, amount, recorded, season, kind, source, _) in zip(numbers, told, strict=True)
    ]
