"""How the commands speak: one JSON object on stdout with `--json`, else tables; notes and errors go to stderr."""

import json
import os
import select
import sys
from typing import Any, NoReturn

import click
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
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
        """A line for people, in their language: one with values was worded already."""
        _print_line(self.console, Text(shown(writable(translated(text)))))

    def note(self, text: str) -> None:
        """A line for people that is not the answer."""
        _print_line(self.notes, Text(shown(writable(translated(text)))))

    def asks(self, question: str) -> bool:
        """Whether a person at the terminal says yes; everything else is no."""
        self.note(question)
        typed = click.prompt(translated("[y/N]"), default="", show_default=False, err=True)
        return typed.strip().casefold() in _YES

    def table(self, title: str, columns: list[str], rows: list[list[Any]], right: tuple[str, ...] = ()) -> None:
        """A table, unless there is nothing in it; title and headings in the reader's language, where it has them.

        Where it would be wider than the terminal, and its cells would be cut into pieces, each row is a few lines.
        """
        if not rows:
            return
        # A reply or a rejected row may hold what rich takes for markup, or a terminal for orders.
        cells = [["" if cell is None else shown(writable(str(cell))) for cell in row] for row in rows]
        headings = [translated(column) for column in columns]
        if _needed(headings, cells) > self.console.width:
            self._records(translated(title), headings, cells)
            return
        table = Table(title=translated(title), title_justify="left", header_style="bold")
        for column, heading in zip(columns, headings, strict=True):
            table.add_column(heading, justify="right" if column in right else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        self.console.print(table)

    def _records(self, title: str, headings: list[str], rows: list[list[str]]) -> None:
        if title:
            self.console.print(Text(title, "italic"))
        for row in rows:
            self.console.print(Padding(_pairs(headings, row, self.console.width - 2), (0, 0, 0, 2)))

    def fail(self, error: str, hint: str | None, code: int) -> NoReturn:
        """End the command; with `--json` the error is the one object."""
        error, hint = translated(error), hint and translated(hint)
        if self.as_json:
            self.answer({"error": error, "hint": hint})
        else:
            _print_line(self.notes, Text.assemble((translated("Error:"), "bold red"), " ", shown(writable(error))))
            if hint:
                _print_line(self.notes, Text.assemble((translated("What to do:"), "bold"), " ", shown(writable(hint))))
        sys.exit(code)


_YES = {"y", "yes", "s", "si", "sí"}
_ENOUGH = 24
"""Columns that a cell of running text needs in a table."""


def _needed(headings: list[str], rows: list[list[str]]) -> int:
    """How wide a table must be so that no cell is cut into pieces smaller than `_ENOUGH`."""
    widest = [max(map(cell_len, column)) for column in zip(headings, *rows, strict=True)]
    return sum(min(width, _ENOUGH) + 3 for width in widest) + 1


def _pairs(headings: list[str], row: list[str], width: int) -> Text:
    """A row as "heading value" pairs, as many on a line as fit, each value beside its heading."""
    lines: list[str] = []
    for heading, value in zip(headings, row, strict=True):
        if not value:
            continue
        pair = f"{heading}: {value}" if heading else value
        if lines and cell_len(lines[-1]) + 2 + cell_len(pair) <= width:
            lines[-1] += f"  {pair}"
        else:
            lines.append(pair)
    return Text("\n".join(["• " + lines[0], *(f"  {line}" for line in lines[1:])]) if lines else "•")


def _print_line(console: Console, line: Text) -> None:
    """One line, which a name in it cannot break: away from a terminal nothing is wrapped either."""
    console.print(line, soft_wrap=not console.is_terminal)


def writable(text: str) -> str:
    """A file's name may hold bytes that are no text; in JSON, too, this writes them as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
