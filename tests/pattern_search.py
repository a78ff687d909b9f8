"""Finds every regular expression of the project, and how it is used: a new one needs no entry anywhere.

Three ways to write one are known: a call such as `re.sub(r"…", …)`, a name of a module that holds a compiled pattern,
and a tuple or dict of them. Patterns of polars and pydantic are Rust's, which take linear time by construction.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from tests.processes import ROOT

PARTS = ("schemas", "dispatcher", "workers", "ops")
USES = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
STRICTEST = frozenset({"search"})
"""What is assumed where the source does not show a pattern's use."""


@dataclass(frozen=True)
class Found:
    """A pattern with its uses, and where it stands."""

    where: str
    pattern: re.Pattern[Any]
    uses: frozenset[str]


@dataclass(frozen=True)
class Unseen:
    """A pattern that is put together from what only a caller knows."""

    where: str
    written: str


def find() -> tuple[list[Found], list[Unseen]]:
    """Every pattern, and the calls whose pattern cannot be known here."""
    found: dict[tuple[str, Any, int], Found] = {}
    unseen: list[Unseen] = []
    for path in sorted(each for part in PARTS for each in (ROOT / part).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not _imports_re(tree):
            continue
        module = import_module(name.removesuffix(".__init__"))
        where = str(path.relative_to(ROOT))
        uses = _uses_of_names(tree)
        for attribute, pattern in _held(module):
            used = frozenset(uses.get(attribute, ())) or STRICTEST
            found[where, pattern.pattern, pattern.flags] = Found(f"{where}::{attribute}", pattern, used)
        for function, call in _calls(tree):
            assert isinstance(call.func, ast.Attribute)
            at = f"{where}::{function}"
            try:
                pattern = _evaluated(call, module)
            except NameError:
                unseen.append(Unseen(at, ast.unparse(call.args[0])))
                continue
            if call.func.attr != "compile":
                key = (where, pattern.pattern, pattern.flags)
                before = found[key].uses if key in found else frozenset()
                found[key] = Found(at, pattern, before | {call.func.attr})
            elif (where, pattern.pattern, pattern.flags) not in found:
                found[where, pattern.pattern, pattern.flags] = Found(at, pattern, STRICTEST)
    return list(found.values()), unseen


def _imports_re(tree: ast.AST) -> bool:
    """Whether a file can hold a pattern of its own; `from re import …` would hide one, and is refused."""
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ImportFrom) and node.module == "re"), "write `import re`"
        if isinstance(node, ast.Import) and any(each.name == "re" and each.asname is None for each in node.names):
            return True
    return False


def _uses_of_names(tree: ast.AST) -> dict[str, set[str]]:
    """NAME.sub, NAME[key].fullmatch, and `NAME = re.compile(…).match`."""
    uses = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute) and node.value.attr in USES:
            for target in node.targets:
                if isinstance(target, ast.Name):
                    uses[target.id].add(node.value.attr)
        if isinstance(node, ast.Attribute) and node.attr in USES:
            owner = node.value.value if isinstance(node.value, ast.Subscript) else node.value
            if isinstance(owner, ast.Name):
                uses[owner.id].add(node.attr)
    return uses


def _held(module: ModuleType) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """The compiled patterns that a module's names hold, those of other modules left out where they were imported."""
    for name, value in vars(module).items():
        for pattern in _inside(value, 0):
            yield name, pattern


def _inside(value: Any, depth: int) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(getattr(value, "__self__", None), re.Pattern):
        yield value.__self__
    elif isinstance(value, dict) and depth < 4:
        for each in value.values():
            yield from _inside(each, depth + 1)
    elif isinstance(value, (tuple, list, set, frozenset)) and depth < 4:
        for each in value:
            yield from _inside(each, depth + 1)


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call of `re`, with the name of the function that it stands in."""

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            inside = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            if (
                isinstance(child, ast.Call)
                and isinstance(child.func, ast.Attribute)
                and isinstance(child.func.value, ast.Name)
                and child.func.value.id == "re"
                and child.func.attr in (*USES, "compile")
            ):
                yield inside, child
            yield from walk(child, inside)

    return walk(tree, "")


def _evaluated(call: ast.Call, module: ModuleType) -> re.Pattern[Any]:
    """The pattern of a call as its module reads it; NameError where it needs a local name."""
    assert isinstance(call.func, ast.Attribute)
    given = {each.arg: each.value for each in call.keywords}
    places = {"compile": 1, "match": 2, "fullmatch": 2, "search": 2, "findall": 2, "finditer": 2, "split": 3}
    place = places.get(call.func.attr, 4)
    flags = given.get("flags") or (call.args[place] if len(call.args) > place else None)

    def value(node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), "<pattern>", "eval"), vars(module))

    return re.compile(value(call.args[0]), value(flags) if flags is not None else 0)
