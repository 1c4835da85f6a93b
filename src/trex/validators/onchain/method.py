"""A contract's methods by a signature with named arguments, and the arguments of a call. Pure (ONC-036)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trex.types.network_file import keccak256
from trex.validators.onchain.activity import ELEMENTARY, SignatureError

_TOKEN = re.compile(r"\s*([A-Za-z_$][\w$]{0,63}|\[[0-9]{0,4}\]|[(),])")
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a method."""

    name: str
    """As the signature says."""
    type: str
    """Of the ABI, a tuple written with its parts."""
    parts: tuple["Parameter", ...]
    """Of a tuple that is no array; otherwise none."""


@dataclass(frozen=True, slots=True)
class MethodSignature:
    """A method with named arguments."""

    name: str
    """Of the method."""
    parameters: tuple[Parameter, ...]
    """In order."""

    @property
    def selector(self) -> bytes:
        """Four bytes that its calls begin with."""
        types = ",".join(one.type for one in self.parameters)
        return keccak256(f"{self.name}({types})".encode())[:4]

    def type_of(self, path: str) -> str:
        """Return the type of an argument; parts of tuples are named with dots, `order.amount`.

        Raises:
            SignatureError: there is none of that name.
        """
        for name, kind in _named(self.parameters, ""):
            if name == path:
                return kind
        raise SignatureError(f"{self.name} has no argument {path[:64]!r}")

    def arguments(self, data: bytes) -> dict[str, Any] | None:
        """The arguments of a call by name, addresses as bytes; None if it is a call of something else."""
        if data[:4] != self.selector:
            return None
        try:
            values = decode([one.type for one in self.parameters], data[4:])
        except (DecodingError, UnicodeDecodeError, OverflowError):
            return None
        found: dict[str, Any] = {}
        for one, value in zip(self.parameters, values, strict=True):
            _gather(one, value, "", found)
        return found


def read_method(text: str) -> MethodSignature:
    """Read `name(type name, (type name, type name) name)`; types are written in full (`uint256`).

    Raises:
        SignatureError: it is not of that form.
    """
    head, *tokens = _tokens(text)
    if not _is_word(head) or tokens[:1] != ["("]:
        raise SignatureError(f"{text[:80]!r} is not a method with named arguments")
    parameters, rest = _parameters(tokens[1:], 1)
    if rest:
        raise SignatureError(f"{rest[0]!r} follows the method")
    return MethodSignature(head, parameters)


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise SignatureError(f"{text[at : at + 40]!r} is no part of a method with named arguments")
        found.append(token[1])
        at = token.end()
    return found or [""]


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in "[(),"


def _parameters(tokens: list[str], depth: int) -> tuple[tuple[Parameter, ...], list[str]]:
    """Read up to the bracket that closes; return what follows it too."""
    if depth > _MAX_DEPTH:
        raise SignatureError("tuples are nested too deep")
    found: list[Parameter] = []
    if tokens[:1] == [")"]:
        return (), tokens[1:]
    while True:
        one, tokens = _parameter(tokens, depth)
        found.append(one)
        if tokens[:1] not in ([","], [")"]):
            raise SignatureError(f"a comma or a bracket should follow {one.name!r}")
        if tokens.pop(0) == ")":
            break
    if len({one.name for one in found}) != len(found):
        raise SignatureError("an argument's name is there twice")
    return tuple(found), tokens


def _parameter(tokens: list[str], depth: int) -> tuple[Parameter, list[str]]:
    parts: tuple[Parameter, ...] = ()
    kind, *rest = tokens or [""]
    if kind == "(":
        parts, rest = _parameters(rest, depth + 1)
        kind = f"({','.join(part.type for part in parts)})"
    if not parts and not ELEMENTARY.fullmatch(kind):
        raise SignatureError(f"{kind[:64]!r} is no elementary type, written in full")
    whole = kind
    while rest and rest[0][0] == "[":
        whole += rest.pop(0)
    if not rest or not _is_word(rest[0]):
        raise SignatureError(f"an argument of type {whole[:64]} without a name")
    return Parameter(rest[0], whole, parts if whole == kind else ()), rest[1:]


def _named(parameters: tuple[Parameter, ...], before: str) -> Iterator[tuple[str, str]]:
    for one in parameters:
        yield before + one.name, one.type
        yield from _named(one.parts, f"{before}{one.name}.")


def _gather(one: Parameter, value: Any, before: str, found: dict[str, Any]) -> None:
    if one.parts:
        for part, inner in zip(one.parts, value, strict=True):
            _gather(part, inner, f"{before}{one.name}.", found)
        return
    found[before + one.name] = bytes.fromhex(value[2:]) if one.type == "address" else value
