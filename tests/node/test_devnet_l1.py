"""A devnet as it starts by default: an L1, the contracts, and every role, through stops and kills."""

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.node.conftest import ALICE, BOB
from tests.node.devnet_rollup import ETHER, RECIPIENT, Rollup, until

from trex.node.cli import main


@pytest.fixture(scope="module")
def rollup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rollup]:
    one = Rollup(tmp_path_factory.mktemp("devnet-l1") / "data")
    yield one
    code, errors = one.devnet.stop()
    assert code == 0, errors


def test_deposit_arrives_becomes_safe_and_the_verifier_agrees(rollup: Rollup) -> None:
    before = rollup.balance()
    rollup.deposit(ETHER)
    until(lambda: rollup.balance() == before + ETHER)
    number = int(rollup.devnet.call("eth_blockNumber"), 16)
    until(lambda: rollup.status()["safe_l2"]["number"] >= number)
    until(lambda: rollup.agree(number))
    until(lambda: rollup.status()["finalized_l2"]["number"] >= number)
    assert rollup.status()["trex"]["mismatch"] is None


def test_verifier_hears_of_blocks_before_l1_has_them(rollup: Rollup) -> None:
    """FED-020: by the feed of the devnet's sequencer, signed with its key on L1."""

    def ahead_of_l1() -> bool:
        status = rollup.verifier.call("optimism_syncStatus")
        return bool(status["unsafe_l2"]["number"] > status["safe_l2"]["number"])

    until(ahead_of_l1)


def test_faucet_pays_from_an_account_that_l1_knows(rollup: Rollup) -> None:
    before = rollup.balance()
    rollup.devnet.call("trex_faucet", RECIPIENT, hex(ETHER))
    until(lambda: rollup.balance() == before + ETHER)


def test_second_devnet_on_the_same_folder_changes_nothing(rollup: Rollup) -> None:
    folder = rollup.devnet.datadir
    for more in ((), ("--fresh",)):
        words = ["devnet", "--datadir", str(folder), "--port", "0", "--l1-port", "0", *more]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 1
        assert "another devnet runs on" in done.output
    assert (folder / "network.json").exists()
    assert rollup.status()["trex"]["mismatch"] is None


def test_time_goes_on_for_both_layers_at_once(rollup: Rollup) -> None:
    """A jump beyond every drift still makes blocks that L1 confirms."""
    day = 86_400
    before = int(rollup.devnet.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    rollup.devnet.call("evm_increaseTime", hex(day))
    rollup.devnet.call("evm_mine")
    after = rollup.devnet.call("eth_getBlockByNumber", "latest", False)
    assert int(after["timestamp"], 16) >= before + day
    assert rollup.l1.time_s >= before + day
    rollup.devnet.call("hardhat_mine", "0x5", hex(3_600))
    mined = int(rollup.devnet.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    assert mined >= before + day + 4 * 3_600
    number = int(rollup.devnet.call("eth_blockNumber"), 16)
    until(lambda: rollup.status()["safe_l2"]["number"] >= number)
    assert rollup.status()["trex"]["mismatch"] is None


def test_l1_that_is_killed_comes_back_and_goes_on(rollup: Rollup) -> None:
    """What it forgot is a reorg: deposits of the last seconds may be gone, the roles go on."""
    head = int(rollup.l1.call("eth_blockNumber"), 16)
    os.kill(process_of("anvil", f"--port\0{rollup.l1.port}\0"), signal.SIGKILL)
    until(lambda: int(rollup.l1.call("eth_blockNumber"), 16) > head)
    before = rollup.balance()
    rollup.deposit(ETHER)
    until(lambda: rollup.balance() == before + ETHER)
    number = int(rollup.devnet.call("eth_blockNumber"), 16)
    until(lambda: rollup.status()["safe_l2"]["number"] >= number)


def test_what_nobody_could_derive_takes_the_chain_away_from_l1(rollup: Rollup) -> None:
    """Last of those that share this devnet: what a test suite does works, and nothing of it is undone."""
    taken = rollup.devnet.call("evm_snapshot")
    before = rollup.balance()
    rollup.devnet.call("anvil_setBalance", RECIPIENT, hex(before + ETHER))
    rollup.devnet.call("evm_mine")
    assert rollup.balance() == before + ETHER
    assert rollup.devnet.call("evm_revert", taken) is True
    assert rollup.balance() == before
    rollup.devnet.call("anvil_setBalance", RECIPIENT, hex(7))
    rollup.devnet.call("evm_increaseTime", hex(400 * 86_400))
    head = int(rollup.devnet.call("eth_blockNumber"), 16)
    until(lambda: int(rollup.devnet.call("eth_blockNumber"), 16) > head + 2)
    assert rollup.balance() == 7
    assert "evm_snapshot took the chain away" in (rollup.devnet.datadir / "left-l1").read_text()
    assert "evm_snapshot" in rollup.status()["trex"]["trouble"]
    with pytest.raises(AssertionError, match="no process"):
        process_of(str(rollup.devnet.datadir), "batcher", "run")


def process_of(*words: str) -> int:
    """Return the process whose command line has these words."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if all(word.encode() in line for word in words):
            return int(path.parent.name)
    raise AssertionError(f"no process has {words}")


@pytest.mark.long
def test_roles_killed_at_random_lose_no_deposit_and_post_no_batch_twice(tmp_path: Path) -> None:
    chance = random.Random(4)
    one = Rollup(tmp_path / "data")
    roles = (("batcher", "run"), ("proposer", "run"), ("--role", "verifier"))
    try:
        for turn in range(1, 21):
            one.deposit(turn)
            time.sleep(chance.uniform(0.2, 3.0))
            with contextlib.suppress(AssertionError, ProcessLookupError):  # it may not be back yet
                os.kill(
                    process_of(str(tmp_path / "data" / "network.json"), *chance.choice(roles)), signal.SIGKILL
                )
        until(lambda: one.balance() == 210)
        number = int(one.devnet.call("eth_blockNumber"), 16)
        until(lambda: one.status()["safe_l2"]["number"] >= number)
        until(lambda: one.agree(number))
        assert one.status()["trex"]["mismatch"] is None
        assert one.verifier.call("eth_getBalance", RECIPIENT, hex(number)) == hex(210)
    finally:
        code, errors = one.devnet.stop()
    assert code == 0, errors


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)],
    ids=["killed", "stopped"],
)
def test_both_layers_go_on_after_an_end_of_any_kind(tmp_path: Path, number: signal.Signals) -> None:
    first = Rollup(tmp_path / "data")
    first.deposit(ETHER)
    until(lambda: first.balance() == ETHER)
    until(lambda: first.status()["safe_l2"]["number"] > 0)
    request = {"from": BOB.address, "to": ALICE.address, "value": "0x1"}
    receipt = first.devnet.call("eth_sendTransaction", request)
    first.devnet.stop(number)
    second = Rollup(tmp_path / "data")
    try:
        assert second.portal == first.portal
        until(lambda: second.devnet.call("eth_getTransactionReceipt", receipt) is not None)
        if number is signal.SIGTERM:
            assert second.balance() == ETHER
        before = second.balance()
        second.deposit(ETHER)
        until(lambda: second.balance() >= before + ETHER)
        block = int(second.devnet.call("eth_blockNumber"), 16)
        until(lambda: second.status()["safe_l2"]["number"] >= block)
        until(lambda: second.agree(block))
        assert json.loads((tmp_path / "data" / "network.json").read_text())["l1"]["contracts"]["portal"]
    finally:
        code, errors = second.devnet.stop()
    assert code == 0, errors


@pytest.mark.long
def test_l1_older_than_what_is_final_takes_the_chain_back(tmp_path: Path) -> None:
    first = Rollup(tmp_path / "data")
    until(lambda: first.status()["finalized_l2"]["number"] > 0)
    state = tmp_path / "data" / "l1.json.gz"
    older = state.read_bytes()
    first.deposit(ETHER)
    until(lambda: first.balance() == ETHER)
    number = int(first.devnet.call("eth_blockNumber"), 16)
    until(lambda: first.status()["finalized_l2"]["number"] >= number)
    first.devnet.stop(signal.SIGKILL)
    state.write_bytes(older)
    second = Rollup(tmp_path / "data")
    try:
        assert second.balance() == 0, "L1 has forgotten the deposit"
        second.deposit(2 * ETHER)
        until(lambda: second.balance() == 2 * ETHER)
        block = int(second.devnet.call("eth_blockNumber"), 16)
        until(lambda: second.status()["finalized_l2"]["number"] >= block)
        until(lambda: second.agree(block))
    finally:
        code, errors = second.devnet.stop()
    assert code == 0, errors
