"""Answer a policy's checks of Solana."""

from collections.abc import Collection

from solders.pubkey import Pubkey

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.types.primitives import Hash32
from trex.validators.onchain.solana import SolanaSource, collect_solana
from trex.validators.onchain.solana_history import collect_history
from trex.validators.onchain.source import SourceError
from trex.validators.onchain.token import answer

DAY_S = 86_400
NATIVE = "native"
"""How a policy names SOL."""


async def observe_solana(
    checks: Collection[CheckCondition], source: SolanaSource | None, wallets: Collection[Pubkey], now_s: int
) -> dict[Hash32, Observation]:
    """Answer every `solana.` check of a policy; what cannot be had is not known (ONC-003)."""
    found: dict[Hash32, Observation] = {}
    for check in checks:
        if not check.validator.startswith("solana."):
            continue
        try:
            if source is None:
                raise SourceError("unavailable", "no endpoint is configured")
            found[check.key] = await _answer(check, source, wallets, now_s)
        except (SourceError, ValueError) as error:
            found[check.key] = Observation(None, now_s, "Solana", str(error))
    return found


async def _answer(
    check: CheckCondition, source: SolanaSource, wallets: Collection[Pubkey], now_s: int
) -> Observation:
    asked = check.parameters
    mint = None if asked["token"] == NATIVE else Pubkey.from_string(asked["token"])
    if "days" in asked:
        evidence = await collect_history(source, wallets, mint, asked["days"] * DAY_S)
    else:
        evidence = await collect_solana(source, wallets, mint)
    at_s = now_s if evidence.timestamp_s is None else evidence.timestamp_s
    where = f"Solana slot {evidence.slot}"
    value = answer(check.validator.removeprefix("solana."), evidence, asked.get("amount"))
    if value is None:
        return Observation(None, at_s, where, "no history")
    return Observation(value, at_s, where, f"{value:f} over {len(evidence.wallets)} wallets")
