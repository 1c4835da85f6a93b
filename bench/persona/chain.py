"""A chain of our own in this process, and what people do on it, signed as they sign."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "throughput"))

from typing import TYPE_CHECKING

from eth_abi.abi import encode
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from workload import Sender

from trex import _core  # noqa: TID251  (what is measured is the chain, without a server around it)

if TYPE_CHECKING:
    from trex.types.eip712 import TypedMessage

ROOT = Path(__file__).resolve().parents[2]
CHAIN_ID = 1962
MNEMONIC = "test test test test test test test test test test test junk"
GAS = 16_777_216
"""Most of one transaction (EIP-7825)."""
BUDGET_MS = 600_000
CACHE_BYTES = 512 << 20
HISTORY = 128
"""Blocks whose state is kept."""
ATTESTORS = (7, 8, 9)
THRESHOLD = 2
ETHER = 10**18
GENESIS_S = 1_767_225_600
"""Of the devnet, 2026-01-01."""


class Chain:
    """A devnet's chain without its server."""

    def __init__(self, folder: Path) -> None:
        """Open a new chain in a folder."""
        self.folder = folder
        self.chain = self._open()
        self.ahead_s = 0
        """Seconds that the chain's clock is ahead."""
        Account.enable_unaudited_hdwallet_features()
        self.payer = Sender(*_account(0))
        attestors = [PrivateKey(_account(place)[0]) for place in ATTESTORS]
        self._attestors = sorted(attestors, key=lambda one: one.public_key.to_canonical_address())[:THRESHOLD]

    def _open(self) -> _core.Chain:
        network = (ROOT / "networks" / "devnet.json").read_bytes()
        return _core.Chain.open(
            str(self.folder), network, history_blocks=HISTORY, cache_bytes=CACHE_BYTES, limits=b"{}"
        )

    def ask(self, method: str, *params: object) -> object:
        """Answer a JSON-RPC question."""
        return json.loads(self.chain.rpc(method, json.dumps(params).encode()))

    def include(self, raws: list[str]) -> float:
        """Have transactions included by one block; return the milliseconds that making it took.

        Raises:
            RuntimeError: one was refused or left out.
        """
        for outcome in self.chain.submit(raws):
            if not isinstance(outcome, str):
                raise RuntimeError(f"refused: {outcome}")
        slot = max(self.chain.head().slot + 1, _slot_now() + 5 * self.ahead_s)
        started = time.perf_counter()
        head = self.chain.build(slot, allow_empty=False, budget_ms=BUDGET_MS)
        spent_ms = (time.perf_counter() - started) * 1000
        if head is None or head.transactions != len(raws):
            raise RuntimeError(f"left out: {head}")
        return spent_ms

    def send(
        self, to: str | None, data: bytes, value: int = 0, sender: Sender | None = None
    ) -> dict[str, str]:
        """Send one transaction in a block of its own; return its receipt.

        Raises:
            RuntimeError: it was refused or reverted.
        """
        raw = (sender or self.payer).sign(CHAIN_ID, to, value, GAS, f"0x{data.hex()}")  # type: ignore[arg-type]
        self.include([raw])
        receipts = self.ask("eth_getBlockReceipts", "latest")
        assert isinstance(receipts, list)
        receipt: dict[str, str] = receipts[-1]
        if receipt["status"] != "0x1":
            raise RuntimeError(f"reverted: {receipt}")
        return receipt

    def gas(self, to: str | None, data: bytes, value: int = 0, sender: Sender | None = None) -> int:
        """Send one transaction; return all its gas."""
        return int(self.send(to, data, value, sender)["gasUsed"], 16)

    def call(self, to: str, data: bytes) -> bytes:
        """Ask a contract."""
        answer = self.ask("eth_call", {"to": to, "data": f"0x{data.hex()}"}, "latest")
        assert isinstance(answer, str)
        return bytes.fromhex(answer[2:])

    def time_s(self) -> int:
        """Time of the newest block."""
        block = self.ask("eth_getBlockByNumber", "latest", False)
        assert isinstance(block, dict)
        return int(block["timestamp"], 16)

    def attest(self, message: TypedMessage) -> bytes:
        """Signatures of the threshold of the devnet's validator set, ascending (PAS-060)."""
        digest = message.digest()
        found = b""
        for key in self._attestors:
            signed = key.sign_msg_hash(digest)
            found += signed.r.to_bytes(32) + signed.s.to_bytes(32) + bytes([27 + signed.v])
        return found


def _account(place: int) -> tuple[bytes, str]:
    found = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{place}")
    return bytes(found.key), found.address.lower()


def _slot_now() -> int:
    """Slot of this moment: the devnet's genesis is 2026-01-01, its slots 200 ms."""
    return int((time.time() - GENESIS_S) * 5)


def compiled() -> dict[str, tuple[bytes, dict[str, bytes]]]:
    """Creation code and selectors of every contract of Usual.sol.

    Raises:
        RuntimeError: the compiler refused it.
    """
    sources: dict[str, dict[str, str]] = {}
    _gather("Usual.sol", Path(__file__).with_name("Usual.sol"), sources)
    job = {
        "language": "Solidity",
        "sources": sources,
        "settings": {
            "evmVersion": "osaka",
            "optimizer": {"enabled": True, "runs": 10_000},
            "outputSelection": {"*": {"*": ["evm.bytecode.object", "evm.methodIdentifiers"]}},
        },
    }
    solc = [str(ROOT / "scripts" / "solc"), "--standard-json"]
    done = subprocess.run(solc, input=json.dumps(job), capture_output=True, text=True, cwd=ROOT)
    try:
        made = json.loads(done.stdout)["contracts"]["Usual.sol"]
    except (ValueError, KeyError):
        raise RuntimeError(f"cannot compile Usual.sol: {done.stdout[:800]}{done.stderr[:800]}") from None
    found = {}
    for name, contract in made.items():
        evm = contract["evm"]
        selectors = {
            one.partition("(")[0]: bytes.fromhex(hash_) for one, hash_ in evm["methodIdentifiers"].items()
        }
        found[name] = (bytes.fromhex(evm["bytecode"]["object"]), selectors)
    return found


def _gather(name: str, file: Path, sources: dict[str, dict[str, str]]) -> None:
    """Read a file and what it imports."""
    if name in sources:
        return
    text = file.read_text()
    sources[name] = {"content": text}
    for line in text.splitlines():
        if line.startswith("import") and '"' in line:
            target = line.split('"')[1]
            if target.startswith("@"):
                _gather(target, ROOT / "node_modules" / target, sources)
            else:
                path = (file.parent / target).resolve()
                inner = str(path.relative_to(ROOT / "node_modules"))
                _gather(inner, path, sources)


def arguments(kinds: list[str], values: list[object]) -> bytes:
    """Encode arguments."""
    return encode(kinds, values)
