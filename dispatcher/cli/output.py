"""How the commands speak: one JSON object on stdout with `--json`, else tables; notes and errors go to stderr."""

import json
import os
import select
import sys
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dispatcher.domain.display import in_json, shown
from dispatcher.i18n.words import translated

FAILED, BAD_USAGE, TERMINATED, NO_READER = 1, 2, 143, 141


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would exit with 1."""
        end_without_reader()


def end_without_reader() -> NoReturn:
    """End as `| head` expects: quietly, also at the interpreter's own last flush."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    sys.exit(NO_READER)


def reader_is_gone() -> bool:
    """Whether stdout is a pipe that nobody reads."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


class Output:
    """Where a command's answer goes."""

    def __init__(self, as_json: bool) -> None:
        """Tables to stdout, or one JSON object instead; notes to stderr."""
        self.as_json = as_json
        self.console = _Console(quiet=as_json, highlight=False)
        self.notes = Console(stderr=True, highlight=False)

    def answer(self, value: dict[str, Any]) -> None:
        """The command's one JSON object; nothing without `--json`."""
        if self.as_json:
            click.echo(in_json(writable(json.dumps(value, ensure_ascii=False, default=str))))

    def say(self, text: str) -> None:
        """A line for people."""
        _print_line(self.console, Text(shown(writable(text))))

    def note(self, text: str) -> None:
        """A line for people that is not the answer."""
        _print_line(self.notes, Text(shown(writable(text))))

    def table(self, title: str, columns: list[str], rows: list[list[Any]], right: tuple[str, ...] = ()) -> None:
        """A table, unless there is nothing in it; title and headings in the reader's language, where it has them."""
        if not rows:
            return
        table = Table(title=translated(title), title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(translated(column), justify="right" if column in right else "left", overflow="fold")
        for row in rows:
            # A reply or a rejected row may hold what rich takes for markup, or a terminal for orders.
            table.add_row(*(Text("" if cell is None else shown(writable(str(cell)))) for cell in row))
        self.console.print(table)

    def fail(self, error: str, hint: str | None, code: int) -> NoReturn:
        """End the command; with `--json` the error is the one object."""
        if self.as_json:
            self.answer({"error": error, "hint": hint})
        else:
            _print_line(self.notes, Text.assemble((translated("Error:"), "bold red"), " ", shown(writable(error))))
            if hint:
                _print_line(self.notes, Text.assemble((translated("What to do:"), "bold"), " ", shown(writable(hint))))
        sys.exit(code)


def _print_line(console: Console, line: Text) -> None:
    """One line, which a name in it cannot break: away from a terminal nothing is wrapped either."""
    console.print(line, soft_wrap=not console.is_terminal)


def writable(text: str) -> str:
    """A file's name may hold bytes that are no text; in JSON, too, this writes them as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
