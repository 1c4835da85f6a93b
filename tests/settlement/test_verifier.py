"""`trex node run --role verifier` as a user runs it, and what it answers about itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from eth_account import Account
from tests.settlement.anvil_l1 import KEYS, anvil
from tests.settlement.process import AnsweredError, NodeProcess, node_process, refused
from tests.settlement.rollup import Rollup, build, output_at, rollup

from trex.node.cli import main

ROOT = Path(__file__).resolve().parents[2]
OPENRPC: dict[str, Any] = json.loads((ROOT / "specs" / "openrpc.json").read_text())
SYNC_S = 300.0


@pytest.fixture
async def system() -> AsyncIterator[Rollup]:
    async with rollup() as one:
        yield one


def check(method: str, answer: Any) -> None:
    """Check an answer against the OpenRPC document."""
    [schema] = [one["result"]["schema"] for one in OPENRPC["methods"] if one["name"] == method]
    jsonschema.validate(answer, {**schema, "components": OPENRPC["components"]})


async def synced(node: NodeProcess, l1_number: int) -> dict[str, Any]:
    """Wait until a node has derived an L1 block."""
    async with asyncio.timeout(SYNC_S):
        while True:
            info: dict[str, Any] = await node.call("trex_info")
            derivation = info["derivation"]
            if derivation["synced"] and derivation["l1Derived"] >= l1_number:
                return info
            await asyncio.sleep(0.1)


async def test_verifier_from_l1_alone_answers_as_the_sequencer_and_as_op_node(
    system: Rollup, tmp_path: Path
) -> None:
    network = tmp_path / "network.json"
    network.write_bytes(system.text)
    chain = system.open(tmp_path / "s")
    build(chain, 3)
    await system.append(0, chain.batch(1, 3, []), origin=2)
    await system.deposit(10**18)
    await system.silence()
    await system.force()
    await system.node.mine(2)
    l1 = ("--l1", system.node.url, "--beacon", system.node.url)
    options = ("--role", "verifier", *l1, "--history", "1000")
    async with node_process(system.session, network, tmp_path / "v", *options) as node:
        head = await system.head()
        info = await synced(node, head)
        assert info["role"] == "verifier"
        assert info["derivation"]["batches"] == 2
        assert info["derivation"]["trouble"] is None
        block = await node.call("eth_getBlockByNumber", "0x3", False)
        assert (block["hash"], block["stateRoot"]) == output_at(chain, 3)
        safe = await node.call("eth_getBlockByNumber", "safe", False)
        assert safe["number"] == await node.call("eth_blockNumber") != "0x3"
        assert (await node.call("eth_getBlockByNumber", "finalized", False))["number"] == "0x0"
        assert await node.call("eth_syncing") is False

        status = await node.call("optimism_syncStatus")
        check("optimism_syncStatus", status)
        assert status["current_l1"]["number"] == head
        assert status["safe_l2"]["number"] == int(safe["number"], 16)
        assert status["safe_l2"]["l1origin"]["number"] > status["finalized_l2"]["l1origin"]["number"] == 2
        config = await node.call("optimism_rollupConfig")
        check("optimism_rollupConfig", config)
        assert config["genesis"]["l1"] == {"hash": "0x" + system.start.block.hash.hex(), "number": 2}
        assert config["deposit_contract_address"] == "0x" + system.contracts.portal.hex()
        output = await node.call("optimism_outputAtBlock", "0x3")
        check("optimism_outputAtBlock", output)
        assert output["stateRoot"] == block["stateRoot"]
        assert output["blockRef"]["sequenceNumber"] == 3, "all blocks up to here have the origin of genesis"
        read = await node.call("trex_batch", "0x0")
        check("trex_batch", read)
        assert (read["outcome"]["name"], read["firstBlock"], read["lastBlock"]) == ("batch", 1, 3)
        with pytest.raises(AnsweredError, match="batch 2 was not read yet, of 2 so far"):
            await node.call("trex_batch", "0x2")

        async def explained(*what: str) -> tuple[int, str]:
            arguments = ["batch", "explain", "--node", node.url, *what]
            done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
            return done.exit_code, done.stdout if "--json" in what else done.output

        code, said = await explained("1")
        assert (code, "reads as empty: no batch was posted (no_data, code 1)" in said) == (1, True), said
        (tmp_path / "blobs").write_bytes(b"".join(chain.batch(1, 3, [])))
        code, said = await explained(str(tmp_path / "blobs"), "--l1", system.node.url, "--json")
        assert code == 0, said
        both = json.loads(said)
        assert (both["read"]["index"], both["read"]["header"]["origin"]) == (0, 2)
        assert [block["slot_delta"] for block in both["batch"]["blocks"]] == [1, 1, 1]
        (tmp_path / "blobs").write_bytes(b"".join(chain.batch(1, 2, [])))
        code, said = await explained(str(tmp_path / "blobs"), "--l1", system.node.url)
        assert (code, "has read has these blobs" in said) == (1, True), said
        for wrong in ("0x1000", 3, "0x" + "1" * 20):
            with pytest.raises(AnsweredError):
                await node.call("optimism_outputAtBlock", wrong)
        with pytest.raises(AnsweredError, match="makes no blocks"):
            await node.call("eth_sendRawTransaction", transfer(chain.chain_id))
    chain.close()


async def test_verifier_sends_transactions_on_to_the_sequencer(system: Rollup, tmp_path: Path) -> None:
    network = tmp_path / "network.json"
    network.write_bytes(system.text)
    l1 = ("--l1", system.node.url, "--beacon", system.node.url)
    async with node_process(system.session, network, tmp_path / "s", "--no-produce", *l1) as sequencer:
        assert (await synced(sequencer, 0))["role"] == "sequencer"
        options = ("--role", "verifier", *l1, "--sequencer", sequencer.url)
        async with node_process(system.session, network, tmp_path / "v", *options) as verifier:
            raw = transfer(await verifier.call("eth_chainId"))
            sent = await verifier.call("eth_sendRawTransaction", raw)
            assert (await sequencer.call("eth_getTransactionByHash", sent))["hash"] == sent
            with pytest.raises(AnsweredError) as caught:
                await verifier.call("eth_sendRawTransaction", raw)
            with pytest.raises(AnsweredError) as there:
                await sequencer.call("eth_sendRawTransaction", raw)
            assert caught.value.args == there.value.args
            await sequencer.kill()
            with pytest.raises(AnsweredError, match="the sequencer does not answer"):
                await verifier.call("eth_sendRawTransaction", raw)


async def test_verifier_that_cannot_work_says_why(system: Rollup, tmp_path: Path) -> None:
    network, plain = tmp_path / "network.json", tmp_path / "plain.json"
    network.write_bytes(system.text)
    document = json.loads(system.text)
    del document["l1"]
    plain.write_text(json.dumps(document))
    verifier = ("--role", "verifier")
    assert "no section l1" in await refused(plain, tmp_path / "v", *verifier, "--l1", system.node.url)
    assert "--l1 URL" in await refused(network, tmp_path / "v", *verifier)
    assert "--beacon URL" in await refused(network, tmp_path / "v", *verifier, "--l1", system.node.url)
    async with anvil("--chain-id", "77") as other:
        said = await refused(network, tmp_path / "v", *verifier, "--l1", other.url, "--beacon", other.url)
        assert "serves chain 77, not 31337" in said


def transfer(chain_id: int | str) -> str:
    """Return a signed transfer of the first account of the devnet."""
    signed = Account.sign_transaction(
        {
            "to": "0x" + "09" * 20,
            "value": 1,
            "gas": 21_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 1,
            "nonce": 0,
            "chainId": chain_id,
        },
        KEYS[0],
    )
    return "0x" + bytes(signed.raw_transaction).hex()
