"""A devnet's life: first block, restart, control of state and time, files."""

import json
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from tests.node.conftest import ALICE, BOB, CAROL, PATIENCE_S, TREX, Devnet, devnet_at

from trex.chain.dev.accounts import ACCOUNTS

ETHER = 10**18
RUNTIME = "60aa60206000a16000546001018060005560005260206000f3"
"""Logs an empty word under topic 0xaa, counts in slot 0, returns the count."""
COUNTER = f"0x60{len(RUNTIME) // 2:02x}80600b6000396000f3{RUNTIME}"
STRANGER = "0x" + "57" * 20


def transfer(devnet: Devnet, nonce: int, to: str = STRANGER, value: int = 1, **more: Any) -> str:
    request = {
        **{"chainId": 1962, "nonce": nonce, "to": to, "value": value, "gas": 100_000},
        **{"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1, **more},
    }
    return str(Account.sign_transaction(request, CAROL.key).raw_transaction.to_0x_hex())


def nonce_of(devnet: Devnet, address: str) -> int:
    return int(devnet.call("eth_getTransactionCount", address, "pending"), 16)


def balance(devnet: Devnet, address: str, tag: str = "latest") -> int:
    return int(devnet.call("eth_getBalance", address, tag), 16)


def test_start_page_tells_how_to_connect(devnet: Devnet) -> None:
    for account in ACCOUNTS:
        assert account.address in devnet.page
        assert account.private_key in devnet.page
    assert "1962" in devnet.page
    assert "0xcA11bde05977b3631167028862bE2a173976CA11" in devnet.page


def test_accounts_are_funded_and_contracts_present(devnet: Devnet) -> None:
    assert devnet.call("eth_chainId") == "0x7aa"
    for account in ACCOUNTS[3:]:
        assert balance(devnet, account.address) == 10_000 * ETHER
    assert devnet.call("eth_getCode", "0xcA11bde05977b3631167028862bE2a173976CA11", "latest") != "0x"


def test_blocks_come_while_idle(devnet: Devnet) -> None:
    first = int(devnet.call("eth_blockNumber"), 16)
    while (last := int(devnet.call("eth_blockNumber"), 16)) < first + 2:
        time.sleep(0.1)
    blocks = [devnet.call("eth_getBlockByNumber", hex(number), False) for number in (last - 1, last)]
    slots = [int(block["extraData"][4:], 16) for block in blocks]
    assert slots[1] - slots[0] >= 2000 // 200, "not before nothing has been made for two seconds"


def test_raw_transaction_is_included(devnet: Devnet) -> None:
    before = balance(devnet, STRANGER)
    nonce = nonce_of(devnet, CAROL.address)
    receipt = devnet.call("eth_sendRawTransactionSync", transfer(devnet, nonce), 30_000)
    assert receipt["status"] == "0x1"
    assert receipt["gasUsed"] == hex(21000)
    assert balance(devnet, STRANGER) == before + 1
    assert devnet.call("eth_getTransactionByHash", receipt["transactionHash"])["type"] == "0x2"


def test_refused_transactions_in_geths_words(devnet: Devnet) -> None:
    assert "nonce too low" in devnet.error("eth_sendRawTransaction", transfer(devnet, 0))["message"]
    poor = Account.create()
    request = {"chainId": 1962, "nonce": 0, "to": STRANGER, "value": 1, "gas": 21000, "gasPrice": 10**9}
    raw = Account.sign_transaction(request, poor.key).raw_transaction.to_0x_hex()
    assert "insufficient funds" in devnet.error("eth_sendRawTransaction", raw)["message"]
    assert devnet.error("eth_sendRawTransaction", "0x00")["code"] < 0


def test_sync_send_names_missing_nonce(devnet: Devnet) -> None:
    nonce = nonce_of(devnet, CAROL.address)
    error = devnet.error("eth_sendRawTransactionSync", transfer(devnet, nonce + 1, value=3))
    assert (error["code"], error["data"]) == (6, hex(nonce))
    receipt = devnet.call("eth_sendRawTransactionSync", transfer(devnet, nonce, value=2), 30_000)
    assert receipt["status"] == "0x1"


def test_node_signs_for_known_accounts(devnet: Devnet) -> None:
    assert devnet.call("eth_accounts")[0] == ALICE.address.lower()
    tx_hash = devnet.call("eth_sendTransaction", {"from": ALICE.address, "data": COUNTER})
    created = devnet.receipt(tx_hash)
    assert created["status"] == "0x1"
    counter = created["contractAddress"]
    assert devnet.call("eth_getCode", counter, "latest") == "0x" + RUNTIME
    receipt = devnet.receipt(devnet.call("eth_sendTransaction", {"from": BOB.address, "to": counter}))
    assert int(receipt["logs"][0]["topics"][0], 16) == 0xAA
    assert int(devnet.call("eth_call", {"to": counter}, "latest"), 16) == 2
    logs = devnet.call("eth_getLogs", {"address": counter, "fromBlock": "0x0"})
    assert [log["transactionHash"] for log in logs] == [receipt["transactionHash"]]


def test_reverting_transaction_is_refused_with_its_data(devnet: Devnet) -> None:
    error = devnet.error("eth_sendTransaction", {"from": ALICE.address, "data": "0x60ff60005260206000fd"})
    assert error["code"] == 3
    assert int(error["data"], 16) == 0xFF


def test_signatures_are_what_wallets_make(devnet: Devnet) -> None:
    message = encode_defunct(text="hello")
    wanted = Account.sign_message(message, ALICE.key).signature.to_0x_hex()
    assert devnet.call("personal_sign", "0x" + b"hello".hex(), ALICE.address) == wanted
    assert devnet.call("eth_sign", ALICE.address, "0x" + b"hello".hex()) == wanted
    typed = {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
            "Mail": [{"name": "to", "type": "address"}, {"name": "text", "type": "string"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "T-Rex", "chainId": 1962},
        "message": {"to": BOB.address, "text": "hi"},
    }
    signed = Account.sign_message(encode_typed_data(full_message=typed), ALICE.key).signature.to_0x_hex()
    assert devnet.call("eth_signTypedData_v4", ALICE.address, typed) == signed
    assert devnet.call("eth_signTypedData_v4", ALICE.address, json.dumps(typed)) == signed
    raw = devnet.call("eth_signTransaction", {"from": ALICE.address, "to": BOB.address, "value": "0x1"})
    assert Account.recover_transaction(raw) == ALICE.address


def test_state_is_rewritten_on_request(devnet: Devnet) -> None:
    target = "0x" + "77" * 20
    devnet.call("anvil_setBalance", target, hex(5 * ETHER))
    devnet.call("hardhat_setNonce", target, "0x7")
    devnet.call("anvil_setCode", target, "0x" + RUNTIME)
    devnet.call("hardhat_setStorageAt", target, "0x0", "0x" + f"{41:064x}")
    assert balance(devnet, target) == 5 * ETHER
    assert nonce_of(devnet, target) == 7
    assert int(devnet.call("eth_getStorageAt", target, "0x0", "latest"), 16) == 41
    assert int(devnet.call("eth_call", {"to": target}, "latest"), 16) == 42
    devnet.receipt(devnet.call("eth_sendTransaction", {"from": ALICE.address, "to": target}))
    assert int(devnet.call("eth_getStorageAt", target, "0x0", "latest"), 16) == 42
    assert int(devnet.call("trex_faucet", target, hex(ETHER)), 16) == 6 * ETHER


def test_impersonated_account_sends(devnet: Devnet) -> None:
    whale = "0x" + "99" * 20
    devnet.call("anvil_setBalance", whale, hex(3 * ETHER))
    devnet.call("anvil_impersonateAccount", whale)
    before = balance(devnet, STRANGER)
    tx_hash = devnet.call("eth_sendTransaction", {"from": whale, "to": STRANGER, "value": hex(ETHER)})
    receipt = devnet.receipt(tx_hash)
    assert (receipt["status"], receipt["from"]) == ("0x1", whale)
    assert balance(devnet, STRANGER) == before + ETHER
    devnet.call("anvil_stopImpersonatingAccount", whale)
    assert devnet.error("eth_sendTransaction", {"from": whale, "to": STRANGER})["code"] == -32000


def test_snapshot_time_and_revert(devnet: Devnet) -> None:
    def stamp() -> int:
        return int(devnet.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    began = time.monotonic()

    def passed() -> float:
        return time.monotonic() - began

    key = devnet.call("evm_snapshot")
    before, at = balance(devnet, BOB.address), stamp()
    devnet.call("evm_increaseTime", 86_400)
    devnet.call("evm_mine")
    assert 0 <= stamp() - (at + 86_400) < 10 + passed()
    devnet.call("anvil_setBalance", BOB.address, "0x1")
    devnet.receipt(
        devnet.call("eth_sendTransaction", {"from": ALICE.address, "to": BOB.address, "value": "0x5"})
    )
    assert balance(devnet, BOB.address) == 6
    assert devnet.call("evm_revert", key) is True
    assert balance(devnet, BOB.address) == before
    assert stamp() - at < 20 + passed()
    receipt = devnet.receipt(devnet.call("eth_sendTransaction", {"from": BOB.address, "to": ALICE.address}))
    assert receipt["status"] == "0x1"
    assert stamp() - at < 30 + passed()


def test_mine_moves_number_and_time(devnet: Devnet) -> None:
    number = int(devnet.call("eth_blockNumber"), 16)
    devnet.call("hardhat_mine", "0x20", "0x3c")
    assert int(devnet.call("eth_blockNumber"), 16) >= number + 32
    at = int(devnet.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 1000
    devnet.call("evm_setNextBlockTimestamp", at)
    devnet.call("evm_mine")
    times = [
        int(devnet.call("eth_getBlockByNumber", hex(n), False)["timestamp"], 16)
        for n in range(number, int(devnet.call("eth_blockNumber"), 16) + 1)
    ]
    assert at in times
    assert times == sorted(times)


def test_batches_of_a_thousand(devnet: Devnet) -> None:
    nonce = nonce_of(devnet, CAROL.address)
    raws = [transfer(devnet, nonce + i, to=f"0x{10**9 + i:040d}") for i in range(300)]
    batch = [
        {"jsonrpc": "2.0", "id": i, "method": "eth_sendRawTransaction", "params": [raw]}
        for i, raw in enumerate(raws)
    ]
    request = urllib.request.Request(
        devnet.url, json.dumps(batch).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        answers = json.load(answer)
    assert [a["id"] for a in answers] == list(range(300))
    receipts = [devnet.receipt(a["result"]) for a in answers]
    order = [(int(r["blockNumber"], 16), int(r["transactionIndex"], 16)) for r in receipts]
    assert order == sorted(order)


def test_second_devnet_on_same_data_is_refused(devnet: Devnet) -> None:
    done = subprocess.run(
        [TREX, "devnet", "--no-l1", "--port", "0", "--datadir", str(devnet.datadir)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert "[store_locked]" in done.stderr
    assert "--datadir" in done.stderr


def test_taken_port_is_named(devnet: Devnet, tmp_path: Path) -> None:
    port = devnet.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [
            TREX,
            "devnet",
            "--no-l1",
            "--port",
            port,
            "--datadir",
            str(tmp_path / "other"),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def trex(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TREX, *arguments], capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_state_survives_a_restart_until_fresh(tmp_path: Path, number: signal.Signals) -> None:
    data = tmp_path / "data"
    first = Devnet(data)
    tx_hash = first.call("eth_sendTransaction", {"from": ALICE.address, "to": STRANGER, "value": "0x5"})
    first.call("anvil_setBalance", BOB.address, "0x7")
    block = int(first.call("eth_blockNumber"), 16)
    code, errors = first.stop(number)
    assert code == 0, errors
    with devnet_at(data) as again:
        assert int(again.call("eth_blockNumber"), 16) >= block
        assert again.receipt(tx_hash)["status"] == "0x1"
        assert balance(again, STRANGER) == 5
        assert balance(again, BOB.address) == 7
    with devnet_at(data, "--fresh") as fresh:
        assert balance(fresh, STRANGER) == 0
        assert balance(fresh, BOB.address) == 10_000 * ETHER


def test_instant_mining_includes_before_it_answers(tmp_path: Path) -> None:
    with devnet_at(tmp_path / "data", "--mining", "instant") as devnet:
        for i in range(5):
            tx_hash = devnet.call("eth_sendRawTransaction", transfer(devnet, i))
            assert devnet.call("eth_getTransactionReceipt", tx_hash)["status"] == "0x1"
        assert int(devnet.call("eth_blockNumber"), 16) == 5


def test_export_import_and_db(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "blocks.rlp"
    with devnet_at(data, "--mining", "instant") as devnet:
        for i in range(10):
            devnet.call("eth_sendRawTransaction", transfer(devnet, i, to=f"0x{10**9 + i:040d}"))
        head = devnet.call("eth_getBlockByNumber", "latest", False)
    number = int(head["number"], 16)
    half = trex("export", str(file), "--datadir", str(data), "--last", str(number // 2), "--json")
    assert half.returncode == 0, half.stderr
    assert json.loads(half.stdout)["blocks"] == number // 2
    whole = trex("export", str(file), "--datadir", str(data), "--json")
    assert json.loads(whole.stdout)["blocks"] == number
    for _ in range(2):
        done = trex("import", str(file), "--datadir", str(tmp_path / "copy"), "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert (report["head"], report["hash"]) == (number, head["hash"])
    stats = trex("db", "stats", "--datadir", str(tmp_path / "copy"), "--json")
    assert json.loads(stats.stdout)
    verified = trex("db", "verify", "--datadir", str(tmp_path / "copy"), "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)["ok"] is True
    compacted = trex("db", "compact", "--datadir", str(tmp_path / "copy"), "--json")
    assert compacted.returncode == 0, compacted.stderr
    broken = file.read_bytes()
    (tmp_path / "bad.rlp").write_bytes(broken[:-40] + bytes(40))
    bad = trex("import", str(tmp_path / "bad.rlp"), "--datadir", str(tmp_path / "other"))
    assert bad.returncode == 1
    assert "Error" in bad.stderr


def test_killed_node_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = Devnet(data)
    hashes = [first.call("eth_sendRawTransaction", transfer(first, i)) for i in range(20)]
    first.stop(signal.SIGKILL)
    with devnet_at(data) as again:
        assert all(again.receipt(tx_hash)["status"] == "0x1" for tx_hash in hashes)
