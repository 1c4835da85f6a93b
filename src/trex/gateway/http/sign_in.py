"""Routes of signing in."""

from typing import Any

from fastapi import APIRouter, Request, Response

from trex.gateway import sign_in
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.access import (
    Costly,
    SignedIn,
    TheGateway,
    set_cookie,
    token_of,
)
from trex.gateway.http.models import (
    CredentialBody,
    KeyBody,
    Nonce,
    NonceAsked,
    SessionBody,
    SignInBody,
    TextSignIn,
    account_name,
    key_body,
)
from trex.gateway.service import Gateway
from trex.passport.keys import Key
from trex.passport.texts import TextError, read_account
from trex.web.browser import cookie_name, require_same_origin

router = APIRouter(prefix="/v1", tags=["sign in"])


async def _describe(gateway: Gateway, key: Key, token: str | None, expires_s: int) -> SessionBody:
    passport, role = await gateway.client.passport_of(key)
    return SessionBody.model_validate(
        {
            "key": key_body(key),
            "account": account_name(key),
            "passport": passport,
            "role": role.name.lower(),
            "token": token,
            "expires_at_s": expires_s,
        }
    )


@router.post("/nonces")
async def new_nonce(gateway: TheGateway, body: NonceAsked | None = None) -> Nonce:
    """Hand out what the next sign-in text must say (ERC-4361, Sign-In With Solana), or the text itself."""
    settings, text, nonce = gateway.settings, None, await gateway.new_nonce()
    if body is not None and body.account is not None:
        try:
            text = sign_in.write_sign_in(read_account(body.account), settings, nonce, gateway.now_s)
        except TextError as error:
            raise GatewayError(Fault.MALFORMED, "neither an address nor a public key") from error
    return Nonce(
        nonce=nonce,
        text=text,
        domain=settings.host,
        uri=settings.public_url,
        chain_id=settings.contracts.chain_id,
        expires_at_s=gateway.now_s + settings.challenge_s,
    )


@router.post("/passkeys/options")
async def passkey_options(gateway: TheGateway) -> dict[str, Any]:
    """Options for `navigator.credentials.get`: sign in by a passkey."""
    async with gateway.database.transaction() as tx:
        return await sign_in.passkey_options(tx, gateway.settings, gateway.now_s)


@router.post("/passkeys/new/options")
async def new_passkey_options(gateway: TheGateway) -> dict[str, Any]:
    """Options for `navigator.credentials.create`: make a passkey for this site."""
    async with gateway.database.transaction() as tx:
        return await sign_in.new_passkey_options(tx, gateway.settings, gateway.now_s)


@router.post("/passkeys", dependencies=[Costly])
async def register_passkey(body: CredentialBody, gateway: TheGateway) -> KeyBody:
    """Remember a passkey that a browser has made; answers the key that it is to a passport."""
    return key_body(await gateway.register_passkey(body.credential))


@router.post("/sessions", dependencies=[Costly])
async def begin(body: SignInBody, request: Request, response: Response, gateway: TheGateway) -> SessionBody:
    """Sign in. The sign-in before it, if a cookie has one, ends (GTW-012)."""
    asked = body.sign_in
    if asked.cookie:
        require_same_origin(request, gateway.settings.public_url)
    if isinstance(asked, TextSignIn):
        key, token = await gateway.sign_in_by_text(asked.text, bytes.fromhex(asked.signature[2:]))
    else:
        key, token = await gateway.sign_in_by_passkey(asked.credential)
    before = request.cookies.get(cookie_name(gateway.settings.secure), "")
    if asked.cookie:
        if before:
            await gateway.sign_out(before)
        set_cookie(response, gateway, token)
    expires = gateway.now_s + gateway.settings.session_s
    return await _describe(gateway, key, None if asked.cookie else token, expires)


@router.get("/sessions/current")
async def current(session: SignedIn, gateway: TheGateway) -> SessionBody:
    """Who is signed in."""
    return await _describe(gateway, session.key, None, session.expires_s)


@router.delete("/sessions/current", status_code=204)
async def sign_out(request: Request, response: Response, gateway: TheGateway) -> None:
    """Sign out."""
    token = token_of(request, gateway)
    if not token:
        raise GatewayError(Fault.NOT_SIGNED_IN, "nobody is signed in")
    await gateway.sign_out(token)
    response.delete_cookie(
        cookie_name(gateway.settings.secure),
        path="/",
        secure=gateway.settings.secure,
        httponly=True,
        samesite="lax",
    )
