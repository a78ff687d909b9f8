"""When the lines of a POST get their results: together, spread over a range, out of order, or never.

Every moment is drawn from the option `seed` and the POST's number, so that a run can be repeated.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ops.simulator import bloque
from ops.simulator.rules import Rules

# A delay range spreads one POST's lines over so many moments; `out_of_order` draws one for each line.
GROUPS = 16
NEVER = math.inf


@dataclass(slots=True)
class Share:
    """Lines of one POST that get their results at one moment, as two columns like those of `bloque.Lines`."""

    due: float
    ids: list[bytes] = field(default_factory=list)
    rests: list[bytes] = field(default_factory=list)


def deal(lines: bloque.Lines, start: float, rules: Rules, *, post: int, backlog: float = 0.0) -> list[Share]:
    """Divide a POST's lines by the moment of their results.

    Args:
        start: provider unix seconds that every delay counts from.
        post: the POST's number.
        backlog: seconds that widen the range of the delays.
    """
    options = rules.options
    dice = random.Random(options.seed * 1_000_003 + post)
    width = max(options.delay_max - options.delay_min, 0.0) + backlog
    refused = []
    if options.refuse_at_once:
        lines, out = _split(lines, lambda rest: rules.refuses_content(rest, plain=False) is not None)
        refused = [Share(start, out.ids, out.rests)] if out.ids else []
    usual, slow = _split(lines, rules.is_slow) if rules.slow_carrier else (lines, bloque.Lines())
    first = start + options.delay_min
    extra = NEVER if options.slow_seconds is None else options.slow_seconds
    spread = _spread_each if options.out_of_order else _spread
    return refused + spread(usual, first, width, dice) + spread(slow, first + extra, width, dice)


def _split(lines: bloque.Lines, chosen: Callable[[bytes], bool]) -> tuple[bloque.Lines, bloque.Lines]:
    """The other lines, and the chosen ones."""
    others, ours = bloque.Lines(), bloque.Lines()
    for idinterno, rest in zip(lines.ids, lines.rests, strict=True):
        its = ours if chosen(rest) else others
        its.ids.append(idinterno)
        its.rests.append(rest)
    return others, ours


def _spread(lines: bloque.Lines, first: float, width: float, dice: random.Random) -> list[Share]:
    groups = min(GROUPS, len(lines.ids)) if width else min(1, len(lines.ids))
    return [
        Share(first + width * dice.random(), lines.ids[group::groups], lines.rests[group::groups])
        for group in range(groups)
    ]


def _spread_each(lines: bloque.Lines, first: float, width: float, dice: random.Random) -> list[Share]:
    """Whole seconds, which is all that a fecha can tell: lines of one second share a batch."""
    shares: dict[int, Share] = {}
    order = list(range(len(lines.ids)))
    dice.shuffle(order)
    for at in order:
        delay = int(width * dice.random())
        share = shares.setdefault(delay, Share(first + delay))
        share.ids.append(lines.ids[at])
        share.rests.append(lines.rests[at])
    return list(shares.values())


def lose(lines: bloque.Lines, share: float, seed: int) -> bloque.Lines:
    """Drop a share of the lines silently; only the ledger knows."""
    dice = random.Random(seed)
    kept = bloque.Lines(ignored=list(lines.ignored))
    for idinterno, rest in zip(lines.ids, lines.rests, strict=True):
        if dice.random() < share:
            kept.ignored.append(bloque.Ignored(idinterno + b"\t" + rest, "fault"))
        else:
            kept.ids.append(idinterno)
            kept.rests.append(rest)
    return kept
