"""`trex batcher`: the role that posts blocks to L1."""

import asyncio
from pathlib import Path

import click

from trex.node.logs import set_up
from trex.node.options import log_level_option, option
from trex.node.roles import GWEI, GweiAmount, endpoints, live, read_key, read_role_network, role_options
from trex.settlement.batcher import Batcher, BatcherState
from trex.settlement.blocks import NodeBlocks
from trex.settlement.carrier import EthereumBlobs
from trex.settlement.l1.sender import MOST, Pricing, Sender
from trex.settlement.l1.transaction import Fees
from trex.settlement.posting import Policy
from trex.settlement.roles import BatcherMetrics, watch_sender
from trex.settlement.target import Target
from trex.types.primitives import Wei

NORMAL = Policy()


@click.group()
def batcher() -> None:
    """Post a chain's blocks to L1."""


@batcher.command()
@role_options
@option(
    "--max-blobs",
    type=click.IntRange(1, 9),
    default=NORMAL.max_blobs,
    show_default=True,
    help="Blobs of one batch.",
)
@option(
    "--target-age",
    type=click.FloatRange(0),
    default=NORMAL.target_age_s,
    show_default=True,
    help="Post when the oldest transaction is this old, in seconds, if blobs are not dear.",
)
@option(
    "--max-age",
    type=click.FloatRange(0),
    default=NORMAL.max_age_s,
    show_default=True,
    help="Post at this age in seconds whatever blobs cost, also blocks without transactions.",
)
@option(
    "--usual-blob-fee",
    type=GweiAmount(),
    default="5",
    show_default=True,
    help="Blob base fee, in gwei, that is not dear.",
)
@option(
    "--max-blob-fee",
    type=GweiAmount(),
    default=str(MOST.blob_fee_wei // GWEI),
    show_default=True,
    help="Never offer more than this for blob gas, in gwei, also where a window of L1 is about to close.",
)
@option(
    "--patience",
    type=click.FloatRange(0, min_open=True),
    default=NORMAL.patience_s,
    show_default=True,
    help="Seconds of waiting that double the price accepted.",
)
@option(
    "--margin",
    type=click.FloatRange(0),
    default=NORMAL.margin_s,
    show_default=True,
    help="Seconds before a window of L1 closes at which price no longer matters.",
)
@option(
    "--replace-after",
    type=click.FloatRange(0, min_open=True),
    default=Pricing().longest_wait_s,
    show_default=True,
    help="Seconds until a transaction that is not included is replaced by a dearer one.",
)
@option(
    "--poll",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
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
    max_blobs: int,
    target_age: float,
    max_age: float,
    usual_blob_fee: Wei,
    max_blob_fee: Wei,
    patience: float,
    margin: float,
    replace_after: float,
    poll: float,
    log_level: str,
    log_json: bool,
) -> None:
    """Post the blocks of a node to L1, until SIGINT or SIGTERM.

    Nothing is kept: it may be killed and started again at any moment, and what comes next follows from L1.
    """
    set_up(log_level, log_json)
    document = read_role_network(network)
    account = read_key(key)
    if len(node_urls) != 1:
        raise click.ClickException("a batcher has one --node: the sequencer, whose blocks it posts")
    policy = Policy(max_blobs, target_age, max_age, usual_blob_fee, patience, margin)
    try:
        policy.check()
        target = Target.of(document)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    metrics = BatcherMetrics()
    pricing = Pricing(
        longest_wait_s=replace_after,
        poll_s=min(poll, 1.0),
        most=Fees(max_fee, MOST.priority_fee_wei, max_blob_fee),
    )
    state = BatcherState()

    async def work(stop: asyncio.Event) -> None:
        async with endpoints(l1_urls, document) as (reader, node):
            sender = Sender(reader, account, pricing=pricing)
            watch_sender(metrics.registry, "batcher", sender)
            role = Batcher(
                target,
                reader,
                NodeBlocks(node(node_urls[0])),
                EthereumBlobs(sender, target.inbox),
                policy=policy,
                poll_s=poll,
                metrics=metrics,
                state=state,
            )
            await role.run(stop)

    live(work, metrics_port=metrics_port, registry=metrics.registry, state=lambda: state)
