"""Charts as SVG, made on the server; colours are the stylesheet's, by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from dispatcher.domain.opening_hours import MINUTES_A_DAY, Hours

_RECT = Markup('<rect class="{}" x="{:.3f}" y="{:.2f}" width="{:.3f}" height="{:.2f}">{}</rect>')
_TITLE = Markup("<title>{}</title>")
_TEXT = Markup('<text x="{:.2f}" y="{}" text-anchor="middle">{}</text>')
_LINE = Markup('<polyline class="line {}" points="{}" fill="none"/>')
_SVG = Markup('<svg class="{}" viewBox="0 0 {} {}"{} role="img" aria-label="{}">{}</svg>')
_STRETCHED = Markup(' preserveAspectRatio="none"')
_EMPTY = Markup("")


def bar(parts: Sequence[tuple[str, int]], label: str) -> Markup:
    """One bar of several parts, each with its class and its count."""
    whole = sum(count for _, count in parts) or 1
    at, drawn = 0.0, []
    for kind, count in parts:
        width = 100 * count / whole
        if width:
            drawn.append(_RECT.format(f"part {kind}", at, 0, width, 8, _EMPTY))
        at += width
    return _svg("bar", 100, 8, label, drawn, stretched=True)


def columns(groups: Sequence[tuple[str, Sequence[tuple[str, int, str]]]], label: str) -> Markup:
    """Stacked columns: (name, parts), each part with its class, count and what a pointer over it is told."""
    most = max((sum(count for _, count, _ in parts) for _, parts in groups), default=0) or 1
    step, drawn = 100 / max(len(groups), 1), []
    for place, (name, parts) in enumerate(groups):
        top = 60.0
        for kind, count, words in parts:
            height = 56 * count / most
            top -= height
            if height:
                at = place * step + step * 0.15
                drawn.append(_RECT.format(f"part {kind}", at, top, step * 0.7, height, _TITLE.format(words)))
        drawn.append(_TEXT.format(place * step + step / 2, 68, name))
    return _svg("columns", 100, 72, label, drawn)


def line(series: Sequence[tuple[str, Sequence[int]]], label: str) -> Markup:
    """Lines over equal steps of time, each with its class."""
    most = max((max(values, default=0) for _, values in series), default=0) or 1
    drawn = []
    for kind, values in series:
        step = 300 / max(len(values) - 1, 1)
        points = " ".join(f"{place * step:.1f},{78 - 74 * value / most:.1f}" for place, value in enumerate(values))
        drawn.append(_LINE.format(kind, points))
    return _svg("chart", 300, 80, label, drawn, stretched=True)


def hours(window: Hours | None, marks: Iterable[tuple[str, float, float]], label: str) -> Markup:
    """A day's line: when it is open, and what happens in it as (class, from hour, to hour)."""
    drawn = [_RECT.format("night", 0, 6, 240, 8, _EMPTY)]
    for begin, end in _within_a_day(window):
        drawn.append(_RECT.format("window", begin / 6, 6, (end - begin) / 6, 8, _EMPTY))
    for kind, since, until in marks:
        drawn.append(_RECT.format(kind, since * 10, 3, max((until - since) * 10, 1.5), 14, _EMPTY))
    drawn += [_TEXT.format(min(max(hour * 10, 6), 234), 27, hour) for hour in range(0, 25, 4)]
    return _svg("hours", 240, 30, label, drawn)


def _svg(kind: str, width: int, height: int, label: str, drawn: list[Markup], *, stretched: bool = False) -> Markup:
    return _SVG.format(kind, width, height, _STRETCHED if stretched else _EMPTY, label, Markup("").join(drawn))


def _within_a_day(window: Hours | None) -> list[tuple[int, int]]:
    if window is None:
        return []
    day = MINUTES_A_DAY
    opens, closes = window.opens, window.closes
    return [(opens, closes)] if closes <= day else [(opens, day), (0, closes - day)]
