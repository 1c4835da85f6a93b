"""Blocks of the real core, by the rules of specs/stf.md and specs/fees.md computed again here."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_hash.auto import keccak

from trex import _core  # noqa: TID251
from trex.chain.opening import open_chain
from trex.types.errors import CoreError
from trex.types.network_file import l1_block_storage, read_network
from trex.types.primitives import Hash32, Wei

ROOT = Path(__file__).parents[2]
KEY = "0x" + "11" * 32
SENDER: str = Account.from_key(KEY).address
SEQUENCER_FEE_VAULT, BASE_FEE_VAULT, L1_FEE_VAULT = (f"0x42{number:038x}" for number in (0x11, 0x19, 0x1A))
L1_BLOCK = f"0x42{0x15:038x}"
MESSAGE_PASSER = f"0x42{0x16:038x}"
BURNER = "0x" + "bb" * 20
"""Runs until its gas is gone."""
GAS_LIMIT, ELASTICITY, DENOMINATOR, FLOOR_WEI = 1_000_000, 2, 8, 700_000_000
BLOCK_TIME_MS = 300
SHA256_OF_NOTHING = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def network() -> bytes:
    """The devnet's, with fees that move fast and an L1 that costs something."""
    text = (ROOT / "networks" / "devnet.json").read_bytes()
    devnet, document = read_network(text), json.loads(text)
    origin = dataclasses.replace(
        devnet.genesis.l1_origin, base_fee_wei=Wei(10**9), prev_randao=Hash32(b"\x17" * 32)
    )
    parameters = dataclasses.replace(devnet.parameters, l1_base_fee_scalar=1_000_000)
    document["genesis"] |= {"gasLimit": GAS_LIMIT, "baseFeeWei": hex(10**9)}
    document["genesis"]["l1Origin"] |= {"baseFeeWei": hex(10**9), "prevRandao": "0x" + "17" * 32}
    document["parameters"] |= {
        **{"blockTimeMs": BLOCK_TIME_MS, "elasticity": ELASTICITY, "baseFeeDenominator": DENOMINATOR},
        **{"minBaseFeeWei": hex(FLOOR_WEI), "l1BaseFeeScalar": 1_000_000},
    }
    document["alloc"][SENDER.lower()] = {"balance": hex(10**21)}
    document["alloc"][BURNER] = {"code": "0x5b5f56"}
    storage = l1_block_storage(origin, parameters)
    document["alloc"][L1_BLOCK]["storage"] = {
        f"0x{place.hex()}": f"0x{word.hex()}" for place, word in sorted(storage.items())
    }
    return json.dumps(document).encode()


@dataclass
class Made:
    """A chain, and what was sent on it."""

    core: _core.Chain
    nonce: int = 0

    def ask(self, method: str, *params: Any) -> Any:
        return json.loads(self.core.rpc(method, json.dumps(params).encode()))

    def block(self, which: str = "latest") -> dict[str, Any]:
        found: dict[str, Any] = self.ask("eth_getBlockByNumber", which, False)
        return found

    def number(self, block: dict[str, Any], field: str) -> int:
        return int(block[field], 16)

    def balance(self, who: str, at: str = "latest") -> int:
        return int(self.ask("eth_getBalance", who, at), 16)

    def send(self, gas: int, to: str = BURNER) -> None:
        request = {
            **{"chainId": 1962, "nonce": self.nonce, "to": bytes.fromhex(to[2:]), "value": 0, "gas": gas},
            **{"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 5},
        }
        raw = Account.sign_transaction(request, KEY).raw_transaction.to_0x_hex()
        (outcome,) = self.core.submit([raw])
        assert isinstance(outcome, str), outcome
        self.nonce += 1

    def make(self, slot: int) -> dict[str, Any]:
        assert self.core.build(slot, allow_empty=True, budget_ms=10_000) is not None
        return self.block()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    core = open_chain(tmp_path / "chain", network(), cache_bytes=1 << 20)
    yield Made(core)
    core.close()


def next_base_fee(fee: int, gas_used: int) -> int:
    """EIP-1559's move for a parent's gas, not below the network's floor."""
    target = GAS_LIMIT // ELASTICITY
    change = fee * abs(gas_used - target) // target // DENOMINATOR
    if gas_used > target:
        return max(fee + max(change, 1), FLOOR_WEI)
    return max(fee - (change if gas_used < target else 0), FLOOR_WEI)


def test_slots_rise_and_name_their_time(made: Made) -> None:
    """STF-001, STF-002: the slot in extraData; seconds from it, shared by blocks of one second."""
    start = made.number(made.block(), "timestamp")
    for slot in (1, 2, 3, 4, 10, 11, 1_000_003):
        block = made.make(slot)
        assert block["extraData"] == f"0x01{slot:016x}"
        assert made.number(block, "timestamp") == start + slot * BLOCK_TIME_MS // 1000
    for slot in (1_000_003, 11, 0):
        with pytest.raises(CoreError):
            made.core.build(slot, allow_empty=True, budget_ms=1000)
    assert made.number(made.block("0x2"), "timestamp") == made.number(made.block("0x1"), "timestamp")


@pytest.mark.parametrize("gas_used", [0, GAS_LIMIT // ELASTICITY, 900_000])
@pytest.mark.parametrize("elapsed", [1, 2, 3, 40, 1_000_000])
def test_base_fee_moves_once_for_gas_and_once_for_each_skipped_slot(
    made: Made, gas_used: int, elapsed: int
) -> None:
    """STF-003: after a full block too, waiting lowers it to what as many empty blocks would."""
    if gas_used:
        made.send(gas_used)
    parent = made.make(1)
    assert made.number(parent, "gasUsed") == gas_used
    assert made.number(parent, "baseFeePerGas") == next_base_fee(10**9, 0)
    fee = next_base_fee(made.number(parent, "baseFeePerGas"), gas_used)
    for _ in range(1, elapsed):
        fee, before = next_base_fee(fee, 0), fee
        if fee == before:
            break
    block = made.make(1 + elapsed)
    assert made.number(block, "baseFeePerGas") == fee
    assert fee >= FLOOR_WEI
    if elapsed == 1_000_000:
        assert fee == FLOOR_WEI


def test_header_fields_that_are_not_ethereums(made: Made) -> None:
    """STF-009: beneficiary, L1's fields, the message passer's root, no blobs, no requests."""
    made.send(100_000)
    block = made.make(7)
    assert block["miner"] == SEQUENCER_FEE_VAULT
    assert block["mixHash"] == "0x" + "17" * 32
    assert block["parentBeaconBlockRoot"] == "0x" + "00" * 32
    proof = made.ask("eth_getProof", MESSAGE_PASSER, [], "latest")
    assert block["withdrawalsRoot"] == proof["storageHash"]
    assert (block["blobGasUsed"], block["excessBlobGas"]) == ("0x0", "0x0")
    assert block["requestsHash"] == SHA256_OF_NOTHING
    assert block["withdrawals"] == []


def test_fees_go_to_the_vaults_once_for_the_block(made: Made) -> None:
    """FEE-004: priority fees, base fees and L1 data fees, the sum of what the receipts say; no code runs."""
    vaults = (SEQUENCER_FEE_VAULT, BASE_FEE_VAULT, L1_FEE_VAULT)
    before = [made.balance(vault) for vault in vaults]
    paid = made.balance(SENDER)
    for gas in (30_000, 21_000, 50_000):
        made.send(gas, BURNER if gas > 21_000 else "0x" + "cc" * 20)
    block = made.make(1)
    base_fee = made.number(block, "baseFeePerGas")
    receipts = [made.ask("eth_getTransactionReceipt", one) for one in block["transactions"]]
    assert len(receipts) == 3
    used = [int(receipt["gasUsed"], 16) for receipt in receipts]
    prices = [int(receipt["effectiveGasPrice"], 16) for receipt in receipts]
    l1_fees = [int(receipt["l1Fee"], 16) for receipt in receipts]
    assert min(l1_fees) > 0
    gains = [made.balance(vault) - had for vault, had in zip(vaults, before, strict=True)]
    assert gains == [
        sum(gas * (price - base_fee) for gas, price in zip(used, prices, strict=True)),
        base_fee * sum(used),
        sum(l1_fees),
    ]
    assert paid - made.balance(SENDER) == sum(gains)


@pytest.mark.parametrize(("message_bytes", "words"), [(0, 0), (1, 1), (32, 1), (33, 2), (1000, 32)])
def test_ed25519_costs_by_words_of_the_message(made: Made, message_bytes: int, words: int) -> None:
    """PRE-002: 6,900 and 12 a word begun, whether the signature is good or not; a call costs 100 more."""
    size = 96 + message_bytes
    # Room in memory; gas; the call; gas; what lies between, less the steps around the call.
    code = "5f610800525a" + f"5f5f61{size:04x}5f6102015afa" + "505a9003" + "5f5260205ff3"
    found = made.ask("eth_call", {"to": BURNER}, "latest", {BURNER: {"code": "0x" + code}})
    pushes = 2 + 2 + 3 + 2 + 3 + 2  # two zeros, a size, a zero, an address, gas
    assert int(found, 16) - pushes - 100 - 2 - 2 == 6_900 + 12 * words


def test_block_names_its_parent_by_its_header(made: Made) -> None:
    """Hashes are of the header as clients compute it."""
    first, second = made.make(1), made.make(2)
    assert second["parentHash"] == first["hash"]
    assert keccak(bytes.fromhex(made.ask("debug_getRawHeader", "0x1")[2:])).hex() == first["hash"][2:]
