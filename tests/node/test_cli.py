"""The command line's outer face."""

import subprocess
import sys
from importlib.metadata import version as installed_version

from click.testing import CliRunner

from trex.node.cli import COMMANDS, main


def test_version_names_package_and_build() -> None:
    result = CliRunner().invoke(main, ["version"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"trex {installed_version('trex')} (")
    assert "build)" in result.output


def test_version_option_agrees_with_installed_package() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.output == f"trex, version {installed_version('trex')}\n"


def test_help_lists_every_command_with_the_words_its_own_help_begins_with() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0, result.output
    for name, command in COMMANDS.items():
        assert name in result.output
        assert command.short_help in result.output
        assert (command.load().help or "").startswith(command.short_help.rstrip("."))


def test_help_imports_no_command() -> None:
    probe = (
        "import sys; from click.testing import CliRunner; from trex.node.cli import main, COMMANDS\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "loaded = {c.target.partition(':')[0] for c in COMMANDS.values()} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)


def test_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["no-such-command"])
    assert result.exit_code == 2
    assert "No such command" in result.output
