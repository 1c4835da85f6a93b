"""`trex engagement`: rewards of epochs, computed from a chain by anyone."""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click
import orjson
from sqlalchemy.exc import SQLAlchemyError

from trex.engagement import epochs
from trex.engagement.epochs import EpochError, Recomputed
from trex.engagement.terms import ETHER, Credit, Terms, TermsError
from trex.engagement.tree import RewardTree
from trex.gateway import rewards
from trex.gateway.service import Gateway
from trex.node.gateway import CONFIG, read
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts
from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import RefusedError, UnavailableError
from trex.types.evm import read_address
from trex.types.primitives import Address, Hash32

JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
TIMEOUT_S = 60.0
DAY_S = 86_400
NO_TOKEN = Address(bytes(20))

_T = TypeVar("_T")


@click.group()
def engagement() -> None:
    """Rewards of epochs: compute them from the chain, compare, publish."""


@engagement.command()
@click.argument("epoch", type=click.IntRange(1))
@click.option(
    "--rpc", "url", required=True, metavar="URL", help="JSON-RPC of the chain; nothing else is asked."
)
@click.option(
    "--claims",
    "claims_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write every reward with its proof to this file.",
)
@JSON
def recompute(epoch: int, url: str, claims_file: Path | None, as_json: bool) -> None:
    """Compute the rewards of EPOCH anew, by the published formula, and compare with what was published.

    Exit code 0: the same; 1: it differs, and says in what. The endpoint must have state of the epoch's last
    block.
    """
    found = _with(url, lambda client: epochs.recompute(client, epoch))
    if claims_file:
        claims_file.write_bytes(orjson.dumps(claims_json(found.tree), option=orjson.OPT_INDENT_2))
    if as_json:
        click.echo(orjson.dumps(_json(found), option=orjson.OPT_INDENT_2).decode())
    else:
        terms = found.terms
        click.echo(f"epoch {epoch}, blocks {terms.from_block} to {terms.to_block}")
        click.echo(f"{len(found.tree.rewards)} rewards, {found.tree.total} of at most {terms.budget}")
        click.echo(f"root 0x{found.tree.root.hex()}")
        click.echo("\n".join(found.faults) or "as published")
    if found.faults:
        raise SystemExit(1)


@engagement.command()
@CONFIG
@click.option(
    "--terms",
    "terms_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Budget and bounds, as TOML; docs/gateway.md lists the keys.",
)
@click.option("--to-block", type=click.IntRange(1), help="Last block; default is the newest that is final.")
@click.option("--dry-run", is_flag=True, help="Compute and show, publish nothing.")
@JSON
def publish(config_file: Path, terms_file: Path, to_block: int | None, dry_run: bool, as_json: bool) -> None:
    """Compute the next epoch and have the running gateway attest and publish it."""
    config = read(config_file)
    try:
        told = tomllib.loads(terms_file.read_text())
        days = told.pop("claim_days", 60)
        if type(days) is not int or not 32 <= days <= 3_650:
            raise TermsError("claim_days is a whole number from 32 to 3650")

        async def prepare(client: PersonaClient) -> tuple[Terms, RewardTree]:
            terms = await _next_terms(client, told, to_block)
            return terms, await epochs.compute(client, terms)

        terms, tree = _with(config.settings.rpc_url, prepare, config.settings.contracts)
    except (TermsError, tomllib.TOMLDecodeError) as error:
        raise click.ClickException(f"{terms_file}: {error}") from error
    if not tree.rewards:
        raise click.ClickException("nobody is rewarded: there is nothing to publish")
    said: dict[str, Any] = {
        "epoch": terms.epoch,
        "fromBlock": terms.from_block,
        "toBlock": terms.to_block,
        "rewards": len(tree.rewards),
        "total": str(tree.total),
        "root": f"0x{tree.root.hex()}",
        "terms": f"0x{terms.hash.hex()}",
    }
    if not dry_run:
        gateway = Gateway(config.settings, config.keys)
        try:
            said["job"] = asyncio.run(rewards.queue_epoch(gateway, terms, tree, days * DAY_S))
        except SQLAlchemyError as error:
            raise click.ClickException("the database is not a gateway's: start the gateway first") from error
    text = "\n".join(f"{name} {value}" for name, value in said.items())
    click.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode() if as_json else text)


async def _next_terms(client: PersonaClient, told: dict[str, Any], to_block: int | None) -> Terms:
    names = {"budget", "fee_share_bps", "units_per_ether", "token", "credits"}
    if unknown := told.keys() - names:
        raise TermsError(f"unknown: {', '.join(sorted(unknown))}")
    number = await epochs.count(client) + 1
    before = await epochs.newest_terms(client, number)
    final = int((await client.rpc.call("eth_getBlockByNumber", "finalized", False))["number"], 16)
    last = to_block or final
    if last > final:
        raise EpochError(f"block {last} is not final: the newest that is, is {final}")
    block = await client.rpc.call("eth_getBlockByNumber", hex(last), False)
    try:
        given = {
            scope: Credit(int(one["units"]), int(one["spread_s"]))
            for scope, one in told.get("credits", {}).items()
        }
        return Terms(
            chain_id=client.contracts.chain_id,
            epoch=number,
            from_block=before.to_block + 1 if before else 1,
            to_block=last,
            to_block_hash=Hash32(bytes.fromhex(block["hash"][2:])),
            token=read_address(told["token"]) if "token" in told else NO_TOKEN,
            budget=int(told["budget"]),
            fee_share_bps=int(told["fee_share_bps"]),
            units_per_ether=int(told.get("units_per_ether", ETHER)),
            credits=given,
        )
    except TermsError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise TermsError(f"{error} is missing" if isinstance(error, KeyError) else str(error)) from error


def claims_json(tree: RewardTree) -> list[dict[str, Any]]:
    """Write rewards as anyone may claim them: the contract's `claim` takes these four in this order."""
    return [
        {
            "index": one.index,
            "passport": one.passport,
            "amount": str(one.amount),
            "proof": [f"0x{node.hex()}" for node in one.proof],
        }
        for one in tree.rewards.values()
    ]


def _json(found: Recomputed) -> dict[str, Any]:
    return {
        "epoch": found.epoch.number,
        "equal": not found.faults,
        "faults": list(found.faults),
        "publishedRoot": f"0x{found.epoch.rewards.root.hex()}",
        "root": f"0x{found.tree.root.hex()}",
        "total": str(found.tree.total),
        "rewards": {str(one.passport): str(one.amount) for one in found.tree.rewards.values()},
        "terms": orjson.loads(found.terms.document),
    }


def _with(url: str, work: Callable[[PersonaClient], Awaitable[_T]], contracts: Contracts | None = None) -> _T:
    """Ask one chain, and put into words why it does not answer."""

    async def run() -> _T:
        async with aiohttp.ClientSession() as http:
            rpc = Endpoint(url, http, timeout_s=TIMEOUT_S)
            chain_id = int(await rpc.call("eth_chainId"), 16)
            return await work(PersonaClient(rpc, contracts or Contracts(chain_id=chain_id)))

    try:
        return asyncio.run(run())
    except (EpochError, UnavailableError, RefusedError) as error:
        raise click.ClickException(str(error)) from error
