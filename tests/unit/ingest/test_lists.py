"""Every list of tests/data/lists ends row by row as the file beside it says, as CSV, as a workbook and as JSONL."""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from dispatcher.ingest import Source, open_source
from tests.data.lists.make import LISTS
from tests.unit.ingest.books import book, cell, rows
from tests.unit.ingest.lists import opened, outcomes

HERE = Path(__file__).parents[2] / "data" / "lists"
TEMPLATE = "Hola {nombre}, saldo ${saldo}."


def ends(source: Source) -> dict[str, str]:
    """Return line → text or reason."""
    with source:
        return {str(line): end[2] for line, end in sorted(outcomes(source, TEMPLATE).items())}


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_list_ends_as_expected(name: str) -> None:
    assert (HERE / name).read_bytes() == LISTS[name]
    expected = json.loads((HERE / f"{name}.expected.json").read_text())
    source = open_source(HERE / name)
    assert ends(source) == expected["rows"]
    assert [remark.code for remark in source.remarks] == expected["remarks"]


@pytest.mark.parametrize("form", ["xlsx", "jsonl"])
@pytest.mark.parametrize("name", sorted(name for name in LISTS if name.endswith("csv")))
def test_the_same_values_end_the_same_in_other_formats(name: str, form: str) -> None:
    expected = json.loads((HERE / f"{name}.expected.json").read_text())
    with open_source(HERE / name) as source:
        table = source.table.table  # as they came, before they are mended
        wanted = range(len(table.columns))
        values = [row for block in table.blocks(wanted, 1_000) for row in block.frame.drop("line", "raw").iter_rows()]
    if form == "jsonl":
        lines = [json.dumps(dict(zip(table.columns, row, strict=True)), ensure_ascii=False) for row in values]
        other = opened("\n".join(lines))
    else:
        sheet = [[cell(f"{'ABC'[at]}{n}", escape(v)) for at, v in enumerate(row)] for n, row in enumerate(values, 2)]
        other = opened(
            book(rows([cell(f"{'ABC'[at]}1", escape(name)) for at, name in enumerate(table.columns)], *sheet))
        )
    assert list(ends(other).values()) == list(expected["rows"].values())
