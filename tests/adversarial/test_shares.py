"""Attacks on the ceremony in which attestors come to a k that nobody holds."""

import pytest
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack

from trex.gateway.attestor import ceremony as parts
from trex.gateway.attestor.ceremony import (
    Ceremony,
    CeremonyError,
    Deal,
    check_deals,
    deal,
    identity_of,
    share_of,
)
from trex.gateway.attestor.group import base, plus, read_point, scalar, times
from trex.gateway.keys import Secret, account_of
from trex.types.evm import SECP256K1_ORDER as ORDER
from trex.types.primitives import Hash32

KNOWN = 0x5EC2E7
"""The k that the attacker would have."""


@pytest.fixture
def members() -> list[Secret]:
    return sorted((Secret(bytes([number]) * 32) for number in (1, 2, 3)), key=account_of)


def _cancelling(said: Ceremony, secret: Secret, others: list[Deal]) -> Deal:
    """A deal after which k is KNOWN: the first coefficient takes away what the others dealt.

    Its own logarithm nobody knows; what the two others are dealt fits its commitments all the same.
    """
    taken = [times(read_point(one.commitments[0]), ORDER - 1) for one in others]
    first = plus(base(KNOWN), *taken)
    values, half = (11, 12), pow(2, -1, ORDER)
    third = plus(base((values[1] - 2 * values[0]) * half), times(first, half))
    second = plus(base(values[0]), times(first, ORDER - 1), times(third, ORDER - 1))
    dealer = account_of(secret)
    sealed = {
        to.member: parts._seal(said, dealer, to, scalar(value))
        for to, value in zip(said.identities, (*values, 13), strict=True)
    }
    commitments = tuple(one.format() for one in (first, second, third))
    digest = parts._deal_digest(said, Deal(dealer, commitments, sealed, b"", b""))
    signature = parts._signed(secret.reveal(), digest)
    return Deal(dealer, commitments, sealed, signature, signature)


@attack(
    who="the member that deals last",
    gain="all of k, alone, while the others believe that nobody has it",
    why="a dealer signs by the first coefficient that it commits to, so it must have it",
    guard=Guard(
        "src/trex/gateway/attestor/ceremony.py",
        "_check_signed(_address_of(points[0]), digest, one.possession)",
        "ATT-011",
        "pass",
    ),
    refusal="did not sign its part",
)
def test_part_of_k_that_cancels_the_others_out(members: list[Secret], honest: bool) -> None:
    """The last dealer waits for the others' commitments and takes them away from its own."""
    said = Ceremony(Hash32(b"\x01" * 32), 3, tuple(map(identity_of, members)))
    deals = [deal(said, one) for one in members[:2]]
    deals.append(deal(said, members[2]) if honest else _cancelling(said, members[2], deals))
    try:
        group = check_deals(said, deals)
        shares = [share_of(said, deals, one) for one in members[:2]]
    except CeremonyError as error:
        raise Refused(str(error)) from error
    assert [base(one) for one in shares] == [group.public_share(account_of(one)) for one in members[:2]]
    assert honest or group.commitments[0] == base(KNOWN).format()
