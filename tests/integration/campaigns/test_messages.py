"""The messages of a campaign as one stream: all of them in order, whatever the statistics say, holding nothing meanwhile."""

import csv
import io
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from dispatcher.campaigns import messages
from dispatcher.campaigns.kept_rows import RowsDropped
from dispatcher.campaigns.messages import COLUMNS, Filters
from dispatcher.db.statements import query
from dispatcher.db.transactions import pin_range_scan
from dispatcher.domain import formulas
from tests.integration.core_harness import CoreHarness


def change(core: CoreHarness, statement: str, values: dict[str, Any]) -> None:
    with core.engine.begin() as connection:
        connection.execute(text(statement), values)


@pytest.mark.parametrize("name", ["messages_as_ndjson", "messages_as_csv"])
def test_a_campaign_that_was_just_loaded_is_read_by_ranges_of_its_key(core: CoreHarness, name: str) -> None:
    campaign = core.load(2_000)
    statement = re.sub(r"--[^\n]*", "", query(name).text)
    numbers: dict[str, str] = {"campaign_id": str(campaign), "first_seq": "1001", "last_seq": "2000", "part": "500"}
    plain = re.sub(r"(?<!:):([a-z_]+)", lambda found: numbers.get(found[1], "NULL"), statement)

    def plan(*, pinned: bool) -> str:
        with core.engine.connect() as connection:
            if pinned:
                pin_range_scan(connection)
            raw = connection.connection.driver_connection
            assert raw is not None
            return "\n".join(line for (line,) in raw.execute(f"EXPLAIN {plain}".encode()).fetchall())

    assert "Hash Join" not in plan(pinned=False), "nothing has to be pinned any more"
    assert "Hash Join" in plan(pinned=True)
    assert re.search(r"Index Scan using message_1_pkey .*\n +Index Cond: .*seq >= part.first_seq", plan(pinned=True))


@pytest.mark.parametrize("n", [0, 1, 100, 101, 5_100, 5_101, 12_345])
def test_a_stream_has_every_message_in_order_and_its_first_rows_alone(core: CoreHarness, n: int) -> None:
    campaign = core.load(n) if n else 1
    blocks = list(messages.stream(core.engine, campaign, Filters(), "ndjson"))
    assert not blocks or blocks[0].count(b"\n") == min(n, 100)
    assert [json.loads(line)["seq"] for line in b"".join(blocks).splitlines()] == list(range(1, n + 1))
    lines = b"".join(messages.stream(core.engine, campaign, Filters(), "csv")).splitlines()
    assert lines[0].decode().split(",") == list(COLUMNS.values())
    assert [int(line.split(b",")[1]) for line in lines[1:]] == list(range(1, n + 1))


def test_a_stream_may_be_of_some_messages_alone(core: CoreHarness) -> None:
    campaign = core.load(3_000)
    mine = "UPDATE message SET external_id = 'mine' WHERE campaign_id = :campaign AND seq IN (7, 1234, 2999)"
    change(core, mine, {"campaign": campaign})

    def seqs(**filters: object) -> list[int]:
        lines = b"".join(messages.stream(core.engine, campaign, Filters(**filters), "ndjson"))  # type: ignore[arg-type]
        return [json.loads(line)["seq"] for line in lines.splitlines()]

    assert seqs(first_seq=95, last_seq=1300) == list(range(95, 1301))
    assert seqs(external_id="mine") == [7, 1234, 2999]
    assert seqs(external_id="mine", first_seq=8, last_seq=2998) == [1234]
    assert seqs(status="ok") == seqs(result_code=0) == seqs(destino="1100000000") == seqs(first_seq=3_001) == []
    assert len(seqs(status="pending")) == 3_000


HOSTILE = [
    '=1+1;"a"',
    "a;=HYPERLINK()",
    "\tab",
    'he said "no"',
    "a,b\nc\r\nd",
    "＝SUM",
    " \u00a0@x",
    "plain",
    "-1",
    "a|+b",
    "",
]


def test_csv_is_what_copy_would_write_with_no_cell_that_is_a_formula(core: CoreHarness) -> None:
    campaign = core.load(len(HOSTILE))
    for seq, cell in enumerate(HOSTILE, start=1):
        said = cell if seq % 2 else None
        change(
            core,
            "UPDATE message SET external_id = :cell, texto = :text, result_code = 1, result_text = :said, "
            "processed_at = '2026-12-01 09:00:00.5-03' WHERE campaign_id = :campaign AND seq = :seq",
            {"cell": cell, "text": cell or "x", "said": said, "campaign": campaign, "seq": seq},
        )
    ours = b"".join(messages.stream(core.engine, campaign, Filters(), "csv"))
    rows = list(csv.DictReader(io.StringIO(ours.decode(), newline="")))
    for seq, (row, cell) in enumerate(zip(rows, HOSTILE, strict=True), start=1):
        expected = formulas.harmless_in_csv(cell)
        assert (row["external_id"], row["text"]) == (expected, expected or "x")
        assert row["result_text"] == (expected if seq % 2 else "")
        assert row["processed_at"] == "2026-12-01 12:00:00.5+00"
    columns = ", ".join(f"{name} AS {label}" for name, label in COLUMNS.items())
    chosen = f"SELECT {columns} FROM message_status WHERE campaign_id = {campaign} AND texto IN ('plain') ORDER BY seq"
    with core.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        copy = f"COPY ({chosen}) TO STDOUT (FORMAT csv, FORCE_QUOTE (external_id, text, result_text))"
        with raw.cursor() as cursor, cursor.copy(copy.encode()) as out:
            assert b"".join(bytes(part) for part in out) in ours


def test_a_stream_that_is_read_slowly_holds_no_connection(core: CoreHarness) -> None:
    campaign = core.load(6_000)
    streams = [messages.stream(core.engine, campaign, Filters(), "ndjson") for _ in range(20)]
    assert all(next(stream).count(b"\n") == 100 for stream in streams)
    assert core.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_rows_that_go_in_the_middle_are_no_end(core: CoreHarness) -> None:
    campaign = core.load(6_000)
    stream = messages.stream(core.engine, campaign, Filters(), "csv")
    assert next(stream).startswith(b"campaign_id,")
    assert next(stream).count(b"\n") == 100
    change(core, "UPDATE campaign SET dropped_at = now() WHERE id = :campaign", {"campaign": campaign})
    with pytest.raises(RowsDropped):
        list(stream)


@pytest.mark.parametrize("pattern", [formulas.DANGEROUS, formulas.DANGEROUS_INSIDE])
def test_whatever_is_dangerous_is_suspect(pattern: str) -> None:
    @given(st.text("=+-@\t\r\n ,;|a\u200b\uff1d\u2212\"'", max_size=8))
    def check(cell: str) -> None:
        if re.search(pattern, cell):
            assert re.search(formulas.SUSPECT, "," + cell)

    check()
