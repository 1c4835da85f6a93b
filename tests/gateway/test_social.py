"""Accounts at every platform, signed in to for real at a certified provider that speaks their shapes."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from sqlalchemy import select
from tests.e2e.network import free_port
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.people import Person, evm_person
from tests.gateway.test_grants import policy
from tests.node.conftest import Devnet

from trex.gateway import holdings, people
from trex.gateway.keys import SecretText
from trex.gateway.nullify import nullifier_of
from trex.gateway.people import AccountOf
from trex.gateway.settings import Settings, SocialClient
from trex.gateway.store.schema import accounts
from trex.validators.social.platform import Platform, PlatformError, all_platforms, fill, read_platform

PEERS = Path(__file__).with_name("peers")
BOT = "1234:token of the tests"
OAUTH = sorted(name for name, one in all_platforms().items() if one.protocol != "telegram")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The flow is the same on either database: one is enough."""
    return f"sqlite:///{tmp_path / 'gateway.db'}"


@pytest.fixture(scope="module")
def port() -> int:
    """Where the gateway of this module listens: platforms register addresses to send people back to."""
    return free_port()


@pytest.fixture(scope="module")
def provider(port: int) -> Iterator[str]:
    with provider_of(all_platforms().values(), port) as origin:
        yield origin


@contextmanager
def provider_of(platforms: Iterable[Platform], port: int) -> Iterator[str]:
    """A certified provider that speaks as these platforms do, for a gateway at a port of this machine."""
    assert (PEERS / "node_modules").exists(), "the peers are not there: scripts/setup test brings them"
    told = [
        {
            "id": one.id,
            "scopes": list(one.scopes),
            "tokenAuth": one.token_auth,
            "redirect": f"http://localhost:{port}/v1/accounts/{one.id}/callback",
            "authorize": urlsplit(one.authorize_url).path,
            "token": urlsplit(one.token_url).path,
            "jwks": urlsplit(one.jwks_url).path,
        }
        for one in platforms
        if one.protocol != "telegram"
    ]
    process = subprocess.Popen(
        ["node", "platforms.mjs"], cwd=PEERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"platforms": told}))
    process.stdin.close()
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def clients(origin: str) -> dict[str, SocialClient]:
    found = {
        name: SocialClient(
            all_platforms()[name].at(origin), f"client-{name}", SecretText(f"secret of {name}")
        )
        for name in OAUTH
    }
    return found | {"telegram": SocialClient(all_platforms()["telegram"], "", SecretText(BOT))}


@pytest.fixture
async def linking(
    devnet: Devnet, database_url: str, provider: str, port: int, tmp_path: Path
) -> AsyncIterator[Served]:
    folder = tmp_path / "policies"
    folder.mkdir()
    checks = [
        {"check": {"validator": name, "parameters": parameters, "is": is_}}
        for name, parameters, is_ in (
            ("social.linked", {"platform": "google"}, {"isTrue": True}),
            ("social.follows", {"platform": "github", "target": "octocat"}, {"isTrue": True}),
            (
                "social.posts",
                {"platform": "x", "tag": "trex", "fromS": 1767225600, "untilS": 1769904000},
                {"atLeast": "1"},
            ),
        )
    ]
    (folder / "social.json").write_text(
        json.dumps(policy(f"Social {tmp_path}"[-60:], {"all": checks}, "private"))
    )
    settings = settings_for(devnet, database_url, platforms=clients(provider), policies=folder)
    async with serving(settings, port=port) as served:
        yield served


async def authorized(served: Served, url: str, account: str) -> dict[str, str]:
    """Go through the provider's pages as a browser does; return what it sends back."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        await (await browser.get(f"{origin}/as", params={"account": account})).read()
        for _ in range(8):
            async with browser.get(url, allow_redirects=False) as answer:
                assert answer.status in (302, 303), await answer.text()
                url = answer.headers["location"]
            if url.startswith("/"):
                url = origin + url
            if url.startswith(served.gateway.settings.public_url):
                return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    raise AssertionError(url)


async def begun(person: Person, platform: str) -> str:
    return str((await person.post(f"/v1/accounts/{platform}/start"))["url"])


async def link(person: Person, platform: str, account: str, expect: int = 200) -> Any:
    back = await authorized(person.served, await begun(person, platform), account)
    return await person.get(f"/v1/accounts/{platform}/callback?{urlencode(back)}", expect)


async def test_every_platform_links_an_account(linking: Served) -> None:
    """GTW-050 to GTW-053: PKCE, the platform's own parameter names and client authentication, its shapes."""
    alice = await evm_person(linking).create()
    for at, platform in enumerate(OAUTH):
        url = await begun(alice, platform)
        query = parse_qs(urlsplit(url).query)
        assert query["code_challenge_method"] == ["S256"]
        assert all_platforms()[platform].client_parameter in query
        await alice.finished({"number": (await link(alice, platform, f"{at + 1}000"))["job"]})
    found = {one["platform"]: one["handle"] for one in await alice.get("/v1/accounts")}
    assert found == {platform: f"name of {at + 1}000" for at, platform in enumerate(OAUTH)}
    for one in await alice.get("/v1/accounts"):
        nullifier = bytes.fromhex(one["nullifier"][2:])
        assert await linking.gateway.client.holder_of(nullifier) == alice.passport  # type: ignore[arg-type]


async def test_badge_by_social_checks(linking: Served) -> None:
    """POL-027, SOC-020 to SOC-022; a second passport of the same human gets nothing (GTW-055, PAS-043)."""
    alice = await evm_person(linking).create()
    assert (await alice.post("/v1/evaluations", {"policy": "social"}))["outcome"] == "refused"
    for platform in ("google", "github", "x"):
        await alice.finished({"number": (await link(alice, platform, "77001"))["job"]})
    found = await alice.post("/v1/evaluations", {"policy": "social"})
    assert found["outcome"] == "granted", found
    await alice.finished({"number": (await alice.post("/v1/grants", {"policy": "social"}, 202))["job"]})
    (badge,) = await holdings.badges_of(linking.gateway, alice.passport)
    assert badge.is_public is False
    bob = await evm_person(linking).create()
    moved = await link(bob, "google", "77001")
    assert moved["moving"] is True
    await bob.finished({"number": moved["job"]})
    assert await bob.get("/v1/accounts") == []
    held = await people.linked(linking.gateway, alice.passport)
    assert {one.account.platform for one in held} == {"google", "github", "x"}
    assert all("access_token" in one.tokens for one in held), "GTW-056: a grant must not forget them"
    x = linking.gateway.settings.platforms["x"]
    gone = replace(x, platform=x.platform.at("http://127.0.0.1:9"))
    platforms = {**linking.gateway.settings.platforms, "x": gone}
    linking.gateway.settings = replace(linking.gateway.settings, platforms=platforms)
    found = await alice.post("/v1/evaluations", {"policy": "social"})
    assert found["outcome"] == "undecided", "SOC-023"


async def test_token_that_is_over_is_renewed(linking: Served) -> None:
    """GTW-056: by refresh tokens that serve once each, two askers at a time; without one nothing is known."""
    alice = await evm_person(linking).create()
    for platform in ("google", "github", "x"):
        await alice.finished({"number": (await link(alice, platform, "55001"))["job"]})
    gateway = linking.gateway

    async def tokens() -> dict[str, dict[str, str]]:
        known = await people.linked(gateway, alice.passport)
        return {one.account.platform: dict(one.tokens) for one in known}

    async def replaced(**more: str) -> None:
        for one in await people.linked(gateway, alice.passport):
            await people.keep_tokens(gateway, one.nullifier, {**one.tokens, **more})

    first = await tokens()
    for _ in range(2):  # a rotated refresh token is kept: the next renewal needs it
        await replaced(access_token="over")
        both = await asyncio.gather(*(alice.post("/v1/evaluations", {"policy": "social"}) for _ in range(2)))
        assert [one["outcome"] for one in both] == ["granted", "granted"]
    now = await tokens()
    for platform in ("github", "x"):
        assert now[platform]["access_token"] not in ("over", first[platform]["access_token"])
        assert now[platform]["refresh_token"] != first[platform]["refresh_token"]
    async with gateway.database.transaction() as tx:
        kept = (await tx.execute(select(accounts.c.sealed))).scalars().all()
    assert not any(now["x"]["refresh_token"].encode() in bytes(one) for one in kept), "sealed"
    await replaced(access_token="over", refresh_token="over")
    assert (await alice.post("/v1/evaluations", {"policy": "social"}))["outcome"] == "undecided"


async def test_account_is_its_id_whatever_it_is_called(linking: Served) -> None:
    """SOC-002, GTW-041: another handle is the same account, the same handle another account."""
    alice = await evm_person(linking).create()
    async with linking.gateway.database.transaction() as tx:
        names = [
            await nullifier_of(tx, linking.gateway.key_holder, linking.gateway.sealer, *account)
            for account in (
                ("github", "1", "account/github"),
                ("github", "1", "account/github"),
                ("github", "2", "account/github"),
                ("google", "1", "account/google"),
                ("github", "1", "account/google"),
            )
        ]
    assert names[0] == names[1]
    assert len(set(names)) == 4
    for handle in ("before", "after"):
        async with linking.gateway.database.transaction() as tx:
            account = AccountOf("github", "10203", handle)
            await people.remember(tx, linking.gateway, alice.passport, account, tokens={})
    assert [one.account.handle for one in await people.linked(linking.gateway, alice.passport)] == ["after"]


async def test_state_is_bound_to_person_and_platform_and_serves_once(linking: Served) -> None:
    """GTW-051: login CSRF, replay, mix-up and forged answers."""
    alice, mallory = await evm_person(linking).create(), await evm_person(linking).create()
    back = await authorized(linking, await begun(alice, "github"), "88001")
    path = f"/v1/accounts/github/callback?{urlencode(back)}"
    await linking.get(path, 401)
    await mallory.get(path, 403)  # and now it is used up
    await alice.get(path, 403)
    back = await authorized(linking, await begun(alice, "github"), "88001")
    await alice.get(f"/v1/accounts/discord/callback?{urlencode(back)}", 403)
    back = await authorized(linking, await begun(alice, "google"), "88001")
    await alice.get(f"/v1/accounts/google/callback?{urlencode({**back, 'iss': 'https://evil.example'})}", 403)
    forged = {"state": "0" * 64, "code": back["code"]}
    await alice.get(f"/v1/accounts/google/callback?{urlencode(forged)}", 403)
    refused = {
        "state": parse_qs(urlsplit(await begun(alice, "x")).query)["state"][0],
        "error": "access_denied",
    }
    await alice.get(f"/v1/accounts/x/callback?{urlencode(refused)}", 409)
    assert await alice.get("/v1/accounts") == []


async def test_code_stolen_from_another_person_is_worth_nothing(linking: Served) -> None:
    """GTW-050: PKCE. Mallory puts a code that was meant for Alice into an answer to a question of hers."""
    alice, mallory = await evm_person(linking).create(), await evm_person(linking).create()
    stolen = await authorized(linking, await begun(alice, "github"), "99001")
    state = parse_qs(urlsplit(await begun(mallory, "github")).query)["state"][0]
    refused = await mallory.get(
        f"/v1/accounts/github/callback?{urlencode({'state': state, 'code': stolen['code']})}", 409
    )
    assert refused["detail"] == "the platform did not take the code"


async def test_platform_that_redirects_or_answers_garbage_links_nothing(linking: Served) -> None:
    """GTW-054: nobody is led elsewhere, inward least of all."""
    alice = await evm_person(linking).create()
    hits = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hits
        hits += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 302 Found\r\nlocation: "
            + linking.url.encode()
            + b"/health\r\ncontent-length: 0\r\n\r\n"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        kept = linking.gateway.settings.platforms["github"]
        moved = replace(kept, platform=kept.platform.at(origin))
        platforms = {**linking.gateway.settings.platforms, "github": moved}
        linking.gateway.settings = replace(linking.gateway.settings, platforms=platforms)
        state = parse_qs(urlsplit(await begun(alice, "github")).query)["state"][0]
        refused = await alice.get(
            f"/v1/accounts/github/callback?{urlencode({'state': state, 'code': 'x'})}", 409
        )
        assert refused["detail"] == "the platform did not take the code"
        assert hits == 1


def telegram(now_s: int, token: str = BOT, **more: str) -> dict[str, str]:
    fields = {"id": "4711", "first_name": "Ada", "username": "ada", "auth_date": str(now_s), **more}
    text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    return fields | {"hash": hmac(sha256(token.encode()).digest(), text.encode(), sha256).hexdigest()}


async def test_telegram_login(linking: Served) -> None:
    """SOC-005: signed for this bot, fresh, once."""
    alice = await evm_person(linking).create()
    now = linking.gateway.now_s
    for wrong in (
        telegram(now, "another bot"),
        telegram(now - 700),
        telegram(now + 600),
        {**telegram(now), "id": "4712"},
        telegram(now, admin="yes"),
        telegram(now, first_name="Ada\nid=4712"),
    ):
        await alice.post("/v1/accounts/telegram", {"fields": wrong}, 403)
    login = telegram(now)
    found = await alice.post("/v1/accounts/telegram", {"fields": login}, 202)
    await alice.finished({"number": found["job"]})
    assert (await alice.post("/v1/accounts/telegram", {"fields": login}, 403))["code"] == "expired"
    assert [one["handle"] for one in await alice.get("/v1/accounts")] == ["ada"]


def test_fill_keeps_values_in_their_place() -> None:
    """SOC-010: SSRF through a policy's target or an account's id."""
    template = "https://api.example/user/following/{target}?x={id}"
    for value in (
        "../../admin",
        "@evil.example/",
        "a?b=c",
        "a#b",
        "//evil.example",
        "a%2e%2e",
        "a\r\nhost: x",
    ):
        url = urlsplit(fill(template, target=value, id=value))
        assert url.hostname == "api.example"
        assert url.path.count("/") == 3
        assert parse_qs(url.query)["x"] == [value]
        assert not url.fragment


@pytest.mark.parametrize(
    "change",
    [
        {"tokenUrl": "http://evil.example/token"},
        {"tokenUrl": "https://u@evil.example/token"},
        {"profile": {"url": "https://{id}.evil.example/"}},
        {"profile": {"url": "file:///etc/passwd"}},
        {"follows": {"url": "https://a.example/{secret}"}},
        {"protocol": "saml"},
        {"surprise": 1},
        {"sources": []},
    ],
)
def test_read_platform_refuses(change: dict[str, Any]) -> None:
    """SOC-001."""
    file = Path(str(PEERS)).parents[2] / "src/trex/validators/social/platforms/github.json"
    document = json.loads(file.read_text())
    assert read_platform(json.dumps(document)).id == "github"
    with pytest.raises(PlatformError):
        read_platform(json.dumps({**document, **change}))


def test_all_platforms_are_there_with_their_sources() -> None:
    asked = {
        "x",
        "discord",
        "github",
        "google",
        "twitch",
        "youtube",
        "tiktok",
        "instagram",
        "facebook",
        "telegram",
    }
    assert set(all_platforms()) == asked
    assert all(one.sources for one in all_platforms().values())
    assert isinstance(Settings("http://localhost", "sqlite:///x", "http://localhost").platforms, dict)
