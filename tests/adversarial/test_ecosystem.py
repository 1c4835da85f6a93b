"""Attacks on events, students, lists and logins that other parties vouch for."""

import hmac
import json
import warnings
from dataclasses import replace
from hashlib import sha256
from typing import Any

from eth_keys.datatypes import PrivateKey
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet
from joserfc.util import urlsafe_b64encode
from tests.adversarial.chain import Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import Wallet, human

from trex.badges.evaluate import evaluate
from trex.badges.observation import Observation, check_key
from trex.badges.policy import read_policy
from trex.gateway import attendance
from trex.gateway.policies import offer_of_publisher
from trex.gateway.service import Gateway
from trex.types.decision import Decision, Outcome
from trex.validators.ecosystem.allowlist import AllowList, Stage, Standing, judge_stage, proves
from trex.validators.ecosystem.codes import CodeKind, EventCode, event_id, judge_code, read_code, write_code
from trex.validators.ecosystem.student import Institution, SignIn, judge_student
from trex.validators.social.telegram import read_login

ATTENDANCE = "src/trex/gateway/attendance.py"
CODES = "src/trex/validators/ecosystem/codes.py"
STUDENT = "src/trex/validators/ecosystem/student.py"
LISTS = "src/trex/validators/ecosystem/allowlist.py"
TELEGRAM = "src/trex/validators/social/telegram.py"
NOW_S = 1_795_300_000
EVENT = event_id(1962, "Asia Tour")
ORGANISER = Wallet("organiser")
ASKED_OF_GUESTS = {"chain": 1962, "event": "Asia Tour", "organisers": [ORGANISER.hex.lower()]}
CAME = {"validator": "event.attended", "parameters": ASKED_OF_GUESTS, "is": {"isTrue": True}}
TOUR: dict[str, Any] = {
    "version": 1,
    "name": "Asia Tour",
    "evidenceClass": "private",
    "levels": [{"level": 1, "name": "Came", "points": 1, "when": {"check": CAME}}],
}


def granted(decision: Decision) -> None:
    if decision.outcome is not Outcome.GRANTED:
        raise Refused(", ".join(one.code for one in decision.reasons if one.outcome is not Outcome.GRANTED))


def code(serial: int = 1, by: Wallet = ORGANISER, around_s: int = NOW_S) -> EventCode:
    unsigned = EventCode(CodeKind.ON_SITE, EVENT, serial, around_s - 600, around_s + 600, bytes(65))
    signature = PrivateKey(by.secret).sign_msg(_personal(unsigned.signed_bytes()))
    raw = signature.r.to_bytes(32) + signature.s.to_bytes(32) + bytes([27 + signature.v])
    return replace(unsigned, signature=raw)


def _personal(message: bytes) -> bytes:
    return b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message


@attack(
    who="a visitor and a friend who stayed at home",
    gain="two badges of attendance by one code",
    why="a code is used up under what it says",
    guard=Guard(
        CODES,
        'step(not used, "ECO-003", "used", "used up before" if used else "not used before")',
        "ECO-003",
    ),
    refusal="used",
)
def test_code_shared(honest: bool) -> None:
    """The code that somebody has used is shown again."""
    used = set() if honest else {code().key()}
    shown = read_code(write_code(code()))
    granted(judge_code(shown, EVENT, [ORGANISER.address], used=shown.key() in used, now_s=NOW_S))


@attack(
    who="a visitor and a friend who stayed at home",
    gain="two badges of attendance by one code, redeemed at the gateway",
    why="a code is one passport's, by the database's own key",
    guard=Guard(ATTENDANCE, "used=kept.passport != passport", "GTW-100", "used=False"),
    refusal="used up before",
)
async def test_code_redeemed_for_two(chain: Chain, gateway: Gateway, honest: bool) -> None:
    """The friend redeems the code again."""
    visitor, friend = human(chain, "visitor")[0], human(chain, "friend")[0]
    gateway.offers = {"tour": offer_of_publisher(ORGANISER.address, json.dumps(TOUR).encode())}
    shown = write_code(code(around_s=gateway.now_s))
    await attendance.redeem(gateway, visitor.owner.key, visitor.passport, shown)
    who = visitor if honest else friend
    await attendance.redeem(gateway, who.owner.key, who.passport, shown)


@attack(
    who="a visitor and a friend who stayed at home",
    gain="two badges by one code, signed a second time",
    why="a code's name is of what it says, not of how it is signed",
    guard=Guard(
        CODES, "return keccak256(_body(self))", "ECO-003", "return keccak256(_body(self) + self.signature)"
    ),
    refusal="used",
)
def test_code_signed_twice(honest: bool) -> None:
    """The organiser's machine signs the same code again, with another signature."""
    first, again = code(), code(2 if honest else 1)
    if not honest:
        again = replace(first, signature=bytes(65))
    used = again.key() == first.key()
    granted(judge_code(code(2) if honest else first, EVENT, [ORGANISER.address], used=used, now_s=NOW_S))


@attack(
    who="anybody with a key",
    gain="attendance of any event",
    why="the event's organiser must have signed",
    guard=Guard(
        CODES, 'step(signer in organisers, "ECO-001", "signer", f"signed by 0x{signer.hex()}")', "ECO-001"
    ),
    refusal="signer",
)
def test_forged_code(honest: bool) -> None:
    """A code that a stranger signed."""
    shown = code(by=ORGANISER if honest else Wallet("forger"))
    granted(judge_code(shown, EVENT, [ORGANISER.address], used=False, now_s=NOW_S))


@attack(
    who="whoever was sent a picture of a code from the site",
    gain="attendance of a place they were not at",
    why="a code shown on site counts for minutes",
    guard=Guard(
        CODES,
        """step(in_time, "ECO-002", "time",
        f"counts from {code.not_before_s} to {code.not_after_s}, now is {now_s}")""",
        "ECO-002",
    ),
    refusal="time",
)
def test_code_of_this_morning(honest: bool) -> None:
    """The picture is used an hour later."""
    now_s = NOW_S if honest else NOW_S + 3_600
    granted(judge_code(code(), EVENT, [ORGANISER.address], used=False, now_s=now_s))


@attack(
    who="a visitor of another event of the same organiser",
    gain="this event's badge",
    why="a code names its event",
    guard=Guard(
        CODES, 'step(code.event == event, "ECO-001", "event", f"for event 0x{code.event.hex()}")', "ECO-001"
    ),
    refusal="event",
)
def test_code_of_another_event(honest: bool) -> None:
    """A code of last year's tour."""
    event = EVENT if honest else event_id(1962, "Asia Tour 2025")
    granted(judge_code(code(), event, [ORGANISER.address], used=False, now_s=NOW_S))


# Students

KEY = ECKey.generate_key("P-256", {"kid": "1"})
UNIVERSITY = Institution("https://idp.example.edu", "example.edu", KeySet([KEY]))
ASKED = SignIn("trex", "nonce of this sign-in", NOW_S)
CLAIMS = {
    "iss": UNIVERSITY.issuer,
    "sub": "s1234",
    "aud": "trex",
    "nonce": ASKED.nonce,
    "iat": NOW_S - 10,
    "exp": NOW_S + 300,
    "eduperson_scoped_affiliation": ["student@example.edu"],
}


def student(token: str = "", **changes: Any) -> None:
    signed = token or jwt.encode({"alg": "ES256", "kid": "1"}, {**CLAIMS, **changes}, KEY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # the library warns of what the attack asks for
        found = judge_student(signed, {UNIVERSITY.issuer: UNIVERSITY}, ASKED)
    granted(found.decision)


@attack(
    who="anybody who reads the institution's public keys",
    gain="is a student of it",
    why="signatures with a shared secret, or none, do not count",
    guard=Guard(
        STUDENT,
        'ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")',
        "ECO-020",
        'ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "none")',
    ),
    refusal="token",
)
def test_token_algorithm_confused(honest: bool) -> None:
    """The token's header says that it needs no signature."""
    parts = ({"alg": "none", "kid": "1"}, CLAIMS)
    bare = ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts) + "."
    student("" if honest else bare)


@attack(
    who="another site where the student signs in",
    gain="the student's badge, by the token that it was given",
    why="the token is for our client alone",
    guard=Guard(STUDENT, 'step(for_us, "audience", "made for us alone"),', "ECO-020"),
    refusal="audience",
)
def test_token_of_another_client(honest: bool) -> None:
    """An ID token whose audience is another site."""
    student(aud="trex" if honest else "library")


@attack(
    who="whoever finds a student's token in a log",
    gain="the student's badge for their own passport",
    why="the token carries the nonce of this sign-in",
    guard=Guard(STUDENT, 'step(nonce, "nonce", "made for this sign-in"),', "ECO-020"),
    refusal="nonce",
)
def test_token_replayed(honest: bool) -> None:
    """A token from another sign-in."""
    student(nonce=ASKED.nonce if honest else "nonce of yesterday")


@attack(
    who="an institution on the list, or whoever owns it",
    gain="students of a better known one",
    why="only what an institution says of its own people counts",
    guard=Guard(
        STUDENT,
        "held = any(isinstance(one, str) and one.casefold() == wanted for one in said)",
        "ECO-021",
        'held = any(isinstance(one, str) and one.startswith("student@") for one in said)',
    ),
    refusal="affiliation",
)
def test_student_of_somewhere_else(honest: bool) -> None:
    """The institution says that somebody is another one's student."""
    student(eduperson_scoped_affiliation=[f"student@{'example.edu' if honest else 'famous.edu'}"])


@attack(
    who="a member of staff, or an alumnus",
    gain="what is for students",
    why="the affiliation must be student",
    guard=Guard(
        STUDENT,
        "(*_time_and_place(claims, sign_in), _affiliation(claims, institution))",
        "ECO-021",
        "_time_and_place(claims, sign_in)",
    ),
    refusal="affiliation",
)
def test_alumnus(honest: bool) -> None:
    """The affiliation says alum."""
    student(eduperson_scoped_affiliation=[f"{'student' if honest else 'alum'}@example.edu"])


@attack(
    who="a student who has left",
    gain="what is for students, for a year more: the grant is renewed just before the sign-in is a year old",
    why="a grant ends no later than the answer that it rests on",
    guard=Guard(
        "src/trex/badges/evaluate.py", "ends.append(found.observed_at_s + lasts_s)", "POL-015", "pass"
    ),
    refusal="a student until",
)
def test_student_after_the_last_year(honest: bool) -> None:
    """A grant for a year is asked for eleven months after the sign-in; thirteen months after, is it there?"""
    year_s, month_s = 31_536_000, 2_592_000
    enrolled = {"validator": "student.enrolled", "parameters": {}, "is": {"isTrue": True}}
    level = {"level": 1, "name": "L", "points": 1, "when": {"check": enrolled}}
    policy = {
        "version": 1,
        "name": "Student",
        "evidenceClass": "private",
        "expiryS": year_s,
        "levels": [level],
    }
    signed_in_s = NOW_S if honest else NOW_S - 11 * month_s
    seen = {check_key("student.enrolled", {}): Observation(True, signed_in_s, "sign-in", "a student")}
    found = evaluate(read_policy(json.dumps(policy).encode()), seen, NOW_S)
    assert found.expires_at_s is not None
    if found.expires_at_s < NOW_S + 2 * month_s:
        raise Refused(f"a student until {found.expires_at_s}")


# Lists


@attack(
    who="whoever knows an inner node of the list's tree",
    gain="a place with a quota of 2^255, by a leaf that nobody put there",
    why="leaves are hashed twice, inner nodes once",
    guard=Guard(
        LISTS,
        "return keccak256(keccak256(passport.to_bytes(32) + quota.to_bytes(32)))",
        "ECO-010",
        "return keccak256(passport.to_bytes(32) + quota.to_bytes(32))",
    ),
    refusal="not on the list",
)
def test_merkle_second_preimage(honest: bool) -> None:
    """The two children of the root are shown as passport and quota."""
    places = AllowList([(1, 2), (2, 2)])
    children = sorted((places.proof(1)[0], places.proof(2)[0]))
    passport, quota = (1, 2) if honest else (int.from_bytes(one) for one in children)
    if not proves(places.root, passport, quota, places.proof(1) if honest else ()):
        raise Refused("not on the list")


STAGE = Stage(AllowList([(1, 2), (2, 2)]).root, NOW_S - 10, NOW_S + 10, 5, 100, 0)


@attack(
    who="a person on the list who has taken all that it gives",
    gain="the badge of those who still may mint, and what it opens",
    why="what the contract leaves of the quotas is what counts",
    guard=Guard(LISTS, 'step(left > 0, "quota", f"{left} left of {quota}")', "ECO-011"),
    refusal="quota",
)
def test_quota_of_the_list(honest: bool) -> None:
    """Two were taken of two."""
    place = AllowList([(1, 2), (2, 2)]).place(1)
    granted(judge_stage(STAGE, 1, Standing(place, 0, True, 1 if honest else 0), NOW_S).decision)


@attack(
    who="a person who is on no list",
    gain="the badge of an early stage",
    why="the place shown must be under the list's root as this passport's own",
    guard=Guard(
        LISTS,
        """step(listed, "list",
        f"on the list with {place.quota}" if place else "not on the list")""",
        "ECO-011",
    ),
    refusal="list",
)
def test_place_on_the_list_of_another(honest: bool) -> None:
    """The place and proof of a listed passport are taken for a stranger's."""
    place = AllowList([(1, 2), (2, 2)]).place(1)
    granted(judge_stage(STAGE, 1 if honest else 3, Standing(place, 0, True, None), NOW_S).decision)


# Telegram

BOT = "1234:token"


def login(bot: str = BOT, at_s: int = NOW_S, **more: str) -> dict[str, str]:
    told = {"id": "77", "first_name": "Ann", "auth_date": str(at_s), **more}
    text = "\n".join(f"{name}={told[name]}" for name in sorted(told))
    return {**told, "hash": hmac.new(sha256(bot.encode()).digest(), text.encode(), sha256).hexdigest()}


@attack(
    who="anybody",
    gain="any Telegram account",
    why="the fields are authenticated under the bot's token",
    guard=Guard(
        TELEGRAM,
        """if not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")):
        raise TelegramError("not signed by Telegram for this bot")""",
        "SOC-005",
    ),
    refusal="not signed by Telegram for this bot",
)
def test_forged_telegram_login(honest: bool) -> None:
    """A login that another bot's token authenticates."""
    assert read_login(login(BOT if honest else "1:other"), BOT, NOW_S).id == "77"


@attack(
    who="whoever finds a login in a browser's history",
    gain="the account, for a passport of their own",
    why="a login counts for ten minutes",
    guard=Guard(
        TELEGRAM,
        """if not now_s - MAX_AGE_S <= at_s <= now_s + CLOCK_SKEW_S:
        raise TelegramError("this login is too old")""",
        "SOC-005",
    ),
    refusal="this login is too old",
)
def test_old_telegram_login(honest: bool) -> None:
    """A login of yesterday."""
    assert read_login(login(at_s=NOW_S - (60 if honest else 86_400)), BOT, NOW_S).id == "77"


@attack(
    who="a person whose first name is made of fields",
    gain="another account's number, inside a name that Telegram signed",
    why="a field with a line break is no field",
    guard=Guard(
        TELEGRAM,
        """if any("\\n" in value for value in told.values()):
        raise TelegramError("a field with a line break")""",
        "SOC-005",
    ),
    refusal="a field with a line break",
)
def test_telegram_fields_in_a_name(honest: bool) -> None:
    """The signed text is cut into fields at another place."""
    if honest:
        assert read_login(login(), BOT, NOW_S).id == "77"
        return
    signed = login(first_name="Ann\nid=1\nlast_name=x")
    cut_elsewhere = {**signed, "first_name": "Ann", "id": "1", "last_name": "x\nid=77"}
    assert read_login(cut_elsewhere, BOT, NOW_S).id == "1"
