"""Delimited text: whatever is wrong in a row, only that row is lost."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import UsageError
from dispatcher.ingest import IngestOptions, ingest, lines, open_source, splitter
from dispatcher.ingest.tidy import is_blank
from tests.unit.ingest.lists import batches, opened, outcomes

HEAD = "telefono,nombre\n"
HOLA = "Hola {nombre}"


def number(at: int) -> str:
    return f"11{at:08d}"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_separators_line_ends_and_encodings_are_found_out(separator: str, end: str, encoding: str) -> None:
    rows = [["Teléfono", "Nombre"], [number(1), "Inés"], [number(2), "Raúl"]]
    data = end.join(separator.join(row) for row in rows).encode(encoding)
    assert outcomes(data, HOLA) == {
        2: ("message", number(1), "Hola Ines"),
        3: ("message", number(2), "Hola Raul"),
    }


def test_a_separator_that_the_file_names_itself_is_believed() -> None:
    assert outcomes(f"sep=;\ntelefono;nombre, apellido\n{number(1)};a\n", "{nombre, apellido}") == {
        3: ("message", number(1), "a")
    }


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    text = f'\n\ntelefono,nombre\n\n{number(1)},"a\nb"\n   \n{number(2)},c\n\x1a'
    assert {line: end[2] for line, end in outcomes(text, "{nombre}").items()} == {5: "a b", 8: "c"}


def test_headings_may_hold_line_breaks() -> None:
    assert outcomes(f'telefono,"nombre\ncompleto"\n{number(1)},Ana\n', "{nombre completo}") == {
        3: ("message", number(1), "Ana")
    }


def test_an_open_quote_costs_its_own_row_alone() -> None:
    text = HEAD + f'{number(0)},"Ana\n' + "".join(f"{number(n)},b\n" for n in range(1, 300))
    found = outcomes(text, HOLA)
    assert found.pop(2) == ("invalid_row", None, "open_quote")
    assert found == {n + 2: ("message", number(n), "Hola b") for n in range(1, 300)}


def test_open_quotes_do_not_close_each_other() -> None:
    text = HEAD + "".join(f'{number(n)},"b\n' for n in range(50))
    assert outcomes(text, HOLA) == {n + 2: ("invalid_row", None, "open_quote") for n in range(50)}


def test_an_open_quote_in_the_last_row_is_told() -> None:
    assert outcomes(HEAD + f'{number(1)},"b', HOLA) == {2: ("invalid_row", None, "open_quote")}


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_where_a_block_of_bytes_ends_makes_no_difference(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + f'{number(1)},"a\r\nñ"\r\n{number(2)},"x\n{number(3)},ü\n{number(4)},"q""r"\n\n{number(5)},z'
    whole = outcomes(text, HOLA)
    assert len(whole) == 5
    source = open_source(io.BytesIO(text.encode()))
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    assert outcomes(source, HOLA) == whole


def test_an_endless_line_is_cut_and_the_next_one_goes_on() -> None:
    text = HEAD + "x" * 3_000_000 + f"\n{number(1)},a\n"
    assert outcomes(text, HOLA) == {2: ("invalid_row", None, "row_too_long"), 3: ("message", number(1), "Hola a")}
    (raw, *_) = [batch.invalid_rows["raw"][0] for batch in batches(text, HOLA) if batch.invalid_rows.height]
    assert raw == "x" * 20_000


def test_a_later_row_that_is_not_utf8_is_read_as_windows_1252() -> None:
    rows = "".join(f"{number(n)},Inés\n" for n in range(60_000)).encode()
    found = outcomes(HEAD.encode() + rows + f"{number(70_000)},Raúl\n".encode("latin-1") + b"\xff\x81\n", HOLA)
    assert found[60_002] == ("message", number(70_000), "Hola Raul")
    assert found[60_003] == ("invalid_row", None, "fields_missing")
    assert found[60_001][2] == "Hola Ines"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{number(1)}", "fields_missing"),
        (f"{number(1)},a,b", "fields_extra"),
        (f'{number(1)},"a",b', "fields_extra"),
    ],
)
def test_a_ragged_row_is_rejected(row: str, reason: str) -> None:
    assert outcomes(HEAD + row, HOLA) == {2: ("invalid_row", None, reason)}


LONG = "telefono;nombre;nota;id\n"


def test_trailing_fields_that_are_missing_and_not_used_are_empty() -> None:
    text = LONG + f'{number(1)};Ana;x;1\n{number(2)};Eva\n{number(3)};"Bea"\n{number(4)}\n{number(5)};Luz;y\n'
    assert outcomes(text, HOLA) == {
        2: ("message", number(1), "Hola Ana"),
        3: ("message", number(2), "Hola Eva"),
        4: ("message", number(3), "Hola Bea"),
        5: ("invalid_row", None, "fields_missing"),
        6: ("message", number(5), "Hola Luz"),
    }
    assert [end[2] for end in outcomes(text, HOLA, id_column="id").values()] == ["Hola Ana", *["fields_missing"] * 4]
    defaulted = outcomes(text, "Hola {nombre|cliente}")
    assert defaulted[5] == ("invalid_row", None, "fields_missing")  # cut off, not left empty: nobody knows what it said


def test_short_rows_are_said_and_their_order_is_kept() -> None:
    source = opened(LONG + "".join(f"{number(n)};N{n}{';' if n % 2 else ''}\n" for n in range(20)))
    found = batches(source, HOLA, batch_rows=7)
    assert [line for batch in found for line in batch.messages["line"].to_list()] == list(range(2, 22))
    said = [remark.sentence for remark in source.remarks if remark.code == "short_rows"]
    assert said == ["Fewer fields than headings, and what is missing is not used: 20 rows. It counts as empty."]


def test_separators_beyond_the_headings_are_no_matter() -> None:
    text = f'telefono,nombre,,\n{number(1)},a,,\n{number(2)},b\n{number(3)},"c",,,\n'
    assert [end[2] for end in outcomes(text, HOLA).values()] == ["Hola a", "Hola b", "Hola c"]


def test_a_file_of_one_column_needs_no_separator() -> None:
    found = outcomes(f'telefono\n{number(1)}\n"{number(2)}"\n{number(3)},x\n""\n', "Hola a todos")
    assert [end[2] for end in found.values()] == [
        "Hola a todos",
        "Hola a todos",
        "fields_extra",
    ]


def test_batches_are_no_longer_than_asked() -> None:
    text = HEAD + "".join(f"{number(n)},a\n" for n in range(100))
    assert [batch.rows for batch in batches(text, HOLA, batch_rows=40)] == [40, 40, 20]


def test_a_list_can_be_read_twice() -> None:
    with open_source(io.BytesIO(f"{HEAD}{number(1)},a\n".encode())) as source:
        passes = [[batch.rows for batch in ingest(source, IngestOptions(HOLA))] for _ in range(2)]
    assert passes == [[1], [1]]


cells = st.text(
    st.one_of(st.sampled_from('",;\n\r\t áñ€’x'), st.characters(exclude_categories=["Cs", "Cc"])), max_size=8
)


@settings(deadline=None)
@given(st.lists(st.lists(cells, min_size=3, max_size=3), max_size=12), st.sampled_from(",;\t"), st.booleans())
def test_every_row_that_the_csv_module_writes_comes_back(
    rows: list[list[str]], separator: str, all_quoted: bool
) -> None:
    written = io.StringIO(newline="")
    style = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    csv.writer(written, delimiter=separator, quoting=style).writerows(rows)
    split = splitter.Splitter(separator, 3, [0, 1, 2], 1)
    found = [split.take(part, last=last) for part, last in ((written.getvalue(), False), ("", True))]
    assert [invalid_row for _, invalid_rows in found for invalid_row in invalid_rows] == []
    filled = [row for row in rows if not all(is_blank(value) for value in row)]
    assert [list(row) for frame, _ in found for row in frame["c0", "c1", "c2"].iter_rows()] == filled


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b'"', b"\n", b",", b'1144445555,"a\n', b"\x00"]))))
def test_no_bytes_lose_a_row_or_raise_anything_else(pieces: list[bytes]) -> None:
    data = HEAD.encode() + b"".join(pieces)
    refused = ""
    try:
        found = batches(data, HOLA)
    except UsageError as error:
        refused = str(error)
        found = []
    if refused:
        assert any(words in refused for words in ("no rows", "in doubt", "none of the encodings", "not text"))
        assert "no rows" not in refused or not data[len(HEAD) :].strip(b' ,\t\r\n\x1a\x0b\x0c\x1c\x1d\x1e\x1f"')
        return
    starts = [line for batch in found for frame in (batch.messages, batch.invalid_rows) for line in frame["line"]]
    assert len(starts) == len(set(starts)) == sum(batch.rows for batch in found)
    covered = set(starts)
    for number_, line in enumerate(data.split(b"\n"), 1):
        if number_ > 1 and line.strip(b" ,\t\r\x1a\x0b\x0c\x1c\x1d\x1e\x1f") and line.isascii() and b'"' not in data:
            assert number_ in covered


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_a_usage_error(data: bytes) -> None:
    hint: str | None = "it is a list"
    try:
        batches(data, HOLA)
    except UsageError as error:
        hint = error.hint
    assert hint


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_read_with_its_mark_and_without(encoding: str, mark: str) -> None:
    data = f"{mark}{HEAD}{number(1)},Raúl\r\n{number(2)},Añá\n".encode(encoding)
    assert outcomes(data, HOLA) == {2: ("message", number(1), "Hola Raul"), 3: ("message", number(2), "Hola Ana")}
