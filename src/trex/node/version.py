"""`trex version`: what exactly is running."""

import platform

import click

from trex.chain.build import core_build


@click.command()
def version() -> None:
    """Version and build of this program."""
    build = core_build()
    click.echo(f"trex {build.version} ({build.profile} build), Python {platform.python_version()}")
