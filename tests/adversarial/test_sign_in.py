"""Attacks on signing in at the gateway, and on sessions."""

import time
from dataclasses import replace
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import Wallet
from tests.gateway.authenticator import Authenticator
from tests.gateway.conftest import Served

from trex.gateway.service import Gateway
from trex.passport.texts import SignInText, write_date

GATEWAY = "src/trex/gateway/"
DAY_S = 86_400


def signed(who: Wallet, text: str) -> bytes:
    return bytes(Account.sign_message(encode_defunct(text=text), who.secret).signature)


async def text_of(gateway: Gateway, who: Wallet, **changes: Any) -> str:
    """What a wallet is asked to sign."""
    asked = SignInText(
        domain=gateway.settings.host,
        key=who.key,
        uri=gateway.settings.public_url,
        chain_id="1962",
        nonce=await gateway.new_nonce(),
        issued_at=write_date(int(time.time())),
    )
    return replace(asked, **changes).write()


async def sign_in(gateway: Gateway, who: Wallet) -> str:
    text = await text_of(gateway, who)
    _, token = await gateway.sign_in_by_text(text, signed(who, text))
    return token


def answered(status: int, body: Any) -> None:
    """Take an answer of the gateway's.

    Raises:
        Refused: it is a refusal, with its code.
    """
    if status >= 400:
        raise Refused(str(body["code"]))


# Signing in


@attack(
    who="whoever reads a sign-in text and its signature in a log",
    gain="a session of the wallet",
    why="a nonce is gone with its first use",
    guard=Guard(
        f"{GATEWAY}challenges.py",
        "gone = delete(challenges).where(challenges.c.id == nonce, challenges.c.kind == kind)",
        "GTW-010",
        """gone = challenges.update().values(kind=kind).where(
        challenges.c.id == nonce, challenges.c.kind == kind)""",
    ),
    refusal="expired",
)
async def test_sign_in_replayed(gateway: Gateway, honest: bool) -> None:
    """A text that has signed its wallet in is sent again."""
    who = Wallet("victim")
    text = await text_of(gateway, who)
    if not honest:
        await gateway.sign_in_by_text(text, signed(who, text))
    key, _ = await gateway.sign_in_by_text(text, signed(who, text))
    assert key == who.key


@attack(
    who="a phishing site",
    gain="a session here, by a text that the wallet signed there",
    why="the text names this gateway's domain, which the wallet compares with the page",
    guard=Guard(f"{GATEWAY}sign_in.py", '"domain": read.domain != settings.host,', "GTW-011"),
    refusal="this text is for another place: domain",
)
async def test_sign_in_on_a_phishing_site(gateway: Gateway, honest: bool) -> None:
    """The text says the phishing site's domain, with a nonce of this gateway."""
    who = Wallet("victim")
    text = await text_of(gateway, who, **({} if honest else {"domain": "evil.example"}))
    key, _ = await gateway.sign_in_by_text(text, signed(who, text))
    assert key == who.key


@attack(
    who="whoever runs a site for another chain",
    gain="a session here, by a text that was signed for there",
    why="the text names this chain",
    guard=Guard(f"{GATEWAY}sign_in.py", '"chain": read.chain_id != chain,', "GTW-011"),
    refusal="this text is for another place: chain",
)
async def test_sign_in_for_another_chain(gateway: Gateway, honest: bool) -> None:
    """The text says chain 1."""
    who = Wallet("victim")
    text = await text_of(gateway, who, chain_id="1962" if honest else "1")
    await gateway.sign_in_by_text(text, signed(who, text))


@attack(
    who="anybody",
    gain="a session of any wallet",
    why="the account that the text names must have signed it",
    guard=Guard(
        f"{GATEWAY}sign_in.py",
        "if recover_message_signer(raw, signature) == key.address:",
        "GTW-011",
        "if recover_message_signer(raw, signature):",
    ),
    refusal="not signed by that account",
)
async def test_sign_in_as_somebody_else(gateway: Gateway, honest: bool) -> None:
    """The victim's text is signed by the attacker's key."""
    victim, thief = Wallet("victim"), Wallet("thief")
    text = await text_of(gateway, victim)
    key, _ = await gateway.sign_in_by_text(text, signed(victim if honest else thief, text))
    assert key == victim.key


@attack(
    who="whoever has copied a passkey",
    gain="signs in beside its owner, unnoticed",
    why="an authenticator's counter does not go back",
    guard=Guard(
        f"{GATEWAY}sign_in.py",
        "credential_current_sign_count=known.sign_count,",
        "GTW-015",
        "credential_current_sign_count=0,",
    ),
    refusal="bad_signature",
)
async def test_copied_passkey(served: Served, honest: bool) -> None:
    """The copy signs with the counter of when it was copied."""
    device = Authenticator(served.gateway.settings.public_url)
    made = device.create(await served.post("/v1/passkeys/new/options"))
    await served.post("/v1/passkeys", {"credential": made})
    for count in (5, 6 if honest else 2):
        device.count = count
        answer = device.get(await served.post("/v1/passkeys/options"))
        asked = {"signIn": {"method": "passkey", "credential": answer}}
        async with served.http.post(f"{served.url}/v1/sessions", json=asked) as found:
            answered(found.status, await found.json(content_type=None))


@attack(
    who="a phishing site with the same relying party's name in its page",
    gain="an assertion made on its page signs in here",
    why="the browser says which page it was, and it must be this one",
    guard=Guard(
        f"{GATEWAY}sign_in.py",
        """expected_origin=settings.public_url,
            credential_public_key=known.public_key,""",
        "GTW-015",
        """expected_origin=[settings.public_url, "https://evil.example"],
            credential_public_key=known.public_key,""",
    ),
    refusal="bad_signature",
)
async def test_passkey_on_another_page(served: Served, honest: bool) -> None:
    """The client data name another origin."""
    device = Authenticator(served.gateway.settings.public_url)
    made = device.create(await served.post("/v1/passkeys/new/options"))
    await served.post("/v1/passkeys", {"credential": made})
    if not honest:
        device.origin = "https://evil.example"
    answer = device.get(await served.post("/v1/passkeys/options"))
    asked = {"signIn": {"method": "passkey", "credential": answer}}
    async with served.http.post(f"{served.url}/v1/sessions", json=asked) as found:
        answered(found.status, await found.json(content_type=None))


# Sessions


async def current(served: Served, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"}
    async with served.http.get(f"{served.url}/v1/sessions/current", headers=headers) as found:
        answered(found.status, await found.json(content_type=None))


@attack(
    who="the thief of an old token",
    gain="a session that never ends",
    why="a sign-in ends with its time",
    guard=Guard(
        f"{GATEWAY}sessions.py",
        "where(sessions.c.token_hash == _hash(token), sessions.c.expires_s >= now_s)",
        "GTW-012",
        "where(sessions.c.token_hash == _hash(token))",
    ),
    refusal="not_signed_in",
)
async def test_session_after_its_end(served: Served, honest: bool) -> None:
    """The token of a sign-in of last week."""
    token = await sign_in(served.gateway, Wallet("victim"))
    if not honest:
        served.gateway.clock = lambda: time.time() + 7 * DAY_S
    await current(served, token)


def cookie(served: Served, token: str) -> dict[str, str]:
    return {"cookie": f"trex={token}", "origin": served.gateway.settings.public_url}


async def sign_in_by_cookie(served: Served, who: Wallet, headers: dict[str, str]) -> str:
    text = await text_of(served.gateway, who)
    asked = {"method": "text", "text": text, "signature": f"0x{signed(who, text).hex()}", "cookie": True}
    url = f"{served.url}/v1/sessions"
    async with served.http.post(url, json={"signIn": asked}, headers=headers) as found:
        answered(found.status, await found.json(content_type=None))
        return str(found.headers["set-cookie"]).partition("=")[2].partition(";")[0]


@attack(
    who="whoever sat at a shared computer before",
    gain="the session of before goes on beside the new one",
    why="signing in ends the sign-in that the browser had",
    guard=Guard(
        f"{GATEWAY}http/sign_in.py", "if before:\n            await gateway.sign_out(before)", "GTW-012"
    ),
    refusal="not_signed_in",
)
async def test_session_fixation(served: Served, honest: bool) -> None:
    """A token that was planted in, or copied from, the browser is used after its person signs in anew."""
    who, origin = Wallet("victim"), {"origin": served.gateway.settings.public_url}
    planted = await sign_in_by_cookie(served, who, origin)
    fresh = await sign_in_by_cookie(served, who, cookie(served, planted))
    assert fresh != planted
    await current(served, fresh if honest else planted)


@attack(
    who="any page that a signed-in person visits",
    gain="acts in the person's name",
    why="a request that changes something comes from a page of this site, if a cookie signs it in",
    guard=Guard(
        f"{GATEWAY}http/access.py",
        "if cookie and request.method not in SAFE:\n        "
        "require_same_origin(request, gateway.settings.public_url)",
        "GTW-013",
    ),
    refusal="forbidden",
)
async def test_request_from_another_site(served: Served, honest: bool) -> None:
    """Another site's page has the browser send a request, cookie and all."""
    token = await sign_in(served.gateway, Wallet("victim"))
    headers = cookie(served, token) | ({} if honest else {"origin": "https://evil.example"})
    async with served.http.delete(f"{served.url}/v1/sessions/current", headers=headers) as found:
        answered(found.status, await found.json(content_type=None) if found.status >= 400 else None)


@attack(
    who="any page that a person visits",
    gain="signs the person in as the attacker, to whom they then link their accounts",
    why="a cookie is given to pages of this site only",
    guard=Guard(
        f"{GATEWAY}http/sign_in.py",
        "if asked.cookie:\n        require_same_origin(request, gateway.settings.public_url)",
        "GTW-013",
    ),
    refusal="forbidden",
)
async def test_signed_in_as_the_attacker(served: Served, honest: bool) -> None:
    """Another site's page sends the attacker's own sign-in from the victim's browser."""
    origin = served.gateway.settings.public_url if honest else "https://evil.example"
    assert await sign_in_by_cookie(served, Wallet("attacker"), {"origin": origin})
