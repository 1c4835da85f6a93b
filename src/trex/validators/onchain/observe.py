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
from trex.validators.onchain.observe_nft import answer_nft
from trex.validators.onchain.observe_web3 import answer_web3
from trex.validators.onchain.place import source_name
from trex.validators.onchain.source import EvmSource, SourceError
from trex.validators.onchain.token import answer

DAY_S = 86_400
NATIVE = "native"
"""How a policy names a chain's own coin."""


async def observe(
    checks: Collection[CheckCondition],
    sources: Mapping[int, EvmSource],
    wallets: Collection[Address],
    now_s: int,
    fetch: Fetch | None = None,
    block: BlockRef | None = None,
    since_s: int | None = None,
) -> dict[Hash32, Observation]:
    """Answer every `token.`, `nft.` and `web3.` check, those of a chain as of one final block of it.

    Args:
        checks: of a policy; others are left out.
        sources: chains by their id.
        wallets: all that the passport has linked.
        now_s: Unix time in seconds, for answers that are not known.
        fetch: brings metadata by content; None if no gateway is configured.
        block: as of which, for checks of one chain; None for the newest that is final.
        since_s: Unix time before which activity does not count, whatever `days` says (TSK-008).
    """
    with ExitStack() as stack:
        for source in sources.values():
            stack.enter_context(source.remembering())
        return await _observed(checks, sources, wallets, now_s, fetch, block, since_s)


async def _observed(
    checks: Collection[CheckCondition],
    sources: Mapping[int, EvmSource],
    wallets: Collection[Address],
    now_s: int,
    fetch: Fetch | None,
    block: BlockRef | None,
    since_s: int | None,
) -> dict[Hash32, Observation]:
    found: dict[Hash32, Observation] = {}
    heads: dict[int, BlockRef] = {}
    for check in checks:
        family = check.validator.partition(".")[0]
        if family not in ("token", "nft", "web3"):
            continue
        chain = check.parameters["chain"]
        if (source := sources.get(chain)) is None:
            found[check.key] = Observation(None, now_s, f"chain {chain}", "no endpoint is configured")
            continue
        try:
            at = block or heads.get(chain) or await source.head()
            heads[chain] = at
            if family == "token":
                found[check.key] = await _answer_token(check, source, wallets, at)
            elif family == "nft":
                found[check.key] = await answer_nft(check, source, wallets, fetch, at)
            else:
                found[check.key] = await answer_web3(check, source, wallets, at, since_s)
        except (SourceError, SignatureError) as error:
            found[check.key] = Observation(None, now_s, f"chain {chain}", str(error))
    return found


async def _answer_token(
    check: CheckCondition, source: EvmSource, wallets: Collection[Address], block: BlockRef | None
) -> Observation:
    parameters = check.parameters
    contract = parameters["token"]
    token = None if contract == NATIVE else Address(bytes.fromhex(contract[2:]))
    span = parameters["days"] * DAY_S if "days" in parameters else None
    evidence = await collect_token(source, wallets, token, history_s=span, block=block)
    value = answer(check.validator.removeprefix("token."), evidence, parameters.get("amount"))
    where = source_name(source.chain.chain_id, evidence.block)
    if value is None:
        return Observation(None, evidence.block.timestamp_s, where, "no history")
    rebased = "; balances changed without transfers, the lesser counts" if evidence.rebases else ""
    reason = f"{value:f} over {len(evidence.wallets)} wallets{rebased}"
    return Observation(value, evidence.block.timestamp_s, where, reason)
