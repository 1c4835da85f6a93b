"""Deployment on a real L1: addresses foretold, interruptions, and what verify notices."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner
from tests.settlement.anvil_l1 import CHAIN_ID, KEYS, Anvil, anvil

from trex.node.l1 import l1
from trex.rpc.endpoint import Endpoint
from trex.settlement import deploy as deploying
from trex.settlement.contracts import contract
from trex.settlement.deploy import code_of, deploy, plan, section, verify, with_origin
from trex.settlement.deployment import Accounts, Deployment, Timing
from trex.settlement.l1.errors import L1RefusedError
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.sender import Pricing, Sender
from trex.settlement.l1.transaction import account_of
from trex.types.network_file import keccak256, read_network
from trex.types.primitives import Address

MULTICALL3 = Address(bytes.fromhex("ca11bde05977b3631167028862be2a173976ca11"))
MULTICALL3_CODE = "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"
ROOT = Path(__file__).resolve().parents[2]
DEVNET = json.loads((ROOT / "networks" / "devnet.json").read_text())
TIMING = Timing(
    max_origin_lag_l1_blocks=100,
    silence_s=60,
    dispute_window_s=600,
    finality_delay_s=1,
    proof_maturity_s=20,
    timelock_delay_s=3_600,
)


def address_of(key: bytes) -> Address:
    return Address(bytes.fromhex(account_of(key).address[2:]))


ACCOUNTS = Accounts(
    operator=address_of(KEYS[0]),
    sequencer=address_of(KEYS[1]),
    proposer=Address(b"\x03" * 20),
    disputer=Address(b"\x04" * 20),
    governor=Address(b"\x05" * 20),
)


@asynccontextmanager
async def l1_with(key: bytes = KEYS[0]) -> AsyncIterator[tuple[Anvil, L1Reader, Sender]]:
    async with anvil() as node, aiohttp.ClientSession() as session:
        await node.mine(3)
        reader = L1Reader([Endpoint(node.url, session, timeout_s=300)], CHAIN_ID)
        yield node, reader, Sender(reader, account_of(key), pricing=Pricing(poll_s=0.02))


async def planned(reader: L1Reader) -> tuple[dict[str, object], Deployment]:
    document = await with_origin(reader, DEVNET, 2)
    return document, plan(document, ACCOUNTS, TIMING, {"maxDriftS": 600})


async def test_deploy_then_verify_agree_and_the_file_is_valid() -> None:
    """PTL-080..084, NET-040..043: every address foretold, every number read back."""
    async with l1_with() as (_, reader, sender):
        document, deployment = await planned(reader)
        steps: list[str] = []
        made = await deploy(sender, deployment, say=steps.append)
        assert len(steps) == 2 + len(deployment.planned())
        assert keccak256(await code_of(reader, MULTICALL3)).hex() == MULTICALL3_CODE
        text = json.dumps({**document, "l1": section(made)}).encode()
        network = read_network(text)
        assert network.l1 == made
        assert network.genesis.l1_origin.number == 2
        assert network.l1 is not None
        assert network.l1.parameters["maxDriftS"] == 600
        findings = await verify(reader, network, text)
        assert [finding for finding in findings if not finding.ok] == []
        assert len(findings) > 50
        again = await deploy(sender, deployment, say=lambda step: pytest.fail(step))
        assert again == made


async def test_deploy_interrupted_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """PTL-081."""
    async with l1_with() as (_, reader, sender):
        _, deployment = await planned(reader)
        send, sent = deploying._send, 0

        async def failing(*arguments: object) -> None:
            nonlocal sent
            sent += 1
            if sent == 5:
                raise ConnectionResetError
            await send(*arguments)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(deploying, "_send", failing)
            with pytest.raises(ConnectionResetError):
                await deploy(sender, deployment)
        steps: list[str] = []
        await deploy(sender, deployment, say=steps.append)
        assert len(steps) == len(deployment.planned()) - 3


async def test_deploy_with_another_key_or_without_factory_is_refused() -> None:
    async with l1_with(KEYS[1]) as (_, reader, sender):
        _, deployment = await planned(reader)
        with pytest.raises(ValueError, match="not the operator's"):
            await deploy(sender, deployment)
    async with l1_with() as (node, reader, sender):
        await node.call("anvil_setCode", "0x4e59b44847b379578588920ca78fbf26c0b4956c", "0x")
        _, deployment = await planned(reader)
        with pytest.raises(L1RefusedError, match="no_factory"):
            await deploy(sender, deployment)


async def test_plan_for_another_operator_than_genesis_knows_is_refused() -> None:
    """PTL-082."""
    other = dataclasses.replace(ACCOUNTS, operator=address_of(KEYS[1]))
    with pytest.raises(ValueError, match="made for another operator"):
        plan(DEVNET, other, TIMING)


def test_timing_timelock_shorter_than_an_exit_is_refused() -> None:
    """PTL-071."""
    with pytest.raises(ValueError, match="PTL-071"):
        Timing(timelock_delay_s=8 * 86_400).check()
    with pytest.raises(ValueError, match="INB-011"):
        Timing(max_origin_lag_l1_blocks=8_192).check()
    Timing().check()


async def test_verify_names_what_differs() -> None:
    """PTL-083: a number, an account, code, and what the sequencer may change."""
    async with l1_with() as (node, reader, sender):
        document, deployment = await planned(reader)
        good = section(await deploy(sender, deployment))

        async def wrong(l1: dict[str, object]) -> list[str]:
            text = json.dumps({**document, "l1": l1}).encode()
            return [f.what for f in await verify(reader, read_network(text), text) if not f.ok]

        assert await wrong(good) == []
        numbers = {**good["parameters"], "silenceS": 61}
        assert await wrong({**good, "parameters": numbers}) == ["inbox.SILENCE"]
        accounts = {**good["accounts"], "proposer": "0x" + "66" * 20}
        assert await wrong({**good, "accounts": accounts}) == ["outputClaims.PROPOSER"]
        accounts = {**good["accounts"], "governor": "0x" + "66" * 20}
        assert await wrong({**good, "accounts": accounts}) == ["timelock.FIRST_PROPOSERS"]
        numbers = {**good["parameters"], "timelockDelayS": 100}
        short = ["timelock delay, longer than an exit", "timelock.LEAST_DELAY"]
        assert await wrong({**good, "parameters": numbers}) == short
        contracts = {**good["contracts"], "portal": "0x" + "77" * 20}
        assert await wrong({**good, "contracts": contracts}) == ["portal address"]

        start = contract("SoleSequencer").call("startHandover", "0x" + "08" * 20)
        end = contract("SoleSequencer").call("takeOver")
        set_ = good["contracts"]["sequencerSet"]
        for sender_address, data in ((ACCOUNTS.sequencer, start), (b"\x08" * 20, end)):
            await node.call("anvil_impersonateAccount", "0x" + sender_address.hex())
            await node.call("anvil_setBalance", "0x" + sender_address.hex(), hex(10**18))
            request = {"from": "0x" + sender_address.hex(), "to": set_, "data": "0x" + data.hex()}
            await node.call("eth_sendTransaction", request)
        text = json.dumps({**document, "l1": good}).encode()
        told = {f.what: f for f in await verify(reader, read_network(text), text)}
        changed = told["sequencerSet.sequencer (may change)"]
        assert changed.ok
        assert (changed.expected, changed.actual) == ("0x" + ACCOUNTS.sequencer.hex(), "0x" + "08" * 20)

        code = await node.call("eth_getCode", good["contracts"]["inbox"], "latest")
        await node.call("anvil_setCode", good["contracts"]["inbox"], code[:-2] + "00")
        assert await wrong(good) == ["inbox code hash", "inbox code"]


async def test_command_line_deploys_and_verifies(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0x" + KEYS[0].hex() + "\n")
    out = tmp_path / "network.json"
    async with anvil() as node:
        await node.mine(2)
        common = ["--l1", node.url]
        who = ["--sequencer", "0x" + "09" * 20]
        told = await run("deploy", *common, "--key", str(key), "--out", str(out), *who)
        assert told[0] == 0, told[1]
        code, output = await run("verify", *common, str(out))
        assert code == 0, output
        assert "inbox.SILENCE" in output
        document = json.loads(out.read_text())
        assert document["l1"]["accounts"]["sequencer"] == "0x" + "09" * 20
        document["l1"]["parameters"]["silenceS"] += 1
        out.write_text(json.dumps(document))
        code, output = await run("verify", *common, "--json", str(out))
        assert code == 1
        assert [f["what"] for f in json.loads(output) if not f["ok"]] == ["inbox.SILENCE"]
        del document["l1"]
        out.write_text(json.dumps(document))
        code, output = await run("verify", *common, str(out))
        assert code == 1
        assert "no section l1" in output
        key.write_text("not a key")
        code, output = await run("deploy", *common, "--key", str(key), "--out", str(out))
        assert code == 1
        assert "not a key" not in output.replace("not a private key", "")


async def test_network_file_that_l1_contradicts_is_not_written(tmp_path: Path) -> None:
    """PTL-083: a second run with another number finds the first run's contracts."""
    key, first, second = tmp_path / "key", tmp_path / "first.json", tmp_path / "second.json"
    key.write_text(KEYS[0].hex())
    async with anvil() as node:
        await node.mine(3)
        common = ["deploy", "--l1", node.url, "--key", str(key), "--origin", "2"]
        code, output = await run(*common, "--out", str(first), "--silence", "7200")
        assert code == 0, output
        code, output = await run(*common, "--out", str(second), "--silence", "7201")
        assert code == 1
        assert "inbox.SILENCE  7200  WRONG, expected 7201" in output
        assert not second.exists()
        code, output = await run(*common, "--out", str(second), "--silence", "7200")
        assert code == 0, output
        assert second.read_text() == first.read_text()


async def run(*arguments: str) -> tuple[int, str]:
    result = await asyncio.to_thread(CliRunner().invoke, l1, arguments)
    return result.exit_code, result.stdout if "--json" in arguments else result.output
