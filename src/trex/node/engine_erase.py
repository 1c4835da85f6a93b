"""`trex engine erase`: a person's wish to be forgotten, carried out."""

from pathlib import Path

import click

from trex.engine.bi import state
from trex.engine.erase import erase as erased
from trex.engine.graph.store import GraphError
from trex.engine.lake.erasure import ErasureError
from trex.engine.lake.lake import LakeError
from trex.engine.pipeline.log import LogError
from trex.engine.run import EngineSettings
from trex.node.engine_run import FOLDER, GRAPH, LOG
from trex.node.engine_serve import within
from trex.node.options import option


@click.command()
@click.argument("passport", type=click.IntRange(1))
@option("--chain", type=click.IntRange(1), default=1962, show_default=True, help="Chain of the passport.")
@FOLDER
@LOG
@GRAPH
@click.confirmation_option(prompt="What is erased does not come back. Go on?")
def erase(passport: int, chain: int, folder: Path, log: str, graph: str) -> None:
    """Erase a person from log, lake and graph: their passport, badges, words, wallets.

    What others did with their wallets stays, with other names in their place. No older version of a table is
    kept. Stages must be stopped; afterwards every file is searched for the names.
    """
    try:
        report = erased(EngineSettings(folder, log=log, graph=graph), chain, str(passport))
    except (ErasureError, GraphError, LakeError, LogError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if (folder / "bi.sqlite").exists():
        within(folder, "", lambda tx, _: state.forget(tx, str(passport)))
    click.echo(f"{report.records} records and {report.rows} rows changed or gone")
    if report.left:
        raise click.ClickException(f"names can still be read in {', '.join(report.left)}")
    click.echo("no file holds a name any more")
