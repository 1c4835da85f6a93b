import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import rfc8785
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.types.merkle import Rlp, integer, rlp, secure_root

from trex.types.network import Network
from trex.types.network_file import NetworkFileError, keccak256, network_hash, read_network

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "vectors" / "network.json").read_text())
DEVNET = (ROOT / "networks" / "devnet.json").read_text()
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "networks" / "schema.json").read_text()))
L1_BLOCK = "0x4200000000000000000000000000000000000015"
ORACLE = "0x420000000000000000000000000000000000000f"
FIRST = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
ZERO = "0x" + "00" * 32
EMPTY_ROOT = keccak256(b"\x80")


def test_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["file"])
def test_read_network_committed_file_has_golden_hash_and_roots(vector: dict[str, str]) -> None:
    """NET-005, NET-030, NET-031."""
    text = (ROOT / vector["file"]).read_bytes()
    network = read_network(text)
    SCHEMA.validate(json.loads(text))
    assert f"0x{network.hash.hex()}" == vector["hash"]
    assert keccak256(rfc8785.dumps(json.loads(text))) == network.hash
    assert f"0x{state_root(network).hex()}" == vector["stateRoot"]
    assert f"0x{keccak256(genesis_header(network)).hex()}" == vector["genesisHash"]


def test_network_hash_ignores_order_and_white_space() -> None:
    document = json.loads(DEVNET)
    shuffled = json.dumps(dict(reversed(document.items())), indent=7)
    assert read_network(shuffled).hash == read_network(DEVNET).hash
    document["parameters"]["maxIdleMs"] += 1
    assert network_hash(document) != read_network(DEVNET).hash


def test_devnet_funds_the_accounts_of_the_test_mnemonic() -> None:
    Account.enable_unaudited_hdwallet_features()
    network = read_network(DEVNET)
    for index in range(11):
        phrase = "test test test test test test test test test test test junk"
        owner = Account.from_mnemonic(phrase, account_path=f"m/44'/60'/0'/0/{index}")
        wei = 10_000 * 10**18 if index < 10 else 1_000_000 * 10**18
        assert network.alloc[bytes.fromhex(owner.address[2:])].balance == wei  # type: ignore[index]
    assert sum(1 for account in network.alloc.values() if account.balance) == 11
    assert network.chain_id == 1962


Edit = Callable[[dict[str, Any]], object]
BAD: list[tuple[str, str, Edit, bool]] = [
    # Rule, path, edit, whether the schema alone tells. (Python's `$`, unlike ECMA-262's that the schema is
    # written for, matches before a final line break.)
    ("NET-001", "alloc", lambda d: d.pop("alloc"), True),
    ("NET-001", "extra", lambda d: d.update(extra=1), True),
    ("NET-001", "genesis", lambda d: d.update(genesis=[]), True),
    ("NET-001", "genesis.l1Origin.extra", lambda d: d["genesis"]["l1Origin"].update(extra=1), True),
    ("NET-001", f"alloc.{FIRST}.owner", lambda d: d["alloc"][FIRST].update(owner=1), True),
    ("NET-002", "genesis.timestamp", lambda d: d["genesis"].update(timestamp=2**53), True),
    ("NET-002", "genesis.timestamp", lambda d: d["genesis"].update(timestamp="0x1"), True),
    ("NET-002", "genesis.timestamp", lambda d: d["genesis"].update(timestamp=True), True),
    ("NET-002", "parameters.l1BaseFeeScalar", lambda d: d["parameters"].update(l1BaseFeeScalar=2**32), True),
    ("NET-003", "genesis.baseFeeWei", lambda d: d["genesis"].update(baseFeeWei=1), True),
    ("NET-003", "genesis.baseFeeWei", lambda d: d["genesis"].update(baseFeeWei="0x01"), True),
    ("NET-003", "genesis.baseFeeWei", lambda d: d["genesis"].update(baseFeeWei="0xA"), True),
    ("NET-003", "genesis.baseFeeWei", lambda d: d["genesis"].update(baseFeeWei="0x1\n"), False),
    ("NET-003", "genesis.baseFeeWei", lambda d: d["genesis"].update(baseFeeWei=hex(2**64)), True),
    ("NET-003", "genesis.l1Origin.hash", lambda d: d["genesis"]["l1Origin"].update(hash="0x00"), True),
    ("NET-003", f"alloc.{FIRST.upper()}", lambda d: d["alloc"].update({FIRST.upper(): {"nonce": 1}}), True),
    ("NET-003", f"alloc.{ORACLE}.code", lambda d: d["alloc"][ORACLE].update(code="0x6"), True),
    (
        "NET-003",
        f"alloc.{L1_BLOCK}.storage.0x1",
        lambda d: d["alloc"][L1_BLOCK]["storage"].update({"0x1": ZERO[:-1] + "1"}),
        True,
    ),
    ("NET-004", f"alloc.{FIRST}.nonce", lambda d: d["alloc"][FIRST].update(nonce=0), True),
    ("NET-004", f"alloc.{FIRST}.balance", lambda d: d["alloc"][FIRST].update(balance="0x0"), True),
    ("NET-004", f"alloc.{FIRST}.code", lambda d: d["alloc"][FIRST].update(code="0x"), True),
    ("NET-004", f"alloc.{FIRST}.storage", lambda d: d["alloc"][FIRST].update(storage={}), True),
    ("NET-004", f"alloc.{FIRST}", lambda d: d["alloc"].update({FIRST: {}}), True),
    (
        "NET-004",
        f"alloc.{L1_BLOCK}.storage.{ZERO}",
        lambda d: d["alloc"][L1_BLOCK]["storage"].update({ZERO: ZERO}),
        True,
    ),
    ("NET-010", "name", lambda d: d.update(name="Devnet"), True),
    ("NET-010", "name", lambda d: d.update(name="devnet\n"), False),
    ("NET-011", "chainId", lambda d: d.update(chainId=0), True),
    ("NET-012", "genesis.gasLimit", lambda d: d["genesis"].update(gasLimit=4_999), True),
    ("NET-013", "parameters.blockTimeMs", lambda d: d["parameters"].update(blockTimeMs=0), True),
    ("NET-013", "parameters.maxIdleMs", lambda d: d["parameters"].update(maxIdleMs=199), False),
    ("NET-014", "parameters.elasticity", lambda d: d["parameters"].update(elasticity=0), True),
    (
        "NET-014",
        "parameters.baseFeeDenominator",
        lambda d: d["parameters"].update(baseFeeDenominator=0),
        True,
    ),
    ("NET-015", "genesis.baseFeeWei", lambda d: d["genesis"].update(baseFeeWei="0x0"), False),
    (
        "NET-016",
        "genesis.l1Origin.timestamp",
        lambda d: d["genesis"]["l1Origin"].update(timestamp=2**40),
        False,
    ),
    ("NET-020", f"alloc.{ORACLE}", lambda d: d["alloc"].pop(ORACLE), False),
    ("NET-021", f"alloc.{L1_BLOCK}.storage", lambda d: d["genesis"]["l1Origin"].update(number=7), False),
    ("NET-021", f"alloc.{L1_BLOCK}.storage", lambda d: d["parameters"].update(l1BaseFeeScalar=7), False),
    ("NET-022", f"alloc.{ORACLE}.code", lambda d: d["alloc"][ORACLE].update(code="0x" + "00" * 24_577), True),
    ("NET-022", f"alloc.{ORACLE}.code", lambda d: d["alloc"][ORACLE].update(code="0xef00"), True),
    (
        "NET-022",
        f"alloc.{FIRST}.storage",
        lambda d: d["alloc"][FIRST].update(storage={ZERO: ZERO[:-1] + "1"}),
        True,
    ),
]


@pytest.mark.parametrize(("rule", "path", "edit", "schema_tells"), BAD)
def test_read_network_broken_rule_names_rule_and_path(
    rule: str, path: str, edit: Edit, schema_tells: bool
) -> None:
    document = json.loads(DEVNET)
    edit(document)
    with pytest.raises(NetworkFileError) as caught:
        read_network(json.dumps(document))
    assert (caught.value.rule, caught.value.path) == (rule, path)
    assert SCHEMA.is_valid(document) is not schema_tells


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "NET-001"),
        ("[]", "NET-001"),
        ("{", "NET-001"),
        (b"\xff", "NET-001"),
        ("\ufeff{}", "NET-001"),
        ("[" * 100_000, "NET-001"),
        ('{"name": "a", "name": "a"}', "NET-001"),
        ('{"chainId": 1.0}', "NET-002"),
        ('{"chainId": 1e3}', "NET-002"),
        ('{"chainId": -0}', "NET-002"),
        ('{"chainId": NaN}', "NET-002"),
        ('{"chainId": ' + "9" * 5_000 + "}", "NET-001"),
    ],
)
def test_read_network_loose_json_is_refused(text: str | bytes, rule: str) -> None:
    with pytest.raises(NetworkFileError) as caught:
        read_network(text)
    assert caught.value.rule == rule


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(st.data(), JSON)
def test_read_network_any_value_anywhere_is_data_or_the_known_error(
    data: st.DataObject, value: object
) -> None:
    document = json.loads(DEVNET)
    place = document
    while data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict):
            break
        place = place[key]
    place[data.draw(st.sampled_from(sorted(place)))] = value
    try:
        network = read_network(json.dumps(document))
    except NetworkFileError:
        return
    assert SCHEMA.is_valid(document)
    assert keccak256(rfc8785.dumps(document)) == network.hash


def state_root(network: Network) -> bytes:
    accounts = {}
    for address, account in network.alloc.items():
        storage = {bytes(key): rlp(bytes(value).lstrip(b"\0")) for key, value in account.storage.items()}
        fields: list[Rlp] = [integer(account.nonce), integer(account.balance)]
        accounts[bytes(address)] = rlp([*fields, secure_root(storage), keccak256(account.code)])
    return secure_root(accounts)


def genesis_header(network: Network) -> bytes:
    genesis = network.genesis
    beneficiary = bytes.fromhex("4200000000000000000000000000000000000011")
    fields: list[Rlp] = [
        bytes(32),
        keccak256(rlp([])),
        beneficiary,
        state_root(network),
        EMPTY_ROOT,
        EMPTY_ROOT,
        bytes(256),
        integer(0),
        integer(0),
        integer(genesis.gas_limit),
        integer(0),
        integer(genesis.timestamp),
        b"\x01" + bytes(8),
        bytes(genesis.l1_origin.prev_randao),
        bytes(8),
        integer(genesis.base_fee_wei),
        EMPTY_ROOT,
        integer(0),
        integer(0),
        bytes(genesis.l1_origin.parent_beacon_block_root),
        hashlib.sha256(b"").digest(),
    ]
    return rlp(fields)


def test_module_needs_nothing_of_the_rust_core() -> None:
    code = "import sys, trex.types.network_file; sys.exit('trex._core' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, check=False
        ).returncode
        == 0
    )
