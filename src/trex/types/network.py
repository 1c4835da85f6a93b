"""A network: its name, parameters and genesis, as the network file tells them (specs/network.md)."""

from collections.abc import Mapping
from dataclasses import dataclass

from trex.types.primitives import Address, Gas, Hash32, Wei


@dataclass(frozen=True, slots=True)
class L1Origin:
    """The L1 block that genesis takes its L1 facts from; all zero on a network without L1."""

    number: int
    """L1 block number."""
    hash: Hash32
    """L1 block hash."""
    timestamp: int
    """L1 timestamp, seconds since the Unix epoch."""
    base_fee_wei: Wei
    """L1 base fee, wei per gas."""
    blob_base_fee_wei: Wei
    """L1 blob base fee, wei per blob gas."""
    prev_randao: Hash32
    """`mixHash` of the genesis block (EIP-4399)."""
    parent_beacon_block_root: Hash32
    """Parent beacon block root of the genesis block (EIP-4788)."""


@dataclass(frozen=True, slots=True)
class Genesis:
    """Attributes of block 0, which is slot 0."""

    timestamp: int
    """Seconds since the Unix epoch; slots count from here."""
    gas_limit: Gas
    """Gas limit of genesis and of each block after it."""
    base_fee_wei: Wei
    """Base fee of block 0, wei per gas."""
    l1_origin: L1Origin
    """Origin of block 0."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers that the rules leave open to a network."""

    block_time_ms: int
    """Length of a slot."""
    max_idle_ms: int
    """A block is made at the latest this long after the one before, empty if need be."""
    elasticity: int
    """EIP-1559: the gas limit divided by this is the target of a slot."""
    base_fee_denominator: int
    """EIP-1559 base fee change denominator, per slot."""
    min_base_fee_wei: Wei
    """The base fee never falls below this, wei per gas."""
    l1_base_fee_scalar: int
    """Scalar on the L1 base fee in the L1 data fee, millionths."""
    l1_blob_base_fee_scalar: int
    """Scalar on the L1 blob base fee in the L1 data fee, millionths."""


@dataclass(frozen=True, slots=True)
class GenesisAccount:
    """An account as genesis has it."""

    balance: Wei
    nonce: int
    code: bytes
    """Runtime code; empty for an account without."""
    storage: Mapping[Hash32, Hash32]
    """Slots that are not zero."""


@dataclass(frozen=True, slots=True)
class L1Settlement:
    """The L1 that a network settles on, and what of the network stands there (NET-040..043)."""

    chain_id: int
    """EIP-155 chain id of L1."""
    contracts: Mapping[str, Address]
    """Contracts by name: `inbox`, `portal` and so on."""
    code_hashes: Mapping[str, Hash32]
    """Keccak-256 of each contract's runtime code."""
    accounts: Mapping[str, Address]
    """Who had which part when it was deployed: `sequencer`, `proposer` and so on."""
    parameters: Mapping[str, int]
    """Numbers that the rules of settlement leave open; each name ends in its unit."""

    @property
    def max_drift_s(self) -> int:
        """How much younger than its origin a block may be (DRV-022)."""
        return self.parameters.get("maxDriftS", 1_800)

    @property
    def sequencing_window_s(self) -> int:
        """How long after its origin a block's batch may come (DRV-023)."""
        return self.parameters.get("sequencingWindowS", 43_200)


@dataclass(frozen=True, slots=True)
class Network:
    """One network, read from one file."""

    name: str
    """Short name: lower-case letters, digits and hyphens."""
    chain_id: int
    """EIP-155 chain id."""
    genesis: Genesis
    parameters: Parameters
    alloc: Mapping[Address, GenesisAccount]
    """Genesis accounts."""
    hash: Hash32
    """Keccak-256 of the file's canonical form (NET-005): one hash, one network."""
    l1: L1Settlement | None = None
    """None on a network without L1."""
