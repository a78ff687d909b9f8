"""What a list costs grows with its size and not faster, for every reader: CPU time doubles, memory stays.

Each measurement is a process of its own: its CPU seconds and its own peak, whatever else the machine does.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.ingest.books import book, cell, rows

_ROWS = 100_000
_DOUBLED = 2.6
"""The most that twice the rows may take of the time; 2 is linear, the rest is noise."""
_MORE_MEGABYTES = 48
"""The most that twice the rows may take beyond the first half's peak."""

_PROGRAM = """
import sys, time
from dispatcher.ingest import IngestOptions, ingest, open_source

began = time.process_time()
with open_source(sys.argv[1]) as source:
    found = sum(batch.messages.height for batch in ingest(source, IngestOptions("Hola {nombre|cliente}, ${saldo:money}.")))
status = open("/proc/self/status").read().split()
print(found, time.process_time() - began, int(status[status.index("VmHWM:") + 1]) >> 10)
"""


def people(first: int, count: int) -> list[tuple[str, str, str]]:
    return [(f"11{20_000_000 + n}", f"José Núñez {n}", f"{n},50") for n in range(first, first + count)]


def csv_file(path: Path, count: int) -> None:
    lines = ["telefono;nombre;saldo", *(";".join(row) for row in people(0, count))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def odd_csv_file(path: Path, count: int) -> None:
    """Every row is odd in another way: quotes, padding, encoded twice, HTML, an emoji, a number to be found out."""
    names = ('"Ana ""la"" Paz"', "  Ana\u00a0 Paz ", "GarcÃ\u00ada", "'Pe&ntilde;a'", "Ana 😀", "NULL")
    lines = ["telefono,nombre,saldo"]
    lines += [
        f'Tel. 11 {number[2:6]}-{number[6:]},{names[n % 6]} {n},"$ {saldo}"'
        for n, (number, _, saldo) in enumerate(people(0, count))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def jsonl_file(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for number, name, saldo in people(0, count):
            stream.write(f'{{"telefono": "{number}", "Nombre": "{name}", "saldo": "{saldo}"}}\n')


def xlsx_file(path: Path, count: int) -> None:
    head = [cell("A1", "telefono"), cell("B1", "nombre"), cell("C1", "saldo")]
    lines = [
        [cell(f"A{n}", int(number)), cell(f"B{n}", name), cell(f"C{n}", n + 0.5, 1)]
        for n, (number, name, _) in enumerate(people(0, count), 2)
    ]
    path.write_bytes(book(rows(head, *lines), formats=("#,##0.00",), compression=zipfile.ZIP_DEFLATED))


def measured(path: Path) -> tuple[int, float, int]:
    """Read a whole list in a process of its own; return its messages, CPU seconds and peak in MiB."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(path)], capture_output=True, text=True, check=True)
    messages, seconds, megabytes = done.stdout.split()
    return int(messages), float(seconds), int(megabytes)


@pytest.mark.parametrize(
    ("write", "count"),
    [(csv_file, 4 * _ROWS), (odd_csv_file, _ROWS // 2), (jsonl_file, _ROWS), (xlsx_file, _ROWS)],
    ids=["csv", "odd csv", "jsonl", "xlsx"],
)
def test_twice_the_rows_take_twice_the_time_and_no_more_memory(
    write: Callable[[Path, int], None], count: int, tmp_path: Path
) -> None:
    half, whole = tmp_path / "half", tmp_path / "whole"
    write(half, count)
    write(whole, 2 * count)
    (_, first, small), (messages, second, large) = measured(half), measured(whole)
    print(f"{count} rows: {first:.2f} s, {small} MiB; {2 * count} rows: {second:.2f} s, {large} MiB")
    assert messages == 2 * count
    assert second < _DOUBLED * first, (first, second)
    assert large < small + _MORE_MEGABYTES, (small, large)
    assert large < 320
