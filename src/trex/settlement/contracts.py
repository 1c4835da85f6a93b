"""Our contracts on L1, as compiled: ABI and code.

`contracts.json` has them; scripts/contract-snapshots writes it.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import orjson
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract as the compiler made it."""

    name: str
    abi: Sequence[Mapping[str, Any]]
    creation_code: bytes
    """Without the constructor's arguments."""
    runtime_code: bytes
    """With zeros where immutables go."""
    immutables: Sequence[tuple[int, int]]
    """Where they go: offset and length."""

    def init_code(self, *arguments: object) -> bytes:
        """Return creation code with the constructor's arguments."""
        found = [item for item in self.abi if item["type"] == "constructor"]
        return self.creation_code + encode(_types(found[0]["inputs"]) if found else [], arguments)

    def call(self, function: str, *arguments: object) -> bytes:
        """Return calldata of a function, which is the only one of its name.

        Raises:
            KeyError: no such function, or several.
        """
        item = self._function(function)
        types = _types(item["inputs"])
        return bytes(keccak(f"{function}({','.join(types)})".encode())[:4]) + encode(types, arguments)

    def result(self, function: str, data: bytes) -> tuple[Any, ...]:
        """Return what a function's answer says."""
        return tuple(decode(_types(self._function(function)["outputs"]), data))

    def matches(self, code: bytes) -> bool:
        """Tell whether runtime code is this contract's, whatever its immutables are."""
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked) == self.runtime_code

    def _function(self, name: str) -> Mapping[str, Any]:
        found = [item for item in self.abi if item["type"] == "function" and item["name"] == name]
        if len(found) != 1:
            raise KeyError(f"{self.name} has {len(found)} functions called {name}")
        return found[0]


def contract(name: str) -> Contract:
    """Return a contract by its name.

    Raises:
        KeyError: there is none of that name.
    """
    return _contracts()[name]


@functools.cache
def _contracts() -> Mapping[str, Contract]:
    read = orjson.loads(resources.files(__package__).joinpath("contracts.json").read_bytes())
    return {
        name: Contract(
            name=name,
            abi=each["abi"],
            creation_code=bytes.fromhex(each["creationCode"][2:]),
            runtime_code=bytes.fromhex(each["runtimeCode"][2:]),
            immutables=[(start, length) for start, length in each["immutables"]],
        )
        for name, each in read.items()
    }


def _types(inputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """ABI types; tuples by their parts."""
    return [
        f"({','.join(_types(each['components']))}){each['type'][5:]}"
        if each["type"].startswith("tuple")
        else each["type"]
        for each in inputs
    ]
