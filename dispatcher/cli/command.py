"""What every command does alike: `--json`, and each error becomes a sentence, what to do about it, and an exit code."""

import functools
from collections.abc import Callable
from typing import Any

import click
import psycopg
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from dispatcher.cli.arguments import require_text
from dispatcher.cli.interrupts import Terminated
from dispatcher.cli.output import BAD_USAGE, FAILED, TERMINATED, Output, end_without_reader, reader_is_gone
from dispatcher.errors import DispatcherError, UsageError


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--json` and turn every error into a sentence and an exit code.

    The command gets an `Output` as its first argument. The context's `obj`, if there is one, is called before.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else there.")
    @functools.wraps(function)
    def wrapped(as_json: bool, **arguments: Any) -> None:
        output = Output(as_json)
        begin = click.get_current_context().obj
        try:
            if begin is not None:
                begin()
            require_text(arguments)
            function(output, **arguments)
        except UsageError as error:
            output.fail(str(error), error.hint, BAD_USAGE)
        except DispatcherError as error:
            output.fail(str(error), error.hint, FAILED)
        except (OperationalError, psycopg.OperationalError) as error:
            cause = error if isinstance(error, psycopg.Error) else error.orig
            if getattr(cause, "sqlstate", None):  # it did answer: a full disk, say
                output.fail(f"The database refused: {_first_line(error)}", "Run `dispatcher doctor`.", FAILED)
            output.fail(
                f"The database does not answer: {_last_finding(error)}",
                "Check DISPATCHER_DATABASE_URL (host, port, user, password) and that the server runs.",
                FAILED,
            )
        except (SQLAlchemyError, psycopg.Error) as error:
            output.fail(f"The database refused: {_first_line(error)}", "Run `dispatcher doctor`.", FAILED)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and reader_is_gone():
                end_without_reader()
            words = f"{error.filename or 'A file'}: {error.strerror or error}"
            output.fail(words, "Check the path, its permissions and the space on the disk.", FAILED)
        except (KeyboardInterrupt, click.Abort) as error:
            code = TERMINATED if isinstance(error, Terminated) else FAILED
            output.fail("Interrupted.", "Nothing half-done stays behind; run it again when you like.", code)

    return wrapped


def _last_finding(error: OperationalError | psycopg.OperationalError) -> str:
    """What the last attempt to connect came to; the driver's questions to the reader are indented below it."""
    cause = error if isinstance(error, psycopg.Error) else error.orig
    lines = [line for line in str(cause or error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if not line.startswith("\t")), lines[-1].strip())


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
