"""Multicall3 on an L1 that lacks it, as development chains do: clients read claims through it.

`multicall3.json` has the transaction that brought it to every chain at the same address: it was signed once
for all chains, by a key that nobody has. It also stands in networks/sources.
"""

from importlib import resources

import orjson
from eth_hash.auto import keccak

from trex.settlement.l1.errors import L1RefusedError, L1UnavailableError
from trex.settlement.l1.sender import Sender
from trex.settlement.l1.transaction import Intent
from trex.types.primitives import Address, Gas, Wei

COST_WEI = Wei(100 * 10**9 * 1_000_000)
"""Gas price times gas limit of that transaction."""
TRANSFER_GAS = Gas(21_000)


async def bring_multicall3(sender: Sender) -> bool:
    """Bring Multicall3 to its address when there is nothing; return whether that was so.

    Raises:
        L1RefusedError: `refused`: L1 takes no transactions without a chain id, or asks more for gas than the
            transaction offers; `failed`: what came there is something else.
    """
    known = orjson.loads(resources.files(__package__).joinpath("multicall3.json").read_bytes())
    endpoint = sender.reader.endpoints[0]
    if await endpoint.call("eth_getCode", known["address"], "latest") != "0x":
        return False
    balance = int(str(await endpoint.call("eth_getBalance", known["signer"], "latest")), 16)
    if balance < COST_WEI:
        signer = Address(bytes.fromhex(known["signer"][2:]))
        await sender.send(Intent(signer, b"", TRANSFER_GAS, Wei(COST_WEI - balance)))
    await endpoint.call("eth_sendRawTransaction", known["transaction"])
    await sender.reader.retries.run(lambda: _arrived(sender, known["address"], known["codeHash"]))
    return True


async def _arrived(sender: Sender, address: str, code_hash: str) -> None:
    code = str(await sender.reader.endpoints[0].call("eth_getCode", address, "latest"))
    if code == "0x":
        raise L1UnavailableError("not_found", f"no code at {address} yet")
    if keccak(bytes.fromhex(code[2:])).hex() != code_hash[2:]:
        raise L1RefusedError("failed", f"the code at {address} is not Multicall3's")
