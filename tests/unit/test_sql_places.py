"""Where SQL may stand: by name in `schemas/queries.sql`, or in SQLAlchemy Core; never inline in `text()`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from dispatcher.db.statements import queries

ROOT = Path(__file__).resolve().parents[2]
STATEMENTS = "dispatcher/db/statements.py"
SETTINGS = re.compile(r"\s*(SET|BEGIN|COMMIT|ROLLBACK)\b", re.IGNORECASE)
"""What SQLAlchemy Core has no words for; only the driver takes it, and it reads and writes no row."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    found = [path for part in ("dispatcher", "workers") for path in sorted((ROOT / part).rglob("*.py"))]
    assert found
    for path in found:
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.Module, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in names:
            yield node


def test_no_statement_is_written_inline() -> None:
    imports = {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        if "text" in {alias.name for alias in node.names}
    }
    inline = {path for path, tree in sources() if any(calls(tree, "TextClause"))} | imports
    assert inline == {STATEMENTS}, "name the statement in schemas/queries.sql, or build it with SQLAlchemy Core"


def test_what_goes_to_the_driver_as_it_is_only_sets_the_transaction_up() -> None:
    for path, tree in sources():
        for call in calls(tree, "exec_driver_sql"):
            words = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
            assert all(SETTINGS.match(str(word)) or word in ("; SET ", "; SET LOCAL ") for word in words), (path, words)


def test_every_named_statement_is_used() -> None:
    words = set().union(*strings_and_keywords())
    assert [name for name in queries() if name not in words] == []


def test_every_parameter_of_a_statement_is_given_where_it_is_used() -> None:
    files = strings_and_keywords()
    missing = []
    for name, statement in queries().items():
        given = set().union(*(words for words in files if name in words))
        missing += [(name, parameter) for parameter in statement.compile().params if parameter not in given]
    assert missing == []


def strings_and_keywords() -> list[set[str]]:
    """Of each file, the strings in it and the names of keyword arguments."""
    found = []
    for _, tree in sources():
        nodes = list(ast.walk(tree))
        strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        found.append(strings | {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg})
    return found
