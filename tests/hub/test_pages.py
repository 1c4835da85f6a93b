"""Pages of projects and people: what they show, to whom, and what they let nobody do."""

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from tests.engine.bi.served import PLENTY, fill
from tests.engine.lake.book import NOW, Book
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.people import Person, evm_person
from tests.gateway.test_page import at_the_page, cookie_of
from tests.node.conftest import Devnet

from trex.engine.bi import state
from trex.engine.bi.service import Bi, BiSettings
from trex.engine.lake.gold import refresh
from trex.hub.app import make_app
from trex.node.engine_serve import CHARTS

HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass
class Hub:
    """Pages over a lake, beside a gateway; Alice is a member of `shop` and was found to be a whale."""

    bi: Bi
    url: str
    gateway: Served
    alice: Person
    bob: Person
    cookies: dict[int, dict[str, str]]

    async def get(self, path: str, who: Person | None, expect: int = 200) -> str:
        """Look at a page."""
        headers = self.cookies[who.passport] if who else {}
        async with self.gateway.http.get(self.url + path, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == expect, (answer.status, text[:500])
            return text

    async def send(
        self,
        path: str,
        who: Person,
        form: dict[str, str],
        expect: int = 303,
        origin: str = "",
        token: str = "",
    ) -> str:
        """Send a form as its own page does, unless told otherwise."""
        if not token:
            token = re.findall(r'name="form_token" value="([0-9a-f]{64})"', await self.get("/hub/me", who))[0]
        headers = {**self.cookies[who.passport], "origin": origin or self.url}
        sent = {**form, "form_token": token}
        async with self.gateway.http.post(
            self.url + path, data=sent, headers=headers, allow_redirects=False
        ) as answer:
            text = await answer.text()
            assert answer.status == expect, (answer.status, text[:500])
            return text


@asynccontextmanager
async def hub(devnet: Devnet, folder: Path) -> AsyncIterator[Hub]:
    """Serve the pages."""
    lake = fill(folder)
    settings = settings_for(devnet, f"sqlite:///{folder / 'gateway.db'}")
    async with serving(settings) as gateway:
        people = [await evm_person(gateway).create() for _ in range(2)]
        book = Book(lake)
        book.offset = 100_000
        with book:
            policy = book.policy(9, HOSTILE, [{}], kept=False)
            for place, one in enumerate(people):
                name, wallet = str(one.passport), f"0x{one.key.data.hex()}"
                book.link(50, name, wallet, "created")
                book.consent(2, name)
                book.badge(4, name, policy)
                book.moved(20, "erc721", "0x" + "0" * 40, wallet, 1, str(place))
                for _ in range(25):
                    book.called(1, wallet, f"0xc0ffee0{place}", "swap", "defi")
                book.write(
                    "points",
                    1,
                    passport=name,
                    season=1,
                    amount=70 + place,
                    entry=name,
                    deed="0x",
                    origin="0x",
                )
        refresh(lake, NOW)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        url = f"http://localhost:{listener.getsockname()[1]}"
        told = BiSettings(folder, url, gateway=gateway.gateway.settings.public_url, requests=PLENTY)
        bi = Bi(told, clock=lambda: NOW)
        server = uvicorn.Server(uvicorn.Config(make_app(bi, CHARTS), log_config=None, lifespan="on"))
        running = asyncio.create_task(server.serve([listener]))
        try:
            while not server.started:
                assert not running.done(), "it did not start"
                await asyncio.sleep(0.01)
            async with bi.database.transaction() as tx:
                await state.know(tx, "shop", 10_000, NOW)
                await state.join(tx, "shop", str(people[0].passport))
                await state.know(tx, "rival", 10_000, NOW)
                await state.join(tx, "rival", str(people[1].passport))
            cookies = {one.passport: await cookie_of(one) for one in people}
            yield Hub(bi, url, gateway, people[0], people[1], cookies)
        finally:
            server.should_exit = True
            await running
            listener.close()


async def test_pages_are_for_whom_they_are_and_forms_are_their_own(devnet: Devnet, tmp_path: Path) -> None:
    """HUB-001 to HUB-005, PSN-001 to PSN-003."""
    async with hub(devnet, tmp_path) as served:
        alice, bob = served.alice, served.bob
        assert "Sign in with your passport" in await served.get("/hub", None, 401)
        assert "/hub/p/shop" in await served.get("/hub", alice)
        for path in ("", "/cohorts", "/campaigns", "/experiments", "/count?q=points", "/audiences/all/csv"):
            refused = await served.get(f"/hub/p/shop{path}", bob, 404)
            assert refused == await served.get(f"/hub/p/nosuch{path}", bob, 404)
        found = await served.get("/hub/p/shop?q=DeFi+activity+%3E+10&feature=defi_activity", alice)
        assert '<h2 id="found">20 or more people</h2>' in found
        assert "People" in found
        assert "defi_activity &gt; 10" in found
        for text in (
            HOSTILE,
            "'; DROP TABLE audiences; --",
            "MATCH (n) DETACH DELETE n",
            "=cmd|' /C calc'!A0",
        ):
            async with served.gateway.http.get(
                f"{served.url}/hub/p/shop", params={"q": text}, headers=served.cookies[alice.passport]
            ) as answer:
                shown = await answer.text()
                assert answer.status == 200
            assert 'role="alert"' in shown
            assert "<img src=x" not in shown
        await served.send("/hub/p/shop/audiences", alice, {"name": "active", "q": "DeFi activity > 10"})
        await served.send("/hub/p/shop/audiences", alice, {"name": HOSTILE, "q": "points"}, 422)
        await served.send("/hub/p/shop/audiences", bob, {"name": "mine", "q": "points"}, 404)
        await served.send(
            "/hub/p/shop/audiences", alice, {"name": "x", "q": ""}, 403, origin="https://evil.example"
        )
        await served.send("/hub/p/shop/audiences", alice, {"name": "x", "q": ""}, 403, token="0" * 64)
        kept = await served.get("/hub/p/shop", alice)
        assert "/hub/p/shop/audiences/active/csv" in kept
        assert (await served.get("/hub/p/shop/audiences/active/csv", alice)).startswith("rank,passport")
        asked = "facts=calls&column=action&value=mint&by=time&period=7&then=swap"
        assert "How far they went" in await served.get(f"/hub/p/shop/cohorts?{asked}", alice)
        campaign = {
            "name": "drop",
            "audience": "active",
            "facts": "calls",
            "column": "action",
            "value": "swap",
        }
        await served.send("/hub/p/shop/campaigns", alice, campaign)
        await served.send("/hub/p/shop/campaigns/launch", alice, {"name": "drop"})
        assert "fewer than 10 people" in await served.get("/hub/p/shop/campaigns?read=drop", alice)
        experiment = {"name": "loud", "control": "plain", "treatment": "loud", "measure": "swaps"}
        experiment |= {"facts": "calls", "column": "action", "value": "swap"}
        await served.send("/hub/p/shop/experiments", alice, experiment)
        assert "loud" in await served.get("/hub/p/shop/experiments", alice)
        await person_sees_themselves(served)
        async with served.bi.database.transaction() as tx:
            from trex.web.database import audit

            actors = {row.actor for row in await tx.execute(audit.select())}
        assert actors == {f"passport:{alice.passport}"}


async def person_sees_themselves(served: Hub) -> None:
    """A person's own page, export, consent and wish."""
    alice, bob = served.alice, served.bob
    mine = await served.get("/hub/me", alice)
    assert f"Passport {alice.passport}" in mine
    assert "&lt;img src=x onerror=alert(1)&gt;" in mine
    assert "<img src=x" not in mine
    assert "shop: active" in mine
    assert "70 points" in mine
    told = json.loads(await served.get("/hub/me/export", bob))
    assert told["passport"] == str(bob.passport)
    assert len(told["dimensions"]) == 5
    assert told["dimensions"]["Ecosystem engagement"] > 0
    whole = json.dumps(told)
    assert bob.key.data.hex() in whole
    assert "0xc0ffee01" in whole
    assert alice.key.data.hex() not in whole
    assert "0xc0ffee00" not in whole
    agreed = {"purpose": "export", "project": "shop", "given": "yes"}
    await served.send("/hub/me/consent", alice, agreed)
    words = await served.gateway.get("/v1/consents", headers=alice.headers)
    assert [(one["purpose"], one["project"], one["given"]) for one in words] == [("export", "shop", True)]
    assert await served.gateway.get("/v1/consents", headers=bob.headers) == []
    await served.send("/hub/me/consent", alice, {"purpose": "anything", "given": "yes"}, 422)
    await served.send("/hub/me/erase", bob, {"sure": str(alice.passport)}, 422)
    await served.send("/hub/me/erase", alice, {"sure": str(alice.passport)})
    assert "You asked on" in await served.get("/hub/me", alice)
    words = await served.gateway.get("/v1/consents", headers=alice.headers)
    assert {one["given"] for one in words} == {False}
    async with served.bi.database.transaction() as tx:
        assert set(await state.wished(tx)) == {str(alice.passport)}
        assert await state.forget(tx, str(alice.passport)) >= 2
        assert await state.wished(tx) == {}


async def test_pages_in_chromium(devnet: Devnet, tmp_path: Path) -> None:
    """HUB-003: by keyboard, read aloud, in light and dark."""
    async with hub(devnet, tmp_path) as served:
        cookie = served.cookies[served.alice.passport]["cookie"].partition("=")[2]
        shots = os.environ.get("TREX_SCREENSHOTS", "")
        asked: dict[str, Any] = {"hub": served.url, "cookie": cookie, "shots": shots}
        seen = await at_the_page(served.gateway, "hub.mjs", **asked)
    assert seen["console"] == []
    assert seen["offered"] == "DeFi activity"
    assert seen["typed"] == "DeFi activity "
    assert seen["live"].endswith("people or more")
    assert seen["charts"] == {"audience": 1, "me": 2}
    assert seen["unnamed"] == 0
    assert seen["headings"] == []
    assert seen["contrast"] >= 4.5, "WCAG 2.2 contrast of text"
    assert seen["switched"] == "true"
