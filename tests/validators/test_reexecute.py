"""What a member of the validator set takes as recorded when it re-executes a grant, and what not."""

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from trex.badges.chain.contract import BadgeState, HeldBadge
from trex.badges.chain.evidence import Evidence, digest_of
from trex.badges.observation import Observation
from trex.badges.policy import read_policy
from trex.types.decision import Outcome
from trex.types.primitives import Hash32
from trex.validators.reexecute import Opened, Reexecution, Sources, reexecute

if TYPE_CHECKING:
    from trex.passport.client import PersonaClient

AT_S, SALT = 1_700_000_000, bytes(32)
NOTHING = Hash32(bytes(32))
STARS = {"validator": "zktls.level", "parameters": {"provider": "github-stars"}, "is": {"atLeast": "1"}}
LINKED = {"validator": "social.linked", "parameters": {"platform": "github"}, "is": {"isTrue": True}}


async def as_recorded(check: dict[str, Any], value: Decimal | bool) -> Reexecution:
    """Re-execute, as a member does, a private badge of one check of which the answer alone is shown."""
    level = {"level": 1, "name": "One", "points": 1, "when": {"check": check}}
    document = {"version": 1, "name": "One", "evidenceClass": "private", "levels": [level]}
    policy = read_policy(json.dumps(document).encode())
    [asked] = policy.checks()
    answer = Observation(value, AT_S - 60, "told", "")
    written = Evidence(AT_S, 1, (), {asked.key: answer}).write(policy)
    badge = HeldBadge(
        token_id=1,
        passport=1,
        policy=NOTHING,
        name="One",
        document=policy.document_hash,
        level=1,
        points=1,
        state=BadgeState.GRANTED,
        evidence=digest_of(written, SALT),
        is_public=False,
        validator_version=NOTHING,
        attested_s=AT_S,
        expires_s=0,
        recorded_s=AT_S,
        set_epoch=1,
        signers=1,
    )
    nobody = cast("PersonaClient", None)  # of a private badge, the chain is asked nothing
    return await reexecute(nobody, badge, policy, Opened(written, SALT), Sources({}, take_recorded=True))


async def test_a_claim_that_is_not_shown_is_taken_from_nobody() -> None:
    """ATT-022: a gateway that leaves the claim out does not get its word for it signed."""
    found = await as_recorded(STARS, Decimal(5))
    assert found.outcome is Outcome.UNDECIDED
    assert [step.message for step in found.steps if step.code == "zktls.level"] == ["its claim is not shown"]


async def test_what_nobody_answers_for_then_is_taken_as_recorded() -> None:
    """BDG-054."""
    found = await as_recorded(LINKED, True)
    assert found.outcome is Outcome.GRANTED, found.steps
