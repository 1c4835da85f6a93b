"""SOL and SPL tokens (Token, Token-2022) of all linked Solana wallets, from several endpoints (ONC-040)."""

import asyncio
import base64
from collections import Counter
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
from trex.types.primitives import Hash32
from trex.validators.onchain.source import ATTEMPTS, FIRST_PAUSE_S, MAX_ANSWER_BYTES, SourceError

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
        if not 0 < quorum <= len(endpoints):
            raise ValueError(f"a quorum of {quorum} among {len(endpoints)} endpoints")
        self.endpoints, self.quorum, self.session = tuple(endpoints), quorum, session
        self.timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def ask(self, method: str, *params: Any) -> tuple[int, Any]:
        """Return the slot and the value that the quorum says.

        Raises:
            SourceError: too few endpoints answer or agree.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(url, method, params)) for url in self.endpoints]
        answers = [result for task in tasks if isinstance(result := task.result(), tuple)]
        if len(answers) < self.quorum:
            raise SourceError("unavailable", f"{len(answers)} endpoints answer {method}")
        said = [orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for _, value in answers]
        most, votes = Counter(said).most_common(1)[0]
        if votes < self.quorum:
            raise SourceError("contradiction", f"endpoints differ on {method}: at most {votes} agree")
        slots = [slot for (slot, _), one in zip(answers, said, strict=True) if one == most]
        return min(slots), orjson.loads(most)

    async def _one(self, url: str, method: str, params: Sequence[Any]) -> tuple[int, Any] | None:
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        pause = FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(pause)
                pause *= 2
            try:
                async with self.session.post(
                    url,
                    data=body,
                    headers={"content-type": "application/json"},
                    timeout=self.timeout,
                    allow_redirects=False,
                ) as response:
                    response.raise_for_status()
                    raw = b""
                    while more := await response.content.read(1 << 20):
                        raw += more
                        if len(raw) > MAX_ANSWER_BYTES:
                            return None
                result = orjson.loads(raw)["result"]
                return int(result["context"]["slot"]), result["value"]
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
                continue
        return None


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
