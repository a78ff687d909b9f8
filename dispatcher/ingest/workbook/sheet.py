"""One sheet as a stream of rows, with the cells as people see them. Only cells that hold something take part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.cells import UNSAVED
from dispatcher.ingest.tidy import is_blank
from dispatcher.ingest.workbook.strings import MAX_CELL, SharedStrings, long_cell, unescaped
from dispatcher.ingest.workbook.styles import NO_NUMBER, Style
from dispatcher.ingest.workbook.xml import MAX_DEPTH, Attributes, Markup, Unreadable, feed, local

LAST_ROW = 1_048_576
LAST_COLUMN = 16_384
MAX_EMPTY_CELLS = 40_000_000

_VISIBLE = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = "0123456789$"
_BOOLEANS = {"1": "VERDADERO", "0": "FALSO", "true": "VERDADERO", "false": "FALSO"}


class Cell(NamedTuple):
    """A cell that holds something: its column from 0, what it shows, and whether that is an error."""

    column: int
    text: str
    error: bool


class Row(NamedTuple):
    """A row with content, as the spreadsheet numbers it."""

    number: int
    hidden: bool
    cells: list[Cell]


@dataclass
class Look:
    """What cells are read with, and the hidden columns that were met."""

    name: str
    strings: SharedStrings
    styles: Sequence[Style]
    hidden_columns: set[int] = field(default_factory=set)
    markup: Markup = field(default_factory=Markup)


def read_rows(stream: BinaryIO, look: Look) -> Iterator[Row]:
    """Yield the rows of a sheet that hold something.

    Raises:
        UsageError: the sheet has rows or columns that no sheet has.
        Unreadable: its XML is broken.
    """
    rows: list[Row] = []
    handlers = _Handlers(look, rows.append)
    before = look.markup.spent
    for read in feed(stream, handlers.start, handlers.end, handlers.text):
        look.markup.spend(read, *handlers.met(), before)
        if rows:
            yield from rows
            rows.clear()


class _Handlers:
    """What expat calls; per cell as little as can be."""

    def __init__(self, look: Look, put: Callable[[Row], None]) -> None:
        self._look = look
        self._put = put
        self._row = 0
        self._hidden = False
        self._cells: list[Cell] = []
        self._column = -1  # of the last cell
        self._kind = ""
        self._style = ""
        self._value: list[str] | None = None  # where text goes; None: nowhere
        self._pieces: list[str] = []
        self._length = 0
        self._empty = 0
        self._filled = 0
        self._started = 0  # rows
        self._characters = 0
        self._depth = 0  # of other elements
        self._hidden_columns = 0
        self._phonetic = False
        self._columns: dict[str, int] = {}
        self._plain = Style()
        self._formula = False
        self._namespace = ""
        self._names = self._tags("")

    def met(self) -> tuple[int, int]:
        """How many rows and cells there were, and the characters in them."""
        return self._started + self._empty + self._filled, self._characters + self._length

    def _tags(self, namespace: str) -> tuple[str, str, str, str, str]:
        prefix = f"{namespace}\n" if namespace else ""
        return f"{prefix}c", f"{prefix}v", f"{prefix}row", f"{prefix}t", f"{prefix}is"

    def start(self, name: str, attributes: Attributes) -> None:
        c, v, row, t, _ = self._names
        if name == c:
            self._start_cell(attributes)
        elif name in (v, t):
            if self._value is not None:
                raise Unreadable("a value has another one inside")
            if not self._phonetic:
                self._value = self._pieces
        elif name == row:
            self._start_row(attributes)
        else:
            self._start_other(local(name), name, attributes)

    def _start_cell(self, attributes: Attributes) -> None:
        reference = attributes.get("r")
        if reference is None:
            self._column += 1
        else:
            letters = reference.rstrip(_DIGITS)
            column = self._columns.get(letters)
            self._column = self._columns.setdefault(letters, column_of(letters)) if column is None else column
        if self._column >= LAST_COLUMN:
            raise UsageError(
                worded("{name} has a cell beyond the last column of a sheet", name=self._look.name),
                hint=translated(_DAMAGED),
            )
        self._formula = False
        self._kind = attributes.get("t", "n")
        self._style = attributes.get("s", "")

    def _start_row(self, attributes: Attributes) -> None:
        number = attributes.get("r")
        try:
            following = self._row + 1 if number is None else int(number)
        except ValueError:
            raise Unreadable("a row has no number") from None
        if following > LAST_ROW:
            raise UsageError(
                worded(
                    "{name} has a row numbered {following:,}, beyond the last row of a sheet ({last_row:,})",
                    name=self._look.name,
                    following=following,
                    last_row=LAST_ROW,
                ),
                hint=translated(_DAMAGED),
            )
        if following <= self._row:
            raise Unreadable("its rows are out of order")
        self._row = following
        self._started += 1
        self._hidden = _is_hidden(attributes, "ht")
        self._column = -1

    def _start_other(self, tag: str, name: str, attributes: Attributes) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable("it is nearly all markup")
        if tag == "worksheet":
            self._names = self._tags(name.rpartition("\n")[0])
        elif tag == "f":
            self._formula = True
        elif tag == "col" and _is_hidden(attributes, "width"):
            first, last = int(attributes.get("min", 1)), int(attributes.get("max", 0))
            columns = range(max(first, 1) - 1, min(last, LAST_COLUMN))
            self._hidden_columns += len(columns)
            if self._hidden_columns > LAST_COLUMN:
                raise Unreadable("it describes columns again and again")
            self._look.hidden_columns.update(columns)
        elif tag == "rPh":
            self._phonetic = True

    def end(self, name: str) -> None:
        c, v, row, t, _ = self._names
        if name in (v, t):
            self._value = None
        elif name == c:
            if self._pieces:
                self._end_cell()
            elif self._formula and self._kind != "str":
                self._cells.append(Cell(self._column, UNSAVED, True))
            else:
                self._empty += 1
                if self._empty > MAX_EMPTY_CELLS:
                    raise UsageError(
                        worded(
                            "{name} has more than {max_empty_cells:,} empty cells",
                            name=self._look.name,
                            max_empty_cells=MAX_EMPTY_CELLS,
                        ),
                        hint=translated("delete the empty rows and columns, or save the list as CSV UTF-8"),
                    )
        elif name == row:
            if self._cells:
                self._put(Row(self._row, self._hidden, self._cells))
                self._cells = []
        else:
            self._depth -= 1
            if name.endswith("rPh"):
                self._phonetic = False

    def text(self, value: str) -> None:
        if self._value is not None:
            self._length += len(value)
            if self._length > MAX_CELL:
                raise long_cell(self._look.name)
            self._value.append(value)

    def _end_cell(self) -> None:
        raw = self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces)
        self._pieces.clear()
        self._filled += 1
        self._characters += self._length
        self._length = 0
        text, error = self._shown(raw)
        if text and not (text[0] not in _VISIBLE and is_blank(text)):
            self._cells.append(Cell(self._column, text, error))

    def _shown(self, raw: str) -> tuple[str, bool]:
        """Return what a cell shows, and whether that is an error."""
        kind = self._kind
        style = self._styled()
        if kind == "n":
            shown = style.number(raw.strip())
            return shown, shown.startswith("####") or shown == NO_NUMBER
        if kind == "s":
            digits = raw.strip()
            number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else -1
            if not len(self._look.strings):
                raise Unreadable("its texts are missing")
            if not 0 <= number < len(self._look.strings):
                return _LOST_STRING, True
            shown = self._look.strings[number]
        elif kind == "e":
            return raw.strip(), True
        elif kind == "b":
            return _BOOLEANS.get(raw.strip().lower(), raw), False
        elif kind == "d":
            return _iso(raw.strip(), style), False
        else:
            shown = unescaped(raw)
        if style.frame is not None:
            shown = f"{style.frame[0]}{shown}{style.frame[1]}"
        return shown, False

    def _styled(self) -> Style:
        """Return the style of the cell; a plain one where the workbook has none of that number."""
        if not self._style or not self._style.isdigit():
            return self._plain
        number = int(self._style)
        return self._look.styles[number] if number < len(self._look.styles) else self._plain


def _is_hidden(attributes: Attributes, size: str) -> bool:
    """Tell whether a row or column is hidden, as such or because its height or width is 0."""
    return attributes.get("hidden", "") in ("1", "true") or attributes.get(size, "") in ("0", "0.0")


_LOST_STRING = "#REF!"
_DAMAGED = "open it in a spreadsheet and save it again"


def column_of(letters: str) -> int:
    """Return the position of the column called `letters`, from 0."""
    if not re.fullmatch("[A-Za-z]{1,3}", letters):
        raise Unreadable("a cell has no place")
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def _iso(text: str, style: Style) -> str:
    """Return a date that is written as text (the strict dialect) as its cell shows it."""
    import datetime

    try:
        moment = datetime.datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        return text
    serial = (moment - datetime.datetime(1899, 12, 30)) / datetime.timedelta(days=1)
    return style.number(repr(serial)) if style.render is not None else moment.strftime("%d/%m/%Y")
