"""Lines of a log, whatever others wrote."""

import io
import json
import logging

from dispatcher.errors import DispatcherError
from dispatcher.logs import JsonLine, OneLine, fields

FORGED = "lista.csv\nERROR dispatcher account_blocked\r\x1b[2J\u2028x"


def written(log: logging.Logger) -> io.StringIO:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(levelname)s %(name)s %(message)s"))
    log.handlers, log.propagate = [handler], False
    return stream


def test_a_name_with_line_ends_makes_no_line_of_its_own() -> None:
    log = logging.getLogger("test_logs")
    stream = written(log)
    log.error("read file=%s", FORGED)
    assert stream.getvalue() == (
        "ERROR test_logs read file=lista.csv\\nERROR dispatcher account_blocked\\r\\x1b[2J\\u2028x\n"
    )


def test_lines_of_a_traceback_cannot_be_taken_for_records() -> None:
    log = logging.getLogger("test_logs")
    stream = written(log)
    try:
        raise DispatcherError(FORGED)
    except DispatcherError:
        log.exception("failed", stack_info=True)
    first, *others = stream.getvalue().removesuffix("\n").split("\n")
    assert first == "ERROR test_logs failed"
    assert any("account_blocked" in line for line in others)
    assert all(line.startswith("  ") and "\x1b" not in line for line in others)


def test_our_lines_are_fields() -> None:
    assert fields("accepted campaign=4 chunk=17 attempt=1 lines=1000") == {
        "event": "accepted",
        "campaign": 4,
        "chunk": 17,
        "attempt": 1,
        "lines": 1000,
    }
    assert fields("waits account=1 why=the window is closed") == {
        "event": "waits",
        "account": 1,
        "why": "the window is closed",
    }
    assert fields("odd level=HIGH x=y=z") == {"event": "odd", "level_": "HIGH", "x": "y=z"}
    assert fields("plain") == {"event": "plain"}
    for other in ("no table wide=enough", "", "Connected to redis://x"):
        assert fields(other) == {"message": other}


def test_a_record_is_one_object_on_one_line() -> None:
    log = logging.getLogger("dispatcher.test_logs")
    stream = written(log)
    log.handlers[0].setFormatter(JsonLine())
    try:
        raise ValueError(FORGED)
    except ValueError:
        log.exception("failed file=%s", FORGED)
    (line,) = stream.getvalue().splitlines()
    read = json.loads(line)
    assert (read["level"], read["logger"], read["event"], read["file"]) == (
        "ERROR",
        "dispatcher.test_logs",
        "failed",
        FORGED,
    )
    assert "ValueError" in read["traceback"]
    assert line.isascii()
    assert "\x1b" not in line


def test_a_value_cannot_add_or_replace_a_field() -> None:
    forged = "no campaign=9 chunk=8"
    assert fields("post_failed %s why=%s", ("campaign=4 chunk=2 attempt=1", forged)) == {
        "event": "post_failed",
        "campaign": 4,
        "chunk": 2,
        "attempt": 1,
        "why": forged,
    }
    assert fields("%s%s by=%s:%s", ("campaign_pause", " campaign=4", "user", "ana id=3")) == {
        "event": "campaign_pause",
        "campaign": 4,
        "by": "user:ana id=3",
    }
    assert fields("moved by=%+.0fs", (-3.2,)) == {"event": "moved", "by": "-3s"}
    assert fields("%s", ("a sentence campaign=9",)) == {"message": "a sentence campaign=9"}
