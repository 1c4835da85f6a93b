"""`trex engine serve|key|member`: what projects and people reach over HTTP, and who may."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.engine.bi import state
from trex.engine.bi.http.app import make_app
from trex.engine.bi.service import QUOTA, Bi, BiSettings
from trex.engine.lake.tables import SILVER
from trex.hub.app import make_app as make_hub
from trex.node.engine_run import FOLDER
from trex.node.files import ROOT
from trex.node.logs import LEVELS, set_up
from trex.node.options import option
from trex.web import audit
from trex.web.database import DatabaseMismatchError
from trex.web.serve import serve as serve_app

T = TypeVar("T")

CHARTS = ROOT / "node_modules" / "echarts" / "dist" / "echarts.min.js"
DATABASE = option(
    "--database",
    default="",
    metavar="postgresql://USER@HOST/NAME",
    help="Where keys, audiences and studies are kept; by default bi.sqlite below --folder.",
)


@click.command()
@FOLDER
@DATABASE
@option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@option("--port", type=click.IntRange(0, 65535), default=9645, show_default=True, help="0 takes a free one.")
@option("--public-url", default="", metavar="ORIGIN", help="Under which people come; https if not local.")
@option(
    "--gateway", default="", metavar="ORIGIN", help="Persona gateway that signs people in, for the pages."
)
@option("--chain", type=click.IntRange(1), default=1962, show_default=True, help="Chain of the passports.")
@option("--trusted-proxy", multiple=True, help="Address whose X-Forwarded-For counts.")
@option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="What to log.")
@click.option("--log-json", is_flag=True, help="One JSON object a line.")
def serve(
    folder: Path,
    database: str,
    host: str,
    port: int,
    public_url: str,
    gateway: str,
    chain: int,
    trusted_proxy: tuple[str, ...],
    log_level: str,
    log_json: bool,
) -> None:
    """Serve audiences, cohorts, campaigns and experiments to projects, until interrupted.

    Projects ask at /bi/v1 with a key that `trex engine key new` made; /bi/docs describes it. With --gateway
    there are pages at /hub, for members of projects and for every person; the gateway, which signs them in,
    is under the same host.
    """
    set_up(log_level, log_json)
    if not (folder / "lake" / SILVER["links"].name.replace(".", "/")).is_dir():
        raise click.ClickException(f"no lake below {folder}: `trex engine run` makes one")
    settings = BiSettings(
        folder,
        public_url or f"http://{host}:{port}",
        chain=chain,
        gateway=gateway,
        database=database,
        trusted_proxies=trusted_proxy,
    )

    def started(at: str, number: int) -> None:
        click.echo(f"engine on http://{at}:{number}, documents at /bi/docs and /bi/openapi.json")

    try:
        app = make_hub(Bi(settings), CHARTS) if gateway else make_app(Bi(settings))
        if not serve_app(app, host, port, started):
            raise SystemExit(1)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def within(folder: Path, database: str, act: Callable[[AsyncConnection, Bi], Awaitable[T]]) -> T:
    """Do something in one transaction of the service's state."""

    async def done() -> T:
        settings = BiSettings(folder, "http://localhost", database=database)
        bi = Bi(settings)
        try:
            await bi.database.prepare()
            async with bi.database.transaction() as tx:
                return await act(tx, bi)
        finally:
            await bi.database.close()

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return asyncio.run(done())
    except (SQLAlchemyError, DatabaseMismatchError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


class ProjectName(click.ParamType[str]):
    """A project's name."""

    name = "project"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it: letters, digits, `_`, `.`, `-`."""
        if not re.fullmatch(rf"[\w.-]{{1,{state.LONGEST_NAME}}}", value):
            self.fail(f"{value!r} is no name of a project: letters, digits, `_`, `.`, `-`", param, ctx)
        return value


PROJECT = click.argument("project", type=ProjectName())
OPERATOR = "operator"
"""Whom the audit log names for what is done by commands."""


@click.group()
def key() -> None:
    """Make, list and revoke keys of projects."""


@key.command()
@PROJECT
@click.option("--label", default="", help="What its owner calls it.")
@click.option("--quota", type=click.IntRange(0), default=QUOTA, show_default=True, help="Units a day.")
@FOLDER
@DATABASE
def new(project: str, label: str, quota: int, folder: Path, database: str) -> None:
    """Make a key of PROJECT and print it, once: its hash alone is kept.

    The quota counts for all keys of the project. A question is a unit, and one more for 10 million values
    that it reads; a study is ten, and one more for 100,000 facts.
    """

    async def act(tx: AsyncConnection, bi: Bi) -> str:
        made = await state.new_key(tx, project, label[: state.LONGEST_NAME], quota, bi.now_s)
        await audit.record(tx, bi.now_s, OPERATOR, "new key", project, "done")
        return made

    click.echo(within(folder, database, act))


@key.command("list")
@FOLDER
@DATABASE
def list_(folder: Path, database: str) -> None:
    """List keys by their ids, with project, label and whether they open."""

    async def act(tx: AsyncConnection, _: Bi) -> list[state.KeyRow]:
        return await state.all_keys(tx)

    for row in within(folder, database, act):
        click.echo(f"{row.id}  {row.project}  {row.label or '-'}  {'revoked' if row.revoked_s else 'open'}")


@key.command()
@click.argument("key_id", metavar="ID")
@FOLDER
@DATABASE
def revoke(key_id: str, folder: Path, database: str) -> None:
    """Let the key ID open nothing any more, from the next request on."""

    async def act(tx: AsyncConnection, bi: Bi) -> bool:
        found = await state.revoke(tx, key_id, bi.now_s)
        await audit.record(tx, bi.now_s, OPERATOR, "revoke key", key_id, "done" if found else "not found")
        return found

    if not within(folder, database, act):
        raise click.ClickException(f"no open key {key_id}")
    click.echo(f"{key_id} is revoked")


@click.group()
def member() -> None:
    """Say whose passports may see a project's pages."""


@member.command()
@PROJECT
@click.argument("passport", type=click.IntRange(1))
@FOLDER
@DATABASE
def add(project: str, passport: int, folder: Path, database: str) -> None:
    """Let PASSPORT see the pages of PROJECT, and ask in its name."""

    async def act(tx: AsyncConnection, bi: Bi) -> bool:
        await state.know(tx, project, QUOTA, bi.now_s)
        found = await state.join(tx, project, str(passport))
        await audit.record(tx, bi.now_s, OPERATOR, "add member", f"{project}/{passport}", "done")
        return found

    click.echo("done" if within(folder, database, act) else "it was one already")


@member.command()
@PROJECT
@click.argument("passport", type=click.IntRange(1))
@FOLDER
@DATABASE
def remove(project: str, passport: int, folder: Path, database: str) -> None:
    """Take that away."""

    async def act(tx: AsyncConnection, bi: Bi) -> bool:
        found = await state.leave(tx, project, str(passport))
        await audit.record(tx, bi.now_s, OPERATOR, "remove member", f"{project}/{passport}", "done")
        return found

    if not within(folder, database, act):
        raise click.ClickException(f"passport {passport} is no member of {project}")
    click.echo("done")
