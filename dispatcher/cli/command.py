"""What every command does alike: `--json`, and each error becomes a sentence, what to do about it, and an exit code."""

import functools
from collections.abc import Callable
from typing import Any

import click

from dispatcher import config
from dispatcher.cli.arguments import require_text
from dispatcher.cli.interrupts import Terminated
from dispatcher.cli.output import BAD_USAGE, FAILED, TERMINATED, Output, end_without_reader, reader_is_gone
from dispatcher.db.errors import translated
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import speak


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
            speak(config.language())
            if begin is not None:
                begin()
            require_text(arguments)
            with translated():
                function(output, **arguments)
        except UsageError as error:
            output.fail(str(error), error.hint, BAD_USAGE)
        except DispatcherError as error:
            output.fail(str(error), error.hint, FAILED)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and reader_is_gone():
                end_without_reader()
            words = f"{error.filename or 'A file'}: {error.strerror or error}"
            output.fail(words, "Check the path, its permissions and the space on the disk.", FAILED)
        except (KeyboardInterrupt, click.Abort) as error:
            code = TERMINATED if isinstance(error, Terminated) else FAILED
            output.fail("Interrupted.", "Nothing half-done stays behind; run it again when you like.", code)
        except Exception as error:
            if config.wants_reports():
                from dispatcher import error_reports

                error_reports.report(config.load(), error)
            raise

    return wrapped
