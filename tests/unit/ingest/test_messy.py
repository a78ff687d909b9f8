"""A real messy list, row by row.

tests/data/messy.csv was made by hand: 200 rows, `;`, Windows-1252, CRLF and a few bare LF, with some UTF-8 pasted
in (the emoji, which Windows-1252 does not have), every written form of a number, duplicates, empty cells, formulas,
a text of 161 characters, a row of separators alone, NUL bytes, open and closed quotes, ragged rows, blank lines.
tests/data/messy_expected.csv says where each row ends; it was written with the list, not by the code.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dispatcher.ingest import open_source
from tests.unit.ingest.lists import batches, outcomes

DATA = Path(__file__).parents[2] / "data"


def expected() -> dict[int, tuple[object, ...]]:
    with (DATA / "messy_expected.csv").open(newline="", encoding="utf-8") as rows:
        return {
            int(row["line"]): ("message", row["destino_or_reason"], row["texto"])
            if row["outcome"] == "message"
            else ("invalid_row", int(row["code"]) if row["code"] else None, row["destino_or_reason"])
            for row in csv.DictReader(rows)
        }


@pytest.mark.parametrize("batch_rows", [50_000, 7, 1])
def test_every_row_of_the_messy_list_ends_where_it_should(batch_rows: int) -> None:
    wanted = expected()
    found = outcomes(open_source(DATA / "messy.csv"), batch_rows=batch_rows)
    assert len(wanted) == 199
    assert {line: (found.get(line), outcome) for line, outcome in wanted.items() if found.get(line) != outcome} == {}
    assert found.keys() == wanted.keys()


def test_what_was_left_out_and_spelled_otherwise_is_counted() -> None:
    (batch,) = batches(open_source(DATA / "messy.csv"))
    texts = [texto for kind, _, texto in expected().values() if kind == "message"]
    assert batch.messages.height == len(texts)
    assert batch.dropped_characters == 23
    assert batch.position == (DATA / "messy.csv").stat().st_size


def test_a_rejected_row_is_shown_as_it_was_written() -> None:
    (batch,) = batches(open_source(DATA / "messy.csv"))
    raws = dict(batch.invalid_rows["line", "raw"].iter_rows())
    reasons = dict(batch.invalid_rows["line", "reason"].iter_rows())
    nul = [raws[line] for line, reason in reasons.items() if reason == "nul_byte"]
    assert nul == ["1155550080;Ana\\x00;5;", "11555\\x0050081;Ana;5;"]
    assert "Línea" in "".join(raws.values())
    assert max(map(len, raws.values())) <= 20_000
