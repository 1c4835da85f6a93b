"""Why a call of the bridges reverted, in words."""

from collections.abc import Mapping
from functools import cache

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from trex.settlement.contracts import contract

CONTRACTS = ("Portal", "L1CrossDomainMessenger", "L1StandardBridge", "L1ERC721Bridge")
"""Whose errors a user of the bridges may meet; those on L2 have the same."""
WORDS: Mapping[str, str] = {
    "OptimismPortal_AlreadyFinalized": "the withdrawal was carried out before",
    "OptimismPortal_BadTarget": "the portal is no target of its own withdrawals and deposits",
    "OptimismPortal_CalldataTooLarge": "a deposit carries at most 120,000 bytes",
    "OptimismPortal_DepositGasSoldOut": "this L1 block's gas for deposits is sold out: try again in the next",
    "OptimismPortal_GasEstimation": "the call ran out of gas while its gas was estimated",
    "OptimismPortal_GasLimitTooHigh": "one deposit buys at most 2^24 gas on L2",
    "OptimismPortal_GasLimitTooLow": "the gas limit on L2 is below what the deposit's bytes cost",
    "OptimismPortal_ImproperDisputeGame": "this claim is not on the list of claims",
    "OptimismPortal_InvalidDisputeGame": "this claim has been rejected, or is of a type that counts no more",
    "OptimismPortal_InvalidMerkleProof": "the proof does not lead to the claimed output",
    "OptimismPortal_InvalidOutputRootProof": "the parts given are not those of the claimed output",
    "OptimismPortal_InvalidRootClaim": "the claim it was proven by does not stand yet: wait, or prove again",
    "OptimismPortal_NoReentrancy": "a withdrawal cannot be carried out from inside another",
    "OptimismPortal_NotFailed": "this withdrawal has not failed, so there is nothing to repeat",
    "OptimismPortal_OutOfGas": "too little gas: the deposit burns some on L1 for what it buys on L2",
    "OptimismPortal_ProofNotOldEnough": "the proof is too young: wait for its time to pass",
    "OptimismPortal_Unproven": "nobody has proven this withdrawal with this account: prove it first",
    "RLPInvalidEncoding": "the proof is not well-formed",
    "CrossDomainMessenger_AlreadyFailed": "this message has failed before: have it delivered again",
    "CrossDomainMessenger_AlreadyRelayed": "this message was delivered before",
    "CrossDomainMessenger_BlockedTarget": "no message may go to this contract",
    "CrossDomainMessenger_EstimationFailed": "the call ran out of gas while its gas was estimated",
    "CrossDomainMessenger_NoSender": "no message is being delivered",
    "CrossDomainMessenger_NotFailed": "this message has not failed, so there is nothing to repeat",
    "CrossDomainMessenger_OutOfGas": "too little gas for what the message was promised",
    "CrossDomainMessenger_UnknownVersion": "a message of a version that does not exist",
    "CrossDomainMessenger_WrongValue": "not the ether that the message carries",
    "Bridge_NotOtherBridge": "only the bridge on the other layer may do this",
    "Bridge_OnlyEOA": "a contract must name who receives on the other layer",
    "SafeERC20FailedOperation": "the token refused the transfer: is there enough of it, and is it approved?",
    "StandardBridge_BadRecipient": "bridge, messenger, portal and message passer are no recipients of ether",
    "StandardBridge_NotLocked": "less than that of this pair of tokens is locked on the other layer",
    "StandardBridge_Reentered": "the token called the bridge while it was being locked",
    "StandardBridge_TransferFailed": "the recipient refused the ether",
    "StandardBridge_WrongPair": "this token stands for another one on the other layer",
    "StandardBridge_WrongValue": "not the ether that was to be sent along",
    "ERC721Bridge_NotLocked": "this token is not locked on the other layer for that collection",
    "ERC721Bridge_NotOwner": "the sender does not own this token",
    "ERC721Bridge_WrongPair": "this collection stands for another one on the other layer",
    "ERC721Bridge_ZeroAddress": "a recipient or collection is missing",
}
"""Every error by name; a test proves the table complete."""
TOKENS: Mapping[tuple[str, tuple[str, ...], tuple[str, ...]], str] = {
    (
        "ERC20InsufficientBalance",
        ("address", "uint256", "uint256"),
        ("sender", "balance", "needed"),
    ): "the sender has not enough of this token",
    (
        "ERC20InsufficientAllowance",
        ("address", "uint256", "uint256"),
        ("spender", "allowance", "needed"),
    ): "the bridge may not take that much of this token",
    ("ERC721NonexistentToken", ("uint256",), ("tokenId",)): "there is no such token in this collection",
    (
        "ERC721IncorrectOwner",
        ("address", "uint256", "address"),
        ("sender", "tokenId", "owner"),
    ): "the sender does not own this token",
    (
        "ERC721InsufficientApproval",
        ("address", "uint256"),
        ("operator", "tokenId"),
    ): "the bridge may not take this token",
}
"""Errors of tokens (ERC-6093) by name, types and names of what they carry."""
ERROR_STRING = bytes.fromhex("08c379a0")
"""Selector of Error(string)."""
PANIC = bytes.fromhex("4e487b71")
"""Selector of Panic(uint256)."""


@cache
def _errors() -> Mapping[bytes, tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    """Errors by selector: name, types and names of what they carry, words."""
    known = [
        (
            item["name"],
            tuple(one["type"] for one in item["inputs"]),
            tuple(one["name"] for one in item["inputs"]),
            WORDS[item["name"]],
        )
        for name in CONTRACTS
        for item in contract(name).abi
        if item["type"] == "error"
    ]
    known += [(*error, words) for error, words in TOKENS.items()]
    return {bytes(keccak(f"{one[0]}({','.join(one[1])})".encode())[:4]): one for one in known}


def names() -> frozenset[str]:
    """Return the names of all errors that the bridges' contracts declare."""
    return frozenset(
        item["name"] for name in CONTRACTS for item in contract(name).abi if item["type"] == "error"
    )


def explain(data: str | None) -> str | None:
    """Say what revert data means; None where nobody knows.

    Args:
        data: as JSON-RPC sends it, 0x-prefixed hex.
    """
    try:
        raw = bytes.fromhex((data or "")[2:])
        if raw[:4] == ERROR_STRING:
            return str(decode(["string"], raw[4:])[0])
        if raw[:4] == PANIC:
            return f"panic 0x{decode(['uint256'], raw[4:])[0]:02x}"
        known = _errors().get(raw[:4])
        if known is None:
            return None
        name, types, fields, words = known
        values = decode(types, raw[4:])
    except (DecodingError, ValueError):
        return None
    carried = ", ".join(f"{field} {value}" for field, value in zip(fields, values, strict=True))
    return f"{words} [{name}{': ' + carried if carried else ''}]"
