"""The persona contracts' calls: addresses, selectors, arguments, answers."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from trex.passport.keys import Key, Role
from trex.passport.proofs import Proof
from trex.types.eip712 import Domain
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

KEY, PROOF = "(uint8,bytes)", "(uint64,uint64,bytes)"
"""ABI types of a key and of a proof."""
GUARDIANS = "(bytes32[],uint8,uint8)"
"""ABI type of guardians: keyIds, quorum, override quorum."""


_PREDEPLOYS = bytes.fromhex("54726578") + bytes(15)
_PASSPORT = Address(bytes.fromhex("06fab5a4e177fefe5cc15dc41c64ba933021418a"))
_BADGES = Address(bytes.fromhex("a51b53dc3aa7f4ef5fe9bb429521a73f411ad867"))
_KEY_VERIFIER, _VALIDATOR_SET, _NULLIFIERS, _POLICIES, _QUARANTINE, _POINTS, _REWARDS, _STAGES = (
    Address(_PREDEPLOYS + bytes([number])) for number in (2, 3, 5, 6, 7, 10, 11, 13)
)
_MAINNET = 1628
_MAINNET_PASSPORT = Address(bytes.fromhex("bbb216c52f5b9095391f463adc438d65a8ac2242"))
_MAINNET_BADGES = Address(bytes.fromhex("6f52cccfab0712db45c31863b262e2683097bb5c"))


@dataclass(frozen=True, slots=True)
class Contracts:
    """Where the persona contracts of a network are; the default is the testnet's and devnet's genesis."""

    chain_id: int = 1962
    """By EIP-155."""
    passport: Address = _PASSPORT
    badges: Address = _BADGES
    key_verifier: Address = _KEY_VERIFIER
    validator_set: Address = _VALIDATOR_SET
    nullifiers: Address = _NULLIFIERS
    policies: Address = _POLICIES
    quarantine: Address = _QUARANTINE
    points: Address = _POINTS
    rewards: Address = _REWARDS
    mint_stages: Address = _STAGES

    @property
    def passport_domain(self) -> Domain:
        """EIP-712 domain of acts on a passport."""
        return Domain("T-Rex Passport", self.chain_id, self.passport)

    @property
    def nullifiers_domain(self) -> Domain:
        """EIP-712 domain of bindings and releases."""
        return Domain("T-Rex Nullifiers", self.chain_id, self.nullifiers)

    @property
    def badges_domain(self) -> Domain:
        """EIP-712 domain of grants."""
        return Domain("T-Rex Badge", self.chain_id, self.badges)

    @property
    def quarantine_domain(self) -> Domain:
        """EIP-712 domain of cases of distrust."""
        return Domain("T-Rex Quarantine", self.chain_id, self.quarantine)

    @property
    def points_domain(self) -> Domain:
        """EIP-712 domain of deeds."""
        return Domain("T-Rex Points", self.chain_id, self.points)

    @property
    def rewards_domain(self) -> Domain:
        """EIP-712 domain of epochs' rewards."""
        return Domain("T-Rex EngagementRewards", self.chain_id, self.rewards)


def contracts_of(chain_id: int) -> Contracts:
    """Where the persona contracts of a network of this project are."""
    if chain_id == _MAINNET:
        return Contracts(chain_id, _MAINNET_PASSPORT, _MAINNET_BADGES)
    return Contracts(chain_id)


@dataclass(frozen=True, slots=True)
class Method:
    """One function of a contract."""

    name: str
    """As in Solidity."""
    takes: tuple[str, ...]
    """ABI types of its arguments."""
    gives: tuple[str, ...] = ()
    """ABI types of its answer."""

    def call(self, *values: Any) -> bytes:
        """Write calldata."""
        return _selector(self) + encode(self.takes, values)

    def read(self, answer: bytes) -> Any:
        """Read an answer: one value alone, or a tuple of several.

        Raises:
            ValueError: it is not an answer to this call.
        """
        try:
            found = decode(self.gives, answer)
        except (DecodingError, OverflowError) as error:
            raise ValueError(f"{self.name} answered something else") from error
        return found[0] if len(found) == 1 else found


@cache
def _selector(method: Method) -> bytes:
    return bytes(keccak256(f"{method.name}({','.join(method.takes)})".encode())[:4])


CREATE = Method("create", (KEY, PROOF), ("uint256",))
ADD_KEY = Method("addKey", ("uint256", KEY, PROOF, KEY, "uint8", PROOF))
REMOVE_KEY = Method("removeKey", ("uint256", KEY, PROOF, "bytes32"))
VETO = Method("veto", ("uint256", KEY, PROOF, "uint8"))
SET_GUARDIANS = Method("setGuardians", ("uint256", KEY, PROOF, GUARDIANS))
APPROVALS = f"({KEY},{PROOF})[]"
"""ABI type of guardians' signatures, ascending by key id."""
OPEN_RECOVERY = Method("openRecovery", ("uint256", KEY, PROOF, APPROVALS))
CONFIRM_RECOVERY = Method("confirmRecovery", ("uint256", APPROVALS))
WITHDRAW_RECOVERY = Method("withdrawRecovery", ("uint256", APPROVALS))
VETO_GUARDIANS = Method("vetoGuardians", ("uint256", APPROVALS))
EXECUTE_RECOVERY = Method("executeRecovery", ("uint256", KEY))
EXECUTE_REMOVAL = Method("executeRemoval", ("uint256",))
EXECUTE_GUARDIANS = Method("executeGuardians", ("uint256",))
SET_PAYOUT = Method("setPayout", ("uint256", KEY, PROOF, "address"))
COUNT = Method("count", (), ("uint256",))
PASSPORT_OF = Method("passportOf", ("bytes32",), ("uint256", "uint8"))
GENERATION_OF = Method("generationOf", ("uint256",), ("uint64",))
NONCE_OF = Method("nonceOf", ("uint256",), ("uint64",))
KEY_NONCE_OF = Method("keyNonceOf", ("bytes32",), ("uint256",))
KEY_COUNT_OF = Method("keyCountOf", ("uint256",), ("uint256",))
PAYOUT_OF = Method("payoutOf", ("uint256",), ("address",))
GUARDIANS_OF = Method("guardiansOf", ("uint256",), (GUARDIANS,))
RECOVERY_OF = Method("recoveryOf", ("uint256",), ("(bytes32,uint64,uint64,bool)", "uint256"))
PENDING_GUARDIANS_OF = Method("pendingGuardiansOf", ("uint256",), (GUARDIANS, "uint64"))
PENDING_REMOVAL_OF = Method("pendingRemovalOf", ("uint256",), ("bytes32", "uint64"))
DOMAIN = Method("domain", (), ("string",))
URI = Method("uri", (), ("string",))
VERIFY = Method("verify", (KEY, "bytes32", "string", PROOF), ("bool",))
SIGN_IN_TEXT = Method("signInText", (KEY, "bytes32", "string", "uint64", "uint64"), ("string",))
CANONICAL_OF = Method("canonicalOf", ("bytes32",), ("bytes32",))
CREDENTIAL = "(uint96,uint64,uint64,uint64,uint64,uint96,uint64,uint64,bytes32,bytes32)"
"""ABI type of a bound account: passport, attested, epoch of k, released, generation, moving to, ready, ..."""
CREDENTIAL_OF = Method("credentialOf", ("bytes32",), (CREDENTIAL,))
COMPLETE_MOVE = Method("completeMove", ("bytes32",))
HOLDER_OF = Method("holderOf", ("bytes32",), ("uint256",))
MAPPED = Method("mapped", (), ("uint256",))
TOTAL = Method("total", (), ("uint256",))
KEY_EPOCH = Method("keyEpoch", (), ("uint64",))
ACT_NONCE_OF = Method("actNonceOf", ("uint256",), ("uint256",))
RENOUNCE = Method("renounce", ("uint256", KEY, PROOF))
RELEASE = Method("release", ("uint256", KEY, PROOF, "bytes32"))
TERMS_OF = Method("termsOf", ("bytes32",), ("bool", "uint16", "uint8"))
EPOCH = Method("epoch", (), ("uint64",))
MEMBERS_OF = Method("membersOf", ("uint64",), ("address[]",))
THRESHOLD_OF = Method("thresholdOf", ("uint64",), ("uint8",))
OPEN_CASES = Method("openCases", (), ("uint256[]",))
CASE = "(uint8,bytes32,uint64,uint64,bytes32,uint256,uint64)"
"""ABI type of a case: kind, subject, since, until, reason, number, deadline."""
CASE_OF = Method("caseOf", ("uint256",), (CASE,))
OPEN_CASE = Method("openCase", (CASE, "uint64", "bytes"), ("uint256",))
CLOSE_CASE = Method("closeCase", ("uint256", "uint64", "bytes"))

PASSPORT_CREATED = keccak256(b"PassportCreated(uint256,bytes32,uint8,bytes)")
KEY_ADDED = keccak256(b"KeyAdded(uint256,bytes32,uint8,uint8,bytes)")
"""Events from which a passport's keys are read."""
BOUND = keccak256(b"Bound(uint256,bytes32,bytes32,bytes32,bytes32)")
MOVED = keccak256(b"Moved(bytes32,uint256,uint256)")
"""Events by which a nullifier comes to a passport."""


def create(key: Key, proof: Proof) -> bytes:
    """Calldata that makes a passport."""
    return CREATE.call(key.tuple, proof.tuple)


def add_key(passport: int, actor: Key, actor_proof: Proof, key: Key, role: Role, key_proof: Proof) -> bytes:
    """Calldata that takes a key in."""
    return ADD_KEY.call(passport, actor.tuple, actor_proof.tuple, key.tuple, int(role), key_proof.tuple)


def remove_key(passport: int, actor: Key, proof: Proof, key_id: Hash32) -> bytes:
    """Calldata that takes a key out."""
    return REMOVE_KEY.call(passport, actor.tuple, proof.tuple, key_id)
