"""Badges as Verifiable Credentials with selective disclosure (SD-JWT), and their status lists."""

import gzip
import secrets
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64encode

VC_CONTEXT = "https://www.w3.org/ns/credentials/v2"
LIST_BITS = 131_072
"""Badges in one status list: the least that hides one among others."""
_SALT_BYTES = 16
_MAX_DECOYS = 3


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()


def _digest(text: str) -> str:
    return _b64(sha256(text.encode()).digest())


def issuer_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return an issuer's public key as a JSON Web Key."""
    point = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": _b64(point.x.to_bytes(32)), "y": _b64(point.y.to_bytes(32))}


def sign_jwt(key: ec.EllipticCurvePrivateKey, header: Mapping[str, str], payload: Mapping[str, Any]) -> str:
    """Sign a payload (ES256)."""
    return jws.serialize_compact(
        {"alg": "ES256", **header}, orjson.dumps(payload), ECKey.import_key(key), algorithms=["ES256"]
    )


def issue(
    key: ec.EllipticCurvePrivateKey,
    kid: str,
    credential: Mapping[str, Any],
    holder: Mapping[str, str] | None = None,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> str:
    """Issue a credential whose subject's members are disclosed one by one (DID-030 to DID-032).

    Args:
        key: of the issuer, P-256.
        kid: names that key.
        credential: a Verifiable Credential 2.0; its subject is an object.
        holder: public key that presents it; None if anyone who has it may.
        random: so many random bytes.

    Returns:
        the SD-JWT: issuer's JWT and every disclosure, each behind a tilde.
    """
    disclosures = [
        _b64(orjson.dumps([_b64(random(_SALT_BYTES)), name, value]))
        for name, value in credential["credentialSubject"].items()
    ]
    decoys = [_b64(random(32)) for _ in range(random(1)[0] % (_MAX_DECOYS + 1))]
    payload: dict[str, Any] = {
        **credential,
        "credentialSubject": {"_sd": sorted([*map(_digest, disclosures), *decoys])},
        "_sd_alg": "sha-256",
    }
    if holder is not None:
        payload["cnf"] = {"jwk": dict(holder)}
    token = sign_jwt(key, {"typ": "vc+sd-jwt", "cty": "vc", "kid": kid}, payload)
    return "~".join([token, *disclosures, ""])


def status_entry(base_url: str, purpose: str, token_id: int) -> dict[str, str]:
    """Say where a badge's status is told (DID-034)."""
    page, index = divmod(token_id, LIST_BITS)
    url = f"{base_url}/v1/status/{purpose}/{page}"
    return {
        "id": f"{url}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": purpose,
        "statusListIndex": str(index),
        "statusListCredential": url,
    }


def encode_list(indices: Collection[int]) -> str:
    """Write a status list: bits set at `indices`, first at the left, compressed, multibase base64url."""
    bits = bytearray(LIST_BITS // 8)
    for index in indices:
        bits[index // 8] |= 0x80 >> index % 8
    return "u" + _b64(gzip.compress(bytes(bits), mtime=0))
