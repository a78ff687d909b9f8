"""Every migration after the baseline keeps the rules of `schemas/migrations/script.py.mako`."""

import ast
import re
from pathlib import Path

import pytest

from dispatcher.db import migrations

BASELINE = "0001"
REVISIONS = sorted(path for folder in migrations.FOLDERS for path in folder.glob("[0-9]*.py"))

_DROPS = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|INDEX|CONSTRAINT|VIEW|FUNCTION)|RENAME|SET\s+NOT\s+NULL|TRUNCATE)\b", re.I
)
_DROPPING_CALLS = {"drop_table", "drop_column", "drop_index", "drop_constraint", "rename_table", "alter_column"}
_PLAIN_INDEX = re.compile(r"CREATE\s+(UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY)", re.I)
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b", re.I)
_TIMEOUT = re.compile(r"\b(lock|statement)_timeout\b", re.I)
_WHOLE_TABLE = re.compile(r"^\s*(UPDATE|DELETE)\b", re.I)


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Every call with the last part of its name."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func).rpartition(".")[2], node) for node in found]


def broken_rules(source: str) -> list[str]:
    """What a migration does that it must not, as sentences."""
    tree = ast.parse(source)
    values = {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    texts = strings[1:] if ast.get_docstring(tree) else strings
    made = calls(tree)
    new_tables = {
        ast.literal_eval(call.args[0])
        for name, call in made
        if name == "create_table" and isinstance(call.args[0], ast.Constant)
    }
    broken = []
    if values.get("phase") not in ("pre", "post"):
        broken.append("it names no phase")
    elif values["phase"] == "pre" and (
        {name for name, _ in made} & _DROPPING_CALLS or any(_DROPS.search(text) for text in texts)
    ):
        broken.append("it expands, and drops or tightens something")
    for name, call in made:
        if name != "create_index" or ast.unparse(call.func) != "op.create_index":
            continue
        if not (isinstance(call.args[1], ast.Constant) and call.args[1].value in new_tables):
            broken.append("it builds an index on a table in use: use schemas.migrations.steps.create_index")
    if any(_PLAIN_INDEX.search(text) and not new_tables for text in texts):
        broken.append("it builds an index without CONCURRENTLY")
    if any(_CONCURRENTLY.search(text) for text in texts) and "autocommit_block" not in source:
        broken.append("it does CONCURRENTLY within a transaction")
    if any(_TIMEOUT.search(text) for text in texts):
        broken.append("it sets a timeout of its own")
    if any(_WHOLE_TABLE.search(text) for text in texts):
        broken.append("it changes rows in one statement")
    outside = "autocommit_block" in source or any(ast.unparse(call.func) == "create_index" for _, call in made)
    body = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade").body
    steps = body[1:] if ast.get_docstring(tree) and isinstance(body[0], ast.Expr) and len(body) > 1 else body
    if outside and len([step for step in steps if not isinstance(step, ast.Expr) or calls(step)]) > 1:
        broken.append("a step outside of a transaction does not stand alone")
    return broken


@pytest.mark.parametrize("path", REVISIONS, ids=lambda path: path.stem)
def test_a_migration_keeps_the_rules(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    number = path.name[:4]
    if number == BASELINE:
        assert 'phase = "pre"' in source
    else:
        assert broken_rules(source) == []
    before = [other.name[:4] for other in REVISIONS if other.name < path.name]
    assert f'revision = "{number}"' in source
    assert f"down_revision = {chr(34) + before[-1] + chr(34) if before else None}" in source


HEAD = '"""A change."""\n\nfrom alembic import op\nfrom schemas.migrations.steps import create_index\n\nrevision = "0009"\n'


def migration(body: str, phase: str = 'phase = "pre"') -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f'{HEAD}{phase}\n\n\ndef upgrade() -> None:\n    """Apply."""\n{lines}\n'


GOOD = [
    migration('op.add_column("campaign", Column("note", Text))'),
    migration('create_index("campaign_note", "campaign", ["note"])'),
    migration('op.create_table("tag", Column("id", Integer))\nop.create_index("tag_id", "tag", ["id"])'),
    migration('op.drop_column("campaign", "note")', 'phase = "post"'),
    migration('with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY x ON chunk (id)")'),
]
BAD = [
    (migration('op.add_column("a", b)', ""), "names no phase"),
    (migration('op.add_column("a", b)', 'phase = "later"'), "names no phase"),
    (migration('op.drop_column("campaign", "note")'), "drops or tightens"),
    (migration('op.execute("ALTER TABLE campaign DROP COLUMN note")'), "drops or tightens"),
    (migration('op.execute("ALTER TABLE campaign ALTER note SET NOT NULL")'), "drops or tightens"),
    (migration('op.create_index("x", "chunk", ["id"])'), "on a table in use"),
    (migration('op.create_index("x", "chunk", ["id"], postgresql_concurrently=True)'), "on a table in use"),
    (migration('op.execute("CREATE INDEX x ON chunk (id)")'), "without CONCURRENTLY"),
    (migration('op.execute("create unique index x on chunk (id)")'), "without CONCURRENTLY"),
    (migration('op.execute("CREATE INDEX CONCURRENTLY x ON chunk (id)")'), "within a transaction"),
    (migration("op.execute(\"SET lock_timeout = '1h'\")"), "timeout of its own"),
    (migration('op.execute("UPDATE message SET line = 1")'), "changes rows"),
    (migration('create_index("x", "chunk", ["id"])\nop.add_column("a", b)'), "stand alone"),
]


@pytest.mark.parametrize("source", GOOD)
def test_a_good_migration_passes(source: str) -> None:
    assert broken_rules(source) == []


@pytest.mark.parametrize(("source", "words"), BAD)
def test_each_rule_sees_who_breaks_it(source: str, words: str) -> None:
    found = broken_rules(source)
    assert len(found) == 1, found
    assert words in found[0]
