"""The next due chunk of a campaign comes from chunk_to_claim alone; what the doctor alarms on has its moment."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Put an index without due chunks in the place of the one that a claim read whole, and sorted, each time."""
    op.execute(
        "CREATE INDEX chunk_in_progress ON chunk (campaign_id) "
        "WHERE state IN ('sending', 'accepted', 'in_doubt', 'held')"
    )
    op.execute("DROP INDEX chunk_unfinished")
    op.execute("ALTER TABLE account ADD COLUMN odd_lines_at timestamptz")  # when malformed or late lines came last
    op.execute("ALTER TABLE campaign ADD COLUMN opened_at timestamptz")  # loaded, resumed, or past its canary
