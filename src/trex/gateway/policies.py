"""The policies that this gateway grants under: files of a folder, published on the chain (BDG-001)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eth_abi.abi import encode

from trex.badges.catalogue import EvidenceClass
from trex.badges.policy import MAX_POLICY_BYTES, Policy, PolicyError, read_policy
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.zktls.observe import check_fault

URI_BYTES = 256
"""Longest URI that the contract keeps."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A policy that somebody can ask a badge of."""

    slug: str
    """Name of its file, without the ending."""
    policy: Policy
    """What it asks."""
    document: bytes
    """As it stands in the file."""
    id: Hash32
    """On the chain (BDG-001)."""

    @property
    def evidence_class(self) -> int:
        """As the contract numbers it (BDG-003)."""
        return 1 if self.policy.evidence_class is EvidenceClass.PUBLIC else 2


def policy_id(publisher: Address, document_hash: Hash32) -> Hash32:
    """Return the number under which the chain knows a policy (BDG-001)."""
    return keccak256(encode(["address", "bytes32"], [bytes(publisher), document_hash]))


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
        for check in policy.checks():
            if fault := check_fault(check):
                raise ValueError(f"{file.name}: {check.validator}: {fault}")
        found[file.stem] = Offer(file.stem, policy, document, policy_id(publisher, policy.document_hash))
    return found
