"""People with wallets, as they use the gateway."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from tests.gateway.conftest import Served

from trex.passport.keys import Key, ed25519_key, evm_key
from trex.passport.texts import SignInText, write_date
from trex.types.primitives import Address


@dataclass
class Person:
    """A wallet, and its sign-in."""

    served: Served
    key: Key
    sign_text: Callable[[bytes], bytes]
    sign_typed: Callable[[dict[str, Any]], bytes] | None
    token: str = ""
    passport: int = 0
    proxied: str = ""
    """Address that a proxy would name."""
    secret: bytes = b""
    """Of an EVM wallet, for transactions of its own."""

    @property
    def body(self) -> dict[str, str]:
        return {"kind": self.key.kind.name.lower(), "data": f"0x{self.key.data.hex()}"}

    @property
    def headers(self) -> dict[str, str]:
        forwarded = {"x-forwarded-for": self.proxied} if self.proxied else {}
        return {**({"authorization": f"Bearer {self.token}"} if self.token else {}), **forwarded}

    async def post(self, path: str, body: Any = None, expect: int = 200) -> Any:
        return await self.served.post(path, body, expect, headers=self.headers)

    async def get(self, path: str, expect: int = 200) -> Any:
        return await self.served.get(path, expect, headers=self.headers)

    async def sign_in(self, ahead_s: int = 0) -> Any:
        told = await self.post("/v1/nonces")
        chain = "mainnet" if self.sign_typed is None else str(told["chainId"])
        text = SignInText(
            told["domain"],
            self.key,
            told["uri"],
            chain,
            told["nonce"],
            write_date(int(time.time()) + ahead_s),
        ).write()
        signature = f"0x{self.sign_text(text.encode()).hex()}"
        found = await self.post(
            "/v1/sessions", {"signIn": {"method": "text", "text": text, "signature": signature}}
        )
        self.token, self.passport = found["token"], found["passport"]
        return found

    def proof(self, asked: dict[str, Any], by_text: bool = False) -> dict[str, Any]:
        """Sign what `prepare` asked for: as typed data where the wallet can, else as text."""
        if self.sign_typed is None or by_text:
            signature = self.sign_text(asked["text"]["text"].encode())
            return {"issuedAtS": asked["text"]["issuedAtS"], "signature": f"0x{signature.hex()}"}
        return {"signature": f"0x{self.sign_typed(asked['typedData']).hex()}"}

    async def do(
        self, act: dict[str, Any], *signers: "Person", by_text: bool = False, expect: int = 202
    ) -> Any:
        """Prepare an act, have everyone sign, send it."""
        prepared = await self.post("/v1/acts/prepare", {"act": act})
        proofs = [
            who.proof(asked, by_text) for who, asked in zip(signers, prepared["signatures"], strict=True)
        ]
        signed = {"act": act, "deadlineS": prepared["deadlineS"], "proofs": proofs}
        return await self.post("/v1/acts", signed, expect)

    async def finished(self, job: dict[str, Any], state: str = "done") -> Any:
        """Wait until a job has an end."""
        for _ in range(6_000):
            found = await self.get(f"/v1/jobs/{job['number']}")
            if found["state"] in ("done", "failed"):
                assert found["state"] == state, found
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"job {job} has no end")

    async def create(self) -> "Person":
        """Sign in and make a passport."""
        await self.sign_in()
        await self.finished(await self.do({"act": "create", "key": self.body}, self))
        found = await self.get("/v1/sessions/current")
        assert found["role"] == "acting"
        self.passport = found["passport"]
        return self

    def link(self, other: "Person", role: str = "linked") -> dict[str, Any]:
        return {"act": "link", "passport": self.passport, "actor": self.body, "key": other.body, "role": role}


def evm_person(served: Served) -> Person:
    account = Account.create()
    return Person(
        served,
        evm_key(Address(bytes.fromhex(account.address[2:]))),
        lambda raw: bytes(account.sign_message(encode_defunct(raw)).signature),
        lambda typed: bytes(account.sign_message(encode_typed_data(full_message=typed)).signature),
        secret=bytes(account.key),
    )


def solana_person(served: Served) -> Person:
    secret = ed25519.Ed25519PrivateKey.generate()
    return Person(served, ed25519_key(secret.public_key().public_bytes_raw()), secret.sign, None)
