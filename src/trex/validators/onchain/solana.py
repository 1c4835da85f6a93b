"""SOL and SPL tokens (Token, Token-2022) of all linked Solana wallets, from several endpoints (ONC-040)."""

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import orjson
from solders.pubkey import Pubkey
from solders.token.state import Mint, TokenAccount

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.rpc.endpoint import Endpoint
from trex.rpc.endpoints import Endpoints, most
from trex.rpc.errors import EndpointError, UnavailableError
from trex.types.primitives import Hash32
from trex.validators.onchain.source import MAX_ANSWER_BYTES, SourceError, source_error, tries

TOKEN_PROGRAMS = (
    Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"),
    Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"),
)
"""Token and Token-2022."""
SOL_DECIMALS = 9
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


def balance(evidence: SolanaEvidence) -> Decimal:
    """Return the balance of all wallets, in whole tokens."""
    return Decimal(evidence.total).scaleb(-evidence.decimals)


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


async def collect_solana(
    source: SolanaSource, wallets: Collection[Pubkey], mint: Pubkey | None
) -> SolanaEvidence:
    """Collect the balance of a token, or of SOL if `mint` is None.

    Raises:
        SourceError: the facts cannot be had.
    """
    who = frozenset(wallets)
    final = {"commitment": "finalized"}
    if mint is None:
        found = [await source.ask("getBalance", str(wallet), final) for wallet in sorted(who, key=bytes)]
        total = sum(_amount(value) for _, value in found)
        return SolanaEvidence(who, SOL_DECIMALS, total, min((slot for slot, _ in found), default=0))
    wanted = {**final, "encoding": "base64"}
    slot, info = await source.ask("getAccountInfo", str(mint), wanted)
    program, data = _account(info)
    if program not in TOKEN_PROGRAMS or len(data) < _MINT_BYTES:
        raise SourceError("refused", f"{mint} is no mint of a token program")
    decimals, total = Mint.from_bytes(data[:_MINT_BYTES]).decimals, 0
    for wallet in sorted(who, key=bytes):
        at, held = await source.ask("getTokenAccountsByOwner", str(wallet), {"mint": str(mint)}, wanted)
        slot = min(slot, at)
        total += sum(_tokens(entry, wallet, mint, program) for entry in _unique(held))
    return SolanaEvidence(who, decimals, total, slot)


async def observe_solana(
    checks: Collection[CheckCondition], source: SolanaSource | None, wallets: Collection[Pubkey], now_s: int
) -> dict[Hash32, Observation]:
    """Answer every `solana.` check of a policy; what cannot be had is not known (ONC-003)."""
    found: dict[Hash32, Observation] = {}
    for check in checks:
        if not check.validator.startswith("solana."):
            continue
        asked = check.parameters["token"]
        try:
            if source is None:
                raise SourceError("unavailable", "no endpoint is configured")
            evidence = await collect_solana(
                source, wallets, None if asked == "native" else Pubkey.from_string(asked)
            )
        except (SourceError, ValueError) as error:
            found[check.key] = Observation(None, now_s, "Solana", str(error))
            continue
        value = balance(evidence)
        reason = f"{value:f} over {len(evidence.wallets)} wallets"
        found[check.key] = Observation(value, now_s, f"Solana slot {evidence.slot}", reason)
    return found


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
