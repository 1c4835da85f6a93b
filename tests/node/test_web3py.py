"""web3.py as it comes from PyPI, over HTTP and WebSocket."""

import asyncio
from typing import Any, cast

import pytest
from eth_account import Account
from eth_typing import HexStr
from tests.node.conftest import ALICE, BOB, PATIENCE_S, Devnet
from tests.node.test_devnet import COUNTER, STRANGER
from web3 import AsyncWeb3, HTTPProvider, Web3, WebSocketProvider
from web3.exceptions import ContractLogicError


@pytest.fixture
def w3(devnet: Devnet) -> Web3:
    return Web3(HTTPProvider(devnet.url, request_kwargs={"timeout": PATIENCE_S}))


def test_web3py_sends_and_reads(w3: Web3) -> None:
    assert w3.is_connected()
    assert w3.eth.chain_id == 1962
    account = Account.from_key(BOB.private_key)
    request: Any = {
        "from": account.address,
        "to": Web3.to_checksum_address(STRANGER),
        "value": 12,
        "nonce": w3.eth.get_transaction_count(account.address),
        "chainId": 1962,
        "gas": 21_000,
        "maxFeePerGas": 2 * w3.eth.gas_price + 10**9,
        "maxPriorityFeePerGas": w3.eth.max_priority_fee,
    }
    signed = account.sign_transaction(request)
    receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction))
    assert receipt["status"] == 1
    block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    hashes: list[Any] = [tx["hash"] for tx in cast("list[Any]", block["transactions"])]
    assert signed.hash in hashes


def test_web3py_contract_events_and_filters(w3: Web3) -> None:
    abi = [
        {"type": "function", "name": "hit", "inputs": [], "outputs": [], "stateMutability": "nonpayable"},
    ]
    alice = Web3.to_checksum_address(ALICE.address)
    factory = w3.eth.contract(abi=abi, bytecode=COUNTER)
    created = w3.eth.wait_for_transaction_receipt(factory.constructor().transact({"from": alice}))
    address = created["contractAddress"]
    assert address is not None
    watching = w3.eth.filter({"address": address})
    blocks = w3.eth.filter("latest")
    contract = w3.eth.contract(address=address, abi=abi)
    receipt = w3.eth.wait_for_transaction_receipt(contract.functions.hit().transact({"from": alice}))
    (entry,) = watching.get_new_entries()
    assert entry["transactionHash"] == receipt["transactionHash"]
    hashes: list[Any] = list(blocks.get_new_entries())
    assert receipt["blockHash"] in hashes
    assert watching.get_new_entries() == []


def test_web3py_sees_reverts(w3: Web3) -> None:
    with pytest.raises(ContractLogicError):
        w3.eth.call({"data": HexStr("0x60ff60005260206000fd")})


async def test_web3py_subscribes_over_websocket(devnet: Devnet) -> None:
    async with AsyncWeb3(WebSocketProvider(devnet.ws_url)) as w3:
        heads = await w3.eth.subscribe("newHeads")
        pending = await w3.eth.subscribe("newPendingTransactions")
        tx_hash = await asyncio.to_thread(
            devnet.call, "eth_sendTransaction", {"from": ALICE.address, "to": STRANGER}
        )
        seen: dict[str, list[Any]] = {str(heads): [], str(pending): []}
        async with asyncio.timeout(PATIENCE_S):
            async for message in w3.socket.process_subscriptions():
                seen[str(message["subscription"])].append(message["result"])
                if all(seen.values()):
                    break
        assert seen[str(pending)][0].to_0x_hex() == tx_hash
        assert seen[str(heads)][0]["number"] > 0
