"""Signing in: wallets of both families, passkeys; and everything that must not sign anyone in."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from eth_account import Account
from eth_account.messages import encode_defunct
from sqlalchemy import select
from tests.gateway.authenticator import PRESENT, Authenticator
from tests.gateway.conftest import Served
from tests.node.conftest import Devnet

from trex.gateway.store.schema import sessions
from trex.passport.keys import ed25519_key, evm_key
from trex.passport.texts import SignInText, write_date
from trex.types.primitives import Address
from trex.web.audit import verify
from trex.web.database import audit

Sign = Callable[[bytes], bytes]


def wallet() -> tuple[SignInText, Sign]:
    account = Account.create()
    key = evm_key(Address(bytes.fromhex(account.address[2:])))
    return _text(key, "1962"), lambda raw: bytes(account.sign_message(encode_defunct(raw)).signature)


def solana_wallet() -> tuple[SignInText, Sign]:
    secret = ed25519.Ed25519PrivateKey.generate()
    return _text(ed25519_key(secret.public_key().public_bytes_raw()), "mainnet"), secret.sign


def _text(key: Any, chain: str) -> SignInText:
    return SignInText("", key, "", chain, "", write_date(int(time.time())), "Sign in.")


async def ready(served: Served, text: SignInText) -> SignInText:
    told = await served.post("/v1/nonces")
    return replace(text, domain=told["domain"], uri=told["uri"], nonce=told["nonce"])


def body(text: str, signature: bytes, **more: Any) -> dict[str, Any]:
    return {"signIn": {"method": "text", "text": text, "signature": f"0x{signature.hex()}", **more}}


async def sign_in(served: Served, who: tuple[SignInText, Sign], **more: Any) -> Any:
    text = (await ready(served, who[0])).write()
    return await served.post("/v1/sessions", body(text, who[1](text.encode()), **more))


def bearer(token: str) -> dict[str, Any]:
    return {"headers": {"authorization": f"Bearer {token}"}}


@pytest.mark.parametrize("make", [wallet, solana_wallet])
async def test_wallet_signs_in_and_out(served: Served, make: Callable[[], tuple[SignInText, Sign]]) -> None:
    found = await sign_in(served, make())
    assert found["passport"] == 0
    token = found["token"]
    assert (await served.get("/v1/sessions/current", **bearer(token)))["key"] == found["key"]
    async with served.http.delete(f"{served.url}/v1/sessions/current", **bearer(token)) as answer:
        assert answer.status == 204
    await served.get("/v1/sessions/current", 401, **bearer(token))


async def test_replayed_text_signs_nobody_in(served: Served) -> None:
    """GTW-010: neither a second time, nor after a failed first use."""
    text, sign = wallet()
    said = (await ready(served, text)).write()
    await served.post("/v1/sessions", body(said, sign(said.encode())))
    refused = await served.post("/v1/sessions", body(said, sign(said.encode())), 403)
    assert refused["code"] == "expired"
    said = (await ready(served, text)).write()
    await served.post("/v1/sessions", body(said, bytes(65)), 403)
    await served.post("/v1/sessions", body(said, sign(said.encode())), 403)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"domain": "evil.example"}, "bad_signature"),
        ({"uri": "https://evil.example"}, "bad_signature"),
        ({"scheme": "https"}, "bad_signature"),
        ({"chain_id": "1"}, "bad_signature"),
        ({"nonce": "0" * 64}, "expired"),
        ({"issued_at": "2020-01-01T00:00:00Z"}, "expired"),
        ({"issued_at": "2100-01-01T00:00:00Z"}, "expired"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expired"),
        ({"not_before": "2100-01-01T00:00:00Z"}, "expired"),
    ],
)
async def test_text_for_another_place_or_time_signs_nobody_in(
    served: Served, change: dict[str, str], code: str
) -> None:
    """GTW-011; the honest control is `test_wallet_signs_in_and_out`."""
    text, sign = wallet()
    said = replace(await ready(served, text), **change).write()  # type: ignore[arg-type]
    assert (await served.post("/v1/sessions", body(said, sign(said.encode())), 403))["code"] == code


async def test_somebody_elses_signature_signs_nobody_in(served: Served) -> None:
    for make in (wallet, solana_wallet):
        text, _ = make()
        _, other = make()
        said = (await ready(served, text)).write()
        assert (await served.post("/v1/sessions", body(said, other(said.encode())), 403))[
            "code"
        ] == "bad_signature"


async def test_passkey_is_made_and_signs_in(served: Served) -> None:
    """GTW-015: and a counter that goes back, as a copied passkey's does, signs nobody in."""
    device = Authenticator(served.gateway.settings.public_url)
    options = await served.post("/v1/passkeys/new/options")
    key = await served.post("/v1/passkeys", {"credential": device.create(options)})
    assert key["data"] == f"0x{device.key.data.hex()}"
    answer = device.get(await served.post("/v1/passkeys/options"))
    found = await served.post("/v1/sessions", {"signIn": {"method": "passkey", "credential": answer}})
    assert (found["account"], found["key"]) == ("passkey", key)
    again = {"signIn": {"method": "passkey", "credential": answer}}
    assert (await served.post("/v1/sessions", again, 403))["code"] == "expired", "GTW-010"
    device.count = 0
    answer = device.get(await served.post("/v1/passkeys/options"))
    await served.post("/v1/sessions", {"signIn": {"method": "passkey", "credential": answer}}, 403)


async def test_passkey_of_another_site_unverified_or_unknown_signs_nobody_in(served: Served) -> None:
    origin = served.gateway.settings.public_url
    device, phisher, stranger = (
        Authenticator(origin),
        Authenticator("https://evil.example"),
        Authenticator(origin),
    )
    options = await served.post("/v1/passkeys/new/options")
    await served.post("/v1/passkeys", {"credential": device.create(options)})
    options = await served.post("/v1/passkeys/new/options")
    await served.post("/v1/passkeys", {"credential": phisher.create(options)}, 403)
    phisher.id, phisher.secret = device.id, device.secret  # the same key, asked for by another site's page
    for who, flags in ((phisher, 0x05), (stranger, 0x05), (device, PRESENT)):
        answer = who.get(await served.post("/v1/passkeys/options"), flags)
        await served.post("/v1/sessions", {"signIn": {"method": "passkey", "credential": answer}}, 403)


async def test_cookie_is_bound_to_this_site(served: Served) -> None:
    """GTW-012, GTW-013: no fixation, no request from another site's page, and a new token at each sign-in."""
    origin = {"origin": served.gateway.settings.public_url}
    text, sign = wallet()
    said = (await ready(served, text)).write()
    asked = body(said, sign(said.encode()), cookie=True)
    await served.post("/v1/sessions", asked, 403)
    await served.post("/v1/sessions", asked, 403, headers={"origin": "https://evil.example"})
    planted = "trex=" + "A" * 43
    async with served.http.post(
        f"{served.url}/v1/sessions", json=asked, headers={**origin, "cookie": planted}
    ) as answer:
        assert answer.status == 200
        set_cookie = answer.headers["set-cookie"]
        assert (await answer.json())["token"] is None
    for attribute in ("HttpOnly", "SameSite=lax", "Path=/"):
        assert attribute in set_cookie
    token = set_cookie.partition("=")[2].partition(";")[0]
    assert token != "A" * 43
    cookie = {"cookie": f"trex={token}"}
    assert await served.get("/v1/sessions/current", headers=cookie)
    await served.get("/v1/sessions/current", 401, headers={"cookie": planted})
    evil = {**cookie, "origin": "https://evil.example"}
    cross = {**cookie, **origin, "sec-fetch-site": "cross-site"}
    for headers in (cookie, evil, cross):
        async with served.http.delete(f"{served.url}/v1/sessions/current", headers=headers) as answer:
            assert answer.status == 403
    async with served.http.delete(
        f"{served.url}/v1/sessions/current", headers={**cookie, **origin}
    ) as answer:
        assert answer.status == 204


async def test_token_is_nowhere_in_the_database_and_the_audit_log_holds_together(served: Served) -> None:
    """GTW-012, GTW-030."""
    token = (await sign_in(served, wallet()))["token"]
    async with served.gateway.database.transaction() as tx:
        rows = (await tx.execute(select(sessions))).all()
        assert token not in repr(rows)
        assert len(rows) == 1
        assert [row.action for row in await tx.execute(select(audit))] == ["sign-in"]
        assert await verify(tx) is None
        await tx.execute(audit.update().values(outcome="nothing"))
        assert await verify(tx) == 1
        await tx.rollback()


async def test_sign_in_ends_with_its_time(devnet: Devnet, served: Served) -> None:
    found = await sign_in(served, wallet())
    served.gateway.clock = lambda: time.time() + served.gateway.settings.session_s + 2
    await served.get("/v1/sessions/current", 401, **bearer(found["token"]))
