"""How the commands speak: one JSON object on stdout with `--json`, else tables; what goes wrong says what to do."""

import functools
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from dispatcher import config
from dispatcher.cli import ops_loader
from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.db.errors import translated
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.runtime import Runtime

P = ParamSpec("P")

FAILED, BAD_USAGE, TERMINATED, NO_READER = 1, 2, 143, 141


class Terminated(KeyboardInterrupt):
    """SIGTERM, taken like Ctrl-C: what a command started is stopped before it ends."""


def end_on_sigterm() -> None:
    """Have SIGTERM raise `Terminated`, once; `up` and `api` have handlers of their own while they run."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break the cleaning up
    raise Terminated


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would exit with 1."""
        _end_without_reader()


def _end_without_reader() -> NoReturn:
    """End as `| head` expects: quietly, also at the interpreter's own last flush."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    sys.exit(NO_READER)


def _reader_is_gone() -> bool:
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
            click.echo(_writable(json.dumps(value, ensure_ascii=False, default=str)))

    def say(self, text: str) -> None:
        """A line for people."""
        self.console.print(_writable(text), markup=False)

    def note(self, text: str) -> None:
        """A line for people that is not the answer."""
        self.notes.print(_writable(text), markup=False)

    def table(self, title: str, columns: list[str], rows: list[list[Any]], right: tuple[str, ...] = ()) -> None:
        """A table, unless there is nothing in it."""
        if not rows:
            return
        table = Table(title=title, title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left", overflow="fold")
        for row in rows:
            # As they are: a reply or a rejected row may hold what rich takes for markup.
            table.add_row(*(Text("" if cell is None else _writable(str(cell))) for cell in row))
        self.console.print(table)

    def fail(self, error: str, hint: str | None, code: int) -> NoReturn:
        """End the command; with `--json` the error is the one object."""
        if self.as_json:
            self.answer({"error": error, "hint": hint})
        else:
            self.notes.print(Text.assemble(("Error:", "bold red"), " ", _writable(error)))
            if hint:
                self.notes.print(Text.assemble(("What to do:", "bold"), " ", _writable(hint)))
        sys.exit(code)


def _writable(text: str) -> str:
    """A file's name may hold bytes that are no text; in JSON, too, this writes them as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _require_text(arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        if name != "file" and isinstance(value, str) and value != _writable(value):
            raise UsageError(
                f"{name} is not valid text: {value[:80]}", hint="Write it in the terminal's encoding, UTF-8."
            )


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--json` and turn every error into a sentence and an exit code.

    The command gets an `Output` as its first argument.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else there.")
    @functools.wraps(function)
    def wrapped(as_json: bool, **arguments: Any) -> None:
        output = Output(as_json)
        try:
            _require_text(arguments)
            with translated():
                function(output, **arguments)
        except UsageError as error:
            output.fail(str(error), error.hint, BAD_USAGE)
        except DispatcherError as error:
            output.fail(str(error), error.hint, FAILED)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and _reader_is_gone():
                _end_without_reader()
            words = f"{error.filename or 'A file'}: {error.strerror or error}"
            output.fail(words, "Check the path, its permissions and the space on the disk.", FAILED)
        except (KeyboardInterrupt, click.Abort) as error:
            code = TERMINATED if isinstance(error, Terminated) else FAILED
            output.fail("Interrupted.", "Nothing half-done stays behind; run it again when you like.", code)

    return wrapped


def read_html(path: Path | None) -> str | None:
    """The content of --html.

    Raises:
        UsageError: it cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"--html {path} cannot be read: {why}.", hint="Give a UTF-8 file with the HTML.") from None


@contextmanager
def session(*, schema: bool = True) -> Iterator[Runtime]:
    """The settings with a database to work on; an embedded one is started if it does not run, and stopped after.

    Raises:
        UsageError: a bad setting, or a database without this version's schema.
    """

    settings = config.load()
    with ops_loader.embedded(settings, broker=False):
        runtime = Runtime(settings)
        try:
            if schema:
                migrations.require_schema(runtime.engine)
            yield runtime
        finally:
            runtime.close()


@contextmanager
def database_connection(settings: Settings) -> Iterator[Connection]:
    """A connection for one look; an embedded server that does not run is started for it, and stopped after."""
    from dispatcher.db.engine import connect

    with ops_loader.embedded(settings, broker=False):
        engine = connect(settings.sqlalchemy_url, pooled=settings.database_pooled)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
