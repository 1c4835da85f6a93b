"""`trex batcher` and `trex proposer` when they cannot work: what they say."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from trex.node.cli import main
from trex.rpc.endpoint import Endpoint
from trex.rpc.endpoints import Retries
from trex.settlement.batcher import Batcher
from trex.settlement.blocks import NodeBlocks
from trex.settlement.carrier import EthereumBlobs
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.sender import Sender
from trex.settlement.l1.transaction import account_of
from trex.settlement.proposer import ClaimsTarget, Proposer
from trex.settlement.target import Target
from trex.types.primitives import Address

ROOT = Path(__file__).resolve().parents[2]
KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
WORD = "0x" + "11" * 32
ADDRESS = "0x" + "22" * 20


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A key, and network files: without an L1, and with one that lacks contracts."""
    document = json.loads((ROOT / "networks" / "devnet.json").read_text())
    contracts, hashes = {"portal": ADDRESS}, {"portal": WORD}
    section = {"chainId": 1, "contracts": contracts, "codeHashes": hashes, "accounts": {}}
    made = {
        "plain": document,
        "lacking": {**document, "l1": {**section, "parameters": {}}},
        "broken": {**document, "chainId": "many"},
    }
    found = {}
    for name, content in made.items():
        (tmp_path / name).write_text(json.dumps(content))
        found[name] = str(tmp_path / name)
    for name, text in (("key", KEY), ("no_key", "1234" + KEY[8:] + "zz")):
        (tmp_path / name).write_text(text)
        found[name] = str(tmp_path / name)
    return found


@pytest.mark.parametrize("role", ["batcher", "proposer"])
@pytest.mark.parametrize(
    ("network", "key", "said"),
    [
        ("plain", "key", "has no section l1"),
        ("lacking", "key", "lacks 'inbox'"),
        ("broken", "key", "chainId"),
        ("lacking", "no_key", "not a private key of 32 bytes in hex"),
    ],
)
def test_role_that_cannot_work_says_why(
    files: dict[str, str], role: str, network: str, key: str, said: str
) -> None:
    where = ["--network", files[network], "--key", files[key], "--l1", "http://127.0.0.1:1"]
    result = CliRunner().invoke(main, [role, "run", *where])
    assert result.exit_code == 1
    assert said in result.output
    assert KEY[8:40] not in result.output, "a key is never shown"


def test_numbers_that_make_no_rule_are_refused(files: dict[str, str]) -> None:
    where = ["--network", files["lacking"], "--key", files["key"], "--l1", "http://127.0.0.1:1"]
    for options, said in (
        (("--target-age", "20", "--max-age", "10"), "target age"),
        (("--node", "http://127.0.0.1:1", "--node", "http://127.0.0.1:2"), "one --node"),
    ):
        result = CliRunner().invoke(main, ["batcher", "run", *where, *options])
        assert result.exit_code == 1
        assert said in result.output
    for name, value in (("--max-blobs", "10"), ("--usual-blob-fee", "none"), ("--patience", "0")):
        result = CliRunner().invoke(main, ["batcher", "run", *where, name, value])
        assert result.exit_code == 2
        assert name in result.output


async def test_roles_stop_at_once_while_l1_is_away() -> None:
    nowhere = Address(b"\x22" * 20)
    async with aiohttp.ClientSession() as session:
        away = Endpoint("http://127.0.0.1:1", session)
        reader = L1Reader([away], 1, retries=Retries(budget_s=100_000.0))
        sender = Sender(reader, account_of(bytes.fromhex(KEY)))
        source, stop = NodeBlocks(away), asyncio.Event()
        target = Target(nowhere, nowhere, 1, 100, 1000, 43_200, 1_800)
        roles = (
            Batcher(target, reader, source, EthereumBlobs(sender, nowhere)),
            Proposer(ClaimsTarget(nowhere, nowhere), reader, [source], sender),
        )
        running = [asyncio.create_task(role.run(stop)) for role in roles]
        await asyncio.sleep(0.5)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*running), 300)
