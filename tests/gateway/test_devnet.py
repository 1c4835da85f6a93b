"""`trex devnet --gateway-port`: personas on a chain of one's own, with policies for every validator."""

import asyncio
import re
from pathlib import Path

import aiohttp
from tests.gateway.conftest import KEYS, Served
from tests.gateway.people import evm_person
from tests.node.conftest import devnet_at

from trex.badges.catalogue import CATALOGUE
from trex.gateway.config import read_config
from trex.gateway.keys import account_of
from trex.gateway.operations import ENTRY_POINT
from trex.gateway.policies import load_offers
from trex.node.devnet_gateway import write_config

EXAMPLES = Path(__file__).resolve().parents[2] / "src/trex/gateway/examples"


def test_examples_ask_every_check() -> None:
    offers = load_offers(EXAMPLES, account_of(KEYS.relayer))
    asked = {check.validator for offer in offers.values() for check in offer.policy.checks()}
    assert asked == set(CATALOGUE)


def test_write_config_keeps_keys_and_policies(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    before: dict[str, bytes] = {}
    for number in range(2):
        write_config(
            folder, "http://localhost:7", 7, 1962, "http://127.0.0.1:1", (31337, "http://127.0.0.1:2")
        )
        if number == 0:
            before = {file.name: file.read_bytes() for file in folder.glob("*.key")}
            (folder / "policies" / "voice.json").unlink()
    assert {file.name: file.read_bytes() for file in folder.glob("*.key")} == before
    assert not (folder / "policies" / "voice.json").exists()
    found = read_config((folder / "gateway.toml").read_text(), folder)
    assert set(found.settings.chains) == {1962, 31337}


async def test_devnet_starts_a_gateway(tmp_path: Path) -> None:
    """From a passport to a badge under one of the examples."""
    with devnet_at(tmp_path / "data", "--gateway-port", "0") as devnet:
        found = re.search(r"Personas +(http://localhost:\d+)/passport", devnet.page)
        assert found is not None, devnet.page
        url = found[1].replace("localhost", "127.0.0.1")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            await until_up(http, url)
            person = evm_person(Served(None, url, http))  # type: ignore[arg-type]
            await person.create()
            granted = await person.post("/v1/grants", {"policy": "newcomer"}, 202)
            await person.finished({"number": granted["job"]})
            passport = await person.get(f"/v1/passports/{person.passport}")
            assert [badge["name"] for badge in passport["badges"]] == ["Newcomer"]
            operation = {"sender": person.body["data"], "nonce": "0x0", "callData": "0x"}
            asked = [operation, f"0x{ENTRY_POINT.hex()}", hex(1962)]
            body = {"jsonrpc": "2.0", "id": 1, "method": "pm_getPaymasterStubData", "params": asked}
            async with http.post(f"{url}/v1/bundler", json=body) as answer:
                told = (await answer.json())["result"]
            assert bytes.fromhex(told["paymasterData"][2:66]) == (1).to_bytes(32), "it is set up"


async def until_up(http: aiohttp.ClientSession, url: str) -> None:
    for _ in range(1_800):
        try:
            async with http.get(f"{url}/health") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("the gateway does not answer")
