"""Options that serving commands share: from the command line, TREX_*, a TOML file, or their default."""

import dataclasses
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from trex.chain.assembly import NodeSettings
from trex.chain.limits import CoreLimits, ServerLimits
from trex.chain.producer import Mining
from trex.chain.rpc.access import Access, read_secret
from trex.node.files import openrpc_file
from trex.node.logs import LEVELS

F = TypeVar("F", bound=Callable[..., Any])

MINING = {"slots": Mining(), "instant": Mining(slots=False, instant=True), "manual": Mining(slots=False)}
MINING_HELP = (
    "What causes a block: the network's slots, each transaction at once (as test suites written for anvil or "
    "Hardhat expect), or requests only."
)
PATH = click.Path(path_type=Path, file_okay=False)
"""Of a folder, there or not."""
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the shared options came to."""

    settings: NodeSettings
    core_limits: CoreLimits
    history_blocks: int | None
    cache_bytes: int
    log_level: str
    log_json: bool


def option(name: str, *variables: str, **attributes: Any) -> Callable[[F], F]:
    """Return a click option that TREX_NAME sets as well; `variables` as click's other names."""
    variable = "TREX_" + name.strip("-").upper().replace("-", "_")
    return click.option(name, *variables, envvar=variable, show_envvar=True, **attributes)


def read_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Take defaults from a TOML file whose keys are the options' names, and a table `limits`."""
    if path is None:
        return
    try:
        given = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise click.BadParameter(f"{path}: {error}") from None
    known = {parameter.name: parameter for parameter in context.command.params}
    defaults: dict[str, Any] = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name == "limits":
            if not isinstance(value, dict):
                raise click.BadParameter(f"{path}: limits: expected a table")
            defaults["limit"] = [f"{limit}={number}" for limit, number in value.items()]
        elif name in known and name != "config":
            defaults[name] = value
        else:
            raise click.BadParameter(f"{path}: no option is called {key}")
    context.default_map = defaults


class History(click.ParamType[int | str]):
    """`archive`, or a number of blocks."""

    name = "archive|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read it; `archive` stays a word, since None means that nothing was given."""
        if value == "archive":
            return "archive"
        try:
            blocks = int(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is neither archive nor a number of blocks", param, ctx)
        if blocks < 1:
            self.fail("keep at least one block", param, ctx)
        return blocks


def serving_options(command: F) -> F:
    """Add the options of serving to a command, which passes them to `read_options`."""
    for add in reversed(
        (
            option(
                "--config",
                type=FILE,
                is_eager=True,
                expose_value=False,
                callback=read_config,
                help="TOML file: keys are the names of these options, and a table [limits].",
            ),
            option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
            option(
                "--port",
                type=click.IntRange(0, 65535),
                default=9545,
                show_default=True,
                help="Port of HTTP and WebSocket; 0 takes a free one.",
            ),
            option(
                "--allowed-host",
                multiple=True,
                help="Host name under which requests may come beside localhost and IP addresses; * for any.",
            ),
            option("--cors-origin", multiple=True, help="Origin whose pages may read answers; * for any."),
            option(
                "--jwt-secret", type=FILE, help="File with 32 bytes as hex: opens admin methods to tokens."
            ),
            option(
                "--history",
                type=History(),
                default="archive",
                show_default=True,
                help="How many blocks of state history to keep.",
            ),
            option(
                "--cache-mb",
                type=click.IntRange(8),
                default=512,
                show_default=True,
                help="Memory for the store's cache.",
            ),
            option(
                "--limit", multiple=True, metavar="NAME=VALUE", help="Set a limit; see `trex node limits`."
            ),
            option(
                "--build-budget-ms",
                type=click.IntRange(1),
                help="How long a block takes in transactions; by default one slot.",
            ),
            option("--openrpc", type=FILE, help="Document that rpc.discover answers with."),
            option("--log-json", is_flag=True, help="Write logs as JSON."),
        )
    ):
        command = add(command)
    return command


def log_level_option(default: str) -> Callable[[F], F]:
    """Return the option of how much to log."""
    return option(
        "--log-level", type=click.Choice(LEVELS), default=default, show_default=True, help="What to log."
    )


def read_limits(given: tuple[str, ...]) -> tuple[ServerLimits, CoreLimits]:
    """Read NAME=VALUE pairs.

    Raises:
        click.BadParameter: there is no such limit, or it cannot have this value.
    """
    server = {field.name: type(field.default) for field in dataclasses.fields(ServerLimits)}
    core = {field.name for field in dataclasses.fields(CoreLimits)}
    values: dict[str, float] = {}
    for pair in given:
        name, _, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        kind: type = server.get(name, int)
        if name not in server and name not in core:
            raise click.BadParameter(
                f"no limit is called {name!r}; `trex node limits` lists them", param_hint="--limit"
            )
        try:
            value = kind(text)
        except ValueError:
            raise click.BadParameter(f"{name}: {text!r} is not a number", param_hint="--limit") from None
        if not value > 0:
            raise click.BadParameter(f"{name}: must be above zero", param_hint="--limit")
        values[name] = value
    return (
        dataclasses.replace(ServerLimits(), **{k: v for k, v in values.items() if k in server}),  # type: ignore[arg-type]
        dataclasses.replace(CoreLimits(), **{k: int(v) for k, v in values.items() if k in core}),
    )


def read_options(
    *,
    host: str,
    port: int,
    allowed_host: tuple[str, ...],
    cors_origin: tuple[str, ...],
    jwt_secret: Path | None,
    history: int | str,
    cache_mb: int,
    limit: tuple[str, ...],
    build_budget_ms: int | None,
    openrpc: Path | None,
    log_json: bool,
    log_level: str,
    mining: str = "slots",
    produce: bool = True,
) -> Options:
    """Bring the shared options into the form the node takes."""
    server_limits, core_limits = read_limits(limit)
    try:
        secret = read_secret(jwt_secret) if jwt_secret else None
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="--jwt-secret") from None
    access = Access(
        hosts=frozenset({"localhost", *(name.lower() for name in allowed_host)}),
        origins=frozenset(origin.lower() for origin in cors_origin),
        jwt_secret=secret,
    )
    settings = NodeSettings(
        host=host,
        port=port,
        limits=server_limits,
        access=access,
        produce=produce,
        mining=MINING[mining],
        build_budget_ms=build_budget_ms,
        openrpc=openrpc or openrpc_file(),
    )
    return Options(
        settings=settings,
        core_limits=core_limits,
        history_blocks=None if isinstance(history, str) else history,
        cache_bytes=cache_mb << 20,
        log_level=log_level,
        log_json=log_json,
    )
