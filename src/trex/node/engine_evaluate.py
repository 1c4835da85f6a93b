"""`trex engine evaluate`: the models of the engine, measured."""

from dataclasses import asdict
from pathlib import Path

import click
import orjson

from trex.engine.models.evaluation import MODELS, Measure, measure
from trex.engine.models.interactions import Interactions, InteractionsError, read_split

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--train", required=True, type=FILE, help="What models learn from.")
@click.option("--test", required=True, type=FILE, help="What people used afterwards.")
@click.option("--k", default=20, show_default=True, type=click.IntRange(1), help="Length of the lists.")
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Choice(list(MODELS)),
    default=("graph-filter",),
    show_default=True,
    help="Measure this model; may be given more than once.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def evaluate(train: Path, test: Path, k: int, models: tuple[str, ...], as_json: bool) -> None:
    """Measure recommenders: Recall@K, NDCG@K and time to fit, beside popularity and ALS.

    Files hold a line for each person, `user item item ...`, or pairs `user item` set apart by tabs or commas
    (further columns are not read); `.gz` is understood.
    """
    try:
        learned, judged = read_split(train, test)
    except InteractionsError as error:
        raise click.ClickException(str(error)) from error
    if k > len(learned.items):
        raise click.BadParameter(f"there are {len(learned.items)} items", param_hint="--k")
    # Baselines stand beside every model: a figure alone says nothing.
    names = [name for name in MODELS if name in (*models, "popularity", "als")]
    if not as_json:
        click.echo(_described(learned, judged))
        click.echo(f"{'model':14}{f'Recall@{k}':>12}{f'NDCG@{k}':>12}{'fit':>10}{'rank all':>10}")
    measured = []
    for name in names:
        click.echo(f"fitting {name} ...", err=True)
        result = measure(name, learned.matrix, judged.matrix, k)
        measured.append(result)
        if not as_json:
            click.echo(_row(result))
    if as_json:
        click.echo(orjson.dumps({"k": k, "models": [asdict(result) for result in measured]}).decode())


def _described(train: Interactions, test: Interactions) -> str:
    return (
        f"{len(train.users):,} people, {len(train.items):,} items, "
        f"{train.matrix.nnz:,} interactions to learn from, {test.matrix.nnz:,} to be judged by"
    )


def _row(result: Measure) -> str:
    return (
        f"{result.model:14}{result.recall:>12.4f}{result.ndcg:>12.4f}"
        f"{result.fit_s:>8.1f} s{result.score_s:>8.1f} s"
    )
