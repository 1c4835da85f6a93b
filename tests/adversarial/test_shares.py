"""Attacks on the ceremony in which attestors come to a k that nobody holds."""

from pathlib import Path

import pytest
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack

from trex.gateway.attestor import ceremony as parts
from trex.gateway.attestor import requests
from trex.gateway.attestor.allowance import Allowance
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
from trex.web.limits import Rate

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


@attack(
    who="the thief of a gateway's key",
    gain="the accounts of everybody, by asking under the shares about each that there may be",
    why="questions are counted for each gateway",
    guard=Guard("src/trex/gateway/attestor/allowance.py", "if there < questions:", "ATT-032", "if False:"),
    refusal="too many",
)
def test_every_account_asked_about(tmp_path: Path, honest: bool) -> None:
    """Thousands of accounts are asked about in an hour; honestly, those who join in it."""
    allowance = Allowance(tmp_path, Rate(100, 0.01))
    for number in range(100 if honest else 3_000):
        if not allowance.take(account_of(Secret(b"\x01" * 32)), 1, float(number)):
            raise Refused("too many")


@attack(
    who="the thief of a gateway's key, who has members restarted",
    gain="a full bucket of questions each time",
    why="what is left is kept in a file",
    guard=Guard("src/trex/gateway/attestor/allowance.py", "part.replace(self._file)", "ATT-032", "pass"),
    refusal="too many",
)
def test_questions_forgotten_by_a_restart(tmp_path: Path, honest: bool) -> None:
    """A member that was asked all it answers is started anew and asked again."""
    who = account_of(Secret(b"\x01" * 32))
    assert Allowance(tmp_path, Rate(50, 0.0)).take(who, 25 if honest else 50, 1.0)
    if not Allowance(tmp_path, Rate(50, 0.0)).take(who, 25, 2.0):
        raise Refused("too many")


@attack(
    who="whoever reads what a gateway sends",
    gain="the honest gateway's questions are used up by its own requests, sent again",
    why="a request has a nonce and is answered once",
    guard=Guard("src/trex/gateway/attestor/requests.py", "self._seen[name] = now_s", "ATT-030", "pass"),
    refusal="answered already",
)
def test_replay_of_a_request_to_a_member(honest: bool) -> None:
    """A signed request is sent twice within its five minutes; honestly, asked anew."""
    gateway, member = Secret(b"\x01" * 32), account_of(Secret(b"\x02" * 32))
    asked, body, path = requests.Asked(), b"{}", "/v1/evaluations"
    header = requests.sign(gateway, member, path, 1_000, body)
    for at_s in (1_000, 1_200):
        if honest and at_s > 1_000:
            header = requests.sign(gateway, member, path, at_s, body)
        assert requests.asker(header, member, path, at_s, body) == account_of(gateway)
        if not asked.is_new(header, float(at_s)):
            raise Refused("answered already")


@attack(
    who="whoever has no gateway that the member's operator named",
    gain="questions about anybody, and signatures",
    why="a request is signed over member, path, time and body",
    guard=Guard(
        "src/trex/gateway/attestor/requests.py",
        "said = _text(member, path, int(at_s), nonce, body).encode()",
        "ATT-030",
        'said = _text(member, "/v1/identity", int(at_s), nonce, b"{}").encode()',
    ),
    refusal="a stranger's",
)
def test_request_changed_on_its_way(honest: bool) -> None:
    """The signature under a harmless request stands under a question about somebody."""
    gateway, member = Secret(b"\x01" * 32), account_of(Secret(b"\x02" * 32))
    header = requests.sign(gateway, member, "/v1/identity", 1_000, b"{}")
    path, body = ("/v1/identity", b"{}") if honest else ("/v1/evaluations", b'{"points":[]}')
    if requests.asker(header, member, path, 1_000, body) != account_of(gateway):
        raise Refused("a stranger's")
