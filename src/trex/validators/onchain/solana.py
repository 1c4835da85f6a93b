"""SOL and SPL tokens (Token, Token-2022) of all linked Solana wallets, from several endpoints (ONC-040)."""

import base64
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import orjson
from solders.pubkey import Pubkey
from solders.token.state import Mint, TokenAccount

from trex.rpc.endpoint import Endpoint
from trex.rpc.endpoints import Endpoints, most
from trex.rpc.errors import EndpointError, RefusedError, UnavailableError
from trex.validators.onchain.source import BATCH, MAX_ANSWER_BYTES, SourceError, source_error, tries
from trex.validators.onchain.token import Sample

TOKEN_PROGRAMS = (
    Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"),
    Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"),
)
"""Token and Token-2022."""
SOL_DECIMALS = 9
FINAL = {"commitment": "finalized"}
H = TypeVar("H", bound=Hashable)
_ACCOUNT_BYTES, _MINT_BYTES = 165, 82
"""Both programs begin their accounts alike; extensions of Token-2022 follow."""


@dataclass(frozen=True, slots=True)
class SolanaEvidence:
    """What was found of one token."""

    wallets: frozenset[Pubkey]
    """Whose; each counted once."""
    decimals: int
    """Of the token."""
    total: int
    """In its smallest unit, over every token account of every wallet."""
    slot: int
    """The oldest finalised slot of the answers."""
    history: tuple[Sample, ...] | None = None
    """From the beginning of the time looked at to the slot; None if not asked for."""
    timestamp_s: int | None = None
    """Unix time of the slot; None without a history."""


class SolanaSource:
    """Asks every endpoint for finalised state; what the quorum says counts."""

    def __init__(
        self,
        endpoints: Sequence[str],
        quorum: int,
        session: aiohttp.ClientSession,
        *,
        timeout_s: float = 15.0,
    ) -> None:
        """Name endpoints; nothing is sent yet.

        Args:
            endpoints: URLs, chosen by the operator.
            quorum: how many must say the same.
            session: closing it is the caller's.
            timeout_s: for a whole request.
        """
        self.endpoints = Endpoints(
            [
                Endpoint(url, session, timeout_s=timeout_s, max_answer_bytes=MAX_ANSWER_BYTES)
                for url in endpoints
            ],
            quorum=quorum,
        )
        self._tries = tries()
        self._kept: dict[str, int] = {}

    async def ask(self, method: str, *params: Any) -> tuple[int, Any]:
        """Return the slot and the value that the quorum says.

        Raises:
            SourceError: too few endpoints answer or agree.
        """

        async def one(endpoint: Endpoint) -> tuple[int, bytes]:
            result = await endpoint.call(method, *params)
            try:
                return int(result["context"]["slot"]), orjson.dumps(
                    result["value"], option=orjson.OPT_SORT_KEYS
                )
            except (KeyError, TypeError, ValueError) as error:
                raise UnavailableError("bad_answer", f"{endpoint.name}: {method}: no value") from error

        def same(answers: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
            return most(answers, key=lambda answer: answer[1])

        quorum = self.endpoints.quorum
        try:
            answers = await self.endpoints.majority(
                lambda endpoint: self._tries.run(lambda: one(endpoint)),
                lambda answers: len(same(answers)) >= quorum,
            )
        except EndpointError as error:
            raise source_error(error) from error
        agreeing = same(answers)
        if len(agreeing) < quorum:
            raise SourceError("contradiction", f"endpoints differ on {method}: at most {len(agreeing)} agree")
        return min(slot for slot, _ in agreeing), orjson.loads(agreeing[0][1])

    async def told(
        self,
        requests: Sequence[tuple[str, Sequence[Any]]],
        read: Callable[[Any], H],
        *,
        since_s: int | None = None,
    ) -> list[H]:
        """Return what the quorum says to each request that has no slot of its own.

        Args:
            requests: method and parameters.
            read: an answer, to what is compared.
            since_s: Unix time from which on an endpoint must have kept the chain; None if it need not have.

        Raises:
            SourceError: too few endpoints answer, agree, or go back so far.
        """
        found: list[H] = []
        for start in range(0, len(requests), BATCH):
            found += await self._batch(requests[start : start + BATCH], read, since_s)
        return found

    async def _batch(
        self, requests: Sequence[tuple[str, Sequence[Any]]], read: Callable[[Any], H], since_s: int | None
    ) -> list[H]:
        quorum = self.endpoints.quorum

        async def ask(endpoint: Endpoint) -> list[H]:
            if since_s is not None and await self._kept_from_s(endpoint) > since_s:
                raise RefusedError("refused", f"{endpoint.name} does not go back so far")
            outcomes = await endpoint.outcomes(requests)
            if refusal := next((one for one in outcomes if isinstance(one, RefusedError)), None):
                raise refusal
            return [read(one) for one in outcomes]

        def columns(answers: Sequence[list[H]]) -> list[list[H]]:
            return [most(column) for column in zip(*answers, strict=True)]

        try:
            answers = await self.endpoints.majority(
                lambda endpoint: self._tries.run(lambda: ask(endpoint)),
                lambda answers: all(len(same) >= quorum for same in columns(answers)),
            )
        except EndpointError as error:
            raise source_error(error) from error
        for (method, _), same in zip(requests, columns(answers), strict=True):
            if len(same) < quorum:
                agree = f"at most {len(same)} agree"
                raise SourceError("contradiction", f"endpoints differ on {method}: {agree}")
        return [same[0] for same in columns(answers)]

    async def _kept_from_s(self, endpoint: Endpoint) -> int:
        """Unix time of the first block that an endpoint has; 0 if it has all."""
        if endpoint.url not in self._kept:
            first = await endpoint.call("getFirstAvailableBlock")
            self._kept[endpoint.url] = await endpoint.call("getBlockTime", first) if first else 0
        return self._kept[endpoint.url]


@dataclass(frozen=True, slots=True)
class Held:
    """What one account has."""

    account: Pubkey
    """A wallet's own for SOL, otherwise one of its token accounts."""
    amount: int
    """In the smallest unit."""
    slot: int
    """Of the answer."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What wallets have of a token, account by account."""

    decimals: int
    """Of the token."""
    program: Pubkey | None
    """Of the token; None for SOL."""
    accounts: tuple[Held, ...]
    """Each once."""
    slot: int
    """The oldest finalised slot of the answers."""


async def collect_holdings(
    source: SolanaSource, wallets: Collection[Pubkey], mint: Pubkey | None
) -> Holdings:
    """Collect what wallets have of a token, or of SOL if `mint` is None.

    Raises:
        SourceError: the facts cannot be had.
    """
    who = sorted(frozenset(wallets), key=bytes)
    if mint is None:
        answers = [await source.ask("getBalance", str(wallet), FINAL) for wallet in who]
        held = [
            Held(wallet, _amount(value), slot) for wallet, (slot, value) in zip(who, answers, strict=True)
        ]
        return Holdings(SOL_DECIMALS, None, tuple(held), min((slot for slot, _ in answers), default=0))
    wanted = {**FINAL, "encoding": "base64"}
    slot, info = await source.ask("getAccountInfo", str(mint), wanted)
    program, data = _account(info)
    if program not in TOKEN_PROGRAMS or len(data) < _MINT_BYTES:
        raise SourceError("refused", f"{mint} is no mint of a token program")
    held = []
    for wallet in who:
        at, listed = await source.ask("getTokenAccountsByOwner", str(wallet), {"mint": str(mint)}, wanted)
        slot = min(slot, at)
        for entry in _unique(listed):
            amount = _tokens(entry, wallet, mint, program)
            held.append(Held(Pubkey.from_string(entry["pubkey"]), amount, at))
    return Holdings(Mint.from_bytes(data[:_MINT_BYTES]).decimals, program, tuple(held), slot)


async def collect_solana(
    source: SolanaSource, wallets: Collection[Pubkey], mint: Pubkey | None
) -> SolanaEvidence:
    """Collect the balance of a token, or of SOL if `mint` is None.

    Raises:
        SourceError: the facts cannot be had.
    """
    holdings = await collect_holdings(source, wallets, mint)
    total = sum(held.amount for held in holdings.accounts)
    return SolanaEvidence(frozenset(wallets), holdings.decimals, total, holdings.slot)


def _amount(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise SourceError("contradiction", "a balance of another form")
    return value


def _unique(held: Any) -> list[Any]:
    """Token accounts, each once: an endpoint that lists one twice would double it."""
    try:
        return list({entry["pubkey"]: entry for entry in held}.values())
    except (KeyError, TypeError) as error:
        raise SourceError("contradiction", "token accounts of another form") from error


def _account(info: Any) -> tuple[Pubkey, bytes]:
    try:
        return Pubkey.from_string(info["owner"]), base64.b64decode(info["data"][0], validate=True)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise SourceError("refused", "no such account, or one of another form") from error


def _tokens(entry: Any, wallet: Pubkey, mint: Pubkey, program: Pubkey) -> int:
    owner, data = _account(entry.get("account"))
    if owner != program or len(data) < _ACCOUNT_BYTES:
        raise SourceError("contradiction", "a token account of another program")
    account = TokenAccount.from_bytes(data[:_ACCOUNT_BYTES])
    if account.owner != wallet or account.mint != mint:
        raise SourceError("contradiction", "a token account of someone else")
    return account.amount
