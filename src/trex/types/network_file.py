"""Reads the network file: shape, ranges, the rules between its parts, and its hash (specs/network.md).

Strict, since the file is consensus: what is not expected is refused, and one meaning has one text.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from eth_hash.auto import keccak

from trex.types.network import Genesis, GenesisAccount, L1Origin, L1Settlement, Network, Parameters
from trex.types.primitives import Address, Gas, Hash32, Wei

MAX_INTEGER = 2**53 - 1
"""Largest JSON number: every reader of JSON keeps it exactly."""
MAX_DEPTH = 4
"""Objects inside each other: file, `alloc`, account, `storage`."""
MAX_CODE_BYTES = 24_576
"""Longest code of a contract (EIP-170)."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]*)", re.ASCII)
_BYTES = re.compile(r"0x([0-9a-f]{2})*", re.ASCII)

_CAMEL = re.compile(r"[a-z][A-Za-z0-9]{0,63}", re.ASCII)

_L1_BLOCK = "0x4200000000000000000000000000000000000015"
_REQUIRED_CODE = (
    "0x0000f90827f1c53a10cb7a02335b175320002935",  # EIP-2935 block hashes
    "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",  # EIP-4788 beacon roots
    "0x420000000000000000000000000000000000000f",  # GasPriceOracle
    "0x4200000000000000000000000000000000000011",  # SequencerFeeVault
    _L1_BLOCK,
    "0x4200000000000000000000000000000000000019",  # BaseFeeVault
    "0x420000000000000000000000000000000000001a",  # L1FeeVault
)


class NetworkFileError(ValueError):
    """A network file breaks a rule; the file has to be mended."""

    def __init__(self, path: str, rule: str, reason: str) -> None:
        """Say where (`genesis.gasLimit`), which rule of specs/network.md, and what is wrong."""
        super().__init__(f"{path or 'file'}: {reason} ({rule})")
        self.path = path
        self.rule = rule
        self.reason = reason


def read_network(text: str | bytes) -> Network:
    """Read and check a network file.

    Raises:
        NetworkFileError: the first rule found broken.
    """
    root = _Part("", _parse(text))
    required = ("name", "chainId", "genesis", "parameters", "alloc")
    root.has(*required, *(("l1",) if "l1" in root.value else ()))
    network = Network(
        name=root.matching("name", _NAME, "NET-010"),
        chain_id=root.integer("chainId", 1, rule="NET-011"),
        genesis=_genesis(root.part("genesis")),
        parameters=_parameters(root.part("parameters")),
        alloc=_alloc(root.part("alloc")),
        hash=network_hash(root.value),
        l1=_l1(root.part("l1")) if "l1" in root.value else None,
    )
    _check_between(network, root)
    return network


def network_hash(document: Mapping[str, Any]) -> Hash32:
    """Keccak-256 of the canonical form (NET-005).

    RFC 8785 comes down to sorted keys and no spaces here, as a valid file has only ASCII strings without
    escapes and integers that a double holds.
    """
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return keccak256(canonical.encode())


def keccak256(data: bytes) -> Hash32:
    """Ethereum's hash."""
    return Hash32(keccak(data))


def _parse(text: str | bytes) -> Any:
    """JSON, without what JSON leaves to its readers (NET-001, NET-002)."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise NetworkFileError("", "NET-001", f"key {twice!r} is there twice")
        return found

    def no_fraction(number: str) -> NoReturn:
        raise NetworkFileError("", "NET-002", f"{number} is not written as a plain integer")

    def plain(number: str) -> int:
        return no_fraction(number) if number.startswith("-") else int(number)

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        _check_depth(text)
        return json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=plain,
            parse_float=no_fraction,
            parse_constant=no_fraction,
        )
    except NetworkFileError:
        raise
    except ValueError as error:
        raise NetworkFileError("", "NET-001", f"not JSON: {error}") from error


def _check_depth(text: str) -> None:
    """Refuse what is nested deeper than a network file is, before a recursive parser sees it (NET-001)."""
    depth = 0
    for bracket in re.findall(r"[][{}]", text):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise NetworkFileError("", "NET-001", f"nested deeper than {MAX_DEPTH} objects")


def _genesis(part: "_Part") -> Genesis:
    part.has("timestamp", "gasLimit", "baseFeeWei", "l1Origin")
    origin = part.part("l1Origin")
    origin.has(
        "number", "hash", "timestamp", "baseFeeWei", "blobBaseFeeWei", "prevRandao", "parentBeaconBlockRoot"
    )
    return Genesis(
        timestamp=part.integer("timestamp"),
        gas_limit=Gas(part.integer("gasLimit", 5_000, rule="NET-012")),
        base_fee_wei=Wei(part.quantity("baseFeeWei", bits=64)),
        l1_origin=L1Origin(
            number=origin.integer("number"),
            hash=origin.word("hash"),
            timestamp=origin.integer("timestamp"),
            base_fee_wei=Wei(origin.quantity("baseFeeWei", bits=64)),
            blob_base_fee_wei=Wei(origin.quantity("blobBaseFeeWei", bits=128)),
            prev_randao=origin.word("prevRandao"),
            parent_beacon_block_root=origin.word("parentBeaconBlockRoot"),
        ),
    )


def _parameters(part: "_Part") -> Parameters:
    part.has(
        "blockTimeMs",
        "maxIdleMs",
        "elasticity",
        "baseFeeDenominator",
        "minBaseFeeWei",
        "l1BaseFeeScalar",
        "l1BlobBaseFeeScalar",
    )
    return Parameters(
        block_time_ms=part.integer("blockTimeMs", 1, 60_000, rule="NET-013"),
        max_idle_ms=part.integer("maxIdleMs", 1, 3_600_000, rule="NET-013"),
        elasticity=part.integer("elasticity", 1, 1_000, rule="NET-014"),
        base_fee_denominator=part.integer("baseFeeDenominator", 1, 2**32 - 1, rule="NET-014"),
        min_base_fee_wei=Wei(part.quantity("minBaseFeeWei", bits=64)),
        l1_base_fee_scalar=part.integer("l1BaseFeeScalar", 0, 2**32 - 1),
        l1_blob_base_fee_scalar=part.integer("l1BlobBaseFeeScalar", 0, 2**32 - 1),
    )


def _l1(part: "_Part") -> L1Settlement:
    part.has("chainId", "contracts", "codeHashes", "accounts", "parameters")
    contracts, hashes = part.part("contracts"), part.part("codeHashes")
    accounts, parameters = part.part("accounts"), part.part("parameters")
    for named in (contracts, hashes, accounts, parameters):
        for key in named.value:
            if not _CAMEL.fullmatch(key):
                named.refuse("NET-041", f"does not match {_CAMEL.pattern}", key)
    if contracts.value.keys() != hashes.value.keys():
        part.refuse("NET-042", "not the names of contracts", "codeHashes")
    return L1Settlement(
        chain_id=part.integer("chainId", 1, rule="NET-040"),
        contracts={key: contracts.address(key) for key in contracts.value},
        code_hashes={key: hashes.word(key) for key in hashes.value},
        accounts={key: accounts.address(key) for key in accounts.value},
        parameters={key: parameters.integer(key) for key in parameters.value},
    )


def _alloc(part: "_Part") -> dict[Address, GenesisAccount]:
    accounts = {}
    for key in part.value:
        address = Address(part.key(key, 20))
        accounts[address] = _account(part.part(key))
    return accounts


def _account(part: "_Part") -> GenesisAccount:
    part.may_have("balance", "nonce", "code", "storage")
    if not part.value:
        part.refuse("NET-004", "an account without anything is left out")
    storage = {}
    if slots := part.optional("storage"):
        for key in slots.value:
            value = slots.word(key)
            if not any(value):
                slots.refuse("NET-004", "a zero slot is left out", key)
            storage[Hash32(slots.key(key, 32))] = value
    account = GenesisAccount(
        balance=Wei(part.quantity("balance", bits=256) if "balance" in part.value else 0),
        nonce=part.integer("nonce") if "nonce" in part.value else 0,
        code=part.bytes("code") if "code" in part.value else b"",
        storage=storage,
    )
    for key in part.value:
        if not getattr(account, key):
            part.refuse("NET-004", "an empty value is left out", key)
    if len(account.code) > MAX_CODE_BYTES:
        part.refuse("NET-022", f"{len(account.code)} bytes of code, at most {MAX_CODE_BYTES}", "code")
    if account.code.startswith(b"\xef"):
        part.refuse("NET-022", "code does not start with 0xef (EIP-3541)", "code")
    if storage and not account.code:
        part.refuse("NET-022", "only a contract has storage", "storage")
    return account


def _check_between(network: Network, root: "_Part") -> None:
    """Rules that join parts of the file."""
    genesis, parameters = root.part("genesis"), root.part("parameters")
    numbers = network.parameters
    if network.genesis.gas_limit < numbers.elasticity:
        genesis.refuse("NET-012", "the target of a slot, gasLimit / elasticity, is zero", "gasLimit")
    if numbers.max_idle_ms < numbers.block_time_ms:
        parameters.refuse("NET-013", f"below blockTimeMs, {numbers.block_time_ms}", "maxIdleMs")
    if network.genesis.base_fee_wei < numbers.min_base_fee_wei:
        genesis.refuse("NET-015", "below parameters.minBaseFeeWei", "baseFeeWei")
    if network.genesis.l1_origin.timestamp > network.genesis.timestamp:
        genesis.refuse("NET-016", "later than genesis.timestamp", "l1Origin.timestamp")
    alloc = root.part("alloc")
    for address in _REQUIRED_CODE:
        account = network.alloc.get(Address(bytes.fromhex(address[2:])))
        if account is None or not account.code:
            alloc.refuse("NET-020", "a predeployed contract is missing", address)
    l1_block = network.alloc[Address(bytes.fromhex(_L1_BLOCK[2:]))]
    if dict(l1_block.storage) != l1_block_storage(network.genesis.l1_origin, numbers):
        alloc.refuse("NET-021", "not what genesis.l1Origin and parameters say", f"{_L1_BLOCK}.storage")


def l1_block_storage(origin: L1Origin, parameters: Parameters) -> dict[Hash32, Hash32]:
    """Storage of the L1Block predeploy for an origin, in the OP Stack's layout (NET-021)."""
    slots = {
        0: origin.timestamp << 64 | origin.number,
        1: origin.base_fee_wei,
        2: int.from_bytes(origin.hash, "big"),
        3: parameters.l1_base_fee_scalar << 96 | parameters.l1_blob_base_fee_scalar << 64,
        7: origin.blob_base_fee_wei,
    }
    return {Hash32(k.to_bytes(32, "big")): Hash32(v.to_bytes(32, "big")) for k, v in slots.items() if v}


@dataclass(frozen=True, slots=True)
class _Part:
    """A JSON object and where in the file it is."""

    path: str
    value: Any

    def __post_init__(self) -> None:
        if not isinstance(self.value, dict):
            raise NetworkFileError(self.path, "NET-001", "not an object")

    def refuse(self, rule: str, reason: str, key: str = "") -> NoReturn:
        """Raise, naming a key of this part."""
        raise NetworkFileError(".".join(filter(None, (self.path, key))), rule, reason)

    def may_have(self, *keys: str) -> None:
        """Only these keys are here."""
        for key in self.value:
            if key not in keys:
                self.refuse("NET-001", "unknown key", key)

    def has(self, *keys: str) -> None:
        """Exactly these keys are here."""
        self.may_have(*keys)
        for key in keys:
            if key not in self.value:
                self.refuse("NET-001", "missing", key)

    def part(self, key: str) -> "_Part":
        """A part of this part."""
        return _Part(".".join(filter(None, (self.path, key))), self.value[key])

    def optional(self, key: str) -> "_Part | None":
        """A part of this part, if there is one."""
        return self.part(key) if key in self.value else None

    def integer(self, key: str, low: int = 0, high: int = MAX_INTEGER, rule: str = "NET-002") -> int:
        """A JSON number between two bounds, both included."""
        value = self.value[key]
        if type(value) is not int:
            self.refuse("NET-002", "not a number", key)
        if not low <= value <= high:
            self.refuse(rule, f"{value} is not between {low} and {high}", key)
        return value

    def quantity(self, key: str, bits: int) -> int:
        """An amount as 0x-hex without leading zeros."""
        value = int(self.matching(key, _QUANTITY, "NET-003"), 16)
        if value.bit_length() > bits:
            self.refuse("NET-003", f"more than {bits} bits", key)
        return value

    def bytes(self, key: str) -> bytes:
        """Bytes as lower-case 0x-hex."""
        return bytes.fromhex(self.matching(key, _BYTES, "NET-003")[2:])

    def word(self, key: str) -> Hash32:
        """32 bytes as lower-case 0x-hex."""
        value = self.bytes(key)
        if len(value) != 32:
            self.refuse("NET-003", f"{len(value)} bytes, not 32", key)
        return Hash32(value)

    def address(self, key: str) -> Address:
        """20 bytes as lower-case 0x-hex."""
        value = self.bytes(key)
        if len(value) != 20:
            self.refuse("NET-003", f"{len(value)} bytes, not 20", key)
        return Address(value)

    def key(self, key: str, length: int) -> "_RawBytes":
        """A key of this part as bytes of a length."""
        if not _BYTES.fullmatch(key) or len(key) != 2 + 2 * length:
            self.refuse("NET-003", f"not {length} bytes of lower-case 0x-hex", key)
        return bytes.fromhex(key[2:])

    def matching(self, key: str, pattern: re.Pattern[str], rule: str) -> str:
        """A string that a pattern describes in full."""
        value = self.value[key]
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.refuse(rule, f"{_shortened(value)} does not match {pattern.pattern}", key)
        return value


_RawBytes = bytes  # the name `bytes` means the method inside `_Part`


def _shortened(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:56]}..."
