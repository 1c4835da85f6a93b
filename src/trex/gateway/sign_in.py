"""Sign-in by wallet text (ERC-4361, Sign-In With Solana) and by passkey (GTW-010, GTW-011)."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson
import webauthn
from solders.pubkey import Pubkey
from solders.signature import Signature
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from webauthn.helpers import base64url_to_bytes, decode_credential_public_key, options_to_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from trex.gateway import challenges
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.settings import Settings
from trex.gateway.store.schema import passkeys
from trex.passport.client import PersonaClient
from trex.passport.keys import Key, KeyKind, passkey
from trex.passport.proofs import Proof
from trex.passport.texts import SignInText, TextError, read_text, write_date
from trex.types.evm import SignatureError, recover_message_signer
from trex.types.network_file import keccak256

CLOCK_SKEW_S = 300
"""How far a wallet's clock may be ahead."""
SIGN_IN, NEW_PASSKEY, WITH_PASSKEY = "sign-in", "new-passkey", "with-passkey"
"""What nonces are handed out for."""
SITE_NAME = "T-Rex persona"
"""As authenticators show it."""


def write_sign_in(key: Key, settings: Settings, nonce: str, now_s: int) -> str:
    """Write the text by which a wallet signs in."""
    return SignInText(
        domain=settings.host,
        key=key,
        uri=settings.public_url,
        chain_id=str(settings.contracts.chain_id) if key.kind is KeyKind.EVM else "mainnet",
        nonce=nonce,
        issued_at=write_date(now_s),
        statement="Sign in to your passport.",
        expires_at=write_date(now_s + settings.challenge_s),
    ).write()


def read_sign_in(text: str, settings: Settings, now_s: int) -> SignInText:
    """Read a text and see that it is for this place, chain and time; its nonce is not looked at (GTW-011).

    Raises:
        GatewayError: it is not.
    """
    try:
        read = read_text(text)
    except TextError as error:
        raise GatewayError(Fault.MALFORMED, str(error)) from error
    chain = str(settings.contracts.chain_id) if read.key.kind is KeyKind.EVM else "mainnet"
    uri = urlsplit(read.uri)
    wrong = {
        "domain": read.domain != settings.host,
        "scheme": read.scheme not in ("", urlsplit(settings.public_url).scheme),
        "URI": f"{uri.scheme}://{uri.netloc}" != settings.public_url,
        "chain": read.chain_id != chain,
    }
    if any(wrong.values()):
        names = ", ".join(name for name, is_wrong in wrong.items() if is_wrong)
        raise GatewayError(Fault.BAD_SIGNATURE, f"this text is for another place: {names}")
    early = read.not_before_s is not None and now_s < read.not_before_s
    late = read.expires_at_s is not None and now_s >= read.expires_at_s
    stale = not now_s - settings.challenge_s <= read.issued_at_s <= now_s + CLOCK_SKEW_S
    if early or late or stale:
        raise GatewayError(Fault.EXPIRED, "this text does not count now")
    return read


async def has_signed_text(client: PersonaClient, key: Key, text: str, signature: bytes) -> bool:
    """Whether a wallet signed a text; contract wallets, deployed or not, are asked on the chain."""
    raw = text.encode()
    if key.kind is KeyKind.ED25519:
        if len(signature) != 64:
            return False
        return Signature.from_bytes(signature).verify(Pubkey.from_bytes(key.data), raw)
    try:
        if recover_message_signer(raw, signature) == key.address:
            return True
    except SignatureError:
        pass
    digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(raw)).encode() + raw)
    return await client.has_signed(key, digest, "", Proof(0, 0, signature))


async def passkey_options(tx: AsyncConnection, settings: Settings, now_s: int) -> dict[str, Any]:
    """Ask a browser for a passkey that signs in (`navigator.credentials.get`)."""
    nonce = await challenges.hand_out(tx, WITH_PASSKEY, {}, now_s, settings.challenge_s)
    options = webauthn.generate_authentication_options(
        rp_id=settings.relying_party,
        challenge=bytes.fromhex(nonce),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _json(options_to_json(options))


async def new_passkey_options(tx: AsyncConnection, settings: Settings, now_s: int) -> dict[str, Any]:
    """Ask a browser to make a passkey for this site (`navigator.credentials.create`)."""
    nonce = await challenges.hand_out(tx, NEW_PASSKEY, {}, now_s, settings.challenge_s)
    options = webauthn.generate_registration_options(
        rp_id=settings.relying_party,
        rp_name=SITE_NAME,
        user_name=f"passport key {nonce[:8]}",
        challenge=bytes.fromhex(nonce),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        supported_pub_key_algs=[COSEAlgorithmIdentifier.ECDSA_SHA_256],
    )
    return _json(options_to_json(options))


async def register_passkey(
    tx: AsyncConnection, settings: Settings, credential: Mapping[str, Any], nonce: str, now_s: int
) -> Key:
    """Check what a browser made for a nonce that was taken, and remember it.

    Raises:
        GatewayError: it was made for another site or challenge, or is not of P-256.
    """
    try:
        made = webauthn.verify_registration_response(
            credential=dict(credential),
            expected_challenge=bytes.fromhex(nonce),
            expected_rp_id=settings.relying_party,
            expected_origin=settings.public_url,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier.ECDSA_SHA_256],
        )
        point = decode_credential_public_key(made.credential_public_key)
        x, y = (int.from_bytes(getattr(point, axis)) for axis in "xy")
    except (WebAuthnException, AttributeError, ValueError) as error:
        raise GatewayError(Fault.BAD_SIGNATURE, "not a passkey made here and now") from error
    key = passkey(x, y, settings.relying_party)
    await tx.execute(
        insert(passkeys).values(
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            key_data=key.data,
            sign_count=made.sign_count,
            created_s=now_s,
        )
    )
    return key


async def check_passkey(
    tx: AsyncConnection, settings: Settings, credential: Mapping[str, Any], nonce: str
) -> Key:
    """Tell whose passkey signed a nonce that was taken.

    Raises:
        GatewayError: it did not, or is not known here.
    """
    try:
        asked = passkeys.c.credential_id == base64url_to_bytes(str(credential.get("id", "")))
        known = (await tx.execute(select(passkeys).where(asked))).one_or_none()
        if known is None:
            raise GatewayError(Fault.BAD_SIGNATURE, "this passkey was not made here")
        done = webauthn.verify_authentication_response(
            credential=dict(credential),
            expected_challenge=bytes.fromhex(nonce),
            expected_rp_id=settings.relying_party,
            expected_origin=settings.public_url,
            credential_public_key=known.public_key,
            credential_current_sign_count=known.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise GatewayError(Fault.BAD_SIGNATURE, "this passkey did not sign that") from error
    await tx.execute(update(passkeys).where(asked).values(sign_count=done.new_sign_count))
    return Key(KeyKind.PASSKEY, bytes(known.key_data))


def key_name(key: Key) -> str:
    """Name a key in logs: short, and telling no more than the chain does."""
    return f"{key.kind.name.lower()}:{sha256(key.id).hexdigest()[:16]}"


def challenge_of(credential: Mapping[str, Any]) -> str:
    """Return the challenge that a browser says it was given; whether that is so is checked afterwards.

    Raises:
        GatewayError: it is not what browsers answer.
    """
    try:
        client_data = orjson.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        raw = base64url_to_bytes(client_data["challenge"])
    except (KeyError, TypeError, ValueError) as error:
        raise GatewayError(Fault.MALFORMED, "not a browser's answer") from error
    return raw.hex()


def _json(text: str) -> dict[str, Any]:
    found = orjson.loads(text)
    assert isinstance(found, dict)
    return found
