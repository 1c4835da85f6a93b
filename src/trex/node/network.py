"""`trex network`: look at a network file."""

from pathlib import Path

import click
import orjson

from trex.types.network import Network
from trex.types.network_file import NetworkFileError, read_network

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.group()
def network() -> None:
    """Look at a network file: name, parameters, genesis and predeployed code in one document."""


@network.command("hash")
@FILE
@JSON
def hash_(file: Path, as_json: bool) -> None:
    """Print the hash that names the network (NET-005)."""
    found = f"0x{_read(file).hash.hex()}"
    click.echo(_json({"hash": found}) if as_json else found)


@network.command()
@FILE
@JSON
def lint(file: Path, as_json: bool) -> None:
    """Check a network file against every rule of specs/network.md; exit code 1 names the rule broken."""
    try:
        read_network(file.read_bytes())
    except NetworkFileError as error:
        broken = {"valid": False, "path": error.path, "rule": error.rule, "reason": error.reason}
        click.echo(_json(broken) if as_json else f"{file}: {error}")
        raise SystemExit(1) from error
    click.echo(_json({"valid": True}) if as_json else f"{file}: valid")


@network.command()
@FILE
@JSON
def show(file: Path, as_json: bool) -> None:
    """Summarise a network file."""
    summary = _summary(_read(file))
    if as_json:
        click.echo(_json(summary))
        return
    width = max(map(len, summary))
    for key, value in summary.items():
        click.echo(f"{key:{width}}  {value}")


def _read(file: Path) -> Network:
    try:
        return read_network(file.read_bytes())
    except NetworkFileError as error:
        raise click.ClickException(f"{file}: {error}") from error


def _summary(network: Network) -> dict[str, str | int]:
    """The figures one asks for first, by the names the file has for them."""
    parameters = network.parameters
    return {
        "name": network.name,
        "chainId": network.chain_id,
        "hash": f"0x{network.hash.hex()}",
        "timestamp": network.genesis.timestamp,
        "gasLimit": network.genesis.gas_limit,
        "baseFeeWei": network.genesis.base_fee_wei,
        "blockTimeMs": parameters.block_time_ms,
        "maxIdleMs": parameters.max_idle_ms,
        "elasticity": parameters.elasticity,
        "baseFeeDenominator": parameters.base_fee_denominator,
        "minBaseFeeWei": parameters.min_base_fee_wei,
        "l1BaseFeeScalar": parameters.l1_base_fee_scalar,
        "l1BlobBaseFeeScalar": parameters.l1_blob_base_fee_scalar,
        "accounts": len(network.alloc),
        "contracts": sum(1 for account in network.alloc.values() if account.code),
    }


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
