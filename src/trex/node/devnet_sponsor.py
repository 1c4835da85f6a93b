"""Sponsorship of a devnet: the gateway's relayer pays for operations, within budgets."""

import asyncio

import aiohttp

from trex.chain.dev.accounts import ACCOUNTS
from trex.gateway.operations import PAYMASTER, SPONSORSHIP_OF
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts, Method
from trex.rpc.endpoint import Endpoint

CREATE = Method("create", ("uint128", "uint128", "uint128"), ("uint256",))
COUNT = Method("sponsorshipCount", (), ("uint256",))
ETHER = 10**18
PER_OPERATION_WEI, PER_PASSPORT_WEI, PER_DAY_WEI = ETHER // 100, ETHER // 10, 10 * ETHER
"""What one operation may cost at most; a passport's operations of a day; those of all."""
FUNDED_WEI = 100 * ETHER
TIMEOUT_S = 60.0
PAUSE_S, TRIES = 0.1, 600


async def sponsorship_of(rpc_url: str, chain_id: int, owner: int) -> int:
    """Return the number of the sponsorship of one of the devnet's accounts; one that is missing is made.

    Args:
        rpc_url: of the devnet.
        chain_id: of the devnet.
        owner: place of the account.

    Raises:
        RefusedError: the devnet does not take the transaction.
        UnavailableError: it does not answer.
        TimeoutError: the transaction is in no block.
    """
    async with aiohttp.ClientSession() as http:
        client = PersonaClient(Endpoint(rpc_url, http, timeout_s=TIMEOUT_S), Contracts(chain_id))
        known = await _owned(client, ACCOUNTS[owner].address)
        if known:
            return known
        request = {
            "from": ACCOUNTS[owner].address,
            "to": f"0x{PAYMASTER.hex()}",
            "data": f"0x{CREATE.call(PER_OPERATION_WEI, PER_PASSPORT_WEI, PER_DAY_WEI).hex()}",
            "value": hex(FUNDED_WEI),
        }
        await client.rpc.call("eth_sendTransaction", request)
        for _ in range(TRIES):
            if known := await _owned(client, ACCOUNTS[owner].address):
                return known
            await asyncio.sleep(PAUSE_S)
        raise TimeoutError("the sponsorship is in no block")


async def _owned(client: PersonaClient, owner: str) -> int:
    """The first sponsorship that an account has; 0 for none."""
    (count,) = await client.ask((PAYMASTER, COUNT, ()))
    numbers = range(1, int(count) + 1)
    found = await client.ask(*((PAYMASTER, SPONSORSHIP_OF, (number,)) for number in numbers)) if count else []
    mine = (number for number, one in zip(numbers, found, strict=True) if one[0] == owner.lower())
    return next(mine, 0)
