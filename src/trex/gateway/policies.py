"""The policies that this gateway grants under: files of a folder, published on the chain (BDG-001)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trex.badges.catalogue import EvidenceClass
from trex.badges.policy import MAX_POLICY_BYTES, Policy, PolicyError, read_policy
from trex.types.primitives import Address, Hash32
from trex.validators.check import check_fault
from trex.validators.standing import standing_fault


@dataclass(frozen=True, slots=True)
class Offer:
    """A policy that somebody can ask a badge of."""

    slug: str
    """Name of its file, without the ending; of one that others published its number, in hex digits."""
    policy: Policy
    """What it asks."""
    document: bytes
    """As it stands in the file."""
    id: Hash32
    """On the chain (BDG-001)."""
    publisher: Address
    """Who put it there."""

    @property
    def evidence_class(self) -> int:
        """As the contract numbers it (BDG-003)."""
        return 1 if self.policy.evidence_class is EvidenceClass.PUBLIC else 2


def load_offers(folder: Path, publisher: Address) -> Mapping[str, Offer]:
    """Read every policy of a folder, by slug.

    Raises:
        ValueError: one of them is none, or asks what nobody answers; says which and why.
    """
    found: dict[str, Offer] = {}
    for file in sorted(folder.glob("*.json")):
        with file.open("rb") as source:
            document = source.read(MAX_POLICY_BYTES + 1)
        try:
            policy = read_policy(document)
        except PolicyError as error:
            raise ValueError(f"{file.name}: {error}") from error
        if fault := fault_of(policy):
            raise ValueError(f"{file.name}: {fault}")
        found[file.stem] = Offer(file.stem, policy, document, policy.policy_id(publisher), publisher)
    return found


def fault_of(policy: Policy) -> str:
    """Say which check of a policy nobody answers, or which points stand on no account; empty if all is well.

    Rules POL-022 and POL-029.
    """
    faults = ((check, check_fault(check)) for check in policy.checks())
    return next((f"{check.validator}: {fault}" for check, fault in faults if fault), standing_fault(policy))


def offer_of_publisher(publisher: Address, document: bytes) -> Offer:
    """Read a policy that somebody published.

    Raises:
        PolicyError: it is none.
    """
    policy = read_policy(document)
    id_ = policy.policy_id(publisher)
    return Offer(id_.hex(), policy, document, id_, publisher)
