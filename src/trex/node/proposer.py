"""`trex proposer`: the role that claims outputs on L1."""

import asyncio
from pathlib import Path

import click

from trex.node.logs import set_up
from trex.node.options import log_level_option, option
from trex.node.roles import endpoints, live, read_key, read_role_network, role_options
from trex.settlement.blocks import NodeBlocks
from trex.settlement.l1.sender import MOST, Pricing, Sender
from trex.settlement.l1.transaction import Fees
from trex.settlement.proposer import ClaimsTarget, Proposer, ProposerState
from trex.settlement.roles import ProposerMetrics, watch_sender
from trex.types.primitives import Wei


@click.group()
def proposer() -> None:
    """Claim a chain's outputs on L1."""


@proposer.command()
@role_options
@option(
    "--interval",
    type=click.FloatRange(0),
    default=3600.0,
    show_default=True,
    help="Seconds of L1 time between claims, at least.",
)
@option(
    "--poll",
    type=click.FloatRange(0, min_open=True),
    default=12.0,
    show_default=True,
    help="Seconds between looks at L1 and the node.",
)
@log_level_option("info")
def run(
    network: Path,
    l1_urls: tuple[str, ...],
    node_urls: tuple[str, ...],
    key: Path,
    metrics_port: int | None,
    max_fee: Wei,
    interval: float,
    poll: float,
    log_level: str,
    log_json: bool,
) -> None:
    """Claim outputs that finalized L1 blocks lead to, until SIGINT or SIGTERM.

    The first --node says what is claimed; nothing is claimed that another one contradicts. Nothing is kept:
    it may be killed and started again at any moment, and no claim is made twice.
    """
    set_up(log_level, log_json)
    document = read_role_network(network)
    account = read_key(key)
    try:
        target = ClaimsTarget.of(document)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    metrics = ProposerMetrics()
    pricing = Pricing(poll_s=min(poll, 1.0), most=Fees(max_fee, MOST.priority_fee_wei, MOST.blob_fee_wei))
    state = ProposerState()

    async def work(stop: asyncio.Event) -> None:
        async with endpoints(l1_urls, document) as (reader, node):
            sender = Sender(reader, account, pricing=pricing)
            watch_sender(metrics.registry, "proposer", sender)
            role = Proposer(
                target,
                reader,
                [NodeBlocks(node(url)) for url in node_urls],
                sender,
                interval_s=interval,
                poll_s=poll,
                metrics=metrics,
                state=state,
            )
            await role.run(stop)

    live(work, metrics_port=metrics_port, registry=metrics.registry, state=lambda: state)
