"""What the chain says a passport has: badges."""

from collections.abc import Sequence

from trex.badges.chain.contract import BADGE_GRANTED, HeldBadge, badges
from trex.gateway.service import Gateway
from trex.passport.contracts import Method

TOKEN_URI = Method("tokenURI", ("uint256",), ("string",))


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
