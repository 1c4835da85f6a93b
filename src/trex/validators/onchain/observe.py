"""Answer a policy's checks from chains: collect, then judge; what cannot be had is not known (ONC-003)."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.activity import SignatureError
from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.collect_token import collect_token
from trex.validators.onchain.metadata import Fetch
from trex.validators.onchain.moment import of_one_moment, require_one_moment
from trex.validators.onchain.observe_nft import answer_nft
from trex.validators.onchain.observe_web3 import answer_web3
from trex.validators.onchain.place import source_name
from trex.validators.onchain.source import EvmSource, SourceError
from trex.validators.onchain.token import answer_together

DAY_S = 86_400
NATIVE = "native"
"""How a policy names a chain's own coin."""


async def observe(
    checks: Collection[CheckCondition],
    sources: Mapping[int, EvmSource],
    wallets: Collection[Address],
    now_s: int,
    fetch: Fetch | None = None,
    blocks: Mapping[int, BlockRef] | None = None,
    since_s: int | None = None,
) -> dict[Hash32, Observation]:
    """Answer every `token.`, `nft.` and `web3.` check, those of a chain as of one final block of it.

    Args:
        checks: of a policy; others are left out.
        sources: chains by their id.
        wallets: all that the passport has linked.
        now_s: Unix time in seconds, for answers that are not known.
        fetch: brings metadata by content; None if no gateway is configured.
        blocks: as of which, by chain, of one moment where several count together (ONC-017); the newest that
            is final where none is named.
        since_s: Unix time before which activity does not count, whatever `days` says (TSK-008).
    """
    with ExitStack() as stack:
        for source in sources.values():
            stack.enter_context(source.remembering())
        return await _observed(checks, sources, wallets, now_s, fetch, dict(blocks or {}), since_s)


async def _observed(
    checks: Collection[CheckCondition],
    sources: Mapping[int, EvmSource],
    wallets: Collection[Address],
    now_s: int,
    fetch: Fetch | None,
    heads: dict[int, BlockRef],
    since_s: int | None,
) -> dict[Hash32, Observation]:
    found: dict[Hash32, Observation] = {}
    named = frozenset(heads)
    for check in checks:
        family = check.validator.partition(".")[0]
        if family not in ("token", "nft", "web3"):
            continue
        chains = [check.parameters["chain"], *(one["chain"] for one in check.parameters.get("also", ()))]
        if missing := [chain for chain in chains if chain not in sources]:
            why = "no endpoint is configured"
            found[check.key] = Observation(None, now_s, f"chain {missing[0]}", why)
            continue
        try:
            for chain in chains:
                if chain not in heads:
                    heads[chain] = await sources[chain].head()
            source, at = sources[chains[0]], heads[chains[0]]
            if family == "token":
                together = {chain: heads[chain] for chain in chains}
                if len(together) > 1 and together.keys() <= named:
                    await require_one_moment(sources, together)
                elif len(together) > 1:
                    together = await of_one_moment(sources, together)
                found[check.key] = await _answer_token(check, sources, wallets, together)
            elif family == "nft":
                found[check.key] = await answer_nft(check, source, wallets, fetch, at)
            else:
                found[check.key] = await answer_web3(check, source, wallets, at, since_s)
        except (SourceError, SignatureError) as error:
            found[check.key] = Observation(None, now_s, f"chain {chains[0]}", str(error))
    return found


async def _answer_token(
    check: CheckCondition,
    sources: Mapping[int, EvmSource],
    wallets: Collection[Address],
    blocks: Mapping[int, BlockRef],
) -> Observation:
    asked = check.parameters
    span = asked["days"] * DAY_S if "days" in asked else None
    places = dict.fromkeys((one["chain"], one["token"]) for one in (asked, *asked.get("also", ())))
    parts = []
    for chain, name in places:
        token = None if name == NATIVE else Address(bytes.fromhex(name[2:]))
        parts.append(await collect_token(sources[chain], wallets, token, history_s=span, block=blocks[chain]))
    value = answer_together(check.validator.removeprefix("token."), parts, asked.get("amount"))
    named = dict.fromkeys(source_name(chain, blocks[chain]) for chain, _ in places)
    where, at_s = "; ".join(named), min(part.block.timestamp_s for part in parts)
    if value is None:
        return Observation(None, at_s, where, "no history")
    rebased = any(part.rebases for part in parts)
    more = "; balances changed without transfers, the lesser counts" if rebased else ""
    return Observation(value, at_s, where, f"{value:f} over {len(parts[0].wallets)} wallets{more}")
