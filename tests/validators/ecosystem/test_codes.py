"""Codes of an event: one person each, in time, by the organiser."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from eth_keys.datatypes import PrivateKey

from trex.types.decision import Outcome
from trex.types.evm import SECP256K1_ORDER
from trex.types.network_file import keccak256
from trex.types.primitives import Address
from trex.validators.ecosystem.codes import (
    CodeError,
    CodeKind,
    EventCode,
    event_id,
    judge_code,
    qr_svg,
    read_code,
    write_code,
)

KEY = PrivateKey(bytes(31) + b"\x09")
ORGANISER = Address(KEY.public_key.to_canonical_address())
TOUR = event_id(1962, "Asia Tour, Seoul")
NOW_S = 1_800_000_000


def signed(code: EventCode, key: PrivateKey = KEY) -> EventCode:
    message = code.signed_bytes()
    digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)
    raw = key.sign_msg_hash(digest).to_bytes()
    return replace(code, signature=raw[:64] + bytes([raw[64] + 27]))


CODE = signed(EventCode(CodeKind.ON_SITE, TOUR, 7, NOW_S - 60, NOW_S + 60, b""))


def broken(code: EventCode, *, used: bool = False, now_s: int = NOW_S) -> set[str]:
    decision = judge_code(code, TOUR, [ORGANISER], used=used, now_s=now_s)
    found = {reason.code for reason in decision.reasons if reason.outcome is Outcome.REFUSED}
    assert (decision.outcome is Outcome.REFUSED) == bool(found)
    return found


def test_code_of_the_organiser_counts_once_and_in_time() -> None:
    """ECO-001 to ECO-003."""
    assert broken(CODE) == set()
    assert broken(CODE, used=True) == {"used"}
    assert broken(CODE, now_s=NOW_S - 61) == {"time"}
    assert broken(CODE, now_s=NOW_S + 61) == {"time"}


def test_code_of_another_event_or_signer_or_changed_is_refused() -> None:
    """ECO-001."""
    assert "event" in broken(signed(replace(CODE, event=event_id(1628, "Asia Tour, Seoul"))))
    assert broken(signed(CODE, PrivateKey(bytes(31) + b"\x08"))) == {"signer"}
    for changed in (
        replace(CODE, serial=8),
        replace(CODE, kind=CodeKind.REMOTE),
        replace(CODE, not_after_s=NOW_S + 61),
    ):
        assert broken(changed) == {"signer"}
    assert broken(replace(CODE, signature=CODE.signature[:64] + b"\x00")) == {"signature"}


def test_code_signed_twice_is_one_code() -> None:
    """ECO-003: nobody gets in twice by a second signature."""
    s = SECP256K1_ORDER - int.from_bytes(CODE.signature[32:64])
    twin = replace(CODE, signature=CODE.signature[:32] + s.to_bytes(32) + bytes([55 - CODE.signature[64]]))
    assert broken(twin) == {"signature"}
    assert twin.key() == CODE.key() != replace(CODE, serial=8).key()


def test_code_reads_as_written_however_it_is_typed() -> None:
    text = write_code(CODE)
    assert re.fullmatch(r"TREX1-[A-Z2-7]{196}", text)
    for typed in (text, text.lower(), f" {text[:40]}\n{text[40:]} "):
        assert read_code(typed) == CODE


@pytest.mark.parametrize(
    "text",
    [
        *("", "TREX1-", "TREX2-AAAA", "TREX1-" + "A" * 196, "TREX1-" + "Ä" * 196, "TREX1-" + "A" * 5000),
        *(write_code(CODE)[:-1], write_code(CODE) + "A", write_code(CODE)[:-1] + "1"),
    ],
)
def test_text_that_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(CodeError):
        read_code(text)


def test_qr_picture_is_plain_svg() -> None:
    root = ElementTree.fromstring(qr_svg(CODE))
    assert root.tag.endswith("svg")
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"svg", "path", "g"}
