"""Attacks on accounts at platforms, on ID tokens, and on what a credential hides."""

import base64
import contextlib
import json
import time
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64encode
from tests.adversarial.chain import Chain
from tests.adversarial.conftest import settings_of
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import person
from tests.gateway.conftest import KEYS
from tests.gateway.test_social import authorized, clients, port, provider

from trex.gateway import social
from trex.gateway.keys import SecretText
from trex.gateway.sd_jwt import issue
from trex.gateway.service import Gateway
from trex.gateway.settings import SocialClient
from trex.validators.social.platform import all_platforms, fill

__all__ = ["port", "provider"]

SOCIAL = "src/trex/gateway/social.py"


@dataclass
class Linking:
    """A gateway that links accounts at a certified provider."""

    gateway: Gateway


@pytest.fixture
async def linking(chain: Chain, provider: str, port: int, tmp_path: Path) -> AsyncIterator[Linking]:
    async with settings_of(chain, tmp_path, platforms=clients(provider)) as settings:
        running = Gateway(replace(settings, public_url=f"http://localhost:{port}"), KEYS)
        await running.start()
        yield Linking(running)
        await running.stop()


async def back_from(linking: Linking, who: Any, platform: str, account: str) -> dict[str, str]:
    """Begin linking, and sign in at the platform; what it sends the browser back with."""
    url = await social.start(linking.gateway, who.owner.key, who.passport, platform)
    return await authorized(linking, url, account)  # type: ignore[arg-type] # asks for the URL alone


@attack(
    who="somebody who sends a victim a link to the platform's sign-in",
    gain="the victim's account, in the attacker's passport",
    why="what comes back counts for the person who began it",
    guard=Guard(
        SOCIAL,
        'if asked["platform"] != name or asked["key"] != key.id.hex():',
        "GTW-051",
        'if asked["platform"] != name:',
    ),
    refusal="somebody else began this",
)
async def test_link_begun_by_the_attacker(chain: Chain, linking: Linking, honest: bool) -> None:
    """The attacker begins; the victim signs in at the platform, and comes back signed in here."""
    attacker, victim = person(chain, "attacker"), person(chain, "victim")
    back = await back_from(linking, victim if honest else attacker, "github", "88001")
    assert (await social.finish(linking.gateway, victim.owner.key, "github", back)).job


@attack(
    who="whoever reads a code on its way back from the platform",
    gain="the victim's account, in the attacker's passport",
    why="the code opens with the secret of the beginning it was asked by (PKCE)",
    guard=Guard(
        SOCIAL,
        "verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)",
        "GTW-050",
        'verifier, nonce = "x" * 64, secrets.token_urlsafe(24)',
    ),
    refusal="the platform did not take the code",
)
async def test_code_stolen_on_its_way(chain: Chain, linking: Linking, honest: bool) -> None:
    """The victim's code is brought back with a state of the attacker's."""
    attacker, victim = person(chain, "attacker"), person(chain, "victim")
    stolen = await back_from(linking, victim, "github", "99001")
    own = await back_from(linking, attacker, "github", "99002")
    brought = own if honest else {**own, "code": stolen["code"]}
    assert (await social.finish(linking.gateway, attacker.owner.key, "github", brought)).job


@attack(
    who="another platform that the gateway speaks to",
    gain="has its code redeemed as if a better known platform had given it",
    why="an answer that names another issuer is refused (RFC 9207)",
    guard=Guard(
        SOCIAL,
        "if issuer is not None and client.platform.issuer and issuer != client.platform.issuer:",
        "GTW-051",
        "if False:",
    ),
    refusal="another platform answered",
)
async def test_platforms_mixed_up(chain: Chain, linking: Linking, honest: bool) -> None:
    """The answer says that it is from another issuer."""
    who = person(chain, "owner")
    back = await back_from(linking, who, "google", "77001")
    if not honest:
        back["iss"] = "https://evil.example"
    assert (await social.finish(linking.gateway, who.owner.key, "google", back)).job


# ID tokens

KEY = ECKey.generate_key("P-256", {"kid": "1"})


@contextlib.asynccontextmanager
async def site(handler: Any) -> AsyncIterator[str]:
    """A site on this machine."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def judged(gateway: Gateway, token: str = "", **changes: Any) -> None:
    """Have the gateway read an ID token; the platform's published key is KEY."""

    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [KEY.as_dict(private=False)]})

    async with site(keys) as origin:
        platform = replace(all_platforms()["google"], jwks_url=f"{origin}/certs")
        client = SocialClient(platform, "trex", SecretText("secret"))
        signed = token or jwt.encode({"alg": "ES256", "kid": "1"}, claims(**changes), KEY)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # the library warns of what the attack asks for
            found = await social._id_token(gateway, client, signed, "nonce")
    assert found["sub"] == "77"


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"iss": all_platforms()["google"].issuer, "sub": "77", "aud": "trex", "nonce": "nonce"}
    return {**told, "iat": now - 10, "exp": now + 300, **changes}


@attack(
    who="anybody",
    gain="any account at the platform",
    why="an ID token counts under the platform's published keys, by algorithms that have one",
    guard=Guard(
        SOCIAL,
        'ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")',
        "GTW-053",
        'ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "none")',
    ),
    refusal="an ID token that the platform did not sign",
)
async def test_id_token_without_signature(gateway: Gateway, honest: bool) -> None:
    """The token's header says `none`."""
    parts = ({"alg": "none", "kid": "1"}, claims())
    bare = ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts) + "."
    await judged(gateway, "" if honest else bare)


@attack(
    who="another site where the victim signs in by the same platform",
    gain="the victim's account, by the token that it was given",
    why="the token is for this client alone",
    guard=Guard(
        SOCIAL,
        '"aud": audience == client.client_id or audience == [client.client_id],',
        "GTW-053",
    ),
    refusal="an ID token for something else: aud",
)
async def test_id_token_of_another_client(gateway: Gateway, honest: bool) -> None:
    """The audience is another site."""
    await judged(gateway, aud="trex" if honest else "another site")


@attack(
    who="whoever finds a token of the victim's for this gateway",
    gain="the victim's account, in a passport of their own",
    why="the token carries the nonce of this beginning",
    guard=Guard(SOCIAL, '"nonce": claims.get("nonce") == nonce,', "GTW-053"),
    refusal="an ID token for something else: nonce",
)
async def test_id_token_replayed(gateway: Gateway, honest: bool) -> None:
    """The nonce is that of another beginning."""
    await judged(gateway, nonce="nonce" if honest else "another")


@attack(
    who="a platform, or whoever has taken its name over",
    gain="has the gateway ask inside its own network, with a client's secret in hand",
    why="no redirect of a platform's is followed",
    guard=Guard(SOCIAL, "allow_redirects=False,", "GTW-054", "allow_redirects=True,"),
    refusal="not led there",
)
async def test_platform_redirects_inside(gateway: Gateway, honest: bool) -> None:
    """The platform answers with the address of a service on the operator's machine."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/inside":
            return web.json_response({})
        raise web.HTTPFound("/inside")

    async with site(answer) as origin:
        client = SocialClient(all_platforms()["github"], "trex", SecretText("secret"))
        path = "/inside" if honest else "/user"
        await social.question(gateway, client, "token", f"{origin}{path}")
    if asked[-1] != "/inside":
        raise Refused("not led there")


@attack(
    who="the publisher of a policy, by the target that it names",
    gain="has the gateway ask another address with people's access tokens",
    why="values are escaped into a URL's own part",
    guard=Guard(
        "src/trex/validators/social/platform.py",
        'return _PLACE.sub(lambda found: quote(values[found[1]], safe=""), template)',
        "SOC-010",
        "return _PLACE.sub(lambda found: values[found[1]], template)",
    ),
    refusal="stays in its part",
)
def test_target_that_leads_elsewhere(honest: bool) -> None:
    """The target of `follows` ends the path and begins another host's question."""
    target = "octocat" if honest else "../../admin?next="
    url = urlsplit(fill("https://api.example/user/following/{target}", target=target))
    wanted = "/user/following/octocat" if honest else "/user/following/../../admin"
    if url.path != wanted:
        raise Refused("stays in its part")


@attack(
    who="whoever renames an account to a famous one's handle, once that is free",
    gain="what the famous account has earned",
    why="an account is known by the platform's permanent id",
    guard=Guard(
        SOCIAL,
        """found, handle = value_at(document, platform.profile.id),
        value_at(document, platform.profile.handle)""",
        "SOC-002",
        "found = handle = value_at(document, platform.profile.handle)",
    ),
    refusal="another account",
)
def test_handle_taken_over(honest: bool) -> None:
    """Another account with the same handle."""
    platform = all_platforms()["github"]
    first = social._account(platform, {"id": 1, "login": "octocat"})
    second = social._account(platform, {"id": 1 if honest else 2, "login": "octocat"})
    if first.id != second.id:
        raise Refused("another account")


# Credentials


@attack(
    who="a verifier to whom the holder disclosed nothing but the badge's name",
    gain="the holder's level and points, by trying each",
    why="each member has a salt of sixteen random bytes",
    guard=Guard(
        "src/trex/gateway/sd_jwt.py",
        "_b64(orjson.dumps([_b64(random(_SALT_BYTES)), name, value]))",
        "DID-031",
        '_b64(orjson.dumps(["", name, value]))',
    ),
    refusal="no level fits",
)
def test_hidden_member_guessed(honest: bool) -> None:
    """The digests of all levels, with every salt the verifier knows, are compared with the credential's."""
    subject = {"name": "Early bird", "level": 3}
    token, *disclosures, _ = issue(KEYS.issuer_key(), "key", {"credentialSubject": subject}).split("~")
    payload = json.loads(_bytes(token.split(".")[1]))
    digests = payload["credentialSubject"]["_sd"]
    told = disclosures if honest else []
    salts = ["", *(json.loads(_bytes(one))[0] for one in told)]
    tried = {
        (level, salt): _text(sha256(_text(_dump([salt, "level", level])).encode()).digest())
        for level in range(1, 6)
        for salt in salts
    }
    if not [level for (level, _), digest in tried.items() if digest in digests]:
        raise Refused("no level fits")


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
