"""From L1 to this chain."""

from dataclasses import dataclass
from enum import StrEnum

import rlp
from eth_hash.auto import keccak

from trex.bridge.errors import BridgeError
from trex.bridge.layer import Layer, Receipt, pause
from trex.bridge.tokens import approve, approve_collection
from trex.settlement.contracts import contract
from trex.settlement.deposits import TRANSACTION_DEPOSITED, Deposit, read_deposits
from trex.types.network import L1Settlement
from trex.types.primitives import Address, Hash32

L2_MESSENGER = Address(bytes.fromhex("4200000000000000000000000000000000000007"))
DEPOSIT_TYPE = b"\x7e"
ETHER_GAS = 100_000
"""On L2, for ether to a recipient that may be a contract."""
TOKEN_GAS = 200_000
"""On L2, for a bridge to mint or hand out a token."""
DEPOSIT_MARGIN_PERCENT = 60
"""What a deposit burns on L1 depends on the base fee of its block, which falls while it waits (PTL-024)."""


class DepositStage(StrEnum):
    """How far a deposit is."""

    ON_THE_WAY = "on the way"
    """On L1; this chain has no block with it yet."""
    ARRIVED = "arrived"
    FAILED = "failed"
    """It arrived, and its call on this chain failed. A messenger keeps what failed: `replay` repeats it."""


@dataclass(frozen=True, slots=True)
class DepositStatus:
    """How far a deposit is, and where."""

    stage: DepositStage
    l1_block: int
    l2_transaction: Hash32
    l2_block: int | None


def transaction_hash(deposit: Deposit) -> Hash32:
    """Return the hash that a deposit's transaction has on L2, whoever puts it there (PTL-012)."""
    opaque = deposit.opaque_data
    mint, value = int.from_bytes(opaque[:32], "big"), int.from_bytes(opaque[32:64], "big")
    gas, creates = int.from_bytes(opaque[64:72], "big"), opaque[72] != 0
    to = b"" if creates else deposit.to
    fields = [deposit.source_hash, deposit.sender, to, mint, value, gas, b"", opaque[73:]]
    return Hash32(keccak(DEPOSIT_TYPE + rlp.encode(fields)))


async def deposit_ether(l1: Layer, settlement: L1Settlement, to: Address, amount_wei: int) -> Receipt:
    """Send ether to an account on L2."""
    data = contract("Portal").call("depositTransaction", _hex(to), amount_wei, ETHER_GAS, False, b"")
    return await l1.send(settlement.contracts["portal"], data, amount_wei, DEPOSIT_MARGIN_PERCENT)


async def deposit_token(
    l1: Layer, settlement: L1Settlement, token: Address, l2_token: Address, to: Address, amount: int
) -> Receipt:
    """Send an ERC-20 token to an account on L2."""
    bridge = settlement.contracts["l1StandardBridge"]
    await approve(l1, token, bridge, amount)
    data = contract("L1StandardBridge").call(
        "bridgeERC20To", _hex(token), _hex(l2_token), _hex(to), amount, TOKEN_GAS, b""
    )
    return await l1.send(bridge, data, 0, DEPOSIT_MARGIN_PERCENT)


async def deposit_collectible(
    l1: Layer, settlement: L1Settlement, collection: Address, l2_collection: Address, to: Address, number: int
) -> Receipt:
    """Send one ERC-721 token to an account on L2."""
    bridge = settlement.contracts["l1ERC721Bridge"]
    await approve_collection(l1, collection, bridge, number)
    data = contract("L1ERC721Bridge").call(
        "bridgeERC721To", _hex(collection), _hex(l2_collection), _hex(to), number, TOKEN_GAS, b""
    )
    return await l1.send(bridge, data, 0, DEPOSIT_MARGIN_PERCENT)


def deposits_of(receipt: Receipt, settlement: L1Settlement) -> list[Deposit]:
    """Return the deposits that an L1 transaction made."""
    portal = settlement.contracts["portal"]
    return read_deposits(
        [log for log in receipt.logs if log.address == portal and log.topics[:1] == (TRANSACTION_DEPOSITED,)]
    )


async def deposit_status(l2: Layer, deposit: Deposit) -> DepositStatus:
    """Look how far a deposit is."""
    hash_ = transaction_hash(deposit)
    receipt = await l2.receipt(hash_)
    if receipt is None:
        return DepositStatus(DepositStage.ON_THE_WAY, deposit.l1_number, hash_, None)
    arrived = receipt.succeeded
    if arrived and deposit.to == L2_MESSENGER:
        message = keccak(deposit.opaque_data[73:])
        (arrived,) = await l2.call(L2_MESSENGER, "successfulMessages(bytes32)", (message,), ["bool"])
    stage = DepositStage.ARRIVED if arrived else DepositStage.FAILED
    return DepositStatus(stage, deposit.l1_number, hash_, receipt.block_number)


async def arrival(l2: Layer, deposit: Deposit) -> DepositStatus:
    """Wait until a deposit is on this chain."""
    while (status := await deposit_status(l2, deposit)).stage is DepositStage.ON_THE_WAY:
        await pause()
    return status


async def replay_deposit(l2: Layer, deposit: Deposit) -> Receipt:
    """Repeat a message that failed on L2.

    Raises:
        BridgeError: `bad_request`: no messenger keeps it; `reverted`: it fails again.
    """
    if deposit.to != L2_MESSENGER:
        raise BridgeError("bad_request", "this deposit went straight to its recipient: nothing keeps it")
    return await l2.send(L2_MESSENGER, deposit.opaque_data[73:])


def _hex(address: Address) -> str:
    return "0x" + address.hex()
