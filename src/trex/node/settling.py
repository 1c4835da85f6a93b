"""What a node needs to follow L1: options of the command line, and the parts put together."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click

from trex.chain.assembly import Node
from trex.chain.core import SettledCore
from trex.node.options import FILE, PATH, option
from trex.rpc.endpoint import Endpoint
from trex.settlement.driver import Driver, Following
from trex.settlement.feed.message import Signatures
from trex.settlement.feed.reader import FeedReader
from trex.settlement.feed.server import Feed
from trex.settlement.l1.blobs import BeaconBlobs, Blobs, BlobSource, FolderBlobs
from trex.settlement.l1.errors import L1RefusedError, L1UnavailableError
from trex.settlement.l1.reader import L1Reader, Retries
from trex.settlement.progress import DriverMetrics
from trex.settlement.relay import SequencerRelay
from trex.settlement.rpc import SettlementMethods
from trex.settlement.selection import OriginSelection
from trex.settlement.throttle import BLOBS_PER_L1_BLOCK
from trex.settlement.watch import sequencer_at, settlement_of
from trex.types.network import Network
from trex.types.primitives import Address

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

ROLES = ("sequencer", "verifier")
ANVIL_CHAIN_ID = 31_337
"""anvil's beacon API counts slots by blocks."""


@dataclass(frozen=True, slots=True)
class L1Options:
    """How a node follows L1."""

    role: str = "sequencer"
    """One of `ROLES`."""
    l1: tuple[str, ...] = ()
    """JSON-RPC endpoints of L1; a majority must agree."""
    beacon: tuple[str, ...] = ()
    """Beacon nodes, or archives with the same API."""
    blob_folder: Path | None = None
    """Blobs as files, asked before beacon nodes."""
    sequencer: str | None = None
    """Where a verifier sends transactions."""
    feeds: tuple[str, ...] = ()
    """Nodes whose feed of unsafe blocks is followed."""
    feed_key: bytes | None = None
    """The sequencer's key: signs the feed."""
    confirmations: int = 0
    """L1 blocks above one before it is read."""
    origin_depth: int = 4
    """L1 blocks above one before a sequencer's blocks refer to it."""
    blobs_per_l1_block: float = BLOBS_PER_L1_BLOCK
    """That L1 is counted on to take from the batcher."""
    poll_s: float = 2.0
    """How often L1 is asked."""

    def check(self, network: Network) -> None:
        """Refuse what cannot work.

        Raises:
            click.ClickException: saying what is missing.
        """
        try:
            settlement_of(network)
        except ValueError as error:
            if self.role == "verifier" or self.l1:
                raise click.ClickException(str(error)) from error
            return
        if self.role == "verifier" and not self.l1:
            raise click.UsageError("a verifier derives the chain from L1: name it with --l1 URL")
        if self.l1 and not (self.beacon or self.blob_folder):
            raise click.UsageError(
                "batches are in blobs: name a beacon node with --beacon URL, or --blob-folder DIRECTORY"
            )


def l1_options(command: F) -> F:
    """Add the options of following L1 to a command, which passes them to `L1Options`."""
    for add in reversed(
        (
            option(
                "--role",
                type=click.Choice(ROLES),
                default="sequencer",
                show_default=True,
                help="Make blocks, or derive them from L1 alone.",
            ),
            option(
                "--l1", multiple=True, metavar="URL", help="L1 endpoint; of several a majority must agree."
            ),
            option("--beacon", multiple=True, metavar="URL", help="Beacon node or archive that has blobs."),
            option("--blob-folder", type=PATH, help="Folder of blobs, asked before beacon nodes."),
            option("--sequencer", metavar="URL", help="Node that a verifier sends transactions to."),
            option("--feed", multiple=True, metavar="URL", help="Node whose newest blocks are taken."),
            option(
                "--feed-key",
                type=FILE,
                help="File with the sequencer's key: signs the feed.",
            ),
            option(
                "--l1-confirmations",
                type=click.IntRange(0),
                default=0,
                show_default=True,
                help="L1 blocks above one before it is read.",
            ),
            option(
                "--origin-depth",
                type=click.IntRange(0),
                default=4,
                show_default=True,
                help="L1 blocks above one before a sequencer's blocks refer to it and hold its deposits.",
            ),
            option(
                "--blobs-per-l1-block",
                type=click.FloatRange(0, min_open=True),
                default=BLOBS_PER_L1_BLOCK,
                show_default=True,
                help="Blobs that L1 is counted on to take from the batcher: bounds what stands unposted.",
            ),
        )
    ):
        command = add(command)
    return command


@asynccontextmanager
async def settling(
    node: Node, chain: SettledCore, network: Network, datadir: Path, options: L1Options
) -> AsyncIterator[Driver | None]:
    """Let a node follow L1 as long as this lasts; None where it has been given none.

    Raises:
        click.ClickException: the endpoints are of another chain.
    """
    if not options.l1:
        if network.l1 is not None:
            log.warning("without --l1 no block becomes safe")
        yield None
        return
    settlement, _ = settlement_of(network)
    async with aiohttp.ClientSession() as session:
        reader = L1Reader(
            [Endpoint(url, session) for url in options.l1],
            settlement.chain_id,
            retries=Retries(budget_s=20.0),
        )
        try:
            await reader.check_chain()
        except L1RefusedError as error:
            raise click.ClickException(error.message) from error
        except L1UnavailableError as error:
            log.warning("L1 does not answer yet: %s", error)
        sources: list[BlobSource] = [
            BeaconBlobs(url, session, slot_is_block=settlement.chain_id == ANVIL_CHAIN_ID)
            for url in options.beacon
        ]
        if options.blob_folder is not None:
            sources.insert(0, FolderBlobs(options.blob_folder))
        driver = Driver(
            chain,
            network,
            reader,
            Blobs(sources, retries=Retries(budget_s=20.0)),
            datadir,
            following=Following(
                poll_s=options.poll_s,
                confirmations=options.confirmations,
                blobs_per_l1_block=options.blobs_per_l1_block,
            ),
            host=node,
            metrics=DriverMetrics(node.metrics.registry),
        )
        methods = SettlementMethods(driver, options.role, node.workers)
        node.subscriptions.sync_status = methods.syncing
        if options.role == "verifier":
            sequencer = Endpoint(options.sequencer, session) if options.sequencer else None
            node.transactions.relay = SequencerRelay(sequencer)
        else:
            node.producer.l1 = OriginSelection(driver, options.origin_depth).view
        if options.feed_key is not None or options.feeds:
            signatures = Signatures(network.chain_id, options.feed_key)
            feed = Feed(chain, signatures, registry=node.metrics.registry)
            node.join(feed, routes={"/feed": feed.serve}, heads=feed.sealed)
            if options.feeds:
                follower = FeedReader(
                    chain,
                    node,
                    options.feeds,
                    session,
                    signatures,
                    lambda: _sequencer(driver),
                    registry=node.metrics.registry,
                )
                methods.feed = follower.status
                node.join(follower)
        node.join(driver, methods=methods.table())
        yield driver


async def _sequencer(driver: Driver) -> Address:
    """Return who signs the feed, as L1 has it now (FED-004)."""
    heads = driver.l1_heads or await driver.reader.heads()
    return await sequencer_at(driver.reader, driver.contracts.inbox, heads.latest)
