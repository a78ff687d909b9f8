"""The template: a text with `{column}` in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.errors import UsageError
from dispatcher.ingest import columns as headings


@dataclass(frozen=True)
class Literal:
    """Characters of the template that are the same in every message."""

    text: str


@dataclass(frozen=True)
class Field:
    """A place that a column fills."""

    name: str


@dataclass(frozen=True)
class Template:
    """A parsed template; two literals are never adjacent."""

    parts: tuple[Literal | Field, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names in braces, each once, in order of appearance."""
        return tuple(dict.fromkeys(part.name for part in self.parts if isinstance(part, Field)))

    def sample(self, value: str = "x") -> str:
        """Return the template's own words, with `value` in every place that a column fills."""
        return "".join(part.text if isinstance(part, Literal) else value for part in self.parts)

    def columns(self, found: Sequence[str]) -> dict[str, int]:
        """Return the position in `found` of each field; UsageError names a field that is not a column."""
        return {name: headings.require(name, found, "the template") for name in self.fields}


def parse(template: str) -> Template:
    """Parse `template`: `{name}` is a column, `{{` and `}}` are literal braces.

    Raises UsageError, with the position counted from 1, for a brace without its pair, for `{}` and for an empty text.
    """
    if not template.strip():
        raise UsageError("the template is empty", hint="write the text of the message, e.g. 'Hola {nombre}'")
    if any("\ud800" <= char <= "\udfff" for char in template):
        raise UsageError("the template is not valid text", hint="write it in the terminal's encoding, UTF-8")
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
            f"the template has an empty placeholder at position {opened + 1}",
            hint="write the column's name between the braces",
        )
    return name, closed + 1


def _unbalanced(brace: str, at: int) -> UsageError:
    return UsageError(
        f"the template has a {brace!r} without its pair at position {at + 1}",
        hint="a placeholder is {column}; a brace that is meant as text is written twice, {{ or }}",
    )
