"""Calls inside a transaction, of both forms in which nodes tell them. Pure (ONC-035)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from trex.types.primitives import Address

MAX_FRAMES = 100_000
"""Most calls of one transaction that are looked at."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One call that stood: neither it nor one around it failed."""

    sender: Address
    """Who the called contract saw as its caller: the actor."""
    to: Address
    """Who was called."""
    value_wei: int
    """Coin that went with it."""
    input: bytes
    """Method and arguments."""


def frames_by(answer: Any, senders: Collection[Address]) -> tuple[Frame, ...]:
    """Read the calls that some accounts made, in order, from `callTracer`'s tree or from `trace_transaction`.

    Calls in which state is read alone (`STATICCALL`), code is borrowed (`DELEGATECALL`) or a contract is made
    are no acts at a contract.

    Raises:
        ValueError, KeyError, TypeError: it is neither.
    """
    found = _tree(answer) if isinstance(answer, dict) else _flat(answer)
    return tuple(frame for frame in found if frame.sender in senders)


def _tree(root: dict[str, Any]) -> Iterator[Frame]:
    """`callTracer`: calls hang below the one that made them."""
    waiting, seen = [root], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > MAX_FRAMES:
            raise ValueError("more calls than are looked at")
        if node.get("error"):
            continue
        if node["type"] == "CALL":
            yield _frame(node)
        waiting += reversed(node.get("calls") or ())


def _flat(entries: Any) -> Iterator[Frame]:
    """`trace_transaction`: a list, each with its place in the tree, callers first."""
    if not isinstance(entries, list) or len(entries) > MAX_FRAMES:
        raise ValueError("not a list of traces, or too long")
    failed: set[tuple[int, ...]] = set()
    for entry in entries:
        place = tuple(entry["traceAddress"])
        if entry.get("error") or any(place[:length] in failed for length in range(len(place))):
            failed.add(place)
        elif entry["type"] == "call" and entry["action"]["callType"] == "call":
            yield _frame(entry["action"])


def _frame(told: dict[str, Any]) -> Frame:
    sender, to = (bytes.fromhex(told[name][2:]) for name in ("from", "to"))
    if len(sender) != 20 or len(to) != 20:
        raise ValueError("an address of another length")
    value = told.get("value") or "0x0"
    return Frame(Address(sender), Address(to), int(value, 16), bytes.fromhex(told["input"][2:]))
