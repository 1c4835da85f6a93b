"""`trex devnet persona`: people with histories on a devnet and its gateway, again and again the same."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.gateway.conftest import KEYS, Served, serving, settings_for
from tests.node.conftest import Devnet

from trex.gateway.keys import account_of
from trex.gateway.policies import load_offers
from trex.node.cli import main
from trex.node.devnet_people import deeds, dev_contracts, person
from trex.passport.contracts import Contracts
from trex.validators.onchain.source import EvmChain

EXAMPLES = Path(__file__).resolve().parents[2] / "src/trex/gateway/examples"


@pytest.fixture
async def served(devnet: Devnet, tmp_path: Path) -> AsyncIterator[Served]:
    chains = {1962: EvmChain(1962, (devnet.url,), 1, 0)}
    settings = settings_for(devnet, f"sqlite:///{tmp_path}/g.db", policies=EXAMPLES, chains=chains)
    async with serving(settings) as running:
        yield running


async def typed(devnet: Devnet, served: Served, *options: str) -> tuple[Any, str]:
    words = ["devnet", "persona", "--node", devnet.url, "--gateway", served.url, "--json", *options]
    result = await asyncio.to_thread(CliRunner().invoke, main, words, prog_name="trex")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout), result.stderr


async def test_people_get_badges_by_the_validators_and_stay_when_made_again(
    devnet: Devnet, served: Served
) -> None:
    """An interruption leaves nothing half done: what is missing is made, what is there stays."""
    first, told = await typed(devnet, served, "--people", "3", "--seed", "42")
    own = [line for line in told.splitlines() if not re.match(r"\d\d:\d\d:", line)]  # the gateway logs beside
    assert "\n".join(own).count("passport") == 3
    assert len({one["passport"] for one in first["people"]}) == 3
    assert all("Newcomer" in one["badges"] for one in first["people"])
    assert any(set(one["badges"]) - {"Newcomer"} for one in first["people"])
    assert any(one["decided"].get("refused") for one in first["people"]), "validators refuse too"
    again, _ = await typed(devnet, served, "--people", "4", "--seed", "42")
    for one, before in zip(again["people"], first["people"], strict=False):
        assert (one["passport"], one["wallets"]) == (before["passport"], before["wallets"])
        assert one["badges"].items() >= before["badges"].items()
        assert not one["decided"].get("granted"), "nothing is granted twice"
    counts = [
        devnet.call("eth_getTransactionCount", wallet["address"], "latest")
        for one in first["people"]
        for wallet in one["wallets"]
    ]
    people = [person(42, number) for number in range(3)]
    planned = [hex(len(plan)) for one in people for plan in deeds(42, people, one, Contracts())]
    assert counts == planned


def test_people_follow_from_the_seed() -> None:
    assert [person(7, n) for n in range(20)] == [person(7, n) for n in range(20)]
    assert person(7, 0).wallets != person(8, 0).wallets
    assert len({wallet for n in range(50) for wallet in person(7, n).wallets}) >= 50


def test_examples_name_the_contracts_that_people_use() -> None:
    """Their addresses follow from the committed code."""
    token, collection = (f"0x{one.address.hex()}" for one in dev_contracts())
    offers = load_offers(EXAMPLES, account_of(KEYS.relayer))
    for name, address in (("coin-holder", token), ("gallery", collection)):
        assert all(address in one.parameters.values() for one in offers[name].policy.checks())


def test_persona_without_a_node_says_so() -> None:
    result = CliRunner().invoke(main, ["devnet", "persona", "--node", "http://127.0.0.1:9"], prog_name="trex")
    assert result.exit_code == 1
    assert "127.0.0.1:9" in result.output
