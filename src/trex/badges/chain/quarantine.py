"""Cases of distrust, and what each touches (BDG-030 to BDG-033)."""

from collections.abc import Sequence
from dataclasses import dataclass

from trex.badges.chain.contract import BADGE_GRANTED, HeldBadge, badges
from trex.passport import contracts as abi
from trex.passport.client import Case, CaseKind, PersonaClient
from trex.passport.contracts import Contracts
from trex.types.eip712 import Fields, TypedMessage
from trex.types.primitives import Address, Hash32

FOREVER = 2**64 - 1
"""End of a case that has none."""
AT_ONCE = 200
"""Badges asked about in one request."""
_CASE: Fields = (
    ("uint8", "kind"),
    ("bytes32", "subject"),
    ("uint64", "since"),
    ("uint64", "until"),
    ("bytes32", "reason"),
    ("uint256", "number"),
    ("uint64", "deadline"),
)
_CLOSE: Fields = (("uint256", "caseId"),)


@dataclass(frozen=True, slots=True)
class Distrust:
    """What a case is opened with."""

    kind: CaseKind
    """Attestor or version."""
    subject: Hash32
    """The attestor's address in the low 20 bytes, or the version."""
    since_s: int
    """First second recorded that is distrusted, Unix time."""
    until_s: int
    """Last one."""
    reason: Hash32
    """Hash of the reason."""
    number: int = 0
    """Chosen by the attestors; serves once."""
    deadline_s: int = 0
    """Last second at which the attestation counts, Unix time."""

    @property
    def tuple(self) -> tuple[int, bytes, int, int, bytes, int, int]:
        """As the contract takes it."""
        return (
            *(int(self.kind), self.subject, self.since_s, self.until_s),
            *(self.reason, self.number, self.deadline_s),
        )


def subject_of(attestor: Address) -> Hash32:
    """Return an attestor as a case names it."""
    return Hash32(bytes(12) + attestor)


def case_message(contracts: Contracts, distrust: Distrust) -> TypedMessage:
    """What is signed to open a case."""
    names = [name for _, name in _CASE]
    value = dict(zip(names, distrust.tuple, strict=True))
    return TypedMessage(contracts.quarantine_domain, "Case", {"Case": _CASE}, value)


def close_message(contracts: Contracts, case: int) -> TypedMessage:
    """What is signed to close a case (BDG-033)."""
    return TypedMessage(contracts.quarantine_domain, "CloseCase", {"CloseCase": _CLOSE}, {"caseId": case})


async def every_badge(client: PersonaClient) -> list[HeldBadge]:
    """Every badge that was ever granted, by number, as the chain has it now."""
    query = {
        "address": f"0x{client.contracts.badges.hex()}",
        "topics": [f"0x{BADGE_GRANTED.hex()}"],
        "fromBlock": "0x0",
        "toBlock": "latest",
    }
    logs = await client.rpc.call("eth_getLogs", query)
    numbers = sorted({int(log["topics"][1], 16) for log in logs})
    found: list[HeldBadge] = []
    for first in range(0, len(numbers), AT_ONCE):
        found += await badges(client, numbers[first : first + AT_ONCE])
    return found


async def touched_by(client: PersonaClient, cases: Sequence[Case]) -> dict[int, list[HeldBadge]]:
    """Say of each case which badges it touches, by what the badges themselves store (BDG-031).

    A badge that other cases touch too is with each of them.
    """
    held = await every_badge(client)
    epochs = sorted({one.set_epoch for one in held})
    at = client.contracts.validator_set
    told = await client.ask(*((at, abi.MEMBERS_OF, (epoch,)) for epoch in epochs)) if epochs else []
    members = {
        epoch: [bytes.fromhex(one[2:]) for one in each] for epoch, each in zip(epochs, told, strict=True)
    }

    def touches(case: Case, badge: HeldBadge) -> bool:
        if not case.since_s <= badge.recorded_s <= case.until_s:
            return False
        if case.kind is CaseKind.VERSION:
            return case.subject == badge.validator_version
        accused = bytes(case.subject[12:])
        order = members[badge.set_epoch]
        return any(one == accused and badge.signers >> place & 1 for place, one in enumerate(order))

    return {case.number: [badge for badge in held if touches(case, badge)] for case in cases}
