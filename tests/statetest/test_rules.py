"""What the formats of state tests leave open, rule by rule (specs/statetest.md), on small tests."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_account import Account
from eth_hash.auto import keccak

from trex.chain.statetest import Case, run_statetests

KEY = "0x45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8"
SENDER: str = Account.from_key(KEY).address.lower()
TELLER = "0x" + "7e" * 20
"""The contract that tests call."""
WRONG = "0x" + "13" * 32
NO_LOGS = "0x" + keccak(rlp.encode([])).hex()

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1."""

Test = dict[str, Any]


def telling(*operation: int) -> str:
    """Code that logs what an operation puts on the stack."""
    return "0x" + bytes([*operation, 0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xA0]).hex()


def told(value: int) -> str:
    """The hash of the logs of a contract that tells a value."""
    return "0x" + keccak(rlp.encode([[bytes.fromhex(TELLER[2:]), [], value.to_bytes(32, "big")]])).hex()


def state_test(fork: str, code: str = "0x", **transaction: Any) -> Test:
    return {
        "env": {
            **{"currentCoinbase": "0x" + "c0" * 20, "currentDifficulty": "0x020000"},
            **{"currentGasLimit": "0x01000000", "currentNumber": "0x0100", "currentTimestamp": "0x03e8"},
        },
        "pre": {
            SENDER: {"balance": "0x1000000000000", "code": "0x", "nonce": "0x0", "storage": {}},
            TELLER: {"balance": "0x0", "code": code, "nonce": "0x1", "storage": {}},
        },
        "transaction": {
            **{"nonce": "0x0", "gasPrice": "0x0a", "gasLimit": ["0x061a80"], "to": TELLER},
            **{"value": ["0x0"], "data": ["0x"], "sender": SENDER, "secretKey": KEY},
            **transaction,
        },
        "post": {fork: [{"hash": WRONG, "logs": NO_LOGS, "indexes": {"data": 0, "gas": 0, "value": 0}}]},
    }


def outcome_of(test: Test) -> dict[str, Any]:
    ((outcome,),) = test["post"].values()
    assert isinstance(outcome, dict)
    return outcome


def run(folder: Path, test: Test) -> Case:
    file = folder / "test.json"
    file.write_text(json.dumps({"test": test}))
    (case,) = run_statetests(file)
    return case


def judged(folder: Path, test: Test, **outcome: Any) -> Case:
    """Run a test whose root is right: the one that this very run gives."""
    expected = outcome_of(test)
    root = run(folder, test).state_root
    assert root is not None
    expected |= {"hash": root, **outcome}
    return run(folder, test)


def tells(folder: Path, test: Test, value: int) -> bool:
    case = judged(folder, test, logs=told(value))
    assert case.status in ("passed", "failed")
    return case.status == "passed"


def test_case_passes_by_root_and_logs(tmp_path: Path) -> None:
    """ST-001: both must agree; a file of 2017 has no logs; those of a failed transaction are none."""
    test = state_test("Berlin", telling(0x42))
    assert judged(tmp_path, test, logs=told(1000)).status == "passed"
    wrong = judged(tmp_path, test, logs=told(1001))
    assert wrong.status == "failed"
    assert "logs hash" in str(wrong.reason)
    assert run(tmp_path, state_test("Berlin", telling(0x42))).status == "failed"
    old = state_test("Berlin", telling(0x42))
    del outcome_of(old)["logs"]
    assert judged(tmp_path, old).status == "passed"
    reverting = state_test("Berlin", telling(0x42) + "60006000fd")
    assert judged(tmp_path, reverting, logs=NO_LOGS).status == "passed"


def test_root_is_that_of_the_accounts_left(tmp_path: Path) -> None:
    """ST-002: slots set to zero leave the trie, and the root is that of a state which never had them."""
    clearing = "0x" + "6000600055" + "6001600155"
    had = state_test("Berlin", clearing, gasPrice="0x0")
    had["pre"][TELLER]["storage"] = {"0x00": "0x05", "0x01": "0x01"}
    never = state_test("Berlin", clearing, gasPrice="0x0")
    never["pre"][TELLER]["storage"] = {"0x01": "0x01"}
    assert run(tmp_path, had).state_root == run(tmp_path, never).state_root


def signed(**changes: Any) -> str:
    request = {
        **{"nonce": 0, "gasPrice": 10, "gas": 400_000, "to": bytes.fromhex(TELLER[2:]), "value": 0},
        **{"data": b"", "chainId": 1, **changes},
    }
    return str(Account.sign_transaction(request, KEY).raw_transaction.to_0x_hex())


def with_high_s(raw: str) -> str:
    """The same signature's other form."""
    *fields, v, r, s = rlp.decode(bytes.fromhex(raw[2:]))
    high = ORDER - int.from_bytes(s, "big")
    return "0x" + bytes(rlp.encode([*fields, 75 - v[0], r, high.to_bytes(32, "big")])).hex()


@pytest.mark.parametrize(
    ("fork", "raw", "reason"),
    [
        ("Berlin", "0x01", ""),
        ("Berlin", signed(chainId=2), "chain"),
        ("Homestead", signed(), ""),
        ("Berlin", with_high_s(signed()), "high s"),
    ],
)
def test_txbytes_must_be_what_a_node_would_take(fork: str, raw: str, reason: str, tmp_path: Path) -> None:
    """ST-003: it decodes, is of the chain, protected or not as the fork has it, of low s; else refused."""
    refused = state_test(fork, "0x00")
    outcome_of(refused)["txbytes"] = raw
    case = run(tmp_path, refused)
    assert case.status == "failed"
    assert "refused" in str(case.reason)
    assert reason in str(case.reason).lower()
    taken = state_test("Berlin", "0x00")
    outcome_of(taken)["txbytes"] = signed()
    assert judged(tmp_path, taken).status == "passed"


def test_expected_exception_must_come(tmp_path: Path) -> None:
    """ST-004: the reason is not compared, nor the state; unnamed, a refusal leaves the state as it was."""
    poor = state_test("Berlin", gasPrice="0x1000000000000")
    outcome_of(poor)["expectException"] = "TransactionException.ANY"
    case = run(tmp_path, poor)
    assert case.status == "passed"
    assert case.reason
    fine = state_test("Berlin")
    outcome_of(fine)["expectException"] = "TransactionException.ANY"
    assert "was included" in str(run(tmp_path, fine).reason)
    unnamed = state_test("Berlin", gasPrice="0x1000000000000")
    assert run(tmp_path, unnamed).status == "failed"
    assert judged(tmp_path, unnamed).status == "passed"


@pytest.mark.parametrize("fork", ["Frontier", "Berlin", "Osaka"])
def test_creation_over_storage_fails(fork: str, tmp_path: Path) -> None:
    """ST-005 (EIP-7610): the created account keeps its storage and gets no code."""
    test = state_test(fork, to="", data=["0x6001600155"])
    created = keccak(rlp.encode([bytes.fromhex(SENDER[2:]), b""]))[12:]
    test["pre"]["0x" + created.hex()] = {
        **{"balance": "0x0", "code": "0x", "nonce": "0x0", "storage": {"0x05": "0x05"}}
    }
    outcome_of(test)["state"] = {
        "0x" + created.hex(): {"balance": "0x0", "code": "0x", "nonce": "0x0", "storage": {"0x05": "0x05"}}
    }
    reason = str(run(tmp_path, test).reason)
    assert created.hex() not in reason, reason


@pytest.mark.parametrize(
    ("fork", "fields", "creates", "kind"),
    [
        ("Berlin", {}, True, 0),
        ("Berlin", {"accessLists": [None]}, True, 0),
        ("Berlin", {"accessLists": [[]]}, True, 1),
        ("London", {"maxFeePerGas": "0x0a", "maxPriorityFeePerGas": "0x0"}, True, 2),
        ("Cancun", {"maxFeePerGas": "0x0a", "maxFeePerBlobGas": "0x1"}, False, 3),
        ("Cancun", {"maxFeePerGas": "0x0a", "blobVersionedHashes": ["0x01" + "00" * 31]}, False, 3),
        ("Prague", {"maxFeePerGas": "0x0a", "authorizationList": []}, False, 4),
    ],
)
def test_fields_tell_the_type(
    fork: str, fields: dict[str, Any], creates: bool, kind: int, tmp_path: Path
) -> None:
    """ST-006: each type is refused by a fork that lacks it, and types 3 and 4 create nothing."""
    transaction = dict(fields)
    if "maxFeePerGas" in fields:
        transaction["gasPrice"] = None
    before = {1: "Istanbul", 2: "Berlin", 3: "Shanghai", 4: "Cancun"}.get(kind)

    def made(of: str, **more: Any) -> Test:
        test = state_test(of, **transaction, **more)
        test["transaction"] = {name: part for name, part in test["transaction"].items() if part is not None}
        return test

    creation = run(tmp_path, made(fork, to="", data=["0x00"]))
    assert ("refused" not in str(creation.reason)) is creates, creation.reason
    if before:
        assert "refused" in str(run(tmp_path, made(before)).reason)


def test_missing_fields_have_a_value(tmp_path: Path) -> None:
    """ST-007: base fee, prevrandao, blob base fee, chain id; a number too large refuses."""
    assert tells(tmp_path, state_test("London", telling(0x48)), 10)
    assert tells(tmp_path, state_test("Paris", telling(0x44)), 0x20000)
    assert tells(tmp_path, state_test("Cancun", telling(0x4A)), 1)
    assert tells(tmp_path, state_test("Berlin", telling(0x46)), 1)
    costly = state_test("Cancun", telling(0x4A))
    costly["env"] |= {"parentExcessBlobGas": hex(10**7), "parentBlobGasUsed": hex(6 << 17)}
    excess, fraction = 10**7 + (6 << 17) - (3 << 17), 3_338_477
    assert tells(tmp_path, costly, fake_exponential(excess, fraction))
    large = state_test("Berlin", value=["0x1" + "00" * 32])
    assert "refused" in str(run(tmp_path, large).reason)


def fake_exponential(numerator: int, denominator: int) -> int:
    """EIP-4844's, of factor 1."""
    step, total, at = denominator, 0, 1
    while step:
        total += step
        step = step * numerator // (denominator * at)
        at += 1
    return total // denominator


def test_block_hash_is_that_of_the_number_in_decimal(tmp_path: Path) -> None:
    """ST-008."""
    expected = int.from_bytes(keccak(b"250"), "big")
    assert tells(tmp_path, state_test("Berlin", telling(0x60, 250, 0x40)), expected)


def test_forks_that_differ_in_one_thing(tmp_path: Path) -> None:
    """ST-009: EIP-1283 in Constantinople only; BPO forks are Osaka; no precompile of the chain's own."""
    # GAS, SSTORE(0, 0) of a slot that is zero, GAS, SUB: the cost of a write that changes nothing.
    no_change = telling(0x5A, 0x60, 0, 0x60, 0, 0x55, 0x5A, 0x90, 0x03)
    extra = 2 + 3 + 3
    assert tells(tmp_path, state_test("Constantinople", no_change), 200 + extra)
    for fork in ("ConstantinopleFix", "Petersburg", "Byzantium"):
        assert tells(tmp_path, state_test(fork, no_change), 5_000 + extra)
    # CLZ came with Osaka.
    assert tells(tmp_path, state_test("BPO1", telling(0x60, 1, 0x1E)), 255)
    assert not tells(tmp_path, state_test("Prague", telling(0x60, 1, 0x1E)), 255)
    # What the chain has at 0x201 (ed25519) is an empty account here: any call succeeds.
    call = [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x61, 2, 1, 0x60, 100, 0xFA]
    assert tells(tmp_path, state_test("Osaka", telling(*call)), 1)


def test_what_is_skipped_says_why(tmp_path: Path) -> None:
    """ST-010: unknown forks, tests of other kinds, hidden files; nothing of them fails."""
    (tmp_path / "fork.json").write_text(json.dumps({"fork": state_test("Metropolis")}))
    (tmp_path / "block.json").write_text(json.dumps({"block": {"blocks": [], "genesisBlockHeader": {}}}))
    for hidden in (tmp_path / ".git" / "a.json", tmp_path / ".b.json", tmp_path / "stEOF" / "c.json"):
        hidden.parent.mkdir(exist_ok=True)
        hidden.write_text(json.dumps({"hidden": state_test("Berlin")}))
    cases = list(run_statetests(tmp_path))
    assert {case.status for case in cases} == {"skipped"}
    reasons = " ".join(str(case.reason) for case in cases)
    assert re.search("Metropolis is not known", reasons)
    assert ".b.json" not in " ".join(str(case.file) for case in cases)
