"""viem's op-stack actions, unmodified, between L1 and L2."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.e2e.conftest import command
from tests.e2e.network import HERE, settled_devnet
from tests.settlement.process import node_process, role_process
from tests.settlement.rollup import rollup

from trex.chain.dev.accounts import ACCOUNTS as USERS
from trex.settlement.deployment import Accounts, Timing
from trex.types.primitives import Address

SCRIPTS = HERE / "op-stack"
QUICK = Timing(
    max_origin_lag_l1_blocks=2_000,
    silence_s=2,
    dispute_window_s=6,
    finality_delay_s=0,
    proof_maturity_s=2,
    timelock_delay_s=100_000,
)
PARTS = ("operator", "sequencer", "proposer", "disputer", "governor")


@pytest.mark.usefixtures("contracts")
def test_viem_both_ways(tmp_path: Path) -> None:
    """PTL-010, PTL-012, PTL-030..037, PTL-050, PTL-060..063, BRG-001..004, BRG-011, BRG-020..030, BRG-040.

    Ether, ERC-20, ERC-721, messages; failed ones replayed; two provers; proven again after a rejection.
    """
    with settled_devnet(tmp_path) as (l1, trex, network):
        printed = command("node", str(SCRIPTS / "both-ways.mjs"), l1, trex.url, str(network))
    record = json.loads(printed)
    assert record["withdrawals"] == 5
    assert record["claims"] >= 2


@pytest.mark.usefixtures("contracts")
async def test_viem_without_a_sequencer(tmp_path: Path) -> None:
    """INB-020..023, PTL-010..012, PTL-030..034: deposit, transact, withdraw; no sequencer has ever run."""
    accounts = Accounts(
        **{part: Address(bytes.fromhex(user.address[2:])) for part, user in zip(PARTS, USERS, strict=False)}
    )
    network, key = tmp_path / "network.json", tmp_path / "key"
    key.write_text(USERS[PARTS.index("proposer")].private_key)
    async with rollup("--slots-in-an-epoch", "1", accounts=accounts, timing=QUICK) as system:
        network.write_bytes(system.text)
        await system.node.call("evm_setIntervalMining", 1)
        l1 = ("--l1", system.node.url)
        options = ("--role", "verifier", *l1, "--beacon", system.node.url)
        async with node_process(system.session, network, tmp_path / "verifier", *options) as verifier:
            claiming = ("--node", verifier.url, "--key", str(key), "--interval", "2", "--poll", "0.5")
            async with role_process("proposer", "run", "--network", str(network), *l1, *claiming):
                printed = await asyncio.to_thread(
                    command,
                    "node",
                    str(SCRIPTS / "without-sequencer.mjs"),
                    system.node.url,
                    verifier.url,
                    str(network),
                )
    assert json.loads(printed) == {"sequenced": 0, "forced": 1}
