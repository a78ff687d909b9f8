"""The template: a text with `{column}` in it. Pure.

A placeholder may change its value, and may have a default: `{column:filter:filter|default}`. The filters are in
`filters.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import columns as headings
from dispatcher.ingest import filters
from dispatcher.ingest.filters import Filter


@dataclass(frozen=True)
class Literal:
    """Characters of the template that are the same in every message."""

    text: str


@dataclass(frozen=True)
class Field:
    """What stands between braces, as it is written."""

    name: str


@dataclass(frozen=True)
class Placeholder:
    """A place that a column fills.

    Attributes:
        position: where the column is in the file.
        heading: what the file calls it.
        filters: what is done to its value, in order.
        default: what stands there when the value is empty; None makes such a row invalid.
        after_sign: whether the template has a `$` right before it.
    """

    position: int
    heading: str
    filters: tuple[Filter, ...] = ()
    default: str | None = None
    after_sign: bool = False


@dataclass(frozen=True)
class Template:
    """A parsed template; two literals are never adjacent."""

    parts: tuple[Literal | Field, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """What stands in braces, each once, in order of appearance."""
        return tuple(dict.fromkeys(part.name for part in self.parts if isinstance(part, Field)))

    def sample(self, value: str = "x") -> str:
        """Return the template's own words, with `value` in every place that a column fills."""
        return "".join(part.text if isinstance(part, Literal) else value for part in self.parts)

    def bind(self, columns: Sequence[str], *, literal: bool = False) -> tuple[Literal | Placeholder, ...]:
        """Find the column of each placeholder.

        Raises UsageError for a placeholder that names no column, for an unknown filter, and for a column's name
        between the marks of another tool (`%nombre%`), unless `literal` says that it is meant as text.
        """
        bound: list[Literal | Placeholder] = []
        for part in self.parts:
            if isinstance(part, Literal):
                if not literal:
                    _refuse_other_marks(part.text, columns)
                bound.append(part)
            else:
                before = bound[-1] if bound else None
                after_sign = isinstance(before, Literal) and before.text.rstrip().endswith("$")
                bound.append(_placeholder(part.name, columns, after_sign=after_sign))
        return tuple(bound)


def parse(template: str) -> Template:
    """Parse `template`: `{name}` is a column, `{{` and `}}` are literal braces.

    Raises UsageError, with the position counted from 1, for a brace without its pair, for `{}` and for an empty text.
    """
    if not template.strip():
        raise UsageError(
            translated("the template is empty"), hint=translated("write the text of the message, e.g. 'Hola {nombre}'")
        )
    if any("\ud800" <= char <= "\udfff" for char in template):
        raise UsageError(
            translated("the template is not valid text"), hint=translated("write it in the terminal's encoding, UTF-8")
        )
    parts: list[Literal | Field] = []
    literal: list[str] = []
    at = 0
    while at < len(template):
        char = template[at]
        if char in "{}" and template[at : at + 2] == char * 2:
            literal.append(char)
            at += 2
        elif char == "{":
            name, at = _field(template, at)
            if literal:
                parts.append(Literal("".join(literal)))
                literal = []
            parts.append(Field(name))
        elif char == "}":
            raise _unbalanced("}", at)
        else:
            literal.append(char)
            at += 1
    if literal:
        parts.append(Literal("".join(literal)))
    return Template(tuple(parts))


def _field(template: str, opened: int) -> tuple[str, int]:
    closed = template.find("}", opened)
    if closed < 0 or "{" in template[opened + 1 : closed]:
        raise _unbalanced("{", opened)
    name = template[opened + 1 : closed].strip()
    if not name:
        raise UsageError(
            worded("the template has an empty placeholder at position {position}", position=opened + 1),
            hint=translated("write the column's name between the braces"),
        )
    return name, closed + 1


def _unbalanced(brace: str, at: int) -> UsageError:
    return UsageError(
        worded("the template has a {brace!r} without its pair at position {position}", brace=brace, position=at + 1),
        hint=translated("a placeholder is {column}; a brace that is meant as text is written twice, {{ or }}"),
    )


def _placeholder(written: str, columns: Sequence[str], *, after_sign: bool) -> Placeholder:
    """Read `column:filter:filter|default`. A heading that has `:` or `|` in it counts first, as a whole."""
    if (position := headings.find(written, columns)) is not None:
        return Placeholder(position, columns[position], after_sign=after_sign)
    value, bar, default = written.partition("|")
    name, *asked = (part.strip() for part in value.split(":"))
    position = headings.require(name, columns, "the template")
    chain = tuple(filters.named(each, written) for each in asked)
    return Placeholder(position, columns[position], chain, default.strip() if bar else None, after_sign)


_MARKS = (
    ("%", "%"),
    ("#", "#"),
    ("((", "))"),
    ("«", "»"),
    ("[", "]"),
    ("<", ">"),
    ("{", "}"),
    ("*|", "|*"),
    ("*", "*"),
    ("@", "@"),
    ("_", "_"),
    ("(", ")"),
    ("‹", "›"),
    ("|", "|"),
    ("~", "~"),
    ("｛", "｝"),
)
_BETWEEN_MARKS = tuple(
    # Looking ahead finds what overlaps, too: `%a%nombre%`. The length is bounded, so the time is linear.
    re.compile(rf"(?=({re.escape(opens)}([^{re.escape(opens[0] + closes[0])}]{{1,100}}){re.escape(closes)}))")
    for opens, closes in _MARKS
)
_MARKS_INSIDE = "%=$#*|~-_ "  # <%= nombre %>
_AFTER_MARK = re.compile(r"(?=((?<!\w)[$@:&](\w{1,100})))")


def _refuse_other_marks(text: str, columns: Sequence[str]) -> None:
    for written, name in _other_marks(text):
        if any(headings.fold(name) == headings.fold(column) for column in columns if column.strip()):
            raise UsageError(
                worded(
                    "the template has {written!r}, and the file has a column {column!r}",
                    written=written,
                    column=name.strip(),
                ),
                hint=worded(
                    "did you mean {{{column}}}? --literal (literal) sends it as it is written", column=name.strip()
                ),
            )


def _other_marks(text: str) -> Iterator[tuple[str, str]]:
    for pattern in (*_BETWEEN_MARKS, _AFTER_MARK):
        for found in pattern.finditer(text):
            yield found[1], found[2].strip(_MARKS_INSIDE) or found[2]
