"""Codes of an event: signed by its organiser, each for one person, shown as a QR picture (ECO-001)."""

import base64
import binascii
import io
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum

import segno

from trex.types.decision import Decision, Outcome, Reason
from trex.types.evm import SignatureError, recover_message_signer
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

PREFIX = "TREX1-"
"""How a code begins."""
_LENGTH = 1 + 32 + 8 + 8 + 8
"""Bytes that are signed: kind, event, serial number, not before, not after."""
_DOMAIN = b"T-Rex event code 1\n"


class CodeKind(IntEnum):
    """Where a code is for."""

    ON_SITE = 1
    """Shown at the place, for minutes."""
    REMOTE = 2
    """Sent to those who take part from afar."""

    @property
    def place(self) -> str:
        """As policies and people call it."""
        return self.name.lower().replace("_", "-")


class CodeError(ValueError):
    """Not a code."""


@dataclass(frozen=True, slots=True)
class EventCode:
    """One code, before its signature is believed."""

    kind: CodeKind
    """Where it is for."""
    event: Hash32
    """Which event."""
    serial: int
    """Unlike any other code of the event."""
    not_before_s: int
    """Unix time in seconds."""
    not_after_s: int
    """Unix time in seconds, inclusive."""
    signature: bytes
    """65 bytes, by the organiser."""

    def signed_bytes(self) -> bytes:
        """What the organiser signs by EIP-191."""
        return _DOMAIN + _body(self)

    def key(self) -> Hash32:
        """Name under which it is used up: of what it says, not of how it is signed (ECO-003)."""
        return keccak256(_body(self))

    def signer(self) -> Address:
        """Who signed it.

        Raises:
            SignatureError: nobody did.
        """
        return recover_message_signer(self.signed_bytes(), self.signature)


def event_id(chain_id: int, name: str) -> Hash32:
    """Name an event."""
    return keccak256(f"{chain_id}\n{name}".encode())


def _body(code: EventCode) -> bytes:
    numbers = (code.serial, code.not_before_s, code.not_after_s)
    return bytes([code.kind]) + code.event + b"".join(number.to_bytes(8) for number in numbers)


def write_code(code: EventCode) -> str:
    """Write a code as text: capitals and digits, which QR pictures hold densest."""
    raw = _body(code) + code.signature
    return PREFIX + base64.b32encode(raw).decode().rstrip("=")


def read_code(text: str) -> EventCode:
    """Read a code as typed or scanned; small letters and spaces do no harm.

    Raises:
        CodeError: it is none.
    """
    plain = "".join(text.split()).upper() if len(text) <= 1024 else ""
    if not plain.startswith(PREFIX) or not plain.isascii():
        raise CodeError(f"a code begins with {PREFIX}")
    body = plain[len(PREFIX) :]
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
    except binascii.Error as error:
        raise CodeError("a letter that no code has") from error
    if len(raw) != _LENGTH + 65 or base64.b32encode(raw).decode().rstrip("=") != body:
        raise CodeError("a code of another length")
    if raw[0] not in CodeKind.__members__.values():
        raise CodeError("a code of an unknown kind")
    serial, start, end = (int.from_bytes(raw[at : at + 8]) for at in (33, 41, 49))
    return EventCode(CodeKind(raw[0]), Hash32(raw[1:33]), serial, start, end, raw[_LENGTH:])


def judge_code(
    code: EventCode, event: Hash32, organisers: Collection[Address], *, used: bool, now_s: int
) -> Decision:
    """Decide whether a code counts now.

    Args:
        code: as read.
        event: which it must be for.
        organisers: whose signature counts.
        used: somebody has used it up before (ECO-003).
        now_s: Unix time in seconds.
    """
    reasons = []

    def step(held: bool, rule: str, name: str, message: str) -> None:
        reasons.append(Reason(name, Outcome.GRANTED if held else Outcome.REFUSED, message, rule))

    try:
        signer = code.signer()
        step(signer in organisers, "ECO-001", "signer", f"signed by 0x{signer.hex()}")
    except SignatureError as error:
        step(False, "ECO-001", "signature", str(error))
    step(code.event == event, "ECO-001", "event", f"for event 0x{code.event.hex()}")
    in_time = code.not_before_s <= now_s <= code.not_after_s
    step(in_time, "ECO-002", "time", f"counts from {code.not_before_s} to {code.not_after_s}, now is {now_s}")
    step(not used, "ECO-003", "used", "used up before" if used else "not used before")
    broken = any(reason.outcome is Outcome.REFUSED for reason in reasons)
    return Decision(Outcome.REFUSED if broken else Outcome.GRANTED, tuple(reasons))


def qr_svg(code: EventCode) -> str:
    """Draw a code as an SVG picture."""
    picture = io.BytesIO()
    segno.make(write_code(code), error="m", micro=False).save(picture, kind="svg", scale=4, xmldecl=False)
    return picture.getvalue().decode()
