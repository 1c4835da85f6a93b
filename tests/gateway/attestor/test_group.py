"""A k in shares: any threshold of members comes to the same, fewer to nothing, and who lies is found out."""

import secrets
from dataclasses import replace
from itertools import combinations

import pytest

from trex.gateway.attestor.ceremony import (
    Ceremony,
    CeremonyError,
    Deal,
    check_deals,
    deal,
    identity_of,
    read_deal,
    share_of,
)
from trex.gateway.attestor.group import (
    Answer,
    Group,
    answer,
    base,
    blinded,
    combined,
    hashed_to_curve,
    is_of_share,
    read_group,
    times,
)
from trex.gateway.keys import Secret, account_of
from trex.types.evm import SECP256K1_ORDER as ORDER
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Hash32

SECRETS = sorted((Secret(bytes([number]) * 32) for number in range(1, 6)), key=account_of)
MEMBERS = tuple(map(account_of, SECRETS))
CEREMONY = Ceremony(Hash32(b"\x07" * 32), 3, tuple(map(identity_of, SECRETS)))


@pytest.fixture(scope="module")
def deals() -> list[Deal]:
    return [deal(CEREMONY, one) for one in SECRETS]


@pytest.fixture(scope="module")
def held(deals: list[Deal]) -> tuple[Group, dict[Address, int]]:
    shares = {account_of(one): share_of(CEREMONY, deals, one) for one in SECRETS}
    return check_deals(CEREMONY, deals), shares


def test_any_threshold_of_members_comes_to_k_and_nobody_has_it(
    held: tuple[Group, dict[Address, int]],
) -> None:
    """ATT-001, ATT-002, ATT-010: the same value whoever answers, and it is k times the message's point."""
    group, shares = held
    k = 0
    for place, share in enumerate(shares.values(), 1):
        if place <= group.threshold:
            weight = 1
            for other in set(range(1, group.threshold + 1)) - {place}:
                weight = weight * other * pow(other - place, -1, ORDER) % ORDER
            k = (k + share * weight) % ORDER
    assert base(k).format() == group.commitments[0]
    assert k not in shares.values()
    wanted = times(hashed_to_curve(b"account"), k).format()
    for those in combinations(MEMBERS, group.threshold):
        asked, factor = blinded(b"account")
        answers = {one: answer(group, one, shares[one], asked) for one in those}
        assert all(is_of_share(group, one, asked, told) for one, told in answers.items())
        assert combined(group, answers, factor) == wanted
    asked, factor = blinded(b"account")
    too_few = {one: answer(group, one, shares[one], asked) for one in MEMBERS[:2]}
    with pytest.raises(ValueError, match="2 answers, 3 are needed"):
        combined(group, too_few, factor)
    assert read_group(group.write()) == group


def test_what_is_asked_tells_nothing_of_the_account() -> None:
    """ATT-002: twice the same account, two points."""
    assert blinded(b"account")[0] != blinded(b"account")[0]


def test_answer_of_another_share_or_point_is_found_out(held: tuple[Group, dict[Address, int]]) -> None:
    """ATT-003."""
    group, shares = held
    first, second = MEMBERS[:2]
    (asked, _), (other, _) = blinded(b"account"), blinded(b"account")
    honest = answer(group, first, shares[first], asked)
    assert is_of_share(group, first, asked, honest)
    assert not is_of_share(group, second, asked, honest)
    assert not is_of_share(group, first, other, honest)
    assert not is_of_share(group, first, asked, answer(group, first, shares[first] + 1, asked))
    assert not is_of_share(group, first, asked, replace(honest, point=base(5).format()))
    assert not is_of_share(group, first, asked, replace(honest, response=honest.response ^ 1))
    assert not is_of_share(group, first, asked, Answer(honest.point, 0, 0))


def test_dealer_who_seals_what_it_did_not_commit_to_is_named(deals: list[Deal]) -> None:
    """ATT-012."""
    victim, liar = SECRETS[0], SECRETS[2]
    others = deal(CEREMONY, liar)
    mixed = replace(deals[2], sealed={**deals[2].sealed, MEMBERS[0]: others.sealed[MEMBERS[0]]})
    with pytest.raises(CeremonyError, match=f"{checksum_address(MEMBERS[2])} dealt"):
        share_of(CEREMONY, [*deals[:2], mixed, *deals[3:]], victim)
    with pytest.raises(CeremonyError, match="did not sign its part"):
        check_deals(CEREMONY, [*deals[:2], mixed, *deals[3:]])
    assert check_deals(CEREMONY, [*deals[:2], others, *deals[3:]]).members == MEMBERS


def test_part_made_to_cancel_the_others_out_is_refused(deals: list[Deal]) -> None:
    """ATT-011: the dealer must have the first coefficient that it commits to."""
    borrowed = replace(deals[4], commitments=(deals[0].commitments[0], *deals[4].commitments[1:]))
    with pytest.raises(CeremonyError):
        check_deals(CEREMONY, [*deals[:4], borrowed])
    with pytest.raises(CeremonyError, match="did not sign its part"):
        check_deals(CEREMONY, [*deals[:4], replace(deals[4], possession=deals[4].signature)])


def test_deal_of_another_ceremony_is_refused(deals: list[Deal]) -> None:
    """ATT-011: a deal serves once."""
    again = replace(CEREMONY, id=Hash32(secrets.token_bytes(32)))
    with pytest.raises(CeremonyError, match="did not sign its part"):
        check_deals(again, deals)
    with pytest.raises(CeremonyError, match="does not open"):
        share_of(again, deals, SECRETS[1])


def test_member_that_did_not_say_who_it_is_is_refused() -> None:
    """ATT-010: else the gateway could name itself in a member's place."""
    own = identity_of(Secret(b"\x77" * 32))
    named = (replace(own, member=MEMBERS[0]), *CEREMONY.identities[1:])
    with pytest.raises(CeremonyError, match="did not sign its part"):
        replace(CEREMONY, identities=named).check()


@pytest.mark.parametrize("told", [{}, {"dealer": 1}, {"dealer": "0x1", "commitments": [], "sealed": {}}])
def test_read_deal_refuses(told: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_deal(told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "document",
    [b"{}", b"[]", b'{"threshold":1,"members":[],"commitments":["02"]}', b'{"threshold":"1"}', b"x"],
)
def test_read_group_refuses(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_group(document)
