"""Calls on a real node: own transactions, Safe, an EntryPoint and a delegation; what was undone."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.settlement.anvil_l1 import KEYS
from tests.validators.onchain.conftest import ALICE, BOB, CAROL, CHAIN_ID, ROOT, Net, network, without

from trex.badges.evaluate import evaluate
from trex.badges.policy import Policy, read_policy
from trex.types.network_file import keccak256
from trex.types.primitives import Address
from trex.validators.check import check_fault
from trex.validators.onchain.activity import SignatureError, Where, count, since_first_s, volume
from trex.validators.onchain.collect_calls import ENTRY_POINTS, VALUE, collect_calls
from trex.validators.onchain.method import MethodSignature, read_method
from trex.validators.onchain.observe import observe
from trex.validators.onchain.source import SourceError
from trex.validators.onchain.traces import Frame, frames_by

DAY_S = 86_400
SETTLE = "settle((address buyer, uint256 amount) order, bytes32[] notes)"
ENTRY_POINT = ENTRY_POINTS[2]
ERC4337 = ROOT / "node_modules/@account-abstraction/contracts-v0.8/artifacts"
SAFE = ROOT / "node_modules/@safe-global/safe-contracts/build/artifacts/contracts"
OPERATION = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"


def settle(buyer: Address, amount: int) -> bytes:
    return read_method(SETTLE).selector + encode(["(address,uint256)", "bytes32[]"], [(buyer, amount), []])


def made(path: Any) -> bytes:
    return bytes.fromhex(json.loads(path.read_text())["bytecode"][2:])


async def calls(net: Net, till: Address, *wallets: Address, **more: Any) -> list[int]:
    """Amounts of orders that wallets settled."""
    more = {"inside": True, **more}
    found = await collect_calls(net.source, wallets, till, read_method(SETTLE), **more)
    return [act.arguments["order.amount"] for act in found.acts]


async def test_calls_are_those_that_wallets_sent_and_that_did_not_fail(net: Net) -> None:
    """ONC-034: by method and arguments, over several days; a failed one is none, another's neither."""
    till = await net.deploy("Till")
    for amount in (5, 7, 9):
        await net.send(till, settle(BOB, amount), value=amount)
        await net.wait(DAY_S)
    await net.send(till, b"", value=3)
    await net.send(till, settle(ALICE, 100), by=BOB)
    failing = {"from": f"0x{ALICE.hex()}", "to": f"0x{till.hex()}", "gas": hex(100_000)}
    await net.node.call("eth_sendTransaction", {**failing, "data": f"0x{settle(BOB, 0).hex()}"})
    await net.node.mine(300)
    for inside in (False, True):
        assert await calls(net, till, ALICE, ALICE, inside=inside) == [5, 7, 9]
        assert await calls(net, till, ALICE, inside=inside, where=[Where(VALUE, "atLeast", "7")]) == [7, 9]
        some = [Where("order.amount", "atMost", "8"), Where("order.buyer", "equals", f"0x{BOB.hex()}")]
        assert await calls(net, till, ALICE, inside=inside, where=some) == [5, 7]
        assert await calls(net, till, ALICE, BOB, inside=inside) == [5, 7, 9, 100]
        assert await calls(net, till, CAROL, inside=inside) == []
        assert await calls(net, till, inside=inside) == []
        every = await collect_calls(net.source, [ALICE], till, None, inside=inside)
        assert [count(every), volume(every, VALUE)] == [4, 24]
        late = await collect_calls(net.source, [ALICE], till, None, inside=inside, history_s=2 * DAY_S)
        assert count(late) == 2
        first = since_first_s(every)
        assert first is not None
        assert first >= 3 * DAY_S


async def test_calls_through_a_safe_are_the_safes(net: Net) -> None:
    """ONC-035: who sent the transaction did not call; without traces a contract wallet called nobody."""
    till = await net.deploy("Till")
    singleton = await created(net, made(SAFE / "Safe.sol/Safe.json"))
    proxy = made(SAFE / "proxies/SafeProxy.sol/SafeProxy.json")
    safe = await created(net, proxy + encode(["address"], [singleton]))
    zero = bytes(20)
    setup = "setup(address[],uint256,address,bytes,address,address,uint256,address)"
    await net.do(safe, setup, [ALICE], 1, zero, b"", zero, zero, 0, zero)
    execute = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
    approved = encode(["address", "uint256"], [ALICE, 0]) + b"\1"
    for amount in (4, 6):
        await net.do(safe, execute, till, 0, settle(BOB, amount), 0, 0, 0, 0, zero, zero, approved)
    assert await calls(net, till, safe) == [4, 6]
    assert await calls(net, till, ALICE) == []
    assert await calls(net, till, ALICE, safe) == [4, 6]
    assert await calls(net, till, safe, inside=False) == []


async def created(net: Net, code: bytes) -> Address:
    return Address(bytes.fromhex((await net.send(None, code))["contractAddress"][2:]))


async def test_calls_of_operations_are_the_accounts_not_the_bundlers(net: Net) -> None:
    """ONC-035: Bob's delegation (EIP-7702) and operation (ERC-4337), sent and paid for by Alice."""
    till = await net.deploy("Till")
    code = await created(net, made(ERC4337 / "EntryPoint.json"))
    there = await net.node.call("eth_getCode", f"0x{code.hex()}", "latest")
    await net.node.call("anvil_setCode", f"0x{ENTRY_POINT.hex()}", there)
    account = await created(net, made(ERC4337 / "Simple7702Account.json"))
    await delegate(net, account)
    await net.do(ENTRY_POINT, "depositTo(address)", BOB, value=10**18)
    for amount in (11, 0, 13):
        await operate(net, till, settle(CAROL, amount))
    assert await calls(net, till, BOB) == [11, 13]
    assert await calls(net, till, ALICE) == []
    assert await calls(net, till, BOB, inside=False) == []


async def delegate(net: Net, account: Address) -> None:
    told = {"chainId": CHAIN_ID, "address": f"0x{account.hex()}", "nonce": 0}
    word = Account.sign_authorization(told, KEYS[1])
    nonce = int(await net.node.call("eth_getTransactionCount", f"0x{ALICE.hex()}", "latest"), 16)
    fees = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1, "gas": 200_000, "value": 0, "type": 4}
    request = {"chainId": CHAIN_ID, "nonce": nonce, "to": bytes(CAROL), **fees}
    sent = Account.sign_transaction({**request, "authorizationList": [word]}, KEYS[0])
    await net.node.call("eth_sendRawTransaction", f"0x{sent.raw_transaction.hex().removeprefix('0x')}")
    assert (await net.node.call("eth_getCode", f"0x{BOB.hex()}", "latest")) == f"0xef0100{account.hex()}"


async def operate(net: Net, to: Address, data: bytes) -> None:
    """Have Alice carry an operation that Bob signed."""
    inner = keccak256(b"execute(address,uint256,bytes)")[:4]
    inner += encode(["address", "uint256", "bytes"], [to, 0, data])
    asked = keccak256(b"getNonce(address,uint192)")[:4] + encode(["address", "uint192"], [BOB, 0])
    request = {"to": f"0x{ENTRY_POINT.hex()}", "data": f"0x{asked.hex()}"}
    nonce = int(await net.node.call("eth_call", request, "latest"), 16)
    limits, fees = (300_000 << 128 | 300_000).to_bytes(32), (1 << 128 | 10**10).to_bytes(32)
    fields = [BOB, nonce, b"", inner, limits, 50_000, fees, b""]
    asked = keccak256(f"getUserOpHash({OPERATION})".encode())[:4] + encode([OPERATION], [(*fields, b"")])
    name = await net.node.call("eth_call", {**request, "data": f"0x{asked.hex()}"}, "latest")
    word = PrivateKey(KEYS[1]).sign_msg_hash(bytes.fromhex(name[2:]))
    signature = word.r.to_bytes(32) + word.s.to_bytes(32) + bytes([27 + word.v])
    call = keccak256(f"handleOps({OPERATION}[],address)".encode())[:4]
    call += encode([f"{OPERATION}[]", "address"], [[(*fields, signature)], CAROL])
    await net.send(ENTRY_POINT, call)


async def test_what_was_undone_did_not_happen_in_either_form_of_traces(codes: dict[str, str]) -> None:
    """ONC-035: one endpoint has `debug_`, the other `trace_` alone; both say the same."""
    async with network(codes) as net:
        till, relay = await net.deploy("Till"), await net.deploy("Relay")
        await net.do(relay, "pass(address,bytes,bool)", till, settle(BOB, 5), False)
        await net.do(relay, "attempt(address,bytes)", till, settle(BOB, 6))
        await net.send(till, settle(BOB, 8))
        net.liar.fault = without("debug_traceTransaction")
        assert await calls(net, till, relay, ALICE) == [5, 8]
        assert await calls(net, till, ALICE) == [8]
        seen = []
        for one in ("debug_traceTransaction", "trace_transaction"):
            for height in (3, 4, 5):
                block = await net.node.call("eth_getBlockByNumber", hex(height), False)
                more = [{"tracer": "callTracer"}] if one.startswith("debug") else []
                answer = await net.node.call(one, block["transactions"][0], *more)
                seen.append([frame.to for frame in frames_by(answer, [ALICE, relay]) if frame.to != relay])
        assert seen[:3] == seen[3:] == [[till], [], [till]]


async def test_without_traces_or_with_others_nothing_inside_is_known(codes: dict[str, str]) -> None:
    """ONC-003, ONC-034: one question is not answered, the other is; a trace that differs is no answer."""
    async with network(codes) as net:
        till = await net.deploy("Till")
        await net.send(till, settle(BOB, 5))
        net.liar.fault = without("debug_traceTransaction", "trace_transaction")
        with pytest.raises(SourceError):
            await calls(net, till, ALICE)
        assert await calls(net, till, ALICE, inside=False) == [5]
        net.liar.fault = lambda method, _params, result: (
            {**result, "value": "0x5"} if method == "debug_traceTransaction" else result
        )
        with pytest.raises(SourceError, match="contradiction"):
            await calls(net, till, ALICE)
        net.liar.fault = lambda method, _params, result: (
            hex(int(result, 16) + 1) if method == "eth_getTransactionCount" else result
        )
        with pytest.raises(SourceError, match="contradiction"):
            await calls(net, till, ALICE, inside=False)


async def test_few_questions_find_calls_in_a_long_chain(net: Net) -> None:
    """ONC-014: three calls in 400 blocks; naively every block would be read."""
    till = await net.deploy("Till")
    for amount in (1, 2, 3):
        await net.node.mine(120)
        await net.send(till, settle(BOB, amount))
    await net.node.mine(40)
    before = len(net.liar.asked)
    assert await calls(net, till, ALICE, inside=False) == [1, 2, 3]
    asked = net.liar.asked[before:]
    assert asked.count("eth_getTransactionCount") < 60
    assert asked.count("eth_getBlockByNumber") < 15


def policy(*parts: dict[str, Any]) -> Policy:
    levels = [{"level": 1, "name": "x", "points": 1, "when": {"all": list(parts)}}]
    document = {"version": 1, "name": "x", "evidenceClass": "public", "levels": levels}
    return read_policy(json.dumps(document).encode())


def check(name: str, till: Address, bounds: Mapping[str, str], **more: Any) -> dict[str, Any]:
    asked = {"chain": CHAIN_ID, "contract": f"0x{till.hex()}", "depth": "inside", **more}
    return {"check": {"validator": name, "parameters": asked, "is": dict(bounds)}}


async def test_observe_calls_answers_a_policy(net: Net) -> None:
    """POL-028, over several days."""
    till = await net.deploy("Till")
    for amount in (5, 7):
        await net.send(till, settle(BOB, amount), value=2)
        await net.wait(DAY_S)
    await net.node.mine()
    asked = {"method": SETTLE}
    parts = (
        check("web3.calls", till, {"atLeast": "2", "atMost": "2"}, **asked),
        check("web3.calls", till, {"atLeast": "2"}, depth="outer"),
        check("web3.call-days", till, {"atLeast": "2"}, **asked),
        check("web3.call-streak", till, {"atLeast": "2"}, **asked),
        check("web3.call-volume", till, {"atLeast": "12"}, argument="order.amount", **asked),
        check("web3.call-volume", till, {"atLeast": "4"}, argument="msg.value"),
        check("web3.since-first-call", till, {"atLeast": str(DAY_S)}),
        check("web3.since-last-call", till, {"atMost": str(2 * DAY_S)}, days=2, **asked),
    )
    asking, now = policy(*parts), await net.now_s()
    for who, outcome in ((ALICE, "granted"), (BOB, "refused")):
        found = await observe(asking.checks(), {CHAIN_ID: net.source}, [who], now)
        assert evaluate(asking, found, now).outcome == outcome
    since = await observe(asking.checks(), {CHAIN_ID: net.source}, [ALICE], now, since_s=now)
    assert evaluate(asking, since, now).outcome == "refused"


async def test_checks_of_a_policy_share_a_block_and_what_was_told_of_it(net: Net) -> None:
    """ONC-005: five questions about the same calls cost hardly more than one, and are of one block."""
    till = await net.deploy("Till")
    for amount in (1, 2):
        await net.node.mine(60)
        await net.send(till, settle(BOB, amount))
    names = ("web3.calls", "web3.call-days", "web3.call-streak", "web3.since-last-call")
    one = policy(check("web3.calls", till, {"atLeast": "1"}, depth="outer"))
    several = policy(*(check(name, till, {"atLeast": "0"}, depth="outer") for name in names))
    costs = []
    for asking in (one, several):
        before = len(net.liar.asked)
        found = await observe(asking.checks(), {CHAIN_ID: net.source}, [ALICE], 5)
        costs.append(len(net.liar.asked) - before)
        assert len({told.source for told in found.values()}) == 1
        assert all(told.value is not None for told in found.values())
    assert costs[1] <= costs[0] + 5
    net.liar.fault = lambda method, _params, result: (
        {**result, "hash": "0x" + "11" * 32} if method == "eth_getBlockByNumber" else result
    )
    lied = await observe(several.checks(), {CHAIN_ID: net.source}, [ALICE], 5)
    assert all(told.value is None for told in lied.values()), "remembered for one evaluation alone"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"method": "settle(order)"}, "no elementary type"),
        ({"method": SETTLE, "where": [{"argument": "x", "word": "equals", "value": "1"}]}, "no argument"),
        ({"where": [{"argument": "x", "word": "equals", "value": "1"}]}, "without a method"),
        ({"method": SETTLE}, ""),
        ({"where": [{"argument": "msg.value", "word": "atLeast", "value": "1"}]}, ""),
    ],
)
def test_check_fault_names_what_no_contract_could_answer(more: dict[str, Any], why: str) -> None:
    """POL-022."""
    (found,) = policy(check("web3.calls", CAROL, {"atLeast": "1"}, **more)).checks()
    fault = check_fault(found)
    assert why in fault if why else not fault


def test_check_fault_of_a_volume_of_what_is_no_number() -> None:
    """POL-022."""
    asked = {"argument": "order.buyer", "method": SETTLE}
    (found,) = policy(check("web3.call-volume", CAROL, {"atLeast": "1"}, **asked)).checks()
    assert "nothing to add up" in check_fault(found)


def test_method_of_nested_tuples_and_arrays_has_the_usual_selector() -> None:
    """ONC-036: Uniswap's `exactInputSingle`, and names of parts."""
    order = "address tokenIn, address tokenOut, uint24 fee, address recipient, uint256 amountIn"
    method = read_method(f"exactInputSingle(({order}, uint256 amountOutMinimum, uint160 limit) params)")
    assert method.selector.hex() == "04e45aaf"
    assert method.type_of("params.amountIn") == "uint256"
    deep = read_method("f(((uint8 a, bool[2] b)[] c, bytes d) e, string s)")
    assert deep.parameters[0].type == "((uint8,bool[2])[],bytes)"
    values = [(((1, [True, False]),), b"x"), "hi"]
    told = deep.arguments(deep.selector + encode(["((uint8,bool[2])[],bytes)", "string"], values))
    assert told == {"e.c": ((1, (True, False)),), "e.d": b"x", "s": "hi"}
    assert deep.arguments(deep.selector + b"\1") is None
    assert deep.arguments(bytes(4)) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "f", "f(", "f()x", "f(uint256)", "f(uint a)", "f(uint256 a,)", "f(uint256 a uint256 b)"),
        *("f(() a)", "f((uint256 a))", "f(uint256 a, bool a)", "f(uint256[ a)", "1f()", "f(uint256 a))"),
        "f(((((uint8 a) b) c) d) e)",
    ],
)
def test_method_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SignatureError):
        read_method(text)


WORDS = st.sampled_from(["f", "(", ")", ",", " ", "uint256", "address", "a", "b", "[", "]", "2", "-", "é"])


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=24).map("".join))
def test_method_of_anything_is_read_or_refused(text: str) -> None:
    try:
        method = read_method(text)
    except SignatureError:
        return
    assert isinstance(method, MethodSignature)
    assert len(method.selector) == 4


PLACES: st.SearchStrategy[Any] = st.recursive(
    st.tuples(st.booleans(), st.integers(0, 2), st.just([])),
    lambda below: st.tuples(st.booleans(), st.integers(0, 2), st.lists(below, max_size=3)),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(PLACES)
def test_both_forms_of_traces_tell_the_same(tree: Any) -> None:
    """ONC-035: whatever failed undoes all below it."""
    who = (ALICE, BOB, CAROL)
    flat: list[dict[str, Any]] = []

    def walk(node: Any, place: list[int]) -> dict[str, Any]:
        fails, caller, below = node
        told = {"from": f"0x{who[caller].hex()}", "to": f"0x{CAROL.hex()}", "value": "0x1", "input": "0x"}
        error = {"error": "reverted"} if fails else {}
        action = {**told, "callType": "call"}
        flat.append({"type": "call", "action": action, "traceAddress": place, **error})
        inner = [walk(one, [*place, number]) for number, one in enumerate(below)]
        return {"type": "CALL", **told, **error, "calls": inner}

    nested = walk(tree, [])
    assert frames_by(nested, [ALICE, BOB]) == frames_by(flat, [ALICE, BOB])
    assert all(isinstance(one, Frame) for one in frames_by(flat, who))
