"""What a quorum of attestors says after re-executing a grant on its sealed evidence (BDG-054)."""

from dataclasses import asdict, dataclass

from trex.passport.contracts import Contracts
from trex.types.decision import Outcome
from trex.types.eip712 import Fields, TypedMessage
from trex.types.evm import recover_digest_signer
from trex.types.primitives import Address, Hash32

_STATEMENT: Fields = (
    ("uint256", "tokenId"),
    ("bytes32", "evidence"),
    ("bytes32", "validatorVersion"),
    ("uint16", "level"),
    ("uint8", "outcome"),
    ("uint64", "at"),
)
OUTCOMES = (Outcome.GRANTED, Outcome.REFUSED, Outcome.UNDECIDED)
"""As the statement numbers them, from 1: the same again, something differs, not all could be asked."""


@dataclass(frozen=True, slots=True)
class ReExecution:
    """One re-execution, as it is signed under the badge contract's domain; no contract takes it."""

    tokenId: int  # noqa: N815 - as it is signed
    evidence: Hash32
    validatorVersion: Hash32  # noqa: N815
    level: int
    outcome: int
    at: int


def statement_message(contracts: Contracts, said: ReExecution) -> TypedMessage:
    """What each attestor signs."""
    return TypedMessage(contracts.badges_domain, "ReExecution", {"ReExecution": _STATEMENT}, asdict(said))


def signers_of(contracts: Contracts, said: ReExecution, signatures: bytes) -> tuple[Address, ...]:
    """Recover who signed a statement.

    Raises:
        SignatureError: not signatures of 65 bytes each.
    """
    digest = statement_message(contracts, said).digest()
    return tuple(
        recover_digest_signer(digest, signatures[start : start + 65])
        for start in range(0, len(signatures), 65)
    )
