"""A command group that imports a command only when it runs or shows its help."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives and the line that stands for it in its group's help."""

    target: str
    """`module:attribute` of a `click.Command`."""
    short_help: str
    """One line, shown without importing the module."""

    def load(self) -> click.Command:
        """Import the command.

        Raises:
            TypeError: the target is not a `click.Command`.
        """
        module, _, attribute = self.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is {type(command).__name__}, expected a click.Command")
        return command


class LazyGroup(click.Group):
    """A `click.Group` whose commands are named, not imported, so that `--help` costs no imports."""

    def __init__(
        self, *args: object, lazy: Mapping[str, LazyCommand], packages: str = "", **kwargs: object
    ) -> None:
        """Make a group of `lazy` commands by name; other arguments are `click.Group`'s.

        Args:
            args: as `click.Group` takes them.
            lazy: commands by name.
            packages: where packages that the commands need come from, if an installation may lack them.
            kwargs: as `click.Group` takes them.
        """
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.lazy, self.packages = dict(lazy), packages

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which they were given."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None when there is none of that name."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        try:
            return self.lazy[cmd_name].load()
        except ModuleNotFoundError as error:
            if not self.packages:
                raise
            raise click.ClickException(f"{error.name} is not installed: {self.packages}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands: the lazy ones by their one-line helps, then those of the group."""
        rows = [(name, command.short_help) for name, command in self.lazy.items()]
        rows += [(name, command.get_short_help_str(80)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
