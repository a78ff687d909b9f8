"""Lines of a log, whatever others wrote."""

import io
import logging

from dispatcher.logs import OneLine

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
        raise ValueError(FORGED)
    except ValueError:
        log.exception("failed", stack_info=True)
    first, *others = stream.getvalue().removesuffix("\n").split("\n")
    assert first == "ERROR test_logs failed"
    assert any("account_blocked" in line for line in others)
    assert all(line.startswith("  ") and "\x1b" not in line for line in others)
