"""Cutting a list into chunks: never too many messages, never too many bytes, every row in exactly one."""

from itertools import groupby

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.campaigns.chunk_plan import ChunkPlan
from dispatcher.domain import idinterno
from dispatcher.provider import form

ROWS = st.lists(st.tuples(st.text("aZ09 !?#$%()*+,-./:;=@", min_size=1, max_size=160), st.booleans()), max_size=120)


def plan(
    batches: list[list[tuple[str, bool]]], campaign_id: int, size: int, limit: int
) -> tuple[list[int], pl.DataFrame]:
    """The chunk number of every row, and the chunks."""
    cutter = ChunkPlan(campaign_id, size, limit)
    numbers: list[int] = []
    for batch in batches:
        encoded = pl.Series([len(form.encode(text.encode())) for text, _ in batch], dtype=pl.Int32)
        numbers += cutter.assign(encoded, pl.Series([gone for _, gone in batch], dtype=pl.Boolean)).to_list()
    return numbers, cutter.chunks(7)


@given(st.lists(ROWS, max_size=4), st.integers(1, 2**40), st.integers(1, 60), st.integers(1000, 9000))
@settings(deadline=None)
def test_every_row_is_in_one_chunk_that_fits(
    batches: list[list[tuple[str, bool]]], campaign_id: int, size: int, limit: int
) -> None:
    numbers, chunks = plan(batches, campaign_id, size, limit)
    rows = [row for batch in batches for row in batch]
    assert len(numbers) == len(rows)
    assert numbers == sorted(numbers)
    runs = [(number, len(list(group))) for number, group in groupby(numbers)]
    assert [number for number, _ in runs] == list(range(1, len(runs) + 1))
    assert chunks["messages"].to_list() == [count for _, count in runs]
    assert max(chunks["messages"].to_list(), default=0) <= size
    seq = 1
    for chunk in chunks.iter_rows(named=True):
        assert (chunk["campaign_id"], chunk["account_id"], chunk["root_no"]) == (campaign_id, 7, chunk["chunk_no"])
        assert (chunk["first_seq"], chunk["last_seq"]) == (seq, seq + chunk["messages"] - 1)
        inside = rows[seq - 1 : chunk["last_seq"]]
        assert chunk["suppressed"] == sum(gone for _, gone in inside)
        bloque = "\r\n".join(
            f"{idinterno.encode('F' * 10, campaign_id, 15, number)}\t1144445555\t{text}"
            for number, (text, _) in enumerate(inside, start=seq)
        )
        assert len(form.bulk_form("K" * 100, bloque.encode(), "tab", test=True)) <= limit
        seq = chunk["last_seq"] + 1
    assert seq == len(rows) + 1


@given(st.lists(ROWS, min_size=1, max_size=5), st.integers(1, 60))
@settings(deadline=None)
def test_how_the_rows_come_in_hardly_matters(batches: list[list[tuple[str, bool]]], size: int) -> None:
    whole = [[row for batch in batches for row in batch]]
    assert plan(batches, 1, size, 200_000)[0] == plan(whole, 1, size, 200_000)[0]


def test_no_row_no_chunk() -> None:
    assert plan([[]], 1, 10, 1000)[1].is_empty()
