"""The page: what it shows, to whom, and what it lets nobody do."""

import asyncio
import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.people import Person, evm_person
from tests.gateway.test_grants import give, holds, policy
from tests.gateway.test_social import clients
from tests.node.conftest import Devnet, devnet_at

from trex.badges.chain.contract import BadgeState, HeldBadge
from trex.badges.policy import read_policy
from trex.gateway.dimensions import dimensions
from trex.gateway.policies import Offer
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.source import EvmChain

PEERS = Path(__file__).with_name("peers")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gateway.db'}"


async def cookie_of(person: Person) -> dict[str, str]:
    """Sign in as a browser does."""
    told = await person.served.post("/v1/nonces", {"account": f"0x{person.key.data.hex()}"})
    signature = f"0x{person.sign_text(told['text'].encode()).hex()}"
    asked = {"signIn": {"method": "text", "text": told["text"], "signature": signature, "cookie": True}}
    origin = {"origin": person.served.gateway.settings.public_url}
    async with person.served.http.post(
        f"{person.served.url}/v1/sessions", json=asked, headers=origin
    ) as answer:
        assert answer.status == 200, await answer.text()
        return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


async def shown(served: Served, cookie: dict[str, str], path: str = "/passport") -> str:
    async with served.http.get(served.url + path, headers=cookie) as answer:
        assert answer.status == 200
        return await answer.text()


def offers(folder: Path, name: str, least: str) -> Path:
    made = folder / "policies"
    made.mkdir()
    (made / "any.json").write_text(json.dumps(policy(name, holds(least))))
    return made


async def test_page_shows_a_passport_to_its_holder_and_forms_are_its_own(
    devnet: Devnet, database_url: str, tmp_path: Path
) -> None:
    """GTW-060 to GTW-062, GTW-065."""
    name = f"<script>alert(1)</script> {tmp_path.name[-12:]}"
    folder = offers(tmp_path, name, "1")
    settings = settings_for(
        devnet,
        database_url,
        policies=folder,
        platforms=clients("http://127.0.0.1:9"),
        chains={1962: EvmChain(1962, (devnet.url,), 1)},
    )
    async with serving(settings) as served:
        assert "Sign in" in await shown(served, {})
        alice = await evm_person(served).create()
        cookie = await cookie_of(alice)
        page = await shown(served, cookie, "/passport?said=<script>")
        assert f"Passport {alice.passport}" in page
        scripted = re.findall(r'<button type="button".*?>|<button id="name-guardians".*?>', page)
        assert len(scripted) == 4
        assert all(" disabled" in one for one in scripted)
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
        assert found is not None
        token, origin = found[1], served.gateway.settings.public_url
        assert cookie["cookie"].partition("=")[2] not in page

        async def sent(path: str, form: dict[str, str], **headers: str) -> tuple[int, str]:
            async with served.http.post(
                served.url + path, data=form, headers={**cookie, **headers}, allow_redirects=False
            ) as answer:
                return answer.status, answer.headers.get("location", "") or await answer.text()

        form = {"policy": "any", "form_token": token}
        assert (await sent("/passport/ask", form))[0] == 403
        assert (await sent("/passport/ask", form, origin="https://evil.example"))[0] == 403
        assert (await sent("/passport/ask", {**form, "form_token": "0" * 64}, origin=origin))[0] == 403
        assert await sent("/passport/ask", form, origin=origin) == (303, "/passport?said=refused")
        give(devnet, alice, 2)
        assert await sent("/passport/ask", form, origin=origin) == (303, "/passport?said=asked")
        status, page = await sent(
            "/passport/accounts", {"platform": "github", "form_token": token}, origin=origin
        )
        assert status == 200
        assert 'href="http://127.0.0.1:9/login/oauth/authorize?' in page
        assert (await sent("/passport/sign-out", {"form_token": token}, origin=origin))[0] == 303
        assert "Sign in" in await shown(served, cookie)


async def at_the_page(served: Served, script: str, **more: Any) -> dict[str, Any]:
    """Have people at the page, in Chromium; returns what they saw."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no Chromium on this machine")
    assert (PEERS / "node_modules").exists(), "the peers are not there: scripts/setup test brings them"
    asked = {"url": served.gateway.settings.public_url, "executable": executable, **more}
    process = await asyncio.create_subprocess_exec(
        *("node", script),
        cwd=PEERS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = await process.communicate(json.dumps(asked).encode())
    assert process.returncode == 0, errors.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A chain on which weeks pass."""
    with devnet_at(tmp_path_factory.mktemp("page-weeks") / "data") as running:
        yield running


async def test_recovery_in_chromium(weeks: Devnet, database_url: str) -> None:
    """GTW-070, GTW-064, PAS-021 to PAS-025: named guardians, a recovery, a veto, confirmed against it."""
    names = ("first", "second", "fresh", "linked")
    keys = {name: f"0x{secrets.token_hex(32)}" for name in names}
    async with serving(settings_for(weeks, database_url)) as served:
        seen = await at_the_page(served, "recovery.mjs", node=weeks.url, keys=keys)
    assert seen == {
        "console": [],
        "linked": 1,
        "early": 0,
        "stranger": 0,
        "vetoes": 0,
        "recovered": True,
        "keys": ["linked", "acting"],
        "lost": "No passport yet",
        "unnamed": 0,
    }


async def test_person_in_chromium(devnet: Devnet, database_url: str, tmp_path: Path) -> None:
    """A passkey of Chromium's own makes a passport: its signature is judged by the contracts."""
    made = offers(tmp_path, f"Newcomer {tmp_path.name[-9:]}", "0")
    chains = {1962: EvmChain(1962, (devnet.url,), 1)}
    async with serving(settings_for(devnet, database_url, policies=made, chains=chains)) as served:
        shots = os.environ.get("TREX_SCREENSHOTS", "")
        seen = await at_the_page(served, "page.mjs", shots=shots)
    assert seen["signIn"] == "Sign in"
    assert seen["passport"].startswith("Passport ")
    assert seen["console"] == []
    assert (seen["lang"], seen["unnamed"], seen["out"]) == ("en", 0, True)
    assert all(
        after <= before + 1 for before, after in zip(seen["headings"], seen["headings"][1:], strict=False)
    )
    assert min(*seen["light"], *seen["dark"]) >= 4.5, "WCAG 2.2 contrast of text"


def test_dimensions_by_their_formula() -> None:
    """GTW-063."""
    both = {
        "any": [
            holds("1"),
            {
                "check": {
                    "validator": "zktls.level",
                    "parameters": {"provider": "github-stars"},
                    "is": {"atLeast": "1"},
                }
            },
        ]
    }
    read = read_policy(json.dumps(policy("Both", both, "private")).encode())
    offer = Offer("both", read, b"", Hash32(b"\x01" * 32), Address(bytes(20)))

    def badge(
        number: int, points: int, policy_id: bytes, state: BadgeState = BadgeState.GRANTED
    ) -> HeldBadge:
        zero = Hash32(bytes(32))
        found = (Hash32(policy_id), "x", zero, 1, points, state, zero, False, zero, 0, 0, 0, 1, 0)
        return HeldBadge(number, 1, *found)

    held = [
        badge(1, 101, b"\x01" * 32),
        badge(2, 30, b"\x02" * 32),
        badge(3, 1000, b"\x01" * 32, BadgeState.REVOKED),
        badge(4, 1000, b"\x01" * 32, BadgeState.EXPIRED),
    ]
    found = {one.id: (one.points, one.score) for one in dimensions(held, {"both": offer}, 20)}
    assert found == {
        "assets": (51, 33),
        "onchain": (0, 0),
        "social-reach": (0, 0),
        "digital-life": (50, 33),
        "engagement": (50, 33),
    }
