"""L1 transactions of our own, signed: with fees (EIP-1559) or with blobs (EIP-4844, EIP-7594)."""

from collections.abc import Sequence
from dataclasses import dataclass

import rlp
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from eth_typing import Hash32 as Word

from trex.settlement.kzg import Sidecar
from trex.types.primitives import Address, Gas, Hash32, Wei

WRAPPER_VERSION = 1
"""Of the form in which a blob transaction travels (EIP-7594): with cell proofs."""
NOTHING = Wei(0)


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers."""

    max_fee_wei: Wei
    """For a unit of gas, in all."""
    priority_fee_wei: Wei
    """Of it, at most, for the block's proposer."""
    blob_fee_wei: Wei = NOTHING
    """For a unit of blob gas."""

    def raised(self, percent: int) -> "Fees":
        """Return fees raised by so many percent, each by one wei at least."""
        return Fees(*(Wei(fee + max(1, fee * percent // 100)) for fee in self.as_tuple()))

    def at_least(self, other: "Fees") -> "Fees":
        """Return the greater of each."""
        return Fees(*(max(pair) for pair in zip(self.as_tuple(), other.as_tuple(), strict=True)))

    def as_tuple(self) -> tuple[Wei, Wei, Wei]:
        """Return max fee, priority fee, blob fee."""
        return self.max_fee_wei, self.priority_fee_wei, self.blob_fee_wei


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to happen on L1, whatever nonce and fees it takes."""

    to: Address
    data: bytes
    gas: Gas
    value_wei: Wei = NOTHING
    sidecars: Sequence[Sidecar] = ()


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction ready to be sent."""

    hash: Hash32
    raw: bytes
    nonce: int
    fees: Fees


def account_of(private_key: bytes) -> LocalAccount:
    """Return the account of a key."""
    account: LocalAccount = Account.from_key(private_key)
    return account


def sign(intent: Intent, account: LocalAccount, chain_id: int, nonce: int, fees: Fees) -> Signed:
    """Sign for one nonce at one price."""
    fields: list[object] = [
        chain_id,
        nonce,
        fees.priority_fee_wei,
        fees.max_fee_wei,
        intent.gas,
        intent.to,
        intent.value_wei,
        intent.data,
        [],
    ]
    kind = b"\x02"
    if intent.sidecars:
        kind = b"\x03"
        fields += [fees.blob_fee_wei, [sidecar.versioned_hash for sidecar in intent.sidecars]]
    signature = account.unsafe_sign_hash(Word(keccak(kind + rlp.encode(fields))))
    signed = [*fields, signature.v - 27, signature.r, signature.s]
    raw = kind + rlp.encode(signed)
    hash_ = Hash32(keccak(raw))
    if intent.sidecars:
        raw = kind + rlp.encode(
            [
                signed,
                WRAPPER_VERSION,
                [sidecar.blob for sidecar in intent.sidecars],
                [sidecar.commitment for sidecar in intent.sidecars],
                [proof for sidecar in intent.sidecars for proof in sidecar.cell_proofs],
            ]
        )
    return Signed(hash_, raw, nonce, fees)
