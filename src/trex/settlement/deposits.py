"""The queue of deposits as L1 keeps it (specs/portal.md, PTL-001 to PTL-012)."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from trex.settlement.l1.errors import L1UnavailableError
from trex.settlement.l1.reader import Log
from trex.types.primitives import Address, Hash32

TRANSACTION_DEPOSITED = Hash32(keccak(b"TransactionDeposited(address,address,uint256,bytes)"))
"""First topic of the portal's event (PTL-010)."""
VERSION = bytes(32)
"""The only version of opaque data."""
LEAST_OPAQUE_BYTES = 73
"""Mint, value, gas limit, creation flag."""


@dataclass(frozen=True, slots=True)
class Deposit:
    """A deposit and where L1 has it."""

    sender: Address
    """On L2: aliased where PTL-011 says so."""
    to: Address
    opaque_data: bytes
    l1_number: int
    l1_hash: Hash32
    log_index: int

    @property
    def record(self) -> bytes:
        """What the queue's hash chain is made of (PTL-001)."""
        return self.l1_number.to_bytes(8, "big") + self.sender + self.to + VERSION + self.opaque_data

    @property
    def source_hash(self) -> Hash32:
        """What names the transaction on L2 (PTL-012)."""
        return Hash32(keccak(bytes(32) + keccak(self.l1_hash + self.log_index.to_bytes(32, "big"))))


def chain(accumulator: Hash32, record: bytes) -> Hash32:
    """Return the hash chain with one more deposit (PTL-002)."""
    return Hash32(keccak(accumulator + keccak(record)))


def read_deposits(logs: Sequence[Log]) -> list[Deposit]:
    """Read the portal's events.

    Raises:
        L1UnavailableError: `bad_answer`: an event of another form.
    """
    return [_read(log) for log in logs]


def accumulate(deposits: Sequence[Deposit], accumulator: Hash32) -> Hash32:
    """Return the hash chain after these deposits."""
    for deposit in deposits:
        accumulator = chain(accumulator, deposit.record)
    return accumulator


def _read(log: Log) -> Deposit:
    if len(log.topics) != 4 or log.topics[3] != VERSION:
        raise L1UnavailableError("bad_answer", "a deposit event of another form")
    try:
        (opaque,) = decode(["bytes"], log.data)
    except (DecodingError, OverflowError) as error:
        raise L1UnavailableError("bad_answer", f"a deposit event that cannot be read: {error}") from error
    if len(opaque) < LEAST_OPAQUE_BYTES:
        raise L1UnavailableError("bad_answer", "a deposit event that is cut off")
    return Deposit(
        sender=Address(log.topics[1][12:]),
        to=Address(log.topics[2][12:]),
        opaque_data=opaque,
        l1_number=log.block_number,
        l1_hash=log.block_hash,
        log_index=log.index,
    )
