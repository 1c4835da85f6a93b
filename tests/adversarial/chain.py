"""The devnet's chain in this process, from its genesis: every try begins there, and may weaken a contract."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
from eth_abi.abi import decode, encode
from tests.adversarial.guards import ROOT, Guard
from tests.adversarial.kit import Refused

from trex.chain.core import DevCore
from trex.chain.dev.accounts import ACCOUNTS
from trex.types.errors import RpcError
from trex.types.network_file import keccak256
from trex.types.primitives import Address

SOURCES = ROOT / "networks" / "sources"
ABI = ROOT / "contracts" / "snapshots" / "abi"
GAS = 15_000_000
DAY_S = 86_400
RICH = ACCOUNTS[0].address
PANIC, ERROR = keccak256(b"Panic(uint256)")[:4], keccak256(b"Error(string)")[:4]
ENTRY_POINT = "0x4337084d9e255ff0702461cf8895ce9e3b5ff108"
"""EntryPoint v0.8, whose paymaster is attacked."""


def network(chain_id: int) -> bytes:
    """The devnet's file, for another chain id perhaps."""
    document = json.loads((ROOT / "networks" / "devnet.json").read_text())
    return json.dumps({**document, "chainId": chain_id}).encode()


@cache
def genesis_script() -> ModuleType:
    """scripts/build-networks, which knows how genesis contracts are constructed."""
    loader = SourceFileLoader("build_networks_of_attacks", str(ROOT / "scripts" / "build-networks"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Placed:
    """A contract of genesis."""

    address: str
    """Where its code is: of a proxy's implementation, that one's."""
    arguments: bytes
    """Of its constructor."""


@cache
def placed(contract: str) -> Placed:
    """Find a contract of ours on the devnet by the name of its source; of several the newest."""
    devnet = json.loads((SOURCES / "devnet.json").read_text())
    predeploys = json.loads((SOURCES / "predeploys.json").read_text())
    places = {one["name"]: one["address"] for one in predeploys}
    (*_, found) = [one for one in predeploys if one.get("constructed") == contract]
    kinds = [kind for kind, _ in found["arguments"]]
    argument = genesis_script().argument
    values = [argument(kind, value, devnet, places) for kind, value in found["arguments"]]
    return Placed(found["address"], encode(kinds, values))


PROXIES = {"Passport": "Passport", "Badges": "Badge"}
"""Contracts that are called at a proxy's address, and the proxy's name."""


@cache
def address_of(contract: str) -> str:
    """Where a contract is called."""
    if contract in PROXIES:
        predeploys = json.loads((SOURCES / "predeploys.json").read_text())
        return next(str(one["address"]) for one in predeploys if one["name"] == PROXIES[contract])
    return placed(contract).address


def _type(entry: dict[str, Any]) -> str:
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    return f"({','.join(map(_type, entry['components']))}){entry['type'][5:]}"


@dataclass(frozen=True)
class Function:
    """One function, as its ABI says."""

    selector: bytes
    takes: tuple[str, ...]
    gives: tuple[str, ...]


@cache
def functions(contract: str) -> Mapping[str, Function]:
    """Functions of a contract, by name."""
    found = {}
    for one in json.loads((ABI / f"{contract}.json").read_text()):
        if one["type"] == "function":
            takes = tuple(map(_type, one["inputs"]))
            selector = keccak256(f"{one['name']}({','.join(takes)})".encode())[:4]
            found[one["name"]] = Function(selector, takes, tuple(map(_type, one["outputs"])))
    return found


@cache
def errors() -> Mapping[bytes, str]:
    """Names of every contract's errors, by selector."""
    found = {}
    for path in ABI.glob("*.json"):
        for one in json.loads(path.read_text()):
            if one["type"] == "error":
                signature = f"{one['name']}({','.join(map(_type, one['inputs']))})"
                found[bytes(keccak256(signature.encode())[:4])] = str(one["name"])
    return found


def reason(data: str | None) -> str:
    """Name what a contract reverted with."""
    raw = bytes.fromhex((data or "0x")[2:])
    if raw[:4] == PANIC:
        return f"Panic({raw[-1]:#x})"
    if raw[:4] == ERROR:
        return str(decode(["string"], raw[4:])[0])
    return errors().get(raw[:4], f"reverted with 0x{raw.hex()}")


@dataclass(frozen=True)
class Codes:
    """What is compiled for attacks, once it is wanted."""

    weakened: Callable[[], Mapping[Guard, bytes]]
    """Creation code of contracts without a guard."""
    helpers: Callable[[], Mapping[str, bytes]]
    """Creation code of attackers' contracts."""


class Chain:
    """One chain. Blocks are made as they are asked for, in no real time."""

    def __init__(
        self,
        core: DevCore,
        codes: Codes,
        elsewhere: Callable[[int], "Chain"],
    ) -> None:
        self.core, self._codes, self._elsewhere = core, codes, elsewhere
        self.weak: Guard | None = None

    def rpc(self, method: str, *params: Any) -> Any:
        return orjson.loads(self.core.rpc(method, orjson.dumps(params)))

    @property
    def now_s(self) -> int:
        return self.core.head().timestamp

    def wait(self, seconds: int) -> None:
        """Let time pass: the next block comes so much later."""
        self.core.build(self.core.head().slot + seconds * 5, allow_empty=True, budget_ms=1000)

    def weaken(self, guard: Guard) -> None:
        """Put the contract without its guard in the place of the contract, constructed alike; state stays."""
        there = placed(guard.deployed)
        self.construct(there.address, self._codes.weakened()[guard] + there.arguments)
        self.weak = guard

    def construct(self, address: str, creation: bytes) -> None:
        """Put there what a constructor returns at that address; its storage is not touched."""
        self.core.patch(orjson.dumps({address: {"code": f"0x{creation.hex()}"}}))
        code = self.rpc("eth_call", {"to": address, "gas": hex(GAS)}, "latest")
        self.core.patch(orjson.dumps({address: {"code": code}}))

    def copy(self, code_of: str, to: str) -> None:
        """Put a contract's code at another address."""
        code = self.rpc("eth_getCode", code_of, "latest")
        self.core.patch(orjson.dumps({to: {"code": code}}))

    def elsewhere(self, chain_id: int) -> "Chain":
        """Another chain with the same contracts, as weak as this one."""
        other = self._elsewhere(chain_id)
        if self.weak is not None:
            other.weaken(self.weak)
        return other

    def deploy(self, helper: str, *arguments: tuple[str, Any]) -> str:
        """Deploy a contract of Attackers.sol."""
        kinds, values = [kind for kind, _ in arguments], [value for _, value in arguments]
        receipt = self.transact(None, self._codes.helpers()[helper] + encode(kinds, values))
        return str(receipt["contractAddress"])

    def ask(self, contract: str, name: str, *values: Any, at: str = "", by: str = RICH) -> Any:
        """Read a contract; one value is given as it is, several as a tuple."""
        function = functions(contract)[name]
        data = function.selector + encode(function.takes, values)
        to = at or address_of(contract)
        request = {"from": by, "to": to, "data": f"0x{data.hex()}", "gas": hex(GAS)}
        found = decode(function.gives, self._call(request))
        return found[0] if len(found) == 1 else found

    def read(self, to: str, signature: str) -> bytes:
        """Call a function without arguments, of a contract that has no ABI here."""
        data = keccak256(signature.encode())[:4]
        return self._call({"to": to, "data": f"0x{data.hex()}", "gas": hex(GAS)})

    def do(
        self, contract: str, name: str, *values: Any, by: str = RICH, value: int = 0, at: str = ""
    ) -> dict[str, Any]:
        """Call a contract by a transaction; return its receipt.

        Raises:
            Refused: it reverts, with the name of the error.
        """
        function = functions(contract)[name]
        data = function.selector + encode(function.takes, values)
        return self.transact(at or address_of(contract), data, by=by, value=value)

    def transact(self, to: str | None, data: bytes, *, by: str = RICH, value: int = 0) -> dict[str, Any]:
        """Send a transaction and make a block of it.

        Raises:
            Refused: it reverts.
        """
        request = {"from": by, "gas": hex(GAS), "value": hex(value), "input": f"0x{data.hex()}"}
        request |= {"to": to} if to is not None else {}
        self._call(request)
        sent = self.core.impersonate(orjson.dumps(request))
        self.core.build(self.core.head().slot + 1, allow_empty=False, budget_ms=1000)
        receipt = self.rpc("eth_getTransactionReceipt", sent)
        assert receipt["status"] == "0x1", "it reverts in a block alone"
        assert isinstance(receipt, dict)
        return receipt

    def _call(self, request: dict[str, Any]) -> bytes:
        try:
            return bytes.fromhex(self.rpc("eth_call", request, "latest")[2:])
        except RpcError as error:
            raise Refused(reason(error.data) if error.code == 3 else str(error)) from error

    def give(self, address: str, wei: int) -> None:
        self.core.patch(orjson.dumps({address: {"balance": hex(wei)}}))

    def balance(self, address: str) -> int:
        return int(self.rpc("eth_getBalance", address, "latest"), 16)


def text(address: Address | bytes) -> str:
    """An address as JSON writes it."""
    return f"0x{bytes(address).hex()}"


HELPERS = Path(__file__).with_name("Attackers.sol")
