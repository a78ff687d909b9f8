"""Steps that migrations of a live database share."""

from typing import Any

from alembic import op
from sqlalchemy import text


def create_index(name: str, table: str, columns: list[Any], **options: Any) -> None:
    """Build an index on a table in use: without holding up anybody, and whole when an earlier try was interrupted.

    Args:
        name: of the index.
        table: that exists and has rows.
        columns: names, or expressions as `sqlalchemy.text`.
        options: as `op.create_index` takes them, such as `unique` and `postgresql_where`.
    """
    with op.get_context().autocommit_block():
        # An interrupted try leaves an index that is written to and never read.
        left = text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
        if op.get_bind().execute(left, {"name": name}).first():
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=True, **options)
