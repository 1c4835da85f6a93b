"""Multicall3 on an L1 that lacks it, as development chains do: clients read claims through it (PTL-084).

`multicall3.json` has the transaction that brought it to every chain at the same address: it was signed once
for all chains, by a key that nobody has. It also stands in networks/sources.
"""

from importlib import resources

import orjson
from eth_hash.auto import keccak

from trex.settlement.l1.errors import L1RefusedError, L1UnavailableError
from trex.settlement.l1.reader import L1Reader
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
    reader = sender.reader
    address, signer = (Address(bytes.fromhex(known[name][2:])) for name in ("address", "signer"))
    block = (await reader.heads()).latest
    if await reader.code(address, block):
        return False
    balance = await reader.balance(signer, block)
    if balance < COST_WEI:
        await sender.send(Intent(signer, b"", TRANSFER_GAS, Wei(COST_WEI - balance)))
    # One endpoint that says it has published is enough here: what arrived is for all to say.
    await reader.first(lambda endpoint: endpoint.call("eth_sendRawTransaction", known["transaction"]))
    await reader.retries.run(lambda: _arrived(reader, address, known["codeHash"]))
    return True


async def _arrived(reader: L1Reader, address: Address, code_hash: str) -> None:
    code = await reader.code(address, (await reader.heads()).latest)
    if not code:
        raise L1UnavailableError("not_found", f"no code at 0x{address.hex()} yet")
    if keccak(code).hex() != code_hash[2:]:
        raise L1RefusedError("failed", f"the code at 0x{address.hex()} is not Multicall3's")
