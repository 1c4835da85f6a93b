"""The checks that a policy can name: what each takes and what it answers (POL-020)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ValueKind(StrEnum):
    """What a check answers, and so what it can be compared with."""

    NUMBER = "number"
    """A count, an amount in the unit that the check says, or seconds."""
    WORD = "word"
    """One of several names."""
    FLAG = "flag"
    """Yes or no."""


class EvidenceClass(StrEnum):
    """Who can look at the evidence again (BDG-003)."""

    PUBLIC = "public"
    """Anyone: it is on a chain."""
    PRIVATE = "private"
    """Whoever the holder shows it to, and the attestors."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a check."""

    accepts: Callable[[Any], bool]
    """Tells whether a JSON value will do."""
    expected: str
    """What will do, for people."""
    required: bool = True
    """It must be there."""


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of question."""

    answers: ValueKind
    """What comes back."""
    evidence: EvidenceClass
    """Who can look again."""
    unit: str
    """Of the number, or what the word or flag means; for people."""
    fields: Mapping[str, Field]
    """Its parameters."""
    lasts_s: int | None = None
    """How long an answer proves it, in seconds from when it was seen (POL-015); None for ever."""


def _text(pattern: str, expected: str, required: bool = True) -> Field:
    form = re.compile(pattern)
    return Field(lambda value: isinstance(value, str) and bool(form.fullmatch(value)), expected, required)


def _whole(least: int, most: int, required: bool = True) -> Field:
    return Field(
        lambda value: type(value) is int and least <= value <= most,
        f"a whole number from {least} to {most}",
        required,
    )


CHAIN = _whole(1, 2**53 - 1)
ADDRESS = _text(r"0x[0-9a-f]{40}", "an address in lower case")
TOKEN = _text(r"0x[0-9a-f]{40}|native", "a contract's address in lower case, or native")
PLACES = Field(
    lambda value: (
        isinstance(value, list)
        and 0 < len(value) <= 7
        and all(
            isinstance(one, dict)
            and one.keys() == {"chain", "token"}
            and CHAIN.accepts(one["chain"])
            and TOKEN.accepts(one["token"])
            for one in value
        )
        and len({(one["chain"], one["token"]) for one in value}) == len(value)
    ),
    "a list of 1 to 7 different {chain, token} that count as the same token",
    required=False,
)
DAYS = _whole(1, 3650)
STANDARD = _text(r"erc721|erc1155", "erc721 or erc1155")
IDS = Field(
    lambda value: (
        isinstance(value, list)
        and 0 < len(value) <= 1000
        and all(isinstance(one, str) and re.fullmatch(r"0|[1-9][0-9]{0,77}", one) for one in value)
    ),
    "a list of 1 to 1000 ids, decimal as text",
    required=False,
)
TRAITS = Field(
    lambda value: (
        isinstance(value, dict)
        and 0 < len(value) <= 16
        and all(isinstance(one, str) and len(name) <= 64 and len(one) <= 64 for name, one in value.items())
    ),
    "an object of 1 to 16 traits, each a text",
    required=False,
)
MODE = _text(r"continuous|total", "continuous or total")
AMOUNT = _text(r"(0|[1-9][0-9]{0,77})(\.[0-9]{1,36})?", "a decimal number as text")
TARGET = _text(r"[\w.@#:-]{1,128}", "an account or channel as the platform names it")
PROVIDER = _text(r"[a-z0-9]+(-[a-z0-9]+)*", "the id of a provider, as `trex zktls providers` lists them")

SCOPE = r"(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+"
"""An institution's domain."""
EVENT = _text(
    r"[A-Za-z_$][\w$]{0,63}\([\w, ]{0,1024}\)",
    "an event with named arguments, `Name(type indexed name, type name)`",
)
NAME = _text(r"[A-Za-z_$][\w$]{0,63}", "the name of an argument")
METHOD = _text(
    r"[A-Za-z_$][\w$]{0,63}\([\w$, ()\[\]]{0,1024}\)",
    "a method with named arguments, `name(type name, (type name) name)`",
    required=False,
)
CALL_NAME = _text(
    r"msg\.value|[A-Za-z_$][\w$]{0,63}(\.[A-Za-z_$][\w$]{0,63}){0,3}",
    "the name of an argument, parts of tuples by dots, or msg.value",
)
DEPTH = _text(r"outer|inside", "outer or inside")
_COMPARED = re.compile(r"-?(0|[1-9][0-9]{0,77})|0x([0-9a-f]{2}){0,32}|true|false")


def _is_where(value: Any, name: Field) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"argument", "word", "value"}
        and name.accepts(value["argument"])
        and value["word"] in ("equals", "atLeast", "atMost")
        and isinstance(value["value"], str)
        and bool(_COMPARED.fullmatch(value["value"]))
        and (value["word"] == "equals" or value["value"].lstrip("-").isdigit())
    )


def _where(name: Field) -> Field:
    return Field(
        lambda value: (
            isinstance(value, list) and 0 < len(value) <= 8 and all(_is_where(one, name) for one in value)
        ),
        "a list of 1 to 8 {argument, word: equals, atLeast or atMost, value: as text}",
        required=False,
    )


INSTITUTIONS = Field(
    lambda value: (
        isinstance(value, list)
        and 0 < len(value) <= 1000
        and all(isinstance(one, str) and re.fullmatch(SCOPE, one) for one in value)
    ),
    "a list of 1 to 1000 institutions, each by its domain in lower case, such as example.edu",
    required=False,
)
_EVENTS = {"chain": CHAIN, "contract": ADDRESS, "event": EVENT, "actor": NAME, "where": _where(NAME)}
_CALLS = {
    "chain": CHAIN,
    "contract": ADDRESS,
    "method": METHOD,
    "depth": DEPTH,
    "where": _where(CALL_NAME),
}
SINCE = _whole(1, 3650, required=False)


ADDRESSES = Field(
    lambda value: isinstance(value, list) and 0 < len(value) <= 16 and all(map(ADDRESS.accepts, value)),
    "a list of 1 to 16 addresses in lower case",
)
EVENT_NAME = Field(
    lambda value: isinstance(value, str) and 0 < len(value) <= 128 and value.isprintable(),
    "the event's name, 1 to 128 printable characters",
)


def _web3(unit: str, **more: Field) -> Check:
    return Check(ValueKind.NUMBER, EvidenceClass.PUBLIC, unit, {**_EVENTS, "days": SINCE, **more})


def _calls(unit: str, **more: Field) -> Check:
    return Check(ValueKind.NUMBER, EvidenceClass.PUBLIC, unit, {**_CALLS, "days": SINCE, **more})


def _solana(unit: str, **more: Field) -> Check:
    mint = _text(r"[1-9A-HJ-NP-Za-km-z]{32,44}|native", "a mint's address, or native")
    return Check(ValueKind.NUMBER, EvidenceClass.PUBLIC, unit, {"token": mint, **more})


def _token(unit: str, **more: Field) -> Check:
    fields = {"chain": CHAIN, "token": TOKEN, "also": PLACES, **more}
    return Check(ValueKind.NUMBER, EvidenceClass.PUBLIC, unit, fields)


_COLLECTION = {"chain": CHAIN, "collection": ADDRESS, "standard": STANDARD}


def _nft(unit: str, **more: Field) -> Check:
    return Check(ValueKind.NUMBER, EvidenceClass.PUBLIC, unit, {**_COLLECTION, "ids": IDS, **more})


CATALOGUE: Mapping[str, Check] = {
    "zktls.level": Check(
        ValueKind.NUMBER, EvidenceClass.PRIVATE, "level by the provider's own steps", {"provider": PROVIDER}
    ),
    "zktls.number": Check(
        ValueKind.NUMBER, EvidenceClass.PRIVATE, "in the provider's unit", {"provider": PROVIDER}
    ),
    "zktls.word": Check(
        ValueKind.WORD,
        EvidenceClass.PRIVATE,
        "plan by the provider's table, or yes or no",
        {"provider": PROVIDER},
    ),
    # POL-027.
    "social.linked": Check(
        ValueKind.FLAG, EvidenceClass.PRIVATE, "an account is linked", {"platform": PROVIDER}
    ),
    "social.follows": Check(
        ValueKind.FLAG,
        EvidenceClass.PRIVATE,
        "the linked account follows another, or belongs to it",
        {"platform": PROVIDER, "target": TARGET},
    ),
    "social.posts": Check(
        ValueKind.NUMBER,
        EvidenceClass.PRIVATE,
        "posts of the linked account within a time",
        {
            "platform": PROVIDER,
            "fromS": _whole(0, 2**40),
            "untilS": _whole(0, 2**40, required=False),
            "tag": _text(r"\w{1,64}", "a tag without its #", required=False),
            "contains": Field(
                lambda value: isinstance(value, str) and 0 < len(value) <= 128,
                "a text of 1 to 128 characters",
                required=False,
            ),
        },
    ),
    # POL-033.
    "event.attended": Check(
        ValueKind.FLAG,
        EvidenceClass.PRIVATE,
        "a code of the event was redeemed",
        {
            "chain": CHAIN,
            "event": EVENT_NAME,
            "organisers": ADDRESSES,
            "place": _text(r"on-site|remote", "on-site or remote", required=False),
        },
    ),
    # POL-050, ECO-022.
    "student.enrolled": Check(
        ValueKind.FLAG,
        EvidenceClass.PRIVATE,
        "a student, by academic sign-in within a year",
        {"institutions": INSTITUTIONS},
        lasts_s=31_536_000,
    ),
    # POL-051.
    "eligibility.stage": Check(
        ValueKind.NUMBER,
        EvidenceClass.PUBLIC,
        "pieces that the passport may take of that stage of a mint",
        {"chain": CHAIN, "collection": ADDRESS, "stage": _whole(0, 2**53 - 1)},
    ),
    # POL-023, POL-025, POL-026, POL-024.
    "token.balance": _token("whole tokens of all wallets"),
    "token.average": _token("whole tokens of all wallets, averaged over time", days=DAYS),
    "token.held": _token(
        "seconds for which at least that much was held without a break", days=DAYS, amount=AMOUNT
    ),
    "token.received": _token("whole tokens that came from others", days=DAYS),
    "token.sent": _token("whole tokens that went to others, fees of a native coin counted", days=DAYS),
    "token.moves": _token("blocks in which tokens came or went", days=DAYS),
    "web3.events": _web3("events in which a wallet acted"),
    "web3.days": _web3("days of UTC with such an event"),
    "web3.streak": _web3("days in a row with such an event, the longest run"),
    "web3.volume": _web3("sum of an argument, in its smallest unit", argument=NAME),
    "web3.since-first": _web3("seconds since the first such event"),
    "web3.since-last": _web3("seconds since the last such event"),
    "web3.rank": Check(
        ValueKind.NUMBER,
        EvidenceClass.PUBLIC,
        "place of the first such event among everybody's first ones, from 1",
        _EVENTS,
    ),
    "web3.first-block": Check(
        ValueKind.NUMBER, EvidenceClass.PUBLIC, "height of the block of the first such event", _EVENTS
    ),
    "web3.calls": _calls("calls that a wallet made"),
    "web3.call-days": _calls("days of UTC with such a call"),
    "web3.call-streak": _calls("days in a row with such a call, the longest run"),
    "web3.call-volume": _calls("sum of an argument or of the coin sent, smallest unit", argument=CALL_NAME),
    "web3.since-first-call": _calls("seconds since the first such call"),
    "web3.since-last-call": _calls("seconds since the last such call"),
    "solana.balance": _solana("whole tokens of all Solana wallets"),
    "solana.average": _solana("whole tokens of all Solana wallets, averaged over time", days=DAYS),
    "solana.held": _solana(
        "seconds for which at least that much was held without a break", days=DAYS, amount=AMOUNT
    ),
    "solana.received": _solana("whole tokens that came from others", days=DAYS),
    "solana.sent": _solana("whole tokens that went to others, fees counted", days=DAYS),
    "solana.moves": _solana("slots in which tokens came or went", days=DAYS),
    "nft.owned": _nft("items in all wallets", traits=TRAITS),
    "nft.held": _nft("seconds with at least one item", mode=MODE, days=SINCE),
    "nft.placed": _nft(
        "items that the wallets put into protocol contracts, and that are there, for so many days",
        protocols=ADDRESSES,
        days=SINCE,
    ),
    "nft.listed": _nft(
        "items that the wallets have and offer in orders that the chain has seen",
        protocols=ADDRESSES,
        days=DAYS,
    ),
    "nft.minted": _nft("items minted to the wallets", days=SINCE),
    "nft.bought": _nft("items that came with a payment in the same transaction", days=SINCE),
    "nft.received": _nft("items that came without a payment", days=SINCE),
    "nft.flipped": _nft("items passed on within so many days of coming", days=DAYS),
}
"""Every check, by name."""
