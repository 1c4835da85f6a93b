"""Operations without gas of one's own: the real EntryPoint v0.8 and paymaster, EIP-7702, viem's client."""

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from tests.gateway.conftest import KEYS, Served, serving, settings_for
from tests.gateway.contract_wallets import DELEGATE, send
from tests.gateway.people import Person, evm_person
from tests.gateway.test_grants import ETHER, holds, policy
from tests.node.conftest import Devnet, devnet_at

from trex.engagement import epochs
from trex.engagement.epochs import CLAIM, EpochRewards, publish_call, publish_message
from trex.gateway.attest import attest
from trex.gateway.attestations import SYNC_BADGES
from trex.gateway.keys import account_of
from trex.gateway.operations import ENTRY_POINT, GET_HASH, PAYMASTER, SPONSORSHIP_OF
from trex.passport import acts
from trex.passport.contracts import SET_PAYOUT, Method, add_key
from trex.passport.keys import Role
from trex.passport.proofs import Proof, sign_evm
from trex.points import ledger
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

PEERS = Path(__file__).with_name("peers")
SET_BUNDLER = Method("setBundler", ("uint256", "address"))
CREATE = Method("create", ("uint128", "uint128", "uint128"), ("uint256",))
CLAIM_ONE = Method("claim", ("uint256", CLAIM))
EXECUTE = Method("execute", ("address", "uint256", "bytes"))
RECEIVER = "0x" + "5e" * 20
PER_OPERATION = ETHER // 100
BUDGET = ETHER // 400
BY_ITSELF = Proof(0, 0, b"")
DAY_S = 86_400


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A chain of one's own: a day passes on it."""
    with devnet_at(tmp_path_factory.mktemp("operations") / "data") as running:
        yield running


@pytest.fixture
def delegate() -> str:
    """The account contract that people delegate to."""
    return DELEGATE


def sponsorship(devnet: Devnet, per_passport: int = ETHER // 10, per_day: int = ETHER) -> int:
    """A new one, funded with one ether."""
    call = CREATE.call(PER_OPERATION, per_passport, per_day)
    send(devnet, f"0x{PAYMASTER.hex()}", f"0x{call.hex()}", ETHER)
    asked = {"to": f"0x{PAYMASTER.hex()}", "data": f"0x{Method('sponsorshipCount', ()).call().hex()}"}
    number = int(devnet.call("eth_call", asked, "latest"), 16)
    send(devnet, f"0x{PAYMASTER.hex()}", f"0x{SET_BUNDLER.call(number, account_of(KEYS.relayer)).hex()}")
    return number


async def left_of(served: Served) -> int:
    """Balance of the gateway's sponsorship."""
    asked = (PAYMASTER, SPONSORSHIP_OF, (served.gateway.settings.sponsorship,))
    ((*_, balance),) = await served.gateway.client.ask(asked)
    return int(balance)


@pytest.fixture
async def served(devnet: Devnet, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    folder = tmp_path / "policies"
    folder.mkdir()
    document = policy(f"Any {tmp_path.name}", {"any": [{"time": {"fromS": 1}}, holds("0")]})
    (folder / "any.json").write_text(json.dumps(document))
    number = sponsorship(devnet, **getattr(request, "param", {}))
    more = {"policies": folder, "sponsorship": number}
    async with serving(settings_for(devnet, f"sqlite:///{tmp_path}/g.db", **more)) as running:
        yield running


async def person(served: Served) -> Person:
    """Somebody with a passport, a badge with points, and not one wei."""
    who = await evm_person(served).create()
    await who.finished({"number": (await who.post("/v1/grants", {"policy": "any"}, 202))["job"]})
    for _ in range(3_600):  # the relayer has its points counted afterwards, at its own cost
        if await ledger.total_of(served.gateway.client, who.passport):
            return who
        await asyncio.sleep(0.05)
    raise AssertionError("the points are not counted")


async def asked(served: Served, method: str, *params: Any) -> Any:
    """Ask the bundler; returns what it answers, or raises what it says."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    answer = await served.post("/v1/bundler", body)
    assert answer["id"] == 7
    if "error" in answer:
        raise RefusedError(answer["error"]["code"], answer["error"]["message"])
    return answer["result"]


class RefusedError(Exception):
    """The bundler's refusal."""


def refused(code: int, words: str) -> Any:
    return pytest.raises(RefusedError, match=rf"\({code}, .*{words}")


def authorization(who: Person, delegate: str, **changed: Any) -> dict[str, Any]:
    told = {"chainId": 1962, "address": delegate, "nonce": 0, **changed}
    word = Account.sign_authorization(told, who.secret)
    signed = {"yParity": hex(word.y_parity), "r": hex(word.r), "s": hex(word.s)}
    return {"chainId": hex(told["chainId"]), "address": delegate, "nonce": hex(told["nonce"]), **signed}


async def filled(
    served: Served, who: Person, data: bytes, delegate: str | None, nonce: int = 0
) -> dict[str, Any]:
    """An operation with everything but its signature."""
    fees = {"maxFeePerGas": hex(2 * 10**9), "maxPriorityFeePerGas": hex(10**9)}
    sender = f"0x{who.key.data.hex()}"
    call = f"0x{EXECUTE.call(RECEIVER, 0, data).hex()}"
    operation: dict[str, Any] = {"sender": sender, "nonce": hex(nonce), "callData": call, **fees}
    operation["signature"] = f"0x{'ff' * 65}"
    if delegate:
        operation |= {"factory": "0x7702", "factoryData": "0x"}
        operation["eip7702Auth"] = authorization(who, delegate)
    entry_point = f"0x{ENTRY_POINT.hex()}"
    operation |= await asked(served, "pm_getPaymasterStubData", operation, entry_point, hex(1962))
    operation |= await asked(served, "eth_estimateUserOperationGas", operation, entry_point)
    operation |= await asked(served, "pm_getPaymasterData", operation, entry_point, hex(1962), {})
    return operation


def signed(devnet: Devnet, who: Person, operation: dict[str, Any], delegate: str | None) -> dict[str, Any]:
    """Sign by the EntryPoint's own hash."""
    pair = [
        bytes.fromhex(operation[name][2:].rjust(32, "0")) for name in ("verificationGasLimit", "callGasLimit")
    ]
    fees = [
        bytes.fromhex(operation[name][2:].rjust(32, "0")) for name in ("maxPriorityFeePerGas", "maxFeePerGas")
    ]
    names = ("paymasterVerificationGasLimit", "paymasterPostOpGasLimit")
    paid = bytes.fromhex(operation["paymaster"][2:])
    paid += b"".join(bytes.fromhex(operation[name][2:].rjust(32, "0")) for name in names)
    paid += bytes.fromhex(operation["paymasterData"][2:])
    packed = (
        *(operation["sender"], int(operation["nonce"], 16), b"\x77\x02" if delegate else b""),
        *(bytes.fromhex(operation["callData"][2:]), b"".join(pair), int(operation["preVerificationGas"], 16)),
        *(b"".join(fees), paid, b""),
    )
    call = {"to": f"0x{ENTRY_POINT.hex()}", "data": f"0x{GET_HASH.call(packed).hex()}"}
    code = {operation["sender"]: {"code": f"0xef0100{delegate[2:].lower()}"}} if delegate else {}
    hash_ = bytes.fromhex(devnet.call("eth_call", call, "latest", code)[2:])
    signature = PrivateKey(who.secret).sign_msg_hash(hash_)
    raw = signature.r.to_bytes(32) + signature.s.to_bytes(32) + bytes([27 + signature.v])
    return {**operation, "signature": f"0x{raw.hex()}"}


async def sent(served: Served, operation: dict[str, Any]) -> str:
    return str(await asked(served, "eth_sendUserOperation", operation, f"0x{ENTRY_POINT.hex()}"))


async def receipt(served: Served, hash_: str) -> Any:
    for _ in range(6_000):
        found = await asked(served, "eth_getUserOperationReceipt", hash_)
        if found is not None:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("the operation is in no block")


def balance(devnet: Devnet, address: str) -> int:
    return int(devnet.call("eth_getBalance", address, "latest"), 16)


async def reward(devnet: Devnet, served: Served, passport: int, amount: int) -> bytes:
    """Publish an epoch that pays one passport, let the day before its claims pass; returns the claim."""
    client = served.gateway.client
    devnet.call("anvil_setBalance", f"0x{client.contracts.rewards.hex()}", hex(amount))
    number = await epochs.count(client) + 1
    leaf = keccak256(keccak256(encode(["uint256"] * 4, [number, 0, passport, amount])))
    in_force, (_, now) = await client.attestors(), await client.latest()
    wanted = EpochRewards(leaf, amount, Address(bytes(20)), now + 50 * DAY_S, Hash32(bytes(32)))
    message = publish_message(client.contracts, number, wanted)
    signatures = await attest(served.gateway.attestors, in_force, message)
    data = publish_call(wanted, b"", in_force.epoch, signatures)
    send(devnet, f"0x{client.contracts.rewards.hex()}", f"0x{data.hex()}")
    devnet.call("evm_increaseTime", DAY_S)
    devnet.call("evm_mine")
    return CLAIM_ONE.call(number, (0, passport, amount, []))


async def test_viem_as_it_is_links_a_wallet_and_claims_a_reward_without_ether(
    devnet: Devnet, served: Served, delegate: str
) -> None:
    """GTW-090 to GTW-093: ERC-7769 and ERC-7677 of an unmodified client; the relayer loses nothing."""
    who, wallet = await person(served), evm_person(served)
    client, contracts = served.gateway.client, served.gateway.client.contracts
    claim = await reward(devnet, served, who.passport, ETHER)
    enter = acts.enter(contracts.passport_domain, who.passport, wallet.key.id, Role.LINKED, 0, 2**40)
    link = add_key(who.passport, who.key, BY_ITSELF, wallet.key, Role.LINKED, sign_evm(enter, wallet.secret))
    payout = SET_PAYOUT.call(who.passport, who.key.tuple, BY_ITSELF.tuple, f"0x{who.key.data.hex()}")
    points = SYNC_BADGES.call([1])

    def call(to: Address, data: bytes) -> dict[str, str]:
        return {"to": f"0x{to.hex()}", "data": f"0x{data.hex()}"}

    batches = [
        [call(contracts.passport, link), call(contracts.passport, payout)],
        [call(contracts.rewards, claim), call(contracts.points, points)],
    ]
    relayer, account = f"0x{served.gateway.relayer.account.hex()}", f"0x{who.key.data.hex()}"
    before, funded = balance(devnet, relayer), await left_of(served)
    assert balance(devnet, account) == 0
    told = {"node": devnet.url, "gateway": served.url, "key": f"0x{who.secret.hex()}"}
    told |= {"batches": batches}
    process = await asyncio.create_subprocess_exec(
        *("node", "operations.mjs"),
        cwd=PEERS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = await process.communicate(json.dumps(told).encode())
    assert process.returncode == 0, errors.decode()
    seen = json.loads(out)
    assert (seen["chain"], len(seen["entryPoints"])) == (1962, 1)
    for one in seen["operations"]:
        assert (one["success"], one["found"], one["same"], one["calls"]) == (True, True, True, 2)
        assert one["logs"] > 0
        assert (one["status"], one["from"].lower(), one["sender"].lower()) == ("success", relayer, account)
    assert seen["refused"] == "UserOperationExecutionError"
    held = {one.key: one.role for one in await client.keys(who.passport)}
    assert held == {who.key: Role.ACTING, wallet.key: Role.LINKED}
    assert balance(devnet, account) == ETHER, "the reward, all of it"
    assert devnet.call("eth_getCode", account, "latest") == f"0xef0100{delegate[2:].lower()}"
    assert balance(devnet, relayer) >= before, "what it brings pays for itself"
    assert 0 < funded - await left_of(served) < 2 * PER_OPERATION


async def test_what_would_leave_the_relayer_with_the_bill_is_refused(
    devnet: Devnet, served: Served, delegate: str
) -> None:
    """GTW-091: nothing of it reaches the chain; the honest operation at the end does."""
    who, other = await person(served), await person(served)
    plain = await filled(served, who, b"", delegate)
    ready = signed(devnet, who, plain, delegate)
    relayer = f"0x{served.gateway.relayer.account.hex()}"
    count = devnet.call("eth_getTransactionCount", relayer, "latest")
    stub = {"r": "0x" + "f" * 31 + "0" * 33, "s": "0x7" + "a" * 63, "yParity": "0x1"}
    words = [
        (authorization(other, delegate), -32507, "not signed by the account"),
        (plain["eip7702Auth"] | stub, -32507, "not signed by the account"),
        (authorization(who, delegate, chainId=1), -32602, "another chain"),
        (authorization(who, delegate, nonce=1), -32602, "nonce"),
    ]
    for word, code, why in words:
        with refused(code, why):
            await sent(served, {**ready, "eip7702Auth": word})
    early = plain["paymasterData"][:-8] + "00000001"
    changes: list[tuple[dict[str, Any], int, str]] = [
        ({"preVerificationGas": hex(21_000)}, -32602, "pay for itself"),
        ({"maxFeePerGas": "0x1"}, -32602, "pay for itself"),
        ({"maxPriorityFeePerGas": "0x1"}, -32602, "pay for itself"),
        ({"callGasLimit": hex(10**8)}, -32602, "at most"),
        ({"paymaster": None}, -32602, "pm_getPaymasterData"),
        ({"paymasterData": f"0x{1 << 40:064x}00000000"}, -32602, "pm_getPaymasterData"),
        (signed(devnet, who, {**plain, "paymasterData": early}, delegate), -32503, "AA32"),
        ({"signature": signed(devnet, other, plain, delegate)["signature"]}, -32507, "AA24"),
        ({"nonce": "0x5"}, -32500, "AA25"),
        ({"factory": RECEIVER}, -32602, "factory"),
        ({"sender": "0x12"}, -32602, "sender"),
    ]
    for change, code, why in changes:
        with refused(code, why):
            await sent(served, {**ready, **change})
    stranger = evm_person(served)
    with refused(-32501, "make one first"):
        await filled(served, stranger, b"", delegate)
    for method, params, code in (
        ("eth_sendUserOperation", [ready, RECEIVER], -32602),
        ("pm_getPaymasterData", [ready, f"0x{ENTRY_POINT.hex()}", "0x1"], -32602),
        ("eth_sendTransaction", [], -32601),
        ("eth_getUserOperationReceipt", ["0x12"], -32602),
    ):
        with refused(code, ""):
            await asked(served, method, *params)
    assert devnet.call("eth_getTransactionCount", relayer, "latest") == count
    hash_ = await sent(served, ready)
    assert await sent(served, ready) == hash_, "the same again is the same"
    assert (await receipt(served, hash_))["success"]
    again = {**plain, "callGasLimit": hex(90_000), "eip7702Auth": None}
    with refused(-32500, "AA25"):
        await sent(served, signed(devnet, who, again, delegate))


@pytest.mark.parametrize("served", [{"per_passport": BUDGET}], indirect=True)
async def test_budget_of_a_passport_is_all_that_its_operations_can_burn(
    devnet: Devnet, served: Served, delegate: str
) -> None:
    """GTW-092, PTS-081, PTS-082: failing calls are paid for by the same budget; others' stay theirs."""
    mallory, alice = await person(served), await person(served)
    funded, nonce, ready = await left_of(served), 0, dict[str, Any]()
    with refused(-32501, "budget of the day"):
        for nonce in range(20):
            plain = await filled(served, mallory, b"", None if nonce else delegate, nonce)
            plain["callData"] = f"0x{EXECUTE.call(f'0x{ENTRY_POINT.hex()}', 0, b'burns').hex()}"
            ready = signed(devnet, mallory, plain, None if nonce else delegate)
            assert not (await receipt(served, await sent(served, ready)))["success"]
    assert nonce, "the first was carried"
    forced = {**ready, "nonce": hex(nonce), "maxFeePerGas": hex(8 * 10**9)}
    with refused(-32501, "PersonaPaymaster_(PassportBudget|TooDear)"):
        await sent(served, signed(devnet, mallory, forced, None))
    assert funded - await left_of(served) <= BUDGET
    ready = signed(devnet, alice, await filled(served, alice, b"", delegate), delegate)
    assert (await receipt(served, await sent(served, ready)))["success"]


async def test_one_operation_of_an_account_is_on_its_way_at_a_time(
    devnet: Devnet, served: Served, delegate: str
) -> None:
    """GTW-091: of two with one nonce the second would fail in its block, at the relayer's cost."""
    who = await person(served)
    first = signed(devnet, who, await filled(served, who, b"", delegate), delegate)
    second = signed(devnet, who, await filled(served, who, b"\x01", delegate), delegate)
    devnet.call("evm_setAutomine", False)
    try:
        hash_ = await sent(served, first)
        with refused(-32500, "on its way"):
            await sent(served, second)
        told = await asked(served, "eth_getUserOperationByHash", hash_)
        assert (told["transactionHash"], told["userOperation"]["callData"]) == (None, first["callData"])
    finally:
        devnet.call("evm_setAutomine", True)
    assert (await receipt(served, hash_))["success"]
    assert await asked(served, "eth_getUserOperationByHash", f"0x{secrets.token_hex(32)}") is None
