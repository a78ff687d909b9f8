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
    moved = cutter.finish()
    chunks = cutter.chunks(7)
    if moved is None:
        return numbers, chunks
    # Checked here and put back, so that the tests below see the chunks as they were cut.
    rows = [row for batch in batches for row in batch]
    seq, number = moved
    assert seq == max(at for at, (_, gone) in enumerate(rows, start=1) if not gone)
    assert chunks.tail(1).select("chunk_no", "first_seq", "last_seq", "messages", "suppressed", "goes_last").row(0) == (
        (number, seq, seq, 1, 0, True)
    )
    former = pl.col("chunk_no") == numbers[seq - 1]
    return numbers, chunks.head(-1).with_columns(
        messages=pl.col("messages") + former.cast(pl.Int64),
        last_seq=pl.when(former).then(pl.max_horizontal("last_seq", pl.lit(seq))).otherwise("last_seq"),
    )


def test_the_last_line_to_send_goes_last_and_alone() -> None:
    cutter = ChunkPlan(1, 10, 90_000)
    cutter.assign(pl.Series([4] * 6, dtype=pl.Int32), pl.Series([False] * 4 + [True] * 2))
    assert cutter.finish() == (4, 2)
    chunks = cutter.chunks(7).select("first_seq", "last_seq", "messages", "suppressed", "goes_last").rows()
    assert chunks == [(1, 6, 5, 2, False), (4, 4, 1, 0, True)]


def test_a_line_that_is_alone_already_keeps_its_chunk() -> None:
    cutter = ChunkPlan(1, 1, 90_000)
    cutter.assign(pl.Series([4, 4], dtype=pl.Int32), pl.Series([False, False]))
    assert cutter.finish() is None
    assert cutter.chunks(7)["goes_last"].to_list() == [False, True]


def test_a_single_message_has_nobody_to_wait_for() -> None:
    cutter = ChunkPlan(1, 10, 90_000)
    cutter.assign(pl.Series([4, 4], dtype=pl.Int32), pl.Series([False, True]))
    assert cutter.finish() is None
    assert cutter.chunks(7)["goes_last"].to_list() == [False]


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
