"""`trex engine features`: the catalogue."""

from dataclasses import asdict
from itertools import groupby

import click
import orjson

from trex.engine.lake.catalogue import catalogue


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def features(as_json: bool) -> None:
    """List what is known of a persona: id, unit, windows in days, source, freshness and meaning."""
    every = sorted(catalogue().values(), key=lambda feature: feature.dimension)
    if as_json:
        click.echo(orjson.dumps([asdict(feature) for feature in every]).decode())
        return
    for dimension, found in groupby(every, key=lambda feature: feature.dimension):
        click.echo(click.style(dimension.replace("_", " "), bold=True))
        for one in found:
            over = f", over {', '.join(map(str, one.windows))} days too" if one.windows else ""
            click.echo(f"  {one.id:26} {one.meaning} [{one.unit}; {one.source}, {one.freshness}{over}]")
    click.echo(f"{len(every)} features")
