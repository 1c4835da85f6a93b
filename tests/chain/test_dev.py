"""Development methods, under the names that test suites call them by."""

import asyncio
import logging
import time
from itertools import pairwise
from typing import Any

import orjson
import pytest
from eth_account import Account
from tests.chain.conftest import Client, Start, until

from trex.chain.dev.accounts import ACCOUNTS, MNEMONIC
from trex.chain.dev.methods import CANNOT
from trex.chain.limits import ServerLimits
from trex.chain.rpc.messages import TIMED_OUT
from trex.node.files import openrpc_file

ALICE = ACCOUNTS[0].address.lower()
STRANGER = "0x" + "55" * 20


def test_accounts_are_the_mnemonics() -> None:
    Account.enable_unaudited_hdwallet_features()
    for i, account in enumerate(ACCOUNTS):
        derived = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{i}")
        assert (derived.address, derived.key.to_0x_hex()) == (account.address, account.private_key)


@pytest.mark.parametrize(
    "method", ["evm_mine", "anvil_setBalance", "hardhat_setCode", "trex_faucet", "eth_sendTransaction"]
)
async def test_other_networks_have_no_development_methods(client: Client, method: str) -> None:
    assert (await client.error(method))["code"] == -32601


async def test_test_helpers_take_it_for_a_development_chain(dev: Client) -> None:
    assert (await dev.call("web3_clientVersion")).startswith("anvil")
    assert (await dev.call("hardhat_metadata"))["chainId"] == 1962
    assert (await dev.call("anvil_nodeInfo"))["environment"]["chainId"] == 1962
    assert await dev.call("eth_accounts") == [account.address.lower() for account in ACCOUNTS]


async def latest(client: Client) -> int:
    return int((await client.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)


async def test_increase_time_moves_following_blocks(dev: Client) -> None:
    before = await latest(dev)
    assert await dev.call("evm_increaseTime", 3600) == 3600
    assert await dev.call("evm_mine") == "0x0"
    assert before + 3600 <= await latest(dev) <= time.time() + 3600
    assert await dev.call("evm_increaseTime", "0xe10") == 7200


async def test_next_timestamp_is_exact(dev: Client) -> None:
    await dev.by_hand()
    at = await latest(dev) + 5000
    await dev.call("evm_setNextBlockTimestamp", at)
    await dev.call("evm_mine")
    assert await latest(dev) == at
    await dev.call("evm_mine", at + 100)
    assert await latest(dev) == at + 100
    began = time.monotonic()
    await dev.call("evm_mine", {"timestamp": at + 200, "blocks": 2})
    assert at + 200 <= await latest(dev) <= at + 202 + (time.monotonic() - began)
    error = await dev.error("evm_setNextBlockTimestamp", at)
    assert "lower than" in error["message"]


async def test_next_timestamp_waits_for_a_transaction(dev: Client) -> None:
    at = await latest(dev) + 5000
    await dev.call("anvil_setNextBlockTimestamp", hex(at))
    await asyncio.sleep(2.3)
    assert await latest(dev) < at
    receipt = await dev.call("eth_sendRawTransactionSync", "0x01", 30_000)
    block = await dev.call("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert int(block["timestamp"], 16) == at


async def test_mine_many_with_interval(dev: Client) -> None:
    await dev.by_hand()
    number, before = dev.chain.head().number, await latest(dev)
    await dev.call("hardhat_mine", "0x64", "0x3c")
    assert dev.chain.head().number == number + 100
    assert before + 99 * 60 <= await latest(dev) <= time.time() + 99 * 60 + 2
    assert (await dev.error("hardhat_mine", 10**9))["code"] == -32602


async def test_pending_block_has_slot_and_gas_limit_of_a_block_made_now(dev: Client) -> None:
    await dev.by_hand()
    earliest = dev.node.clock.slot()
    slot, gas_limit = dev.chain.outlook()
    assert earliest <= slot <= max(dev.node.clock.slot(), dev.chain.head().slot + 1)
    assert gas_limit is None
    await dev.call("evm_setBlockGasLimit", 40_000_000)
    at = await latest(dev) + 5000
    await dev.call("evm_setNextBlockTimestamp", at)
    slot, gas_limit = dev.chain.outlook()
    assert dev.node.clock.timestamp(slot) == at
    assert gas_limit == 40_000_000


@pytest.mark.parametrize(
    ("method", "params"), [("hardhat_mine", [100_000]), ("evm_mine", [{"blocks": 100_000}])]
)
async def test_mine_ends_at_the_time_limit_and_serves_others_meanwhile(
    start: Start, method: str, params: list[Any]
) -> None:
    dev = await start(dev=True, limits=ServerLimits(call_timeout_s=1.0))
    await dev.by_hand()
    before = dev.chain.head().number
    mining = asyncio.create_task(dev.error(method, *params))
    most, asked = 0, 0
    while not mining.done():
        height = dev.chain.head().number
        await dev.call("evm_mine")
        most, asked = max(most, dev.chain.head().number - height), asked + 1
    error = await mining
    made = dev.chain.head().number - before - asked
    assert error["code"] == TIMED_OUT
    assert error["message"] == f"made {made} of 100000 blocks, which stay: limit call_timeout_s=1"
    assert 0 < made < 100_000
    assert asked >= 5
    assert most < made / 2, "who asks meanwhile waits for some blocks, not for all of them"


async def test_snapshot_and_revert(dev: Client) -> None:
    await dev.by_hand()
    await dev.call("anvil_setBalance", ALICE, "0x64")
    blocks = await dev.call("eth_newBlockFilter")
    key = await dev.call("evm_snapshot")
    number = await dev.call("eth_blockNumber")
    await dev.call("evm_increaseTime", 10_000)
    await dev.call("hardhat_setBalance", ALICE, "0x1")
    await dev.call("hardhat_mine", 5)
    assert await dev.call("evm_revert", key) is True
    assert await dev.call("eth_blockNumber") == number
    assert await dev.call("eth_getBalance", ALICE) == "0x64"
    assert await dev.call("evm_revert", key) is False
    assert await dev.call("evm_revert", "0x99") is False
    assert await dev.call("eth_getFilterChanges", blocks) == []
    await dev.call("evm_mine")
    assert await latest(dev) <= time.time() + 1
    assert len(await dev.call("eth_getFilterChanges", blocks)) == 1


async def test_instant_mining_includes_before_it_answers(dev: Client) -> None:
    await dev.call("evm_setAutomine", True)
    for i in range(5):
        tx_hash = await dev.call("eth_sendRawTransaction", f"0x{i + 1:02x}")
        assert (await dev.call("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
    assert await dev.call("anvil_getAutomine") is True
    await dev.call("trex_setMining", "manual")
    tx_hash = await dev.call("eth_sendRawTransaction", "0xff")
    await asyncio.sleep(0.5)
    assert await dev.call("eth_getTransactionReceipt", tx_hash) is None
    await dev.call("trex_setMining", "slots")
    await until(lambda: not dev.chain.pool)
    assert (await dev.call("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
    assert (await dev.error("trex_setMining", "sometimes"))["code"] == -32602


async def test_interval_mining(dev: Client) -> None:
    await dev.call("evm_setIntervalMining", 400)
    made = len(dev.chain.builds)
    await until(lambda: len(dev.chain.builds) >= made + 4)
    slots = dev.chain.builds[made:]
    assert min(after - before for before, after in pairwise(slots)) >= 2, "of 200 ms each"
    await dev.call("anvil_setIntervalMining", 1)
    assert await dev.call("anvil_getIntervalMining") == 1
    await dev.call("evm_setIntervalMining", 0)
    async with dev.node.producer.paused():  # none is in the making any more
        number = dev.chain.head().number
    await asyncio.sleep(0.5)
    assert dev.chain.head().number == number


async def test_faucet_adds(dev: Client) -> None:
    assert await dev.call("trex_faucet", STRANGER) == hex(100 * 10**18)
    assert await dev.call("trex_faucet", STRANGER, 5) == hex(100 * 10**18 + 5)
    assert await dev.call("eth_getBalance", STRANGER) == hex(100 * 10**18 + 5)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("anvil_setBalance", []),
        ("anvil_setBalance", ["0x12", "0x1"]),
        ("anvil_setBalance", [ALICE, "-1"]),
        ("anvil_setBalance", [ALICE, hex(1 << 256)]),
        ("anvil_setCode", [ALICE, "0xabc"]),
        ("anvil_setNonce", [ALICE, hex(1 << 64)]),
        ("hardhat_setStorageAt", [ALICE, "0x1"]),
        ("evm_increaseTime", [{}]),
        ("evm_increaseTime", ["soon"]),
        ("evm_setAutomine", [1]),
        ("evm_revert", []),
        ("anvil_dropTransaction", ["0x1234"]),
        ("eth_sendTransaction", [{}]),
        ("personal_sign", ["text", ALICE]),
        ("evm_setBlockGasLimit", ["0x1"]),
    ],
)
async def test_malformed_parameters_are_invalid(dev: Client, method: str, params: list[Any]) -> None:
    assert (await dev.error(method, *params))["code"] == -32602


async def test_send_transaction_fills_and_signs(dev: Client) -> None:
    def answer(method: str, value: Any) -> None:
        setattr(dev.chain, "do_" + method, lambda *_: value)

    answer("eth_estimateGas", "0x5208")
    answer("eth_maxPriorityFeePerGas", "0x2")
    seen: list[dict[str, Any]] = []
    sign = dev.node.dev.signing.signer  # type: ignore[union-attr]

    class Seeing:
        def __getattr__(self, name: str) -> Any:
            return getattr(sign, name)

        def sign_transaction(self, request: bytes, private_key: bytes) -> str:
            seen.append(orjson.loads(request))
            assert private_key == ACCOUNTS[0].key
            return "0x" + request.hex()

    dev.node.dev.signing.signer = Seeing()  # type: ignore[union-attr]
    tx_hash = await dev.call("eth_sendTransaction", {"from": ALICE, "to": STRANGER, "value": "0x1"})
    assert (await dev.call("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
    assert seen == [
        {
            "from": ALICE,
            "to": STRANGER,
            "value": "0x1",
            "input": "0x",
            "chainId": "0x7aa",
            "gas": "0x5208",
            "nonce": "0x0",
            "maxPriorityFeePerGas": "0x2",
            "maxFeePerGas": "0x10",
        }
    ]
    assert "unknown account" in (await dev.error("eth_sendTransaction", {"from": STRANGER}))["message"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"blobs": ["0x00"]}, "tx type 3 not supported"),
        ({"maxFeePerBlobGas": "0x1"}, "tx type 3 not supported"),
        ({"type": "0x3"}, "tx type 3 not supported"),
        ({"data": "0x60", "input": "0x61"}, 'both "data" and "input" are set and not equal'),
        ({"gas": "0x5208", "gasPrice": "0x1", "maxFeePerGas": "0x1"}, "both gasPrice and (maxFeePerGas"),
        ({"gas": "0x5208", "type": "0x0", "maxFeePerGas": "0x1"}, "both gasPrice and (maxFeePerGas"),
    ],
)
@pytest.mark.parametrize("method", ["eth_sendTransaction", "eth_signTransaction"])
async def test_request_that_no_transaction_can_fulfil_is_refused(
    dev: Client, method: str, more: dict[str, Any], message: str
) -> None:
    error = await dev.error(method, {"from": ALICE, "to": STRANGER, **more})
    assert error["code"] == -32000
    assert message in error["message"]
    assert dev.chain.pool == []


async def test_type_is_kept_where_it_is_named(dev: Client) -> None:
    for method, value in (("eth_estimateGas", "0x5208"), ("eth_gasPrice", "0x9")):
        setattr(dev.chain, "do_" + method, lambda *_, value=value: value)
    raw = await dev.call("eth_signTransaction", {"from": ALICE, "to": STRANGER, "type": "0x0"})
    signed = orjson.loads(bytes.fromhex(raw[2:]))
    assert signed["gasPrice"] == "0x9"
    assert "maxFeePerGas" not in signed


async def test_impersonated_account_sends_without_signature(dev: Client) -> None:
    request = {"from": STRANGER, "to": ALICE, "gas": "0x5208"}
    await dev.call("hardhat_impersonateAccount", STRANGER)
    tx_hash = await dev.call("eth_sendTransaction", request)
    assert (await dev.call("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
    await dev.call("hardhat_stopImpersonatingAccount", STRANGER)
    assert (await dev.error("eth_sendTransaction", request))["code"] == -32000


async def test_drop_transaction(dev: Client) -> None:
    await dev.by_hand()
    tx_hash = await dev.call("eth_sendRawTransaction", "0x01")
    assert await dev.call("anvil_dropTransaction", tx_hash) is True
    assert await dev.call("hardhat_dropTransaction", tx_hash) is False


async def test_add_balance_and_ganaches_names(dev: Client) -> None:
    assert await dev.call("evm_setAccountBalance", STRANGER, 7) is True
    assert await dev.call("anvil_addBalance", STRANGER, "0x3") is None
    assert await dev.call("eth_getBalance", STRANGER) == "0xa"
    assert "256 bits" in (await dev.error("anvil_addBalance", STRANGER, hex((1 << 256) - 1)))["message"]


async def test_unsigned_transaction_needs_no_impersonation(dev: Client) -> None:
    request = {"from": STRANGER, "to": ALICE, "gas": "0x5208"}
    assert (await dev.error("eth_sendTransaction", request))["code"] == -32000
    tx_hash = await dev.call("eth_sendUnsignedTransaction", request)
    assert (await dev.call("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"
    assert (await dev.error("eth_sendTransaction", request))["code"] == -32000


async def test_timestamp_interval_sets_blocks_apart(dev: Client) -> None:
    await dev.by_hand()
    at = await latest(dev)
    await dev.call("anvil_setBlockTimestampInterval", 3600)
    for i in (1, 2, 3):
        await dev.call("evm_mine")
        assert await latest(dev) == at + i * 3600
    assert await dev.call("anvil_removeBlockTimestampInterval") is True
    assert await dev.call("anvil_removeBlockTimestampInterval") is False
    await dev.call("evm_mine")
    assert await latest(dev) < at + 4 * 3600


async def test_reset_goes_back_to_genesis_and_its_time(dev: Client) -> None:
    snapshot = await dev.call("evm_snapshot")
    await dev.by_hand()
    await dev.call("evm_increaseTime", 5000)
    await dev.call("eth_sendRawTransaction", "0x01")
    await dev.call("evm_mine")
    await dev.call("eth_sendRawTransaction", "0x02")
    await dev.call("hardhat_impersonateAccount", STRANGER)
    assert await dev.call("hardhat_reset") is True
    assert await dev.call("eth_blockNumber") == "0x0"
    assert dev.chain.pool == []
    assert await dev.call("evm_revert", snapshot) is False
    assert (await dev.error("eth_sendTransaction", {"from": STRANGER}))["code"] == -32000
    await dev.call("evm_mine")
    assert await latest(dev) <= time.time()
    assert await dev.call("anvil_reset", None) is True
    forked = {"forking": {"jsonRpcUrl": "http://127.0.0.1:1"}}
    assert (await dev.error("hardhat_reset", forked))["code"] == -32602


async def test_transactions_of_one_account_are_dropped_last_first(
    dev: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = {"pending": {"9": {"hash": "0x09"}, "10": {"hash": "0x0a"}}, "queued": {"12": {"hash": "0x0c"}}}
    dropped: list[str] = []
    monkeypatch.setattr(dev.chain, "do_txpool_contentFrom", lambda _: queue, raising=False)
    monkeypatch.setattr(dev.chain, "drop", dropped.append)
    await dev.call("anvil_removePoolTransactions", STRANGER)
    assert dropped == ["0x0c", "0x0a", "0x09"]


async def test_logging_of_blocks_is_turned_off_and_on(dev: Client) -> None:
    blocks = logging.getLogger("trex.chain.producer")
    try:
        await dev.call("hardhat_setLoggingEnabled", False)
        assert not blocks.isEnabledFor(logging.INFO)
        assert blocks.isEnabledFor(logging.WARNING)
    finally:
        await dev.call("anvil_setLoggingEnabled", True)
    assert blocks.getEffectiveLevel() == logging.getLogger().getEffectiveLevel()


async def test_what_a_block_cannot_have_is_refused_with_the_reason(dev: Client) -> None:
    error = await dev.error("hardhat_setNextBlockBaseFeePerGas", "0x1")
    assert error["code"] == -32601
    assert "base fee follows from its slot" in error["message"]


def test_openrpc_names_every_development_method(dev: Client) -> None:
    file = openrpc_file()
    assert file is not None
    document = orjson.loads(file.read_bytes())
    named = {method["name"] for method in document["methods"] if method["x-answered-by"] == "devnet"}
    assert dev.node.dev is not None
    table = set(dev.node.dev.table()) - set(CANNOT)
    assert named == table - {"eth_accounts", "web3_clientVersion"}
