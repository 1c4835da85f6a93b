"""The `trex` command: what it can do, by name. Each command lives in a module of its own."""

import click

from trex.node.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "network": LazyCommand("trex.node.network:network", "Look at a network file."),
    "version": LazyCommand("trex.node.version:version", "Version and build of this program."),
}
"""Every command of `trex`, in the order its help shows them."""


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trex", prog_name="trex")
def main() -> None:
    """T-Rex: an EVM-compatible optimistic rollup for personas."""
