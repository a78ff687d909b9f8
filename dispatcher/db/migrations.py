"""Migrations: where the schema stands, who may run on it, and bringing it to what this code needs.

A release changes the schema in two phases, so that the old and the new version can run side by side while workers are
replaced. Each file in `schemas/migrations/versions` names its phase:

`pre` expands: a new table, a new column that may be null, a new index. Versions that do not know it run on as before.
`post` contracts: what no version that still runs needs is dropped or made stricter.

A rolling upgrade is: `dispatcher db upgrade --phase pre`, replace every worker, `dispatcher db upgrade`. The rule for
which version may run is in `require_schema`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, column, func, select, table

import schemas
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from schemas.tables import migration_state

Phase = Literal["pre", "post"]

FOLDERS = [Path(schemas.__file__).parent / "migrations" / "versions"]
_PHASE = re.compile(r'^phase = "(pre|post)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Revision:
    """A migration: its number, and whether it expands or contracts."""

    number: str
    phase: Phase


def revisions() -> list[Revision]:
    """The migrations that this code knows, in their order.

    Raises:
        ValueError: one does not name its phase.
    """
    paths = [path for folder in FOLDERS for path in folder.glob("[0-9][0-9][0-9][0-9]_*.py")]
    return [Revision(path.name[:4], _phase(path)) for path in sorted(paths, key=lambda path: path.name)]


def _phase(path: Path) -> Phase:
    found = _PHASE.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f'{path.name} must say phase = "pre" or phase = "post".')
    return "pre" if found[1] == "pre" else "post"


def head_revision() -> str:
    """The newest migration that this code knows."""
    return revisions()[-1].number


def needed_revision() -> str:
    """The oldest migration that this code can run on: its newest expanding one, for contracting ones can wait."""
    return [revision.number for revision in revisions() if revision.phase == "pre"][-1]


def current_revision(connection: Connection) -> str | None:
    """The migration that the database stands at; None when it has no schema yet."""
    if not _has_table(connection, "alembic_version"):
        return None
    found = connection.execute(select(column("version_num")).select_from(table("alembic_version"))).scalar()
    return None if found is None else str(found)


def pending(current: str | None, phase: Literal["pre", "all"] = "all") -> list[Revision]:
    """The migrations that a database lacks; with `pre` only those before the first contracting one."""
    missing = [revision for revision in revisions() if current is None or revision.number > current]
    if phase == "pre":
        contracting = [at for at, revision in enumerate(missing) if revision.phase == "post"]
        return missing[: contracting[0]] if contracting else missing
    return missing


def upgrade(engine: Engine, phase: Literal["pre", "all"] = "all") -> tuple[str | None, str | None]:
    """Bring the schema to this code's newest migration; safe to run twice, or from two places at once.

    Args:
        engine: the database.
        phase: `pre` stops before the first contracting migration.

    Returns:
        The revision before and after.

    Raises:
        DispatcherError: a lock could not be had, or another process took over; running it again goes on.
    """
    from dispatcher.db import migration_run  # Alembic takes longer to import than most commands to run

    return migration_run.upgrade(engine, phase)


def require_schema(engine: Engine) -> str:
    """Refuse to work on a database whose schema this code does not know.

    This code may run when it finds every expanding migration that it needs, and knows every contracting one that was
    applied. So it runs on a schema that a later version has only expanded, and not on one that it has contracted.

    Returns:
        The migration that the database is at.

    Raises:
        UsageError: migrations are missing, or the database is newer than what this code can run with.
    """
    with engine.connect() as connection:
        found, needed, head = current_revision(connection), needed_revision(), head_revision()
        if found is not None and found >= needed and (found <= head or _only_expanded(connection, found, head)):
            return found
    raise UsageError(
        worded(
            "The database is at migration {found}, this version needs {head}.",
            found=found or translated("none"),
            head=head,
        ),
        hint="Run `dispatcher db upgrade`." if found is None or found < needed else "Upgrade the dispatcher.",
    )


def is_recorded(connection: Connection, revision: str) -> bool:
    """Whether the database records who may run on this revision. A revision set by hand has no record."""
    state = _state(connection)
    return state is not None and state.revision == revision


def _only_expanded(connection: Connection, found: str, head: str) -> bool:
    """Whether only expanding migrations brought the database from `head` to `found`, as it says itself."""
    state = _state(connection)
    return state is not None and state.revision == found and (state.contracted or "") <= head


def _state(connection: Connection) -> Any:
    if not _has_table(connection, "migration_state"):
        return None
    return connection.execute(select(migration_state.c.revision, migration_state.c.contracted)).first()


def _has_table(connection: Connection, name: str) -> bool:
    return connection.execute(select(func.to_regclass(name))).scalar() is not None
