"""Texts that make a regular expression slow, made from its own structure.

What makes one quadratic or worse is a repetition that can begin or end in many places. So each repetition is fed with
what it takes, many times over, behind what leads to it and before what makes the match fail.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

_REPEATS = (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT)
_CATEGORIES = {
    c.CATEGORY_DIGIT: r"\d",
    c.CATEGORY_NOT_DIGIT: r"\D",
    c.CATEGORY_SPACE: r"\s",
    c.CATEGORY_NOT_SPACE: r"\S",
    c.CATEGORY_WORD: r"\w",
    c.CATEGORY_NOT_WORD: r"\W",
}
_MOST_REPRESENTATIVES = 14
_SCREENED = 400  # characters of a text when the slowest are looked for
DOUBLINGS, LIMIT = 4, 2.5
FLOOR = 0.0005
"""Seconds of CPU below which no clock, cache or allocator step says anything about a pattern."""


@dataclass(frozen=True)
class Attack:
    """A text of any length."""

    prefix: str
    pump: str
    suffix: str

    def text(self, length: int) -> str:
        """About so many characters."""
        return self.prefix + self.pump * max(1, length // len(self.pump)) + self.suffix


class Explodes(Exception):
    """A text of a few hundred characters takes longer than any linear pattern could: no doubling is needed to tell."""


class Structure:
    """A pattern taken apart."""

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        """Parse it once more."""
        self._flags = pattern.flags
        self._tree = _parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
        self._groups: dict[int, Any] = {}
        self._atoms = list(self._leaves(self._tree))
        self.characters = self._representatives()

    def attacks(self) -> Iterator[Attack]:
        """Every combination worth a try."""
        contexts = list(dict.fromkeys(self._contexts(self._tree, "")))
        singles = list(self.characters)
        pairs = ["".join(pair) for pair in itertools.permutations(self.characters[:10], 2)]
        suffixes = ["", "\x00", "\n", *singles[:3]]
        own = {prefix: {inner, prefix + inner, prefix, *singles} - {""} for prefix, inner in contexts}
        own[""] = {*singles, *pairs, *itertools.chain.from_iterable(own.values())}
        for prefix, pumps in own.items():
            for pump, suffix in itertools.product(sorted(pumps), suffixes):
                yield Attack(prefix, pump, suffix)

    def _leaves(self, tree: Any) -> Iterator[tuple[Any, Any]]:
        for operation, argument in tree:
            if operation is c.SUBPATTERN:
                self._groups[argument[0]] = argument[3]
            if operation in (c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY):
                yield operation, argument
            for inner in _inner(operation, argument):
                yield from self._leaves(inner)

    def _takes(self, atom: tuple[Any, Any], char: str) -> bool:
        both = {char, char.lower(), char.upper()} if self._flags & re.IGNORECASE else {char}
        return any(self._takes_exactly(atom, ord(each)) for each in both if len(each) == 1)

    def _takes_exactly(self, atom: tuple[Any, Any], code: int) -> bool:
        operation, argument = atom
        if operation is c.LITERAL:
            return bool(code == argument)
        if operation is c.NOT_LITERAL:
            return bool(code != argument)
        if operation is c.ANY:
            return code != 10 or bool(self._flags & re.DOTALL)
        negated, hit = False, False
        for kind, value in argument:
            if kind is c.NEGATE:
                negated = True
            elif kind is c.LITERAL:
                hit |= code == value
            elif kind is c.RANGE:
                hit |= value[0] <= code <= value[1]
            elif kind is c.CATEGORY:
                hit |= re.match(_CATEGORIES[value], chr(code), self._flags & re.ASCII) is not None
        return hit != negated

    def _representatives(self) -> list[str]:
        """One character for each set of atoms that take the same characters."""
        edges = {
            edge
            for operation, argument in self._atoms
            for value in ([argument] if operation in (c.LITERAL, c.NOT_LITERAL) else _edges(argument))
            for edge in (value, value + 1)
        }
        candidates = [*range(32, 127), *range(0, 32), *range(127, 256), *sorted(e for e in edges if 255 < e < 0x110000)]
        seen: dict[tuple[bool, ...], str] = {}
        for code in candidates:
            signature = tuple(self._takes(atom, chr(code)) for atom in self._atoms)
            seen.setdefault(signature, chr(code))
        # What most atoms take is where repetitions overlap.
        ordered = sorted(seen.items(), key=lambda item: -sum(item[0]))
        return [char for _, char in ordered][:_MOST_REPRESENTATIVES]

    def _sample(self, tree: Any) -> str:
        """A short text that the tree takes."""
        return "".join(self._one(operation, argument) for operation, argument in tree)

    def _one(self, operation: Any, argument: Any) -> str:
        if operation in (c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY):
            if operation is c.LITERAL:
                return chr(argument)
            candidates = [*self.characters, *map(chr, range(32, 256)), *map(chr, _edges(argument))]
            return next((char for char in candidates if self._takes((operation, argument), char)), "?")
        if operation in _REPEATS:
            return self._sample(argument[2]) * int(argument[0])
        if operation is c.BRANCH:
            return self._sample(argument[1][0])
        if operation is c.SUBPATTERN:
            return self._sample(argument[3])
        if operation is c.ATOMIC_GROUP:
            return self._sample(argument)
        if operation is c.GROUPREF:
            return self._sample(self._groups.get(argument, []))
        if operation is c.ASSERT:
            return self._sample(argument[1])
        return ""

    def _contexts(self, tree: Any, prefix: str) -> Iterator[tuple[str, str]]:
        """Each repetition: what leads to it, and what it repeats."""
        for operation, argument in tree:
            if operation in _REPEATS and argument[1] > 1:
                yield prefix, self._sample(argument[2])
                if len(argument[2]) == 1 and argument[2][0][0] is c.BRANCH:
                    yield prefix, "".join(map(self._sample, argument[2][0][1][1]))
            if operation is c.BRANCH:
                for branch in argument[1]:
                    yield prefix, self._sample(branch)
            for inner in _inner(operation, argument):
                yield from self._contexts(inner, prefix)
            prefix += self._one(operation, argument)


def _inner(operation: Any, argument: Any) -> list[Any]:
    if operation in _REPEATS:
        return [argument[2]]
    if operation is c.BRANCH:
        return list(argument[1])
    if operation is c.SUBPATTERN:
        return [argument[3]]
    if operation is c.ATOMIC_GROUP:
        return [argument]
    if operation in (c.ASSERT, c.ASSERT_NOT):
        return [argument[1]]
    return []


def _edges(argument: Any) -> list[int]:
    if not isinstance(argument, list):
        return []
    values = [value for kind, value in argument if kind in (c.LITERAL, c.RANGE)]
    return [edge for value in values for edge in (value if isinstance(value, tuple) else (value,))]


def cpu(call: Callable[[], Any], at_least: float = 0.0005) -> float:
    """CPU seconds of one call, the best of five; short ones are repeated until the clock can tell."""
    start = time.thread_time()
    call()
    first = time.thread_time() - start
    times = 1 if first >= at_least else min(1000, int(at_least / max(first, 1e-7)) + 1)
    best = first
    for _ in range(5):
        start = time.thread_time()
        for _ in range(times):
            call()
        best = min(best, (time.thread_time() - start) / times)
        if best > 1:  # no clock is that far off
            break
    return best


def growth(measure: Callable[[int], float], begin: int) -> float:
    """By how much the CPU time grows when the length doubles: the worst of four doublings, each with its neighbour.

    Two doublings together tell growth from one step of a cache or of the allocator; what seems to grow is measured up
    to five times, and the best counts. Times below `FLOOR` count as `FLOOR`: a call of some microseconds says nothing,
    and whatever is quadratic is far above it at the last doubling.
    """
    lengths = [begin * 2**step for step in range(DOUBLINGS + 1)]
    took = [max(FLOOR, measure(length)) for length in lengths[:2]]
    worst = 1.0
    for at in range(2, len(lengths)):
        took.append(max(FLOOR, measure(lengths[at])))
        for _ in range(4):
            if took[at] <= LIMIT**2 * took[at - 2]:
                break
            took[at] = min(took[at], max(FLOOR, measure(lengths[at])))
            took[at - 2] = max(took[at - 2], measure(lengths[at - 2]))
        worst = max(worst, math.sqrt(took[at] / took[at - 2]))
        if worst > LIMIT:
            break
    return worst


def use(pattern: re.Pattern[Any], how: str, text: str) -> Callable[[], Any]:
    """One use of a pattern on a text."""
    subject: Any = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    if how in ("sub", "subn"):
        nothing: Any = subject[:0]
        return lambda: getattr(pattern, how)(nothing, subject)
    if how == "finditer":
        return lambda: sum(1 for _ in pattern.finditer(subject))
    return lambda: getattr(pattern, how)(subject)


def slowest(pattern: re.Pattern[Any], how: str, keep: int = 3) -> list[Attack]:
    """The attacks that take longest at a modest length.

    Raises:
        Explodes: one takes 0.05 s of CPU there; a longer text might never end.
    """
    timed: list[tuple[float, Attack]] = []
    for attack in Structure(pattern).attacks():
        for length in (20, 26, _SCREENED):
            call = use(pattern, how, attack.text(length))
            start = time.thread_time()
            call()
            took = time.thread_time() - start
            if took > 0.05 and cpu(call) > 0.05:
                raise Explodes(f"{how} {attack}")
        timed.append((took, attack))
    return [attack for _, attack in sorted(timed, key=lambda pair: -pair[0])[:keep]]
