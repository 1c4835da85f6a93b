"""Killed at any moment, the gateway goes on where it was: nothing accepted is lost, nothing is done twice."""

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import aiohttp
from tests.e2e.network import free_port
from tests.gateway.conftest import Served
from tests.gateway.people import Person, evm_person
from tests.gateway.test_run import Process, plain_config, write_keys
from tests.node.conftest import Devnet

from trex.chain.dev.accounts import ACCOUNTS

PEOPLE, KILLS = 12, 4


def sent_by_relayer(devnet: Devnet) -> int:
    return int(devnet.call("eth_getTransactionCount", ACCOUNTS[6].address, "latest"), 16)


class Killed:
    """A gateway that is killed and started again on the same port."""

    def __init__(self, folder: Path, devnet: Devnet, database_url: str, more: str = "") -> None:
        self.folder = folder
        self.config = plain_config(folder, devnet, more or f'database = "{database_url}"', free_port())
        # Everybody here is one client; the limits have tests of their own.
        self.config = 'trusted_proxies = ["127.0.0.1"]\n' + self.config
        self.process = Process(folder, self.config)
        assert self.process.url, self.process.said()

    async def __aenter__(self) -> "Killed":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.process.poll() is None:
            self.process.stop(signal.SIGKILL)

    def again(self) -> None:
        self.process.stop(signal.SIGKILL)
        self.process = Process(self.folder, self.config)
        assert self.process.url, self.process.said()


async def test_accepted_acts_survive_kills_and_happen_once(
    devnet: Devnet, database_url: str, tmp_path: Path
) -> None:
    """GTW-020, GTW-021; and GTW-031, GTW-033: at the most talkative level no secret is in the log."""
    before = sent_by_relayer(devnet)
    chance = random.Random(5)
    killed = Killed(tmp_path, devnet, database_url)
    connector = aiohttp.TCPConnector(force_close=True)  # what a killed process held is of no use
    async with (
        killed,
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        served = Served(None, killed.process.url, http)  # type: ignore[arg-type]
        people = [evm_person(served) for _ in range(PEOPLE)]
        jobs: list[dict[str, Any]] = []

        async def enter(person: Person, at: int) -> None:
            person.proxied = f"192.0.2.{at}"
            await person.sign_in()
            jobs.append(await person.do({"act": "create", "key": person.body}, person))

        for part in range(KILLS):
            share = people[part * PEOPLE // KILLS : (part + 1) * PEOPLE // KILLS]
            await asyncio.gather(*(enter(one, people.index(one)) for one in share))
            await asyncio.sleep(chance.random() * 0.4)
            killed.again()
        assert len({job["number"] for job in jobs}) == PEOPLE
        for person in people:
            for _ in range(6_000):
                if (await person.get("/v1/sessions/current"))["role"] == "acting":
                    break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError(f"lost: {killed.process.said()[-2000:]}")
        check(devnet, killed, before, people, tmp_path)


def check(devnet: Devnet, killed: Killed, before: int, people: list[Person], folder: Path) -> None:
    assert sent_by_relayer(devnet) - before == PEOPLE, "each act in one transaction, none a second time"
    said = killed.process.said()
    assert "request" in said
    for secret in [*write_keys(folder), *(person.token for person in people)]:
        assert secret not in said
    assert killed.process.stop() == 0
