"""${message}

A new migration is named `NNNN_what_it_does.py`, with the number after the last one's, and follows these rules, which
`tests/unit/db/test_migration_rules.py` checks:

- `phase = "pre"` only adds what versions that do not know it can ignore: a table, a column that may be null or has a
  constant default, an index, a constraint NOT VALID. It runs while the version before is still at work.
- `phase = "post"` drops or tightens. It runs when only versions work that do not need what goes.
- An index on a table that exists is built with `create_index` of `schemas.migrations.steps`: CONCURRENTLY, outside of a
  transaction, and again when it was interrupted.
- No lock_timeout or statement_timeout of its own: `dispatcher.db.migration_run` sets them, and tries again. A migration
  with a step outside of a transaction may therefore run more than once: that step stands alone in its file.
- Rows are changed in batches by the code that uses them, never by one statement in a migration.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
phase = "pre"


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}
