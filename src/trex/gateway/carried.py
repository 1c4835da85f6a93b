"""What became of operations: from the EntryPoint's events, and from the queue before those (GTW-093)."""

from typing import Any

import orjson
from eth_abi.abi import decode
from sqlalchemy import select

from trex.gateway.operations import DONE, ENTRY_POINT, HANDLE_OPS, Operation, event_of, once_of, unpacked
from trex.gateway.service import Gateway
from trex.gateway.store.schema import jobs
from trex.types.evm import checksum_address
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

REASON = keccak256(b"UserOperationRevertReason(bytes32,address,uint256,bytes)")
BEGUN = keccak256(b"BeforeExecution()")
"""Further events of the EntryPoint."""


async def receipt(gateway: Gateway, hash_: Hash32) -> dict[str, Any] | None:
    """Return an operation's receipt as ERC-7769 has it; None until it is in a block."""
    event = await event_of(gateway, hash_)
    if event is None:
        return None
    found = await gateway.client.rpc.call("eth_getTransactionReceipt", event["transactionHash"])
    if found is None:
        return None  # its block was replaced meanwhile
    nonce, success, cost, gas = decode(
        ["uint256", "bool", "uint256", "uint256"], bytes.fromhex(event["data"][2:])
    )
    logs = found["logs"]
    end = next(at for at, one in enumerate(logs) if one["logIndex"] == event["logIndex"])
    borders = {f"0x{one.hex()}" for one in (DONE, BEGUN)}
    starts = [at for at, one in enumerate(logs[:end]) if one["topics"][:1] and one["topics"][0] in borders]
    mine = logs[starts[-1] + 1 if starts else 0 : end]
    told = {
        "userOpHash": f"0x{hash_.hex()}",
        "entryPoint": checksum_address(ENTRY_POINT),
        "sender": _address(event["topics"][2]),
        "nonce": hex(nonce),
        "paymaster": _address(event["topics"][3]),
        "actualGasCost": hex(cost),
        "actualGasUsed": hex(gas),
        "success": success,
        "logs": mine,
        "receipt": found,
    }
    reasons = [one for one in mine if one["topics"][:2] == [f"0x{REASON.hex()}", f"0x{hash_.hex()}"]]
    if reasons:
        _, reason = decode(["uint256", "bytes"], bytes.fromhex(reasons[0]["data"][2:]))
        told["reason"] = f"0x{reason.hex()}"
    return told


async def by_hash(gateway: Gateway, hash_: Hash32) -> dict[str, Any] | None:
    """Return an operation with where it is, as ERC-7769 has it; None for one that was never sent here."""
    event = await event_of(gateway, hash_)
    where: dict[str, Any] = {"blockNumber": None, "blockHash": None, "transactionHash": None}
    sender = None
    if event is not None:
        where = {name: event[name] for name in where}
        sender = _address(event["topics"][2])
        found = await gateway.client.rpc.call("eth_getTransactionByHash", event["transactionHash"])
        data = bytes.fromhex(found["input"][2:]) if found is not None else b""
    else:
        async with gateway.database.transaction() as tx:
            asked = select(jobs.c.payload).where(jobs.c.once == once_of(hash_))
            payload = (await tx.execute(asked)).scalar_one_or_none()
        data = b"" if payload is None else bytes.fromhex(orjson.loads(payload)["data"])
    if data[:4] != HANDLE_OPS.call([], f"0x{bytes(20).hex()}")[:4]:
        return None
    told, _ = decode(HANDLE_OPS.takes, data[4:])
    for operation in map(unpacked, told):
        if sender is None or checksum_address(operation.sender) == sender:
            body = {"userOperation": _body(operation), "entryPoint": checksum_address(ENTRY_POINT)}
            return body | where
    return None


def _body(operation: Operation) -> dict[str, Any]:
    told = {
        "sender": checksum_address(operation.sender),
        "nonce": hex(operation.nonce),
        "callData": f"0x{operation.call_data.hex()}",
        "callGasLimit": hex(operation.call_gas),
        "verificationGasLimit": hex(operation.verification_gas),
        "preVerificationGas": hex(operation.pre_gas),
        "maxFeePerGas": hex(operation.max_fee_wei),
        "maxPriorityFeePerGas": hex(operation.tip_wei),
        "signature": f"0x{operation.signature.hex()}",
    }
    if operation.init_code:
        told |= {"factory": f"0x{operation.init_code.hex()}", "factoryData": "0x"}
    if operation.paymaster is not None:
        told |= {
            "paymaster": checksum_address(operation.paymaster),
            "paymasterVerificationGasLimit": hex(operation.paymaster_gas),
            "paymasterPostOpGasLimit": hex(operation.post_op_gas),
            "paymasterData": f"0x{operation.paymaster_data.hex()}",
        }
    return told


def _address(topic: str) -> str:
    return checksum_address(Address(bytes.fromhex(topic[26:])))
