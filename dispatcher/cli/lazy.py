"""Groups that import a command when it is used: help needs no more than a table of names and short texts."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Lazy(NamedTuple):
    """A command that is not imported yet.

    Attributes:
        where: "module:attribute".
        help: the first sentence of its help, as the list of commands shows it.
    """

    where: str
    help: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, attribute = self.where.partition(":")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, click.Command), self.where
        return found


class LazyGroup(click.Group):
    """A group whose commands are listed in a table."""

    def __init__(self, *arguments: Any, table: Mapping[str, Lazy], **more: Any) -> None:
        """Take click's arguments and the table."""
        super().__init__(*arguments, **more)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the alphabet."""
        return sorted(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        lazy = self.table.get(cmd_name)
        return lazy.load() if lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Click's list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.table[name].help.removesuffix(".")) for name in self.list_commands(ctx)])
