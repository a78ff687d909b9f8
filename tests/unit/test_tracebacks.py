"""What an error quotes is in its own words, and in none of our lines."""

import io
import logging

import pytest

from dispatcher import tracebacks
from dispatcher.errors import UsageError
from dispatcher.logs import JsonLine, OneLine, WithoutQuotes

QUOTED = "1147382988 reconocible"


def caused() -> UsageError:
    try:
        try:
            int(QUOTED)
        except ValueError as error:
            raise UsageError("The list cannot be read.") from error
    except UsageError as error:
        return error


@pytest.mark.parametrize("form", [OneLine("%(levelname)s %(message)s"), JsonLine()], ids=["text", "json"])
def test_an_error_is_logged_by_kind_and_place(form: logging.Formatter) -> None:
    error = caused()
    cause = error.__cause__
    assert QUOTED in str(cause)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    handler.addFilter(WithoutQuotes())
    log = logging.Logger("dispatcher.test")
    log.addHandler(handler)
    log.error("failed why=%s", cause, exc_info=error)
    # As Celery does for a task that failed.
    values = {"name": "t", "exc": repr(cause), "traceback": str(cause)}
    log.error("Task %(name)s: %(exc)s\n%(traceback)s", values, exc_info=cause)
    said = stream.getvalue()
    assert QUOTED not in said
    for there in ("test_tracebacks.py", "ValueError", "The list cannot be read."):
        assert there in said


def test_words_of_ours_and_those_about_code_are_kept() -> None:
    assert tracebacks.words(UsageError("No such list.")) == "dispatcher.errors.UsageError: No such list."
    assert tracebacks.words(TypeError("f() takes no arguments")) == "TypeError: f() takes no arguments"
    assert tracebacks.words(FileNotFoundError(2, "No such file", QUOTED)) == "FileNotFoundError: No such file"
    assert tracebacks.words(KeyError(QUOTED)) == "KeyError"


def test_errors_of_a_group_are_each_said() -> None:
    said = tracebacks.formatted(ExceptionGroup(QUOTED, [ValueError(QUOTED), UsageError("Second.")]))
    assert QUOTED not in said
    assert "ValueError" in said
    assert "Second." in said
