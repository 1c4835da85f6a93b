"""`trex rollup`: how a network stands on L1."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from trex.node.bridge import Context, bridge_options, duration, opened, run_in_words
from trex.settlement.blocks import NodeBlocks
from trex.settlement.contracts import contract
from trex.settlement.costs import batch_costs
from trex.settlement.inbox import BATCH_APPENDED, Carrier, PostedBatch, read_batches
from trex.settlement.l1.errors import L1RefusedError
from trex.settlement.l1.reader import read_log
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Hash32

HEADS = ("unsafe", "safe", "finalized", "l1", "l1Derived", "unposted")
CLAIM_STATUS = ("in its window", "rejected", "won")
"""Of a claim, in the order in which dispute games number it."""
LOOK_BACK_BLOCKS = 50_000
"""L1 blocks in which the newest batches are looked for: endpoints refuse longer ranges."""
COUNTED_BLOCKS = 5_000
"""Blocks whose transactions are counted, at most."""
TRUST = (
    "Data, order and deposits are L1's: nobody is trusted for them.",
    "Claims about outputs mature in a window and prove nothing yet: whoever holds the proposer's key can "
    "claim anything and take all ether, and only the disputer stands against it.",
    "One sequencer orders transactions; what it leaves out, anyone deposits on L1.",
)
"""What a user relies on today, and on whom."""


@click.group()
def rollup() -> None:
    """How a network stands on L1, and what must be trusted."""


@rollup.command()
@click.option(
    "--batches",
    type=click.IntRange(0, 100),
    default=10,
    show_default=True,
    help="How many of the newest batches to count the cost of.",
)
@bridge_options
def info(batches: int, **shared: Any) -> None:
    """Tell parameters, heads, what batches cost, and what has to be trusted."""

    async def work() -> None:
        async with opened(**shared) as context:
            found = await collect(context, batches)
            context.done(found, "\n".join(lines(found)))

    run_in_words(work)


async def collect(context: Context, batches: int) -> dict[str, Any]:
    """Return all that `trex rollup info` says."""
    settlement, network = context.settlement, context.network
    numbers = settlement.parameters
    return {
        "name": network.name,
        "chainId": network.chain_id,
        "l1ChainId": settlement.chain_id,
        "networkHash": _hex(network.hash),
        "parameters": {
            "blockTimeMs": network.parameters.block_time_ms,
            "gasLimit": network.genesis.gas_limit,
            **dict(sorted(numbers.items())),
        },
        "contracts": {name: checksum_address(at) for name, at in sorted(settlement.contracts.items())},
        "accounts": {name: checksum_address(at) for name, at in sorted(settlement.accounts.items())},
        "heads": await _heads(context),
        "batches": await _batches(context, batches),
        "bridge": await _bridge(context),
        "safety": {
            "proofs": "none: claims are trusted to mature",
            "claim": await _claim(context),
            "disputeWindowS": numbers["disputeWindowS"],
            "exitS": numbers["maxOriginLagL1Blocks"] * 12
            + numbers["silenceS"]
            + max(numbers["disputeWindowS"] + numbers["finalityDelayS"], numbers["proofMaturityS"]),
            "upgradeDelayS": numbers["timelockDelayS"],
            "trusted": list(TRUST),
        },
    }


async def _heads(context: Context) -> dict[str, Any]:
    try:
        status = await context.l2.ask("optimism_syncStatus")
    except L1RefusedError:  # a node that does not follow L1
        newest = int(await context.l2.ask("eth_blockNumber"), 16)
        return dict.fromkeys(HEADS) | {"unsafe": newest}
    return {
        "unsafe": status["unsafe_l2"]["number"],
        "safe": status["safe_l2"]["number"],
        "finalized": status["finalized_l2"]["number"],
        "l1": status["head_l1"]["number"],
        "l1Derived": status["current_l1"]["number"],
        "unposted": status.get("trex", {}).get("unposted"),
    }


async def _batches(context: Context, most: int) -> dict[str, Any]:
    inbox, l1 = context.settlement.contracts["inbox"], context.l1
    (count,) = await l1.call(inbox, "batchCount()", (), ["uint64"])
    found = await _newest(context, inbox, count, min(most, count))
    costs = await batch_costs(l1.reader, found)
    transactions = await _transactions(context, found)
    newest = found[-1] if found else None
    seconds = None
    if newest is not None:
        block = await l1.reader.block(newest.l1_hash)
        seconds = max(0, await l1.now() - block.timestamp)
    return {
        "count": count,
        "forced": sum(batch.header.carrier is Carrier.NONE for batch in found),
        "newestAgeS": seconds,
        "counted": len(costs.batches),
        "l1Gas": costs.l1_gas,
        "blobGas": costs.blob_gas,
        "costWei": str(costs.cost_wei),
        "costWeiEach": str(costs.cost_wei // len(costs.batches)) if costs.batches else None,
        "transactions": transactions,
        "costWeiTransaction": str(costs.cost_wei // transactions) if transactions else None,
    }


async def _transactions(context: Context, batches: Sequence[PostedBatch]) -> int | None:
    """Return how many transactions these batches hold, as the node read them.

    None where the node does not know them any more, or they are too many blocks to count.
    """
    told = (await context.l2.ask("trex_info")).get("batches", [])
    spans = {one["index"]: (one["firstBlock"], one["lastBlock"]) for one in told}
    wanted = [spans.get(batch.header.index) for batch in batches]
    known = [span for span in wanted if span is not None]
    blocks = sum(last + 1 - first for first, last in known)
    if len(known) < len(wanted) or blocks > COUNTED_BLOCKS:
        return None
    source, count = NodeBlocks(context.l2.reader.endpoints[0]), 0
    for first, last in known:
        count += sum(len(block.transactions) for block in await source.blocks(first, last))
    return count


async def _newest(context: Context, inbox: Address, count: int, most: int) -> list[PostedBatch]:
    """Return the newest batches, checked by the inbox's accumulators; none when they are too long ago."""
    if most == 0:
        return []
    first = count - most
    (before,) = await context.l1.call(inbox, "accumulatorAt(uint64)", (first,), ["bytes32"])
    head = int(await context.l1.ask("eth_blockNumber"), 16)
    query = {
        "address": _hex(inbox),
        "topics": [_hex(BATCH_APPENDED), [f"0x{index:064x}" for index in range(first, count)]],
        "fromBlock": hex(max(0, head - LOOK_BACK_BLOCKS)),
    }
    logs = [read_log(log) for log in await context.l1.ask("eth_getLogs", query)]
    return read_batches(logs, first, Hash32(before)) if len(logs) == most else []


async def _bridge(context: Context) -> dict[str, Any]:
    portal = context.settlement.contracts["portal"]
    held = int(await context.l1.ask("eth_getBalance", _hex(portal), "latest"), 16)
    (deposits,) = await context.l1.call(portal, "depositCount()", (), ["uint64"])
    return {"portalWei": str(held), "deposits": deposits}


async def _claim(context: Context) -> dict[str, Any] | None:
    """Return the newest claim."""
    claims, kind = context.settlement.contracts["outputClaims"], contract("MaturingClaims")
    (count,) = await context.l1.call(claims, "claimCount()", (), ["uint256"])
    if count == 0:
        return None
    at = count - 1
    answer = await context.l1.ask(
        "eth_call", {"to": _hex(claims), "data": _hex(kind.call("claimAt", at))}, "latest"
    )
    (claim,) = kind.result("claimAt", bytes.fromhex(answer[2:]))
    root, _, block, batches, created, *_ = claim
    (status,) = await context.l1.call(claims, "status(uint256)", (at,), ["uint8"])
    (until,) = await context.l1.call(claims, "disputableUntil(uint256)", (at,), ["uint64"])
    return {
        "id": at,
        "outputRoot": _hex(root),
        "l2Block": block,
        "batches": batches,
        "createdAt": created,
        "status": CLAIM_STATUS[status],
        "disputableS": max(0, until - await context.l1.now()),
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return it for people."""
    heads, batches, safety, claim = (
        found["heads"],
        found["batches"],
        found["safety"],
        found["safety"]["claim"],
    )
    out = [
        f"{found['name']}: chain id {found['chainId']}, on L1 {found['l1ChainId']}",
        f"heads      unsafe {heads['unsafe']}, safe {heads['safe']}, finalized {heads['finalized']}; "
        f"L1 read to {heads['l1Derived']} of {heads['l1']}",
        f"batches    {batches['count']}",
    ]
    if (waits := heads["unposted"]) is not None:
        out.insert(
            -1,
            f"unposted   {waits['transactions']} transactions in {waits['blocks']} blocks: "
            f"{waits['bytes'] / 1e6:.3g} MB of the {waits['mostBytes'] / 1e6:.3g} MB that L1 carries in time",
        )
    if batches["newestAgeS"] is not None:
        out[-1] += f", the newest {duration(batches['newestAgeS'])} ago"
    if batches["costWeiEach"] is not None:
        each = int(batches["costWeiEach"]) / 1e18
        out.append(f"cost       {each:.3g} ETH for each of the last {batches['counted']}")
    if batches["costWeiTransaction"] is not None:
        gwei = int(batches["costWeiTransaction"]) / 1e9
        out[-1] += f", {gwei:.3g} gwei for each of their {batches['transactions']} transactions"
    held = int(found["bridge"]["portalWei"]) / 1e18
    out.append(f"portal     {held:.6g} ETH, {found['bridge']['deposits']} deposits")
    if claim is not None:
        left = f", {duration(claim['disputableS'])} left" if claim["disputableS"] else ""
        out.append(f"claim      {claim['id']} about block {claim['l2Block']}: {claim['status']}{left}")
    out.append(
        f"leaving    takes at most {duration(safety['exitS'])} when everyone but L1 is against it; "
        f"changes wait {duration(safety['upgradeDelayS'])}"
    )
    return [*out, "trusted", *(f"  - {one}" for one in safety["trusted"])]


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
