"""The count in columns: each broken promise shows up as itself, and it agrees with the count of single rows."""

from typing import Any

import polars as pl
import pytest

from ops.chaos import books
from ops.chaos.tally import Pair, Tally, count

REJECTED = "El número es inválido."


def wanted(*names: str) -> pl.DataFrame:
    return pl.DataFrame({"campaign_id": [1] * len(names), "destino": list(names), "texto": ["x"] * len(names)})


def message(name: str, status: str = "ok", code: int | None = 0, text: str | None = "OK") -> dict[str, Any]:
    given = (1, 1, name, "x", f"M{name.upper()}", status, code, text)
    return dict(zip(books.MESSAGES, given, strict=True))


def line(name: str, verdict: str | None = "OK", *, reference: str | None = None, inside: int = 1) -> dict[str, Any]:
    given = (7, inside, 100 if verdict else 0, verdict, reference or f"M{name.upper()}", name, "x")
    return dict(zip(books.LEDGER, given, strict=True))


def counted(names: pl.DataFrame, messages: list[dict[str, Any]], ledger: list[dict[str, Any]]) -> Tally:
    return books.count(names, pl.DataFrame(messages, schema=books.MESSAGES), pl.DataFrame(ledger, schema=books.LEDGER))


def figures(tally: Tally) -> tuple[int, int, int, int, int]:
    return tally.lost, tally.twice, tally.outside, tally.wrong, tally.held


CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], tuple[int, int, int, int, int]]] = {
    "all is well": ([message("a"), message("b", "suppressed", None, None)], [line("a")], (0, 0, 0, 0, 0)),
    "no message": ([message("a")], [line("a")], (1, 0, 0, 0, 0)),
    "never handed in": ([message("a"), message("b"), message("c")], [line("a"), line("b"), line("c")], (0, 1, 0, 1, 0)),
    "taken twice": ([message("a"), message("b")], [line("a"), line("b"), line("b")], (0, 1, 0, 0, 0)),
    "sent under two names": ([message("a"), message("b")], [line("a"), line("b"), line("b", reference="MB2")], (0, 1, 0, 0, 0)),
    "refused, then sent under another": (
        [message("a"), message("b")], [line("a"), line("b", REJECTED, reference="MB0"), line("b")], (0, 0, 0, 0, 0),
    ),
    "not final": ([message("a"), message("b", "in_doubt", None, None)], [line("a")], (1, 0, 0, 0, 0)),
    "held": ([message("a"), message("b", "held", None, None)], [line("a")], (0, 0, 0, 0, 1)),
    "never had": ([message("a"), message("b")], [line("a")], (1, 0, 0, 0, 0)),
    "unknown, and never had": ([message("a"), message("b", "unknown", None, None)], [line("a")], (1, 0, 0, 0, 0)),
    "unknown before its result": ([message("a"), message("b", "unknown", None, None)], [line("a"), line("b", None)], (0, 0, 0, 0, 0)),
    "expired, yet taken": ([message("a"), message("b", "expired", None, None)], [line("a"), line("b")], (0, 0, 0, 1, 0)),
    "another verdict": ([message("a"), message("b")], [line("a"), line("b", REJECTED)], (0, 0, 0, 1, 0)),
    "outside": ([message("a"), message("b")], [line("a"), line("b", inside=0)], (0, 0, 1, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("label", CASES)
def test_each_broken_promise_is_counted_as_itself(label: str) -> None:
    messages, ledger, expected = CASES[label]
    tally = counted(wanted("a", "b"), messages, ledger)
    assert figures(tally) == expected, tally.complaints
    assert tally.messages == 2
    assert bool(tally.complaints) == any(expected[:4])


@pytest.mark.parametrize("label", [label for label in CASES if label != "never handed in"])
def test_it_agrees_with_the_count_of_single_rows(label: str) -> None:
    messages, ledger, expected = CASES[label]
    rows = [type("Row", (), {**row, "chunk_no": 1}) for row in messages]
    lines = [
        {**one, "fecha": one["processed"] or None, "received": 0.0, "received_at": "", "ignored": None}
        for one in ledger
    ]
    for one in lines:
        one["in_window"] = bool(one["in_window"])
    assert figures(count({1: [Pair("a", "x"), Pair("b", "x")]}, rows, lines)) == expected


def test_a_table_is_read_with_its_empty_verdicts() -> None:
    data = b'1\t1\t100\tOK\tM1\t11\thola, "x\n1\t1\t0\t\tM2\t12\tchau\n'
    assert books.read(data, books.LEDGER).rows() == [
        (1, 1, 100, "OK", "M1", "11", 'hola, "x'),
        (1, 1, 0, None, "M2", "12", "chau"),
    ]
    assert books.read(b"", books.LEDGER).is_empty()
