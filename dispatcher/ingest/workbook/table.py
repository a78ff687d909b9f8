"""A workbook as a table: which sheet and which row have the headings, and the rows below them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO, NamedTuple

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.blocks import Block, storable, written
from dispatcher.ingest.cells import shows_error
from dispatcher.ingest.columns import fold
from dispatcher.ingest.inline import Collector
from dispatcher.ingest.reading import HEADER_ROWS, Reading, refuse_columns
from dispatcher.ingest.remarks import Remark
from dispatcher.ingest.workbook.merges import Filling, read_merges
from dispatcher.ingest.workbook.package import DAMAGE, Package
from dispatcher.ingest.workbook.sheet import Cell, Look, Row, read_rows
from dispatcher.ingest.workbook.strings import SharedStrings, read_strings
from dispatcher.ingest.workbook.styles import read_styles
from dispatcher.ingest.workbook.xml import Markup, Unreadable

_SOME_ERROR = "#ERROR!"
MAX_SHEETS = 1000


class _Sheet(NamedTuple):
    name: str
    part: str
    visible: bool


class WorkbookTable:
    """The sheet of a workbook that holds the list, from its headings on."""

    _sheet: _Sheet
    sheets: list[str]
    separator = None

    def __init__(self, stream: BinaryIO, name: str, reading: Reading) -> None:
        """Find the sheet and its headings; UsageError when the workbook is damaged or has no list."""
        self._name = name
        self._size = stream.seek(0, 2)
        self._reading = reading
        try:
            self._open(Package(stream, name, reading.unpacked_max))
        except UsageError:
            raise
        except (*DAMAGE, Unreadable, LookupError) as error:
            raise self._damaged(error) from error

    @property
    def sheet(self) -> str:
        """The name of the sheet that is read."""
        return self._sheet.name

    @property
    def remarks(self) -> list[Remark]:
        """What was taken for granted, and what the last pass met."""
        found = [*self._remarks]
        left_out = "_left_out" if self._reading.visible_only else ""
        if self._hidden_rows:
            found.append(Remark(f"hidden_rows{left_out}", {"rows": self._hidden_rows}))
        if self._hidden_columns:
            found.append(Remark(f"hidden_columns{left_out}", {"columns": self._hidden_columns}))
        if self._filled:
            found.append(Remark("merged_cells", {"values": self._filled}))
        found += [
            Remark("unrendered_format", {"format": style.code[:100], "cells": style.unrendered})
            for style in {id(style): style for style in self._styles}.values()
            if style.unrendered
        ]
        return found

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the rows below the headings; see `Table`. The position is an estimate."""
        collector = Collector(self.columns, wanted)
        total = max(self._package.size(self._sheet.part), 1)
        self._hidden_rows = self._filled = 0
        filling = Filling(self._merges)
        for style in self._styles:
            style.unrendered = 0
        try:
            with self._package.open(self._sheet.part) as part:
                for row in filling.rows(read_rows(part, self._look())):
                    if row.number <= self._header_row:
                        filling.filled = 0
                        continue
                    if not self._takes(row):
                        continue
                    self._put(collector, row, wanted)
                    self._filled = filling.filled
                    if len(collector) >= batch_rows:
                        yield collector.flush(min(self._size, self._size * part.tell() // total))
        except UsageError:
            raise
        except (*DAMAGE, Unreadable, LookupError) as error:
            raise self._damaged(error) from error
        if len(collector):
            yield collector.flush(self._size)

    def _takes(self, row: Row) -> bool:
        if row.hidden:
            self._hidden_rows += 1
        return not (row.hidden and self._reading.visible_only)

    def _put(self, collector: Collector, row: Row, wanted: Sequence[int]) -> None:
        found = {cell.column: _as_seen(cell) if cell.error else cell.text for cell in row.cells}
        raw = written([found.get(place, "") for place in self._places])
        texts = [found.get(self._places[at]) for at in wanted]
        for at, text in zip(wanted, texts, strict=True):
            if text is not None and not text.isascii() and not storable(text):
                return collector.invalid(row.number, raw, "nul_byte", column=self.columns[at])
        return collector.add_texts(row.number, raw, texts)

    def _open(self, package: Package) -> None:
        self._package = package
        relations = package.relations(package.workbook)
        main = list(package.elements(package.workbook))
        from_1904 = any(
            each.tag == "workbookPr" and each.attributes.get("date1904", "") in ("1", "true") for each in main
        )
        parts = {relation.kind: relation.target for relation in relations.values() if package.has(relation.target)}
        self._styles = read_styles(package.elements(parts["styles"]), from_1904=from_1904) if "styles" in parts else []
        self._strings = SharedStrings()
        if "sharedStrings" in parts:
            with package.open(parts["sharedStrings"]) as stream:
                self._strings = read_strings(stream, self._name)
        self._choose(
            [
                _Sheet(each.attributes.get("name", ""), found.target, each.attributes.get("state") in (None, "visible"))
                for each in main
                if each.tag == "sheet"
                and (found := relations.get(each.attributes.get("id", ""))) is not None
                and found.kind == "worksheet"
            ]
        )

    def _choose(self, sheets: Sequence[_Sheet]) -> None:
        """Find the sheet of the list: the one asked for, else the first visible one with a number's column."""
        self._hidden_rows = self._filled = 0
        self._remarks: list[Remark] = []
        candidates = [self._asked(sheets)] if self._reading.sheet is not None else _visible(sheets)
        if len(sheets) > MAX_SHEETS:
            raise Unreadable("it has too many sheets")
        markup = Markup()
        heads = {sheet: self._head(sheet, markup) for sheet in candidates}
        lists = [sheet for sheet, rows in heads.items() if any(self._reading.holds_number(_texts(r)) for r in rows)]
        filled = [sheet for sheet, rows in heads.items() if rows]
        if not filled:
            first = candidates[0].name if candidates else ""
            raise UsageError(
                worded("{name}: the sheet {first!r} is empty", name=self._name, first=first),
                hint=translated("put the list on a visible sheet, with the headings in its first row"),
            )
        self._sheet = (lists or filled)[0]
        self.sheets = [sheet.name for sheet in sheets]
        if len(sheets) > 1:
            self._remarks.append(Remark("sheet", {"sheet": self._sheet.name}))
            others = [sheet.name for sheet in sheets if sheet != self._sheet]
            self._remarks.append(Remark("sheets_not_read", {"sheets": others}))
        if len(heads) > 1:
            with self._package.open(self._sheet.part) as part:
                self._merges = read_merges(part)
        self._take_headings(heads[self._sheet])

    def _asked(self, sheets: Sequence[_Sheet]) -> _Sheet:
        asked = str(self._reading.sheet)
        for sheet in sheets:
            if fold(sheet.name) == fold(asked):
                return sheet
        if asked.isascii() and asked.isdigit() and len(asked) < 6 and 0 < int(asked) <= len(sheets):
            return sheets[int(asked) - 1]
        raise UsageError(
            worded("{name} has no sheet {asked!r}", name=self._name, asked=asked[:100]),
            hint=worded("it has {sheets}", sheets=", ".join(repr(sheet.name[:40]) for sheet in sheets[:20])),
        )

    def _head(self, sheet: _Sheet, markup: Markup) -> list[Row]:
        """Return the first rows of a sheet that hold something."""
        with self._package.open(sheet.part) as part:
            self._merges = read_merges(part)
        with self._package.open(sheet.part) as part:
            rows = Filling(self._merges).rows(read_rows(part, self._look(markup)))
            if self._reading.header_row is not None:
                return [row for row in islice(rows, self._reading.header_row) if row.number == self._reading.header_row]
            return list(islice(rows, HEADER_ROWS))

    def _look(self, markup: Markup | None = None) -> Look:
        return Look(self._name, self._strings, self._styles, markup=markup or Markup())

    def _take_headings(self, rows: Sequence[Row]) -> None:
        at = self._reading.header_index([_texts(row) for row in rows])
        self._header_row = rows[at].number
        if at:
            self._remarks.append(Remark("header_row", {"line": self._header_row, "above": at}))
        cells = rows[at].cells
        hidden = self._hidden()
        self._hidden_columns = [cell.text for cell in cells if cell.column in hidden]
        if self._reading.visible_only:
            cells = [cell for cell in cells if cell.column not in hidden]
        refuse_columns(self._name, len(cells))
        # Columns without a heading cannot be named, so they are left out: a sheet may be 16,384 columns wide.
        self._places = [cell.column for cell in cells]
        self.columns = [cell.text.strip() for cell in cells]

    def _hidden(self) -> set[int]:
        look = self._look()
        with self._package.open(self._sheet.part) as part:
            next(read_rows(part, look), None)  # the columns are described above the rows
        return look.hidden_columns

    def _damaged(self, error: Exception) -> UsageError:
        why = translated(str(error) if isinstance(error, Unreadable) else _why(error))
        return UsageError(
            worded("{name} is a damaged or unusual XLSX file ({why})", name=self._name, why=why),
            hint=translated("open it in a spreadsheet and save it again as XLSX, or as CSV UTF-8"),
        )


def _why(error: Exception) -> str:
    if isinstance(error, (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)):
        return _NOT_UNPACKED
    return _NO_SPREADSHEET


_NOT_UNPACKED = "a part of it cannot be unpacked"
_NO_SPREADSHEET = "no spreadsheet writes what is in it"


def open_workbook(stream: BinaryIO, name: str, reading: Reading) -> WorkbookTable:
    """Open `stream` as a workbook."""
    return WorkbookTable(stream, name, reading)


def _as_seen(cell: Cell) -> str:
    """Return the error that a cell shows, in a form that the checks of all formats know."""
    return cell.text if shows_error(cell.text) else _SOME_ERROR


def _visible(sheets: Sequence[_Sheet]) -> list[_Sheet]:
    return [sheet for sheet in sheets if sheet.visible] or list(sheets)


def _texts(row: Row) -> list[str]:
    return [cell.text for cell in row.cells]
