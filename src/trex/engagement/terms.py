"""Terms of an epoch: the document that says budget, blocks and bounds (PTS-027, PTS-028)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.types.strict_json import MAX_EXACT_INTEGER, StrictJsonError, canonical_json, parse_strict_json

FORMULA = "trex-engagement-1"
"""Name of the formula of PTS-030 to PTS-032."""
MAX_TERMS_BYTES = 8_192
"""Longest document (PTS-027)."""
MAX_CREDITS = 16
"""Most scopes with a credit (PTS-028)."""
WHOLE_BPS = 10_000
"""All of it, in basis points."""
ETHER = 10**18

_AMOUNT = re.compile(r"0|[1-9][0-9]{0,37}")
_HASH = re.compile(r"0x[0-9a-f]{64}")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_SCOPE = re.compile(r"account/[a-z0-9]+(-[a-z0-9]+)*")
_KEYS = (
    *("version", "formula", "chainId", "epoch", "fromBlock", "toBlock", "toBlockHash"),
    *("token", "budget", "feeShareBps", "unitsPerEther", "credits"),
)


class TermsError(ValueError):
    """Not the terms of an epoch; says which part and why."""


@dataclass(frozen=True, slots=True)
class Credit:
    """What showing an account of one kind is taken to have cost."""

    units: int
    """In the token's smallest unit: no more than such an account costs on the market."""
    spread_s: int
    """Over how long it is given out from the first binding, in seconds."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything that the formula needs besides the chain."""

    chain_id: int
    """By EIP-155."""
    epoch: int
    """As the contract counts."""
    from_block: int
    """First block."""
    to_block: int
    """Last block."""
    to_block_hash: Hash32
    """Of the last block: another chain has another."""
    token: Address
    """ERC-20 contract; zero for ether."""
    budget: int
    """Most that is paid, in the token's smallest unit."""
    fee_share_bps: int
    """Share of fees burned up to which a passport is paid, in basis points."""
    units_per_ether: int
    """Units of the token for an ether of fees."""
    credits: Mapping[str, Credit]
    """By scope of nullifiers."""

    @property
    def document(self) -> bytes:
        """The canonical form (RFC 8785): follows the arguments in the publishing calldata."""
        return canonical_json(
            {
                "version": 1,
                "formula": FORMULA,
                "chainId": self.chain_id,
                "epoch": self.epoch,
                "fromBlock": self.from_block,
                "toBlock": self.to_block,
                "toBlockHash": f"0x{self.to_block_hash.hex()}",
                "token": f"0x{self.token.hex()}",
                "budget": str(self.budget),
                "feeShareBps": self.fee_share_bps,
                "unitsPerEther": str(self.units_per_ether),
                "credits": {
                    scope: {"units": str(one.units), "spreadS": one.spread_s}
                    for scope, one in self.credits.items()
                },
            }
        )

    @property
    def hash(self) -> Hash32:
        """What the contract has as `formula` (PTS-020)."""
        return keccak256(self.document)

    def __post_init__(self) -> None:
        """Refuse what no epoch can be made of (PTS-028).

        Raises:
            TermsError: says which part and why.
        """
        if not 0 < self.from_block <= self.to_block <= MAX_EXACT_INTEGER:
            raise TermsError("fromBlock is from 1 up to toBlock")
        if not 0 <= self.fee_share_bps <= WHOLE_BPS:
            raise TermsError(f"feeShareBps is at most {WHOLE_BPS}: more would pay for burning fees")
        if not any(self.token) and self.units_per_ether != ETHER:
            raise TermsError(f"unitsPerEther is {ETHER} where ether is paid")
        if len(self.credits) > MAX_CREDITS:
            raise TermsError(f"credits: at most {MAX_CREDITS}")
        for scope, one in self.credits.items():
            if not _SCOPE.fullmatch(scope):
                raise TermsError(
                    f"credits: {scope[:64]!r} is not account/ and a platform; wallets cost nothing"
                )
            if not 0 < one.spread_s <= 2**32:
                raise TermsError(f"credits.{scope}: spreadS is from 1 to {2**32}")


def read_terms(document: bytes) -> Terms:
    """Read the terms of an epoch.

    Raises:
        TermsError: they are none, or not in their canonical form.
    """
    try:
        root = parse_strict_json(document, max_bytes=MAX_TERMS_BYTES, max_depth=4)
        if canonical_json(root) != document:
            raise TermsError("not in the canonical form of RFC 8785")
    except StrictJsonError as error:
        raise TermsError(str(error)) from error
    if not isinstance(root, dict) or root.keys() != set(_KEYS):
        raise TermsError(f"an object with {', '.join(_KEYS)} is expected")
    if root["version"] != 1 or isinstance(root["version"], bool) or root["formula"] != FORMULA:
        raise TermsError(f"version is 1, formula {FORMULA}")
    told = root["credits"]
    if not isinstance(told, dict) or not all(
        isinstance(one, dict) and one.keys() == {"units", "spreadS"} for one in told.values()
    ):
        raise TermsError("credits: each has units and spreadS")
    return Terms(
        chain_id=_whole(root, "chainId"),
        epoch=_whole(root, "epoch"),
        from_block=_whole(root, "fromBlock"),
        to_block=_whole(root, "toBlock"),
        to_block_hash=Hash32(_hex(root, "toBlockHash", _HASH)),
        token=Address(_hex(root, "token", _ADDRESS)),
        budget=_amount(root, "budget"),
        fee_share_bps=_whole(root, "feeShareBps"),
        units_per_ether=_amount(root, "unitsPerEther"),
        credits={scope: Credit(_amount(one, "units"), _whole(one, "spreadS")) for scope, one in told.items()},
    )


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = fields[name]
    if type(value) is not int or value < 0:
        raise TermsError(f"{name} is a whole number")
    return value


def _amount(fields: Mapping[str, Any], name: str) -> int:
    value = fields[name]
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise TermsError(f"{name} is a whole number, written as text")
    return int(value)


def _hex(fields: Mapping[str, Any], name: str, form: re.Pattern[str]) -> bytes:
    value = fields[name]
    if not isinstance(value, str) or not form.fullmatch(value):
        raise TermsError(f"{name} is 0x and hexadecimal digits in lower case")
    return bytes.fromhex(value[2:])
