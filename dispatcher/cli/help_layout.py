"""How help is laid out: nothing of it is cut, and no line is wider than the terminal.

Click shortens the list of commands, and leaves examples as they are written, so that a narrow terminal breaks them in
the middle of a word. Here the list has whole sentences, and an example that does not fit goes on in another line, so
that it can still be copied.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

import click

_WORD = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+")
_CHOICES = re.compile(r"\[([^\[\]|]+(?:\|[^\[\]|]+)+)\]")
_INDENT = "    "


class Formatter(click.HelpFormatter):
    """Click's formatter, whose examples and lists of choices fit."""

    def write_text(self, text: str) -> None:
        """Write paragraphs; the lines of one that begins with `\\b` are kept, as far as they fit."""
        width = max(self.width - self.current_indent, 11)
        paragraphs = re.split(r"\n\s*\n", text)
        super().write_text("\n\n".join(_fitted(each, width) for each in paragraphs))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and what they mean; choices that are too many to stand beside a name come after its meaning."""
        width = max(self.width - self.current_indent, 11)
        super().write_dl([_with_choices(*row) if len(row[0]) > width else row for row in rows], col_max, col_spacing)


def _with_choices(name: str, said: str) -> tuple[str, str]:
    found = _CHOICES.search(name)
    if found is None:
        return name, said
    return name.replace(found[0], "CHOICE"), f"{said} One of: {', '.join(found[1].split('|'))}."


def _fitted(paragraph: str, width: int) -> str:
    first, _, rest = paragraph.partition("\n")
    if first.strip() != "\b":
        return paragraph
    return "\n".join([first, *(part for line in rest.split("\n") for part in _lines(line, width))])


def _lines(line: str, width: int) -> list[str]:
    """A line as several that fit; a command goes on behind a backslash, and is not broken inside quotes."""
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    text = line.strip()
    _, gap, meaning = text.partition("  ")
    if gap or not text.startswith("dispatcher "):
        column = len(text) - len(meaning.lstrip())
        hanging = column if gap and column <= width * 2 // 3 else len(_INDENT)
        return textwrap.wrap(line, width, subsequent_indent=indent + " " * hanging, break_on_hyphens=False)
    lines = [indent]
    for word in _WORD.findall(line):
        begins = not lines[-1].strip()
        if not begins and len(lines[-1]) + 1 + len(word) > width - 2:
            lines[-1] += " \\"
            lines.append(indent + _INDENT + word)
        else:
            lines[-1] += word if begins else f" {word}"
    return lines


class WholeGroup(click.Group):
    """A group whose commands are listed with their first sentence, whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, each.get_short_help_str(10_000)) for name, each in found if each is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
