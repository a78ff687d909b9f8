"""A file that is not a table is refused in one sentence that says what to do."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from dispatcher.errors import UsageError
from dispatcher.ingest import open_source
from tests.unit.ingest.lists import batches, outcomes

HOLA = "Hola {nombre}"
GOOD = b"telefono,nombre\n1144445555,Ana\n"
ENDED = {2: ("message", "1144445555", "Hola Ana")}


def archive(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr(name, "x")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf\r\n \n", "empty"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old ..xls. or protected Excel"),
        (gzip.compress(GOOD), "compressed"),
        (archive("clientes.csv"), "ZIP file"),
        (archive("xl/workbook.xml"), "not an XLSX workbook"),
        (b"PK\x03\x04" + b"x" * 50, "damaged ZIP or XLSX"),
        (b"<html><table></table></html>", "web page"),
        (b'[{"telefono": 1}]', "JSON array"),
        (b"{nothing\n", "no JSON object"),
        (bytes(range(256)) * 4, "not a table"),
        (b"telefono,nombre\n", "no rows"),
        (b"telefono,nombre", "no rows"),
        (b"telefono,nombre\n\n  \n", "no rows"),
        (b"1144445555,Ana\n1144445556,Sol\n", "no headings"),
        (b"numero,nombre\n1144445555,Ana\n", "no column holds the number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # archives carry the time
)
def test_what_is_no_table_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        batches(data, HOLA)
    assert caught.value.hint


def test_content_counts_for_more_than_the_name(tmp_path: Path) -> None:
    path = tmp_path / "clientes.xlsx"
    path.write_bytes(GOOD)
    assert outcomes(open_source(path), HOLA) == ENDED
    assert outcomes(open_source(str(path)), HOLA) == ENDED


def test_a_path_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path, "a\x00b"):
        with pytest.raises(UsageError, match="cannot be read"):
            open_source(path)


def test_a_dash_is_csv_on_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(writing, GOOD), os.close(writing)))
    writer.start()
    with os.fdopen(reading, "rb") as pipe, monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        source = open_source("-")
        assert source.size == len(GOOD)
        assert outcomes(source, HOLA) == ENDED
        sys.stdin.detach()
    writer.join()


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="'ods'"):
        open_source(io.BytesIO(GOOD), format="ods")


def test_a_format_that_is_asked_for_is_not_guessed() -> None:
    with pytest.raises(UsageError, match="no JSON object"):
        open_source(io.BytesIO(GOOD), format="jsonl")
