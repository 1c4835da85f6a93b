"""Client of a persona gateway (docs/gateway.md): signs in, acts on passports, asks for badges."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from eth_account.messages import encode_typed_data

from trex.passport.contracts import contracts_of
from trex.passport.keys import Key, KeyKind
from trex.passport.texts import account_text, read_text
from trex.sdk.wallets import Wallet
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

TIMEOUT_S = 60.0
"""A request has that long."""
JOB_S = 120.0
"""What is to reach the chain has that long."""
POLL_S = 0.1
MAX_ANSWER_BYTES = 16 << 20
MAX_WAIT_S = 30
"""Longest time to wait when a request comes too early."""
STATEMENT = "Sign in to your passport."
"""Of a sign-in text; texts that say something else are acts (PAS-008), not to be signed to come in."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class PersonaGatewayError(Exception):
    """The gateway did not do what was asked, or did not answer."""

    def __init__(self, code: str, message: str, retry_after_s: int = 0) -> None:
        """Make an error.

        Args:
            code: stable name: the gateway's own (specs/gateway.md), or `unavailable`, `untrusted`, `failed`.
            message: for people.
            retry_after_s: when asking again may help; 0 if nothing was said.
        """
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.retry_after_s = code, message, retry_after_s


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in."""

    wallet: Wallet
    """Whose."""
    token: str
    """Goes into requests; secret."""
    passport: int
    """The passport that the key is in; 0 for none."""
    role: str
    """What it is there: none, acting, linked."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant on its way."""

    job: int
    """Number of its job."""
    evidence: Hash32
    """Digest that the chain will have."""
    level: int
    """From 1."""
    points: int
    """Worth."""


class GatewayClient:
    """One gateway; nothing it says of the chain needs to be believed: the chain can be asked."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        """Name a gateway; nothing is sent yet.

        Args:
            url: its origin.
            session: closing it is the caller's.
        """
        self.url, self._session = url.rstrip("/"), session

    async def ask(
        self, method: str, path: str, body: Any = None, *, who: SignedIn | None = None, token: str = ""
    ) -> Any:
        """Send a request and return the answer's JSON; None where there is none.

        Where it is told to come again in a few seconds, because it asks too often, it does. It asks for
        whoever is signed in, or by the token of a sign-in alone.

        Raises:
            PersonaGatewayError: it is refused, or nobody answers.
        """
        while True:
            try:
                return await self._ask(method, path, body, who.token if who is not None else token)
            except PersonaGatewayError as error:
                if error.code != "too_many_requests" or error.retry_after_s > MAX_WAIT_S:
                    raise
                await asyncio.sleep(error.retry_after_s)

    async def _ask(self, method: str, path: str, body: Any, token: str) -> Any:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            async with self._session.request(
                method,
                self.url + path,
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                allow_redirects=False,
            ) as answer:
                raw = await answer.content.read(MAX_ANSWER_BYTES)
                status, wait = answer.status, answer.headers.get("retry-after", "")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise PersonaGatewayError(
                "unavailable", f"{urlsplit(self.url).netloc} does not answer"
            ) from error
        try:
            found = orjson.loads(raw) if raw else None
        except orjson.JSONDecodeError as error:
            raise PersonaGatewayError("unavailable", f"HTTP {status}, and no JSON") from error
        if status >= 400:
            told = found if isinstance(found, dict) else {}
            raise PersonaGatewayError(
                str(told.get("code", "unavailable")),
                str(told.get("detail", f"HTTP {status}")),
                _seconds(wait),
            )
        return found

    async def sign_in(self, wallet: Wallet) -> SignedIn:
        """Sign a wallet in, by a text that names this gateway's own domain and no other's.

        Raises:
            PersonaGatewayError: `untrusted`: it asks for a signature for another site; or it refuses.
        """
        told = await self.ask("POST", "/v1/nonces", {"account": account_text(wallet.key)})
        text = str(told["text"])
        read = read_text(text)
        place = _same_place(read.domain, self.url) and _same_place(urlsplit(read.uri).netloc, self.url)
        if not place or read.key != wallet.key or read.statement != STATEMENT or read.resources:
            raise PersonaGatewayError("untrusted", f"it asks for a sign-in to {read.domain[:80]!r}")
        signature = f"0x{wallet.sign_text(text).hex()}"
        body = {"signIn": {"method": "text", "text": text, "signature": signature}}
        found = await self.ask("POST", "/v1/sessions", body)
        return SignedIn(wallet, found["token"], found["passport"], found["role"])

    async def act(self, who: SignedIn, act: Mapping[str, Any], signers: Sequence[Wallet]) -> int:
        """Have an act signed and sent; return its job.

        Args:
            who: asks for it.
            act: as `POST /v1/acts/prepare` takes it.
            signers: in the order in which their signatures are asked for.
        """
        prepared = await self.ask("POST", "/v1/acts/prepare", {"act": dict(act)}, who=who)
        require_asked(act, [one["typedData"] for one in prepared["signatures"]])
        pairs = zip(signers, prepared["signatures"], strict=True)
        proofs = [signed(wallet, asked) for wallet, asked in pairs]
        body = {"act": dict(act), "deadlineS": prepared["deadlineS"], "proofs": proofs}
        return int((await self.ask("POST", "/v1/acts", body, who=who))["number"])

    async def done(self, who: SignedIn, job: int, timeout_s: float = JOB_S) -> None:
        """Wait until a job is on the chain.

        Raises:
            PersonaGatewayError: `failed`, with the reason; or it takes longer.
        """
        last = time.monotonic() + timeout_s
        while True:
            found = await self.ask("GET", f"/v1/jobs/{job}", who=who)
            if found["state"] == "done":
                return
            if found["state"] == "failed":
                raise PersonaGatewayError("failed", f"job {job}: {found['error']}")
            if time.monotonic() > last:
                raise PersonaGatewayError(
                    "unavailable", f"job {job} is {found['state']} after {timeout_s:.0f} s"
                )
            await asyncio.sleep(POLL_S)

    async def create(self, wallet: Wallet) -> SignedIn:
        """Sign in, and make a passport if the wallet has none."""
        who = await self.sign_in(wallet)
        if who.passport:
            return who
        await self.done(who, await self.act(who, {"act": "create", "key": key_json(wallet.key)}, [wallet]))
        found = await self.ask("GET", "/v1/sessions/current", who=who)
        return SignedIn(wallet, who.token, found["passport"], found["role"])

    async def link(self, who: SignedIn, wallet: Wallet, role: str = "linked") -> None:
        """Link a wallet of whoever is signed in: both sign."""
        mine, its = key_json(who.wallet.key), key_json(wallet.key)
        act = {"act": "link", "passport": who.passport, "actor": mine, "key": its, "role": role}
        await self.done(who, await self.act(who, act, [who.wallet, wallet]))

    async def recover(self, who: SignedIn, passport: int) -> dict[str, Any]:
        """Ask the guardians of a passport to recover it for the key that is signed in."""
        prepared = await self.ask("POST", "/v1/recoveries/prepare", {"passport": passport}, who=who)
        (asked,) = prepared["signatures"]
        require_asked({"act": "enter", "passport": passport}, [asked["typedData"]])
        body = {"passport": passport, "purpose": "open", "deadlineS": prepared["deadlineS"]}
        body["proof"] = signed(who.wallet, asked)
        found = await self.ask("POST", "/v1/recoveries", body, who=who)
        return dict(found)

    async def ask_guardians(self, who: SignedIn, passport: int, purpose: str) -> dict[str, Any]:
        """Ask the guardians to `confirm` or `withdraw` a recovery, or to `veto-guardians`; a guardian may."""
        body = {"passport": passport, "purpose": purpose}
        found = await self.ask("POST", "/v1/recoveries", body, who=who)
        return dict(found)

    async def recoveries(self, who: SignedIn, passport: int, new_account: str = "") -> list[dict[str, Any]]:
        """What the guardians of a passport are asked to approve: the first twenty, or all for one new key."""
        named = f"&account={new_account}" if new_account else ""
        found = await self.ask("GET", f"/v1/recoveries?passport={passport}{named}", who=who)
        return list(found)

    async def approve(self, who: SignedIn, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Approve as a guardian what `recoveries` listed; with enough approvals it goes to the chain.

        Raises:
            PersonaGatewayError: `untrusted`: something else is to be signed; or it is refused.
        """
        path = f"/v1/recoveries/{asked['number']}/approvals"
        (told,) = (await self.ask("POST", f"{path}/prepare", who=who))["signatures"]
        require_asked({"act": "approve", "passport": asked["passport"]}, [told["typedData"]])
        message, new = told["typedData"]["message"], asked["newKey"]
        wanted = key_of(new).id if new else Hash32(bytes(32))
        purpose = ("open", "confirm", "withdraw", "veto-guardians").index(asked["purpose"]) + 1
        if (int(message["purpose"]), message["newKeyId"]) != (purpose, f"0x{wanted.hex()}"):
            raise PersonaGatewayError("untrusted", "something else is to be approved than was listed")
        found = await self.ask("POST", path, {"proof": signed(who.wallet, told)}, who=who)
        return dict(found)

    async def execute(self, who: SignedIn, passport: int, subject: str) -> int:
        """Have a `removal`, `guardians` or a `recovery` carried out whose time has come; return its job."""
        body = {"passport": passport, "subject": subject}
        return int((await self.ask("POST", "/v1/executions", body, who=who))["number"])

    async def move(self, who: SignedIn, key: Key) -> tuple[int, bool]:
        """Begin or complete the move of a linked wallet; return the job, and whether it has only begun."""
        found = await self.ask("POST", "/v1/moves", {"key": key_json(key)}, who=who)
        return int(found["job"]), bool(found["moving"])

    async def consent(self, who: SignedIn, purpose: str, project: str = "*", *, given: bool = True) -> None:
        """Agree to a purpose (`matching`, `models`, `export`) for a project or all (`*`), or withdraw."""
        word = {"purpose": purpose, "project": project, "given": given}
        await self.ask("POST", "/v1/consents", word, who=who)

    async def policies(self) -> list[dict[str, Any]]:
        """Policies that badges can be asked under."""
        found = await self.ask("GET", "/v1/policies")
        return list(found)

    async def take_policy(self, publisher: Address, document: bytes) -> str:
        """Give the gateway a policy's document that stands on the chain; return its slug."""
        body = {"publisher": f"0x{publisher.hex()}", "document": document.decode()}
        return str((await self.ask("POST", "/v1/policies", body))["slug"])

    async def policy_document(self, slug: str) -> bytes:
        """Return a policy's document; its hash says whether it is the chain's."""
        return orjson.dumps(await self.ask("GET", f"/v1/policies/{slug}"))

    async def grant(self, who: SignedIn, slug: str) -> Granted:
        """Ask for a badge.

        Raises:
            PersonaGatewayError: `refused` or `undecided`: no level is proved.
        """
        found = await self.ask("POST", "/v1/grants", {"policy": slug}, who=who)
        digest = Hash32(bytes.fromhex(found["evidence"][2:]))
        return Granted(found["job"], digest, found["level"], found["points"])


def key_json(key: Key) -> dict[str, str]:
    """Write a key as the gateway takes it."""
    return {"kind": key.kind.name.lower(), "data": f"0x{key.data.hex()}"}


_SIGNED = {
    "create": ("CreatePassport",),
    "link": ("TakeKey", "EnterPassport"),
    "remove": ("RemoveKey",),
    "payout": ("SetPayout",),
    "veto": ("Veto",),
    "guardians": ("SetGuardians",),
    "release": ("ReleaseNullifier",),
    "renounce": ("RenounceBadge",),
    "enter": ("EnterPassport",),
    "approve": ("ApproveRecovery",),
}
"""What each act has signed, in order."""


def require_asked(act: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to sign what is not the act that was asked for.

    Raises:
        PersonaGatewayError: `untrusted`: another act, contract or passport.
    """
    told = [(one["primaryType"], one["domain"], one["message"]) for one in documents]
    if tuple(primary for primary, _, _ in told) != _SIGNED.get(str(act["act"])):
        raise PersonaGatewayError("untrusted", f"other signatures are asked for than {act['act']} needs")
    for _, domain, message in told:
        at = contracts_of(int(domain["chainId"]))
        if bytes.fromhex(domain["verifyingContract"][2:]) not in (at.passport, at.nullifiers, at.badges):
            raise PersonaGatewayError("untrusted", "a signature for another contract is asked for")
        if "passport" in message and int(message["passport"]) != act["passport"]:
            raise PersonaGatewayError("untrusted", "a signature for another passport is asked for")


def require_text(text: str, document: Mapping[str, Any]) -> None:
    """Refuse to sign a text that does not say the same as the data (PAS-008).

    Raises:
        PersonaGatewayError: `untrusted`.
    """
    encoded = encode_typed_data(full_message=dict(document))
    digest = keccak256(b"\x19" + encoded.version + encoded.header + encoded.body)
    if read_text(text).nonce != digest.hex():
        raise PersonaGatewayError(
            "untrusted", "a text is to be signed that says something else than the data"
        )


def _seconds(text: str) -> int:
    return max(1, int(text)) if text.isdecimal() else 1


def key_of(told: Mapping[str, str]) -> Key:
    """Read a key as the gateway writes it."""
    return Key(KeyKind[told["kind"].upper()], bytes.fromhex(told["data"][2:]))


def signed(wallet: Wallet, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Sign what was prepared: the data where the wallet can, else the text that says the same.

    Raises:
        PersonaGatewayError: `untrusted`: the text says something else.
    """
    data = wallet.sign_data(asked["typedData"])
    if data is not None:
        return {"signature": f"0x{data.hex()}"}
    require_text(asked["text"]["text"], asked["typedData"])
    signature = wallet.sign_text(asked["text"]["text"])
    return {"issuedAtS": asked["text"]["issuedAtS"], "signature": f"0x{signature.hex()}"}


def _same_place(domain: str, url: str) -> bool:
    """Whether a sign-in text's domain is where we ask; names of this machine are one."""
    here, there = urlsplit(url), urlsplit(f"//{domain}")
    same_host = here.hostname == there.hostname or {here.hostname, there.hostname} <= _LOOPBACK
    return same_host and (here.port, there.port) in ((here.port, here.port), (443, None), (80, None))
