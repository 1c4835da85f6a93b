"""The command line's help is a public surface: a change of it shows in review."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from trex.node.cli import COMMANDS, main

SNAPSHOT = Path(__file__).with_name("help.txt")


def pages(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    command._help_option = None  # click keeps it from whoever asked first, and by which names
    result = CliRunner().invoke(main, [*path, "--help"], terminal_width=100, prog_name="trex")
    assert result.exit_code == 0, result.output
    yield f"$ trex {' '.join([*path, '--help'])}\n{result.output}"
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from pages(child, (*path, name))


def test_help_is_as_committed() -> None:
    text = "\n".join(page for name in COMMANDS for page in pages(COMMANDS[name].load(), (name,)))
    if os.environ.get("TREX_WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(text)
    assert text == SNAPSHOT.read_text(), (
        "write it anew by TREX_WRITE_SNAPSHOTS=1 pytest tests/node/test_help.py"
    )
