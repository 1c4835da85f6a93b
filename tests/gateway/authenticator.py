"""A passkey authenticator in software: what `navigator.credentials` answers, by the specification."""

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from trex.passport.keys import Key, passkey
from trex.passport.proofs import passkey_signature

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Authenticator:
    """One passkey."""

    def __init__(self, origin: str, relying_party: str = "localhost") -> None:
        self.origin, self.relying_party = origin, relying_party
        self.id = secrets.token_bytes(16)
        self.secret = ec.generate_private_key(ec.SECP256R1())
        self.count = 0

    @property
    def key(self) -> Key:
        point = self.secret.public_key().public_numbers()
        return passkey(point.x, point.y, self.relying_party)

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.relying_party.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(told, separators=(",", ":")).encode()

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer `navigator.credentials.create`."""
        point = self.secret.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
        data = (
            self._data(PRESENT | VERIFIED | ATTESTED)
            + bytes(16)
            + len(self.id).to_bytes(2)
            + self.id
            + public
        )
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", options["challenge"])
        return self._credential({"clientDataJSON": b64(client_data), "attestationObject": b64(attestation)})

    def get(self, options: dict[str, Any], flags: int = PRESENT | VERIFIED) -> dict[str, Any]:
        """Answer `navigator.credentials.get`."""
        self.count += 1
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._data(flags)
        return self._credential(
            {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(self._sign(data, client_data)),
            }
        )

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign an act for the chain."""
        self.count += 1
        client_data, data = self._client_data("webauthn.get", b64(digest)), self._data(PRESENT | VERIFIED)
        return passkey_signature(data, client_data, self._sign(data, client_data))

    def _sign(self, data: bytes, client_data: bytes) -> bytes:
        return self.secret.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
