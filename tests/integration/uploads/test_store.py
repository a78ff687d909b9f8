"""The upload store: what goes in comes out byte for byte, what breaks off leaves nothing, what is old goes."""

import hashlib
import io
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from dispatcher.errors import UsageError
from dispatcher.uploads import dropping, reading, store
from dispatcher.uploads.store import MEDIA_TYPES, PART_BYTES, Upload
from tests.integration.core_harness import CoreHarness

CSV = MEDIA_TYPES["csv"]


def put(core: CoreHarness, content: bytes, *, name: str = "lista.csv", media_type: str = CSV) -> Upload:
    pieces = store.pieces_of(io.BytesIO(content))
    with core.engine.begin() as connection:
        return store.store(connection, core.settings, pieces, name=name, media_type=media_type)


def parts(core: CoreHarness) -> int:
    return int(core.one("SELECT count(*) FROM upload_part"))


def let_time_pass(core: CoreHarness) -> None:
    core.do("UPDATE upload SET expires_at = now() - interval '1 second'")


SIZES = [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 17]


@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out_byte_for_byte(core: CoreHarness, size: int) -> None:
    content = os.urandom(size)
    kept = put(core, content)
    assert (kept.bytes, kept.sha256) == (size, hashlib.sha256(content).hexdigest())
    with core.engine.connect() as connection:
        assert store.find(connection, kept.public_id) == kept
    with reading.open_file(core.engine, kept) as file:
        assert file.read() == content
    assert parts(core) == -(-size // PART_BYTES)


def test_pieces_of_any_size_are_cut_into_the_same_parts(core: CoreHarness) -> None:
    content = os.urandom(2 * PART_BYTES + 5)
    pieces = (content[at : at + 300_007] for at in range(0, len(content), 300_007))
    with core.engine.begin() as connection:
        kept = store.store(connection, core.settings, pieces, name="x", media_type=CSV)
    assert [row.n for row in core.rows("SELECT length(content) AS n FROM upload_part ORDER BY part_no")] == [
        PART_BYTES,
        PART_BYTES,
        5,
    ]
    with reading.open_file(core.engine, kept) as file:
        for at in (2 * PART_BYTES + 2, 0, PART_BYTES - 3, len(content), PART_BYTES * 2):
            file.seek(at)
            assert file.read(7) == content[at : at + 7]
        assert file.seek(-5, io.SEEK_END) == 2 * PART_BYTES


def test_a_list_that_breaks_off_leaves_nothing(core: CoreHarness) -> None:
    def breaking() -> Iterator[bytes]:
        yield os.urandom(PART_BYTES)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError), core.engine.begin() as connection:
        store.store(connection, core.settings, breaking(), name="x", media_type=CSV)
    assert (parts(core), core.one("SELECT count(*) FROM upload")) == (0, 0)


def test_a_list_that_is_too_large_is_refused_in_words_and_leaves_nothing(make_core: object, core: CoreHarness) -> None:
    small = make_core(upload_max="2 MiB")  # type: ignore[operator]
    with pytest.raises(UsageError, match=r"larger than 2\.0 ?MiB.*DISPATCHER_UPLOAD_MAX"):
        put(small, bytes(2 * PART_BYTES + 1))
    assert (parts(core), core.one("SELECT count(*) FROM upload")) == (0, 0)
    assert put(small, bytes(2 * PART_BYTES)).bytes == 2 * PART_BYTES


def test_memory_does_not_grow_with_the_list(core: CoreHarness) -> None:
    def many(parts: int) -> Iterator[bytes]:
        for number in range(parts):
            yield bytes([number % 256]) * PART_BYTES

    tracemalloc.start()
    try:
        with core.engine.begin() as connection:
            kept = store.store(connection, core.settings, many(40), name="x", media_type=CSV)
        with reading.open_file(core.engine, kept) as file:
            size = sum(len(piece) for piece in store.pieces_of(file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == 40 * PART_BYTES
    assert peak < 12 * PART_BYTES


def test_parts_are_not_compressed_by_the_server(core: CoreHarness) -> None:
    assert (
        core.one(
            "SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'upload_part'::regclass AND attname = 'content'"
        )
        == "e"
    )


def test_a_list_whose_end_is_missing_is_an_error_and_no_shorter_list(core: CoreHarness) -> None:
    kept = put(core, os.urandom(2 * PART_BYTES + 5))
    core.do("DELETE FROM upload_part WHERE part_no = 2")
    with reading.open_file(core.engine, kept) as file, pytest.raises(UsageError, match="not kept any longer"):
        file.read()


def test_a_csv_and_a_workbook_are_read_from_the_store(core: CoreHarness, tmp_path: Path) -> None:
    lines = ["telefono,n", *(f"11{20_000_000 + n},x{n}" for n in range(100_000))]
    source = reading.open_list(core.engine, put(core, "\n".join(lines).encode()), tmp_path)
    with source:
        rows = sum(block.frame.height for block in source.table.blocks([0, 1], 10_000))
    assert (source.name, source.format, rows) == ("lista.csv", "csv", 100_000)
    book = openpyxl.Workbook()
    for row in (["telefono", "n"], ["1144445555", "Ana"]):
        book.worksheets[0].append(row)
    book.save(tmp_path / "l.xlsx")
    content = (tmp_path / "l.xlsx").read_bytes()
    kept = put(core, content, name="l.xlsx", media_type=MEDIA_TYPES["xlsx"])
    with reading.open_list(core.engine, kept, tmp_path / "spool") as source:
        assert (source.name, source.format) == ("l.xlsx", "xlsx")
        assert [block.frame["c1"].to_list() for block in source.table.blocks([0, 1], 10)] == [["Ana"]]
    assert list((tmp_path / "spool").iterdir()) == []


def test_old_lists_go_a_few_parts_at_a_time_and_whole(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "PARTS_AT_ONCE", 2)
    put(core, os.urandom(5 * PART_BYTES))
    assert dropping.drop_old(core.engine) == 0
    assert parts(core) == 5
    let_time_pass(core)
    young = put(core, b"telefono\n")
    assert [dropping.drop_old(core.engine) for _ in range(4)] == [2, 2, 1, 0]
    assert [row.id for row in core.rows("SELECT id FROM upload")] == [young.id]
    assert parts(core) == 1


def test_many_small_lists_go_in_one_round(core: CoreHarness) -> None:
    for _ in range(10):
        put(core, b"telefono\n")
    let_time_pass(core)
    assert dropping.drop_old(core.engine) == 10
    assert core.one("SELECT count(*) FROM upload") == 0


def test_a_list_whose_time_is_up_cannot_be_opened_nor_held(core: CoreHarness) -> None:
    kept = put(core, b"telefono\n")
    with core.engine.begin() as connection:
        assert store.use(connection, kept.id)
    let_time_pass(core)
    with core.engine.begin() as connection:
        assert not store.use(connection, kept.id)
        found = store.get(connection, kept.id)
    assert found is not None
    with pytest.raises(UsageError, match="not kept any longer"):
        reading.open_file(core.engine, found)


def test_a_list_that_is_being_taken_up_is_not_dropped(core: CoreHarness) -> None:
    kept = put(core, b"telefono\n")
    core.do("UPDATE upload SET expires_at = now() + interval '1 second'")
    with core.engine.begin() as connection:
        assert store.use(connection, kept.id)
        let_go = dropping.drop_old(core.engine)
    assert (let_go, dropping.drop_old(core.engine), parts(core)) == (0, 0, 1)
