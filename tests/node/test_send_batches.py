"""Batches of transactions: those that go through the core whole, and those that are taken apart first."""

import json
import urllib.request
from typing import Any

from eth_account import Account
from tests.node.conftest import BOB, PATIENCE_S, Devnet

STRANGER = "0x" + "58" * 20


def post(devnet: Devnet, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        devnet.url, json.dumps(calls).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        found = json.load(answer)
    assert isinstance(found, list)
    return found


def send(raw: str, call_id: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call_id, "method": "eth_sendRawTransaction", "params": [raw]}


def transfer(nonce: int, chain_id: int = 1962, value: int = 1) -> str:
    request = {
        **{"chainId": chain_id, "nonce": nonce, "to": STRANGER, "value": value, "gas": 21_000},
        **{"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1},
    }
    return str(Account.sign_transaction(request, BOB.key).raw_transaction.to_0x_hex())


def test_refusals_are_the_same_both_ways(devnet: Devnet) -> None:
    poor = Account.create()
    request = {"chainId": 1962, "nonce": 0, "to": STRANGER, "value": 1, "gas": 21_000, "gasPrice": 10**9}
    raws = [
        *("0x", "0x0", "0xzz", "nonsense", "0x00", "0x02", "0x02c0", "0xc0", "\u00e4"),
        str(Account.sign_transaction(request, poor.key).raw_transaction.to_0x_hex()),
        *(transfer(0, chain_id=1), transfer(10**6), transfer(10**6), transfer(0, value=10**30)),
        transfer(0)[:-2],
        transfer(0).removeprefix("0x"),
        "0x" + transfer(0),
    ]
    calls = [send(raw, f"call {index}" if index % 2 else index) for index, raw in enumerate(raws)]
    whole = post(devnet, calls)
    apart = post(devnet, [{"jsonrpc": "2.0", "id": 99, "method": "eth_chainId"}, *calls])
    assert apart.pop(0)["result"] == "0x7aa"
    kind = "Go value of type hexutil.Bytes"
    for index, what in {1: "string of odd length", 15: "string without 0x prefix"}.items():
        said = f"invalid argument 0: json: cannot unmarshal hex {what} into {kind}"
        assert whole[index]["error"] == {"code": -32602, "message": said}
    first = whole[11].pop("result")
    assert whole[12]["error"]["message"] == "already known"
    assert whole[11] | {"error": whole[12]["error"]} == apart[11]
    assert len(first) == 66
    for index in (11,):
        del whole[index], apart[index]
    assert whole == apart


def test_transactions_of_one_batch_are_included_in_order(devnet: Devnet) -> None:
    nonce = int(devnet.call("eth_getTransactionCount", BOB.address, "latest"), 16)
    raws = [transfer(nonce + index) for index in range(100)]
    answers = post(devnet, [send(raw, index) for index, raw in enumerate(raws)])
    assert [answer["id"] for answer in answers] == list(range(100))
    assert all(len(answer["result"]) == 66 for answer in answers), answers
    places = [devnet.receipt(answer["result"]) for answer in answers]
    assert [place["status"] for place in places] == ["0x1"] * 100
    order = [(int(place["blockNumber"], 16), int(place["transactionIndex"], 16)) for place in places]
    assert order == sorted(order)


def test_batch_above_the_limit_is_refused_whole(devnet: Devnet) -> None:
    body = json.dumps([send("0x", index) for index in range(1001)]).encode()
    request = urllib.request.Request(devnet.url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        found = json.load(answer)
    assert "batch_requests=1000" in found["error"]["message"]


def test_notifications_among_transactions_go_unanswered(devnet: Devnet) -> None:
    silent = {"jsonrpc": "2.0", "method": "eth_sendRawTransaction", "params": ["0x00"]}
    (answer,) = post(devnet, [silent, send("0x00", 7)])
    assert answer["id"] == 7
