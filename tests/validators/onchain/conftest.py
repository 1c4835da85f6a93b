"""Two real nodes and contracts of OpenZeppelin's, compiled once."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from eth_abi.abi import encode
from tests.settlement.anvil_l1 import AnsweredError, Anvil, Proxy, anvil, proxy

from trex.types.network_file import keccak256
from trex.types.primitives import Address
from trex.validators.onchain.source import EvmChain, EvmSource

ROOT = Path(__file__).parents[3]
CHAIN_ID = 31337
ALICE = Address(bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266"))
BOB = Address(bytes.fromhex("70997970c51812dc3a010c7d01b50e0d17dc79c8"))
CAROL = Address(bytes.fromhex("3c44cdddb6a900fa2b585dd299e03d12fa4293bc"))


@pytest.fixture(scope="session")
def codes() -> dict[str, str]:
    """Creation code of each contract in Tokens.sol."""
    return creation_codes()


def creation_codes() -> dict[str, str]:
    """Compile Tokens.sol."""
    sources: dict[str, dict[str, str]] = {}
    waiting = [("Tokens.sol", Path(__file__).with_name("Tokens.sol"))]
    while waiting:
        name, path = waiting.pop()
        if name in sources:
            continue
        text = path.read_text()
        sources[name] = {"content": text}
        for line in text.splitlines():
            if line.startswith("import") and '"' in line:
                wanted = line.split('"')[1]
                full = (
                    wanted
                    if wanted.startswith("@")
                    else str((Path("/") / name).parent.joinpath(wanted).resolve())[1:]
                )
                waiting.append((full, ROOT / "node_modules" / full))
    settings = {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}, "optimizer": {"enabled": True}}
    request = {"language": "Solidity", "sources": sources, "settings": settings}
    done = subprocess.run(
        [str(ROOT / "scripts/solc"), "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=600,
    )
    answer = json.loads(done.stdout)
    faults = [error["formattedMessage"] for error in answer.get("errors", ()) if error["severity"] == "error"]
    assert not faults, faults
    return {
        name: found["evm"]["bytecode"]["object"] for name, found in answer["contracts"]["Tokens.sol"].items()
    }


@dataclass
class Net:
    """A node, a proxy that can lie before it, and a source that asks both."""

    node: Anvil
    liar: Proxy
    source: EvmSource
    codes: dict[str, str]
    deployed: dict[str, Address] = field(default_factory=dict)

    async def send(
        self, to: Address | None, data: bytes, *, by: Address = ALICE, value: int = 0
    ) -> dict[str, Any]:
        request = {
            "from": f"0x{by.hex()}",
            "data": f"0x{data.hex()}",
            "value": hex(value),
            "gas": hex(8_000_000),
        }
        if to is not None:
            request["to"] = f"0x{to.hex()}"
        sent = await self.node.call("eth_sendTransaction", request)
        receipt = None
        for _ in range(5_000):
            receipt = await self.node.call("eth_getTransactionReceipt", sent)
            if receipt is not None:
                break
            await asyncio.sleep(0.02)
        assert receipt is not None, "not included"
        assert receipt["status"] == "0x1", receipt
        assert isinstance(receipt, dict)
        return receipt

    async def deploy(self, name: str, *arguments: tuple[str, Any]) -> Address:
        words = encode([kind for kind, _ in arguments], [value for _, value in arguments])
        receipt = await self.send(None, bytes.fromhex(self.codes[name]) + words)
        return Address(bytes.fromhex(receipt["contractAddress"][2:]))

    async def do(
        self, to: Address, signature: str, *values: Any, by: Address = ALICE, value: int = 0
    ) -> dict[str, Any]:
        kinds = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
        return await self.send(
            to, keccak256(signature.encode())[:4] + encode(kinds, list(values)), by=by, value=value
        )

    async def wait(self, seconds: int) -> None:
        """Let the next block come so much later."""
        await self.node.call("evm_increaseTime", hex(seconds))

    async def now_s(self) -> int:
        return int((await self.node.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)


def without(*methods: str) -> Callable[[str, Any, Any], Any]:
    """An endpoint that does not know some methods."""

    def fault(method: str, _params: Any, result: Any) -> Any:
        if method in methods:
            raise AnsweredError(-32601, "the method does not exist")
        return result

    return fault


@asynccontextmanager
async def network(
    codes: dict[str, str], *, quorum: int = 2, confirmations: int | None = 0
) -> AsyncIterator[Net]:
    """Run a node, and a source that asks it directly and through a proxy."""
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(anvil())
        liar = await stack.enter_async_context(proxy(node.url))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        chain = EvmChain(CHAIN_ID, (node.url, liar.url), quorum, confirmations)
        yield Net(node, liar, EvmSource(chain, session, timeout_s=300), codes)


@pytest.fixture
async def net(codes: dict[str, str]) -> AsyncIterator[Net]:
    async with network(codes) as found:
        yield found
