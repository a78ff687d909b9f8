"""How the commands speak: one JSON object on stdout with `--json`, else tables; what goes wrong says what to do."""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, ParamSpec

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from dispatcher import config, door
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.runtime import Runtime

P = ParamSpec("P")

FAILED, BAD_USAGE = 1, 2


class Output:
    """Where a command's answer goes."""

    def __init__(self, as_json: bool) -> None:
        """Tables to stdout, or one JSON object instead; notes to stderr."""
        self.as_json = as_json
        self.console = Console(quiet=as_json, highlight=False)
        self.notes = Console(stderr=True, highlight=False)

    def answer(self, value: dict[str, Any]) -> None:
        """The command's one JSON object; nothing without `--json`."""
        if self.as_json:
            click.echo(json.dumps(value, ensure_ascii=False, default=str))

    def say(self, text: str) -> None:
        """A line for people."""
        self.console.print(text, markup=False)

    def note(self, text: str) -> None:
        """A line for people that is not the answer."""
        self.notes.print(text, markup=False)

    def table(self, title: str, columns: list[str], rows: list[list[Any]], right: tuple[str, ...] = ()) -> None:
        """A table, unless there is nothing in it."""
        if not rows:
            return
        table = Table(title=title, title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        self.console.print(table)

    def fail(self, error: str, hint: str | None, code: int) -> NoReturn:
        """End the command; with `--json` the error is the one object."""
        if self.as_json:
            self.answer({"error": error, "hint": hint})
        else:
            self.notes.print(f"[bold red]Error:[/] {_escape(error)}")
            if hint:
                self.notes.print(f"[bold]What to do:[/] {_escape(hint)}")
        sys.exit(code)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--json` and turn every error into a sentence and an exit code.

    The command gets an `Output` as its first argument.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else there.")
    @functools.wraps(function)
    def wrapped(as_json: bool, **arguments: Any) -> None:
        output = Output(as_json)
        try:
            function(output, **arguments)
        except UsageError as error:
            output.fail(str(error), error.hint, BAD_USAGE)
        except DispatcherError as error:
            output.fail(str(error), error.hint, FAILED)
        except OperationalError as error:
            output.fail(
                f"The database does not answer: {_last_finding(error)}",
                "Check DISPATCHER_DATABASE_URL (host, port, user, password) and that the server runs.",
                FAILED,
            )
        except SQLAlchemyError as error:
            output.fail(f"The database refused: {_first_line(error)}", "Run `dispatcher doctor`.", FAILED)
        except OSError as error:
            words = f"{error.filename or 'A file'}: {error.strerror or error}"
            output.fail(words, "Check the path, its permissions and the space on the disk.", FAILED)
        except (KeyboardInterrupt, click.Abort):
            output.fail("Interrupted.", "Nothing half-done stays behind; run it again when you like.", FAILED)

    return wrapped


def _last_finding(error: OperationalError) -> str:
    """What the last attempt to connect came to; the driver's questions to the reader are indented below it."""
    lines = [line for line in str(error.orig or error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if not line.startswith("\t")), lines[-1].strip())


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]


@contextmanager
def session(*, schema: bool = True) -> Iterator[Runtime]:
    """The settings with a database to work on; an embedded one is started if it does not run, and stopped after.

    Raises:
        UsageError: a bad setting, or a database without this version's schema.
    """
    from dispatcher import database

    settings = config.load()
    with door.embedded(settings, broker=False):
        runtime = Runtime(settings)
        try:
            if schema:
                database.require_schema(runtime.engine)
            yield runtime
        finally:
            runtime.close()
