"""What is deployed on L1, computed beforehand: addresses, code and parameters (specs/portal.md PTL-080..083).

A deployer comes from CREATE2 and creates the contracts one by one, so that each address follows from the
operator, a salt and the contract's place. Nothing here asks L1.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import rlp
from eth_abi.abi import encode
from eth_hash.auto import keccak

from trex.settlement.contracts import Contract, contract
from trex.types.primitives import Address, Hash32

FACTORY = Address(bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c"))
"""The deterministic deployer: CREATE2 of `salt ++ init code`."""
L2_MESSAGE_PASSER = "0x4200000000000000000000000000000000000016"
L2_MESSENGER = "0x4200000000000000000000000000000000000007"
L2_BRIDGE = "0x4200000000000000000000000000000000000010"
L2_NFT_BRIDGE = "0x4200000000000000000000000000000000000014"
GAME_TYPE = 1628
"""Type of claims that mature (PTL-050)."""
ORDER = (
    ("timelock", "ExitTimelock"),
    ("sequencerSet", "SoleSequencer"),
    ("inbox", "Inbox"),
    ("disputeGameFactory", "DisputeGameFactory"),
    ("anchorStateRegistry", "AnchorStateRegistry"),
    ("outputClaims", "MaturingClaims"),
    ("portal", "Portal"),
    ("l1CrossDomainMessenger", "L1CrossDomainMessenger"),
    ("l1StandardBridge", "L1StandardBridge"),
    ("l1ERC721Bridge", "L1ERC721Bridge"),
)
"""Name in the network file, contract: in the order of creation, the first at place 1."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who has which part."""

    operator: Address
    """Deploys; has no part afterwards."""
    sequencer: Address
    """Appends batches, until it hands over."""
    proposer: Address
    """Claims outputs."""
    disputer: Address
    """May reject claims."""
    governor: Address
    """Puts changes on the timelock's table."""

    def named(self) -> dict[str, Address]:
        """Return all by their names in the network file."""
        return {name: Address(address) for name, address in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Timing:
    """Numbers of the contracts. The defaults are those of a network in earnest."""

    max_origin_lag_l1_blocks: int = 3_600
    """How many L1 blocks a batch's origin may lag: the forced-inclusion delay (INB-011)."""
    silence_s: int = 12 * 3_600
    """After this long without a batch anyone includes (INB-020)."""
    dispute_window_s: int = 7 * 86_400
    """In which a claim can be rejected (PTL-044)."""
    finality_delay_s: int = 0
    """After a claim has won (PTL-062)."""
    proof_maturity_s: int = 7 * 86_400
    """Between a withdrawal's proof and its end (PTL-034)."""
    timelock_delay_s: int = 30 * 86_400
    """Of the timelock; longer than an exit takes (PTL-071)."""

    @property
    def exit_s(self) -> int:
        """How long it takes to leave when everyone but L1 is against it: silence, claim, proof."""
        lag = self.max_origin_lag_l1_blocks * 12
        return (
            lag + self.silence_s + max(self.dispute_window_s + self.finality_delay_s, self.proof_maturity_s)
        )

    def check(self) -> None:
        """Refuse numbers that the contracts or the rules would.

        Raises:
            ValueError: saying which.
        """
        if not 1 <= self.max_origin_lag_l1_blocks <= 8_191:
            raise ValueError("max origin lag: 1 to 8191 L1 blocks (INB-011)")
        if self.timelock_delay_s <= self.exit_s:
            raise ValueError(
                f"timelock delay: {self.timelock_delay_s} s, but leaving takes {self.exit_s} s (PTL-071)"
            )


@dataclass(frozen=True, slots=True)
class Planned:
    """One contract to be."""

    name: str
    """In the network file."""
    contract: Contract
    address: Address
    init_code: bytes


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that is to stand on L1 for a network."""

    salt: Hash32
    """Of the deployer: one for each network of an operator."""
    accounts: Accounts
    timing: Timing
    genesis_origin: int
    """L1 block number of the L2 genesis."""
    genesis_output: Hash32
    """Output root of the L2 genesis."""
    extra: Mapping[str, int] = field(default_factory=dict)
    """Further parameters of settlement for the network file: no contract knows them."""

    @property
    def deployer_init_code(self) -> bytes:
        """Creation code of the deployer."""
        return contract("Deployer").init_code(_hex(self.accounts.operator))

    @property
    def deployer(self) -> Address:
        """Where the deployer is."""
        return deployer_address(self.salt, self.accounts.operator)

    def address(self, name: str) -> Address:
        """Return where a contract is, by its name in the network file."""
        return address_at(self.deployer, [known for known, _ in ORDER].index(name) + 1)

    def planned(self) -> list[Planned]:
        """Return all contracts in the order of creation."""
        arguments = self._arguments()
        return [
            Planned(name, contract(kind), self.address(name), contract(kind).init_code(*arguments[name]))
            for name, kind in ORDER
        ]

    def parameters(self) -> dict[str, int]:
        """Return the numbers for the network file, by their names there."""
        timing = self.timing
        return {
            "disputeWindowS": timing.dispute_window_s,
            "finalityDelayS": timing.finality_delay_s,
            "gameType": GAME_TYPE,
            "maxOriginLagL1Blocks": timing.max_origin_lag_l1_blocks,
            "proofMaturityS": timing.proof_maturity_s,
            "silenceS": timing.silence_s,
            "timelockDelayS": timing.timelock_delay_s,
            **self.extra,
        }

    def getters(self) -> dict[str, dict[str, object]]:
        """Return what each contract answers about itself, by name and function (PTL-083)."""
        at = {name: _hex(self.address(name)) for name, _ in ORDER}
        accounts, timing = self.accounts, self.timing
        return {
            "timelock": {
                "LEAST_DELAY": timing.timelock_delay_s,
                "FIRST_PROPOSERS": keccak(encode(["address[]"], [[_hex(accounts.governor)]])),
            },
            "inbox": {
                "DEPOSIT_QUEUE": at["portal"],
                "TIMELOCK": at["timelock"],
                "GENESIS_ORIGIN": self.genesis_origin,
                "MAX_ORIGIN_LAG": timing.max_origin_lag_l1_blocks,
                "SILENCE": timing.silence_s,
            },
            "disputeGameFactory": {"TIMELOCK": at["timelock"]},
            "anchorStateRegistry": {
                "disputeGameFactory": at["disputeGameFactory"],
                "TIMELOCK": at["timelock"],
                "disputeGameFinalityDelaySeconds": timing.finality_delay_s,
                "GENESIS_OUTPUT": bytes(self.genesis_output),
            },
            "outputClaims": {
                "GAME_TYPE": GAME_TYPE,
                "INBOX": at["inbox"],
                "REGISTRY": at["anchorStateRegistry"],
                "PROPOSER": _hex(accounts.proposer),
                "DISPUTER": _hex(accounts.disputer),
                "WINDOW": timing.dispute_window_s,
            },
            "portal": {
                "anchorStateRegistry": at["anchorStateRegistry"],
                "proofMaturityDelaySeconds": timing.proof_maturity_s,
            },
            "l1CrossDomainMessenger": {"PORTAL": at["portal"], "OTHER_MESSENGER": L2_MESSENGER},
            "l1StandardBridge": {"MESSENGER": at["l1CrossDomainMessenger"], "OTHER_BRIDGE": L2_BRIDGE},
            "l1ERC721Bridge": {"MESSENGER": at["l1CrossDomainMessenger"], "OTHER_BRIDGE": L2_NFT_BRIDGE},
        }

    def _arguments(self) -> dict[str, tuple[object, ...]]:
        at = {name: _hex(self.address(name)) for name, _ in ORDER}
        accounts, timing = self.accounts, self.timing
        return {
            "timelock": (timing.timelock_delay_s, [_hex(accounts.governor)]),
            "sequencerSet": (_hex(accounts.sequencer),),
            "inbox": (
                at["portal"],
                at["timelock"],
                at["sequencerSet"],
                self.genesis_origin,
                timing.max_origin_lag_l1_blocks,
                timing.silence_s,
            ),
            "disputeGameFactory": (at["timelock"], GAME_TYPE, at["outputClaims"]),
            "anchorStateRegistry": (
                at["disputeGameFactory"],
                at["timelock"],
                GAME_TYPE,
                timing.finality_delay_s,
                self.genesis_output,
            ),
            "outputClaims": (
                GAME_TYPE,
                at["inbox"],
                at["anchorStateRegistry"],
                _hex(accounts.proposer),
                _hex(accounts.disputer),
                timing.dispute_window_s,
            ),
            "portal": (at["anchorStateRegistry"], timing.proof_maturity_s),
            "l1CrossDomainMessenger": (at["portal"],),
            "l1StandardBridge": (at["l1CrossDomainMessenger"],),
            "l1ERC721Bridge": (at["l1CrossDomainMessenger"],),
        }


def salt_of(network: str, chain_id: int) -> Hash32:
    """Return the salt of a network: of its name and its L2 chain id (PTL-080)."""
    return Hash32(keccak(encode(["string", "uint256"], [network, chain_id])))


def deployer_address(salt: Hash32, operator: Address) -> Address:
    """Return where an operator's deployer for a salt is (PTL-080)."""
    code = contract("Deployer").init_code(_hex(operator))
    return Address(keccak(b"\xff" + FACTORY + salt + keccak(code))[12:])


def address_at(deployer: Address, place: int) -> Address:
    """Return the address of a deployer's contract by its place, from 1 (PTL-082)."""
    return Address(keccak(rlp.encode([deployer, place]))[12:])


def output_root(state_root: Hash32, passer_root: Hash32, block_hash: Hash32) -> Hash32:
    """Return an output root of version 0 (PTL-032)."""
    return Hash32(keccak(bytes(32) + state_root + passer_root + block_hash))


def _hex(address: Address) -> str:
    return "0x" + address.hex()
