"""XLSX: reads the first sheet row by row, with the cells as people see them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from dispatcher.errors import UsageError
from dispatcher.ingest.blocks import Block, written
from dispatcher.ingest.inline import Collector
from dispatcher.ingest.values import shown_value

_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"})


class XlsxTable:
    """The first sheet of a workbook: its first row that is not empty has the headings."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """Read the headings; UsageError when the workbook is damaged or its first sheet empty."""
        self._size = stream.seek(0, 2)
        self._name = name
        self._sheet = self._first_sheet(stream)
        self._height = int(self._sheet.max_row or 0)
        self._sheet.reset_dimensions()  # files written by programs often state a wrong size
        self.columns: list[str] = []
        self._header_row = 0
        for number, values in self._rows():
            texts = [_text(value).strip() for value in values]
            if any(texts):
                while not texts[-1]:
                    texts.pop()
                self.columns, self._header_row = texts, number
                break
        else:
            raise UsageError(
                f"{name}: the first sheet, {self._sheet.title!r}, is empty",
                hint="put the list on the first sheet, with the headings in its first row",
            )

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the rows below the headings; see `Table`. The position is an estimate."""
        collector = Collector(self.columns, wanted)
        last = self._header_row
        for number, values in self._rows():
            if number <= self._header_row or not any(value is not None and value != "" for value in values):
                continue
            self._take(collector, number, values, wanted)
            last = number
            if len(collector) >= batch_rows:
                yield collector.flush(min(self._size, self._size * last // max(self._height, last)))
        if len(collector):
            yield collector.flush(self._size)

    def _take(self, collector: Collector, number: int, values: Sequence[object], wanted: Sequence[int]) -> None:
        picked = [values[at] if at < len(values) else None for at in wanted]
        raw = written([_text(value) for value in values])
        for at, value in zip(wanted, picked, strict=True):
            if isinstance(value, str) and value in _ERRORS:
                detail = f"column {self.columns[at]!r} shows {value}: correct the formula and save again"
                return collector.invalid(number, raw, "formula_error", detail)
        return collector.add(number, raw, picked)

    def _first_sheet(self, stream: BinaryIO) -> Any:
        try:
            with warnings.catch_warnings():
                # openpyxl warns of what it does not know (validations, styles); the values are not affected.
                warnings.simplefilter("ignore")
                import openpyxl  # slow to import, and a CSV does not need it

                book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            return book.worksheets[0]
        except Exception as error:
            # A damaged file can raise anything from openpyxl, zlib or the XML parser.
            raise self._damaged(error) from error

    def _rows(self) -> Iterator[tuple[int, Sequence[object]]]:
        """Yield (row number as the spreadsheet shows it, values) of the first sheet."""
        try:
            yield from enumerate(self._sheet.iter_rows(values_only=True), 1)
        except Exception as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> UsageError:
        return UsageError(
            f"{self._name} is a damaged or unusual XLSX file ({type(error).__name__})",
            hint="open it in a spreadsheet and save it again as XLSX, or as CSV UTF-8",
        )


def open_xlsx(stream: BinaryIO, name: str) -> XlsxTable:
    """Open `stream` as a workbook."""
    return XlsxTable(stream, name)


def _text(value: object) -> str:
    return shown_value(value) or ""
