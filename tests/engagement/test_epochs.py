"""An epoch from deeds to payment on a devnet: published, recomputed by a stranger, claimed in a batch."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from eth_abi.abi import encode
from tests.gateway.conftest import Served, serving
from tests.gateway.people import Person, evm_person
from tests.gateway.test_run import plain_config
from tests.gateway.test_tasks import Clock, done, folder_of, publish, settings_of, shows, until_season
from tests.node.conftest import Devnet, devnet_at

from trex.chain.dev.accounts import ACCOUNTS
from trex.engagement import epochs
from trex.engagement.epochs import EpochRewards, publish_call, publish_message
from trex.engagement.terms import ETHER, read_terms
from trex.gateway.attest import attest
from trex.node.cli import main

CONTRACT = "0x547265780000000000000000000000000000000b"
TERMS = """
budget = "1000000000000000000"
fee_share_bps = 5000
claim_days = 40
[credits."account/github"]
units = "7000000000000000"
spread_s = 100000
"""


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A chain whose days pass at will."""
    with devnet_at(tmp_path_factory.mktemp("epochs") / "data") as running:
        yield running


async def command(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["engagement", *arguments])


async def recomputed(devnet: Devnet, number: int, expect: int = 0) -> Any:
    result = await command("recompute", str(number), "--rpc", devnet.url, "--json")
    assert result.exit_code == expect, result.output
    return json.loads(result.stdout)


async def published(served: Served, number: int) -> None:
    served.gateway.relayer.wake()
    for _ in range(3_600):
        if await epochs.count(served.gateway.client) >= number:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not published")


async def pays_into(person: Person) -> None:
    """Name its own account as the payout address."""
    act = {
        "act": "payout",
        "passport": person.passport,
        "actor": person.body,
        "payout": f"0x{person.key.data.hex()}",
    }
    await person.finished(await person.do(act, person))


def balance(devnet: Devnet, person: Person) -> int:
    return int(devnet.call("eth_getBalance", f"0x{person.key.data.hex()}", "latest"), 16)


async def test_epoch_from_deeds_to_payment(calendar: Devnet, tmp_path: Path) -> None:
    """PTS-020 to PTS-024, PTS-027 to PTS-035, GTW-084."""
    clock = Clock(calendar)
    database = f"sqlite:///{tmp_path / 'g.db'}"
    settings = settings_of(calendar, database, folder_of(tmp_path))
    config = tmp_path / "gateway.toml"
    config.write_text(plain_config(tmp_path, calendar, f'database = "{database}"'))
    terms = tmp_path / "terms.toml"
    terms.write_text(TERMS)
    async with serving(settings, clock=clock) as served:
        await until_season(served)
        alice, bob, idle = [await evm_person(served).create() for _ in range(3)]
        for number, one in enumerate((alice, bob, idle)):
            await shows(one, str(5_000 + number))
        for one in (alice, bob):
            publish(calendar, one, f"by {one.passport}")  # burns fees from its own wallet
            await done(one, "publish")
        await done(alice, "rich")
        clock.pass_days(1)
        calendar.call("anvil_setBalance", CONTRACT, hex(2 * ETHER))
        dry = await command("publish", "--config", str(config), "--terms", str(terms), "--dry-run", "--json")
        assert dry.exit_code == 0, dry.output
        upto = str(json.loads(dry.stdout)["toBlock"])  # blocks go on: the next one has another root
        asked = ("--config", str(config), "--terms", str(terms), "--to-block", upto)
        sent = await command("publish", *asked, "--json")
        assert sent.exit_code == 0, sent.output
        assert json.loads(dry.stdout)["root"] == json.loads(sent.stdout)["root"]
        await published(served, 1)

        found = await recomputed(calendar, 1)
        assert found["equal"]
        assert set(found["rewards"]) == {str(alice.passport), str(bob.passport)}, (
            "who did nothing has nothing"
        )
        facts = found["terms"]
        # The credit vests over 100,000 s from the binding; half of the fees come on top.
        span = block_time(calendar, facts["toBlock"]) - bound_at(calendar, alice)
        credit = 7 * 10**15 * min(span, 100_000) // 100_000
        fee = sum(fee_of(calendar, alice, number) for number in range(1, facts["toBlock"] + 1))
        assert fee > 0
        assert int(found["rewards"][str(alice.passport)]) == credit + fee // 2
        claims = tmp_path / "claims.json"
        again = await command("recompute", "1", "--rpc", calendar.url, "--claims", str(claims))
        assert again.exit_code == 0
        assert "as published" in again.output
        assert len(json.loads(claims.read_text())) == 2

        await alice.sign_in(clock.ahead_s)
        early = await alice.post("/v1/rewards/1/claims", {}, 409)
        assert "open from" in early["detail"]
        clock.pass_days(1)
        for one in (alice, bob):
            await one.sign_in(clock.ahead_s)
        refused = await alice.post("/v1/rewards/1/claims", {}, 409)
        assert "payout" in refused["detail"]
        for one in (alice, bob):
            await pays_into(one)
        before = {one.passport: balance(calendar, one) for one in (alice, bob)}
        jobs = [await one.post("/v1/rewards/1/claims", {}, 202) for one in (alice, bob)]
        for one, job in zip((alice, bob), jobs, strict=True):
            await one.finished({"number": job["job"]})
            told = int(found["rewards"][str(one.passport)])
            assert balance(calendar, one) - before[one.passport] == told
        (mine,) = await alice.get(f"/v1/passports/{alice.passport}/rewards")
        assert (mine["paid"], mine["amount"]) == (True, found["rewards"][str(alice.passport)])
        assert (await alice.post("/v1/rewards/1/claims", {}, 409))["detail"] == "it is paid already"
        assert await idle.get(f"/v1/passports/{idle.passport}/rewards") == []

        await second_epoch_lies(calendar, served, facts)


async def second_epoch_lies(devnet: Devnet, served: Served, first: dict[str, Any]) -> None:
    """PTS-029, PTS-035: attested all the same, an epoch over blocks that were paid for is found out."""
    client, gateway = served.gateway.client, served.gateway
    in_force = await client.attestors()
    number = int(devnet.call("eth_blockNumber"), 16)
    changed = {**first, "epoch": 2, "toBlock": number}
    changed["toBlockHash"] = devnet.call("eth_getBlockByNumber", hex(number), False)["hash"]
    document = json.dumps(changed, separators=(",", ":"), sort_keys=True).encode()
    lie = read_terms(document)
    tree = await epochs.compute(client, lie)
    _, now = await client.latest()
    wanted = EpochRewards(tree.root, tree.total + 1, lie.token, now + 50 * 86_400, lie.hash)
    signed = await attest(gateway.attestors, in_force, publish_message(client.contracts, 2, wanted))
    data = publish_call(wanted, document, in_force.epoch, signed)
    sent = {"from": ACCOUNTS[0].address, "to": CONTRACT, "data": f"0x{data.hex()}", "gas": hex(1_000_000)}
    assert devnet.receipt(devnet.call("eth_sendTransaction", sent))["status"] == "0x1"
    found = await recomputed(devnet, 2, 1)
    assert not found["equal"]
    assert [one.partition(":")[0] for one in found["faults"]] == ["first block", "total"]
    problem = await served.get(f"/v1/passports/{1}/rewards", 409)
    assert "not what follows" in problem["detail"]


def block_time(devnet: Devnet, number: int) -> int:
    return int(devnet.call("eth_getBlockByNumber", hex(number), False)["timestamp"], 16)


def bound_at(devnet: Devnet, person: Person) -> int:
    """When a person's account was bound, by the event itself."""
    query = {
        "address": "0x5472657800000000000000000000000000000005",
        "topics": [None, f"0x{encode(['uint256'], [person.passport]).hex()}"],
        "fromBlock": "0x0",
    }
    return block_time(devnet, int(devnet.call("eth_getLogs", query)[0]["blockNumber"], 16))


def fee_of(devnet: Devnet, person: Person, number: int) -> int:
    """What a person's wallet burned in a block."""
    base = int(devnet.call("eth_getBlockByNumber", hex(number), False)["baseFeePerGas"], 16)
    receipts = devnet.call("eth_getBlockReceipts", hex(number))
    mine = [one for one in receipts if one["from"] == f"0x{person.key.data.hex()}"]
    return sum(int(one["gasUsed"], 16) * base for one in mine)


async def test_recompute_of_nothing_says_so(calendar: Devnet) -> None:
    result = await command("recompute", "99", "--rpc", calendar.url)
    assert (result.exit_code, "there is no epoch 99" in result.output) == (1, True)
