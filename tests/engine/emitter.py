"""A chain to listen to: anvil with a contract that emits what it is told, and the truth by plain RPC."""

import asyncio
from typing import Any

from tests.settlement.anvil_l1 import Anvil

from trex.types.network_file import keccak256

ALICE, BOB = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
TRANSFER = keccak256(b"Transfer(address,address,uint256)").hex()
_RUNTIME = f"6040356000526020356000357f{TRANSFER}60206000a300"
"""Emits Transfer(word 0, word 1, word 2) of its calldata, as ERC-20 does."""
_CREATION = f"60{len(_RUNTIME) // 2:02x}600c60003960{len(_RUNTIME) // 2:02x}6000f3{_RUNTIME}"


async def sent(node: Anvil, **transaction: str) -> Any:
    """Send a transaction and return its receipt, once it is in a block."""
    name = await node.call("eth_sendTransaction", {"from": ALICE, "gas": "0x100000", **transaction})
    async with asyncio.timeout(180):
        while (receipt := await node.call("eth_getTransactionReceipt", name)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return receipt


async def deploy(node: Anvil) -> str:
    """Put the emitter on the chain."""
    return str((await sent(node, data=f"0x{_CREATION}"))["contractAddress"])


async def emit(node: Anvil, contract: str, sender: str, recipient: str, amount: int) -> None:
    """Let the emitter say that tokens moved, in a block of its own."""
    await sent(node, to=contract, data=f"0x{int(sender, 16):064x}{int(recipient, 16):064x}{amount:064x}")


async def pay(node: Anvil, sender: str, recipient: str, value: int) -> None:
    """Send native coin, in a block of its own."""
    await sent(node, **{"from": sender, "to": recipient, "value": hex(value)})


async def truth(node: Anvil) -> set[tuple[Any, ...]]:
    """Every transfer of the chain as it is now, read without anything of the engine."""
    newest = int(await node.call("eth_blockNumber"), 16)
    found: set[tuple[Any, ...]] = set()
    for number in range(newest + 1):
        block = await node.call("eth_getBlockByNumber", hex(number), True)
        for one in block["transactions"]:
            receipt = await node.call("eth_getTransactionReceipt", one["hash"])
            if int(one["value"], 16) and receipt["status"] == "0x1":
                where = (number, block["hash"], int(one["transactionIndex"], 16), -1)
                found.add((*where, "native", one["from"], one["to"], str(int(one["value"], 16))))
            for entry in receipt["logs"]:
                where = (number, block["hash"], int(one["transactionIndex"], 16), int(entry["logIndex"], 16))
                sender, recipient = (f"0x{topic[-40:]}" for topic in entry["topics"][1:])
                found.add((*where, "erc20", sender, recipient, str(int(entry["data"], 16))))
    return found
