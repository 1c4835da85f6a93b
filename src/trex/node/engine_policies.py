"""`trex engine policies`: documents of policies for the lake, so that badges prove something."""

from pathlib import Path

import click

from trex.badges.policy import PolicyError
from trex.engine.lake.proved import keep_policy


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("engine"),
    show_default=True,
    help="Of the engine.",
)
def policies(files: tuple[Path, ...], folder: Path) -> None:
    """Take documents of policies into the lake: what their badges prove is then known of who holds them.

    The chain knows a document by its hash alone; one that no policy names changes nothing.
    """
    for path in files:
        try:
            click.echo(f"{keep_policy(folder / 'lake', path.read_bytes())}  {path}")
        except (PolicyError, OSError) as error:
            raise click.ClickException(f"{path}: {error}") from error
