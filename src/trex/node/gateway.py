"""`trex gateway`: the persona service."""

from pathlib import Path

import click

from trex.gateway.config import ConfigError, read_config
from trex.gateway.serve import serve
from trex.gateway.service import Gateway
from trex.node.logs import LEVELS, set_up


@click.group()
def gateway() -> None:
    """The persona service: sign in, link, evaluate, grant."""


@gateway.command()
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the operator decides, as TOML; docs/gateway.md lists the keys.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--log-json", is_flag=True, help="One JSON object a line.")
def run(config_file: Path, log_level: str, log_json: bool) -> None:
    """Serve until SIGINT or SIGTERM."""
    set_up(log_level, log_json)
    try:
        config = read_config(config_file.read_text(), config_file.parent)
    except ConfigError as error:
        raise click.ClickException(f"{config_file}: {error}") from error

    def started(host: str, port: int) -> None:
        click.echo(f"gateway on http://{host}:{port}, documents at /docs and /openapi.json")

    if not serve(Gateway(config.settings, config.keys), config.host, config.port, started):
        raise SystemExit(1)
