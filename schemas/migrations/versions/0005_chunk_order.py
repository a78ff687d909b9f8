"""The next due chunk of a campaign comes from chunk_to_claim alone; when polls passed over results."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Put an index without due chunks in the place of the one that a claim read whole, and sorted, each time.

    And let an account remember when a poll last went on without results that no answer would bring.
    """
    op.execute(
        "CREATE INDEX chunk_in_progress ON chunk (campaign_id) "
        "WHERE state IN ('sending', 'accepted', 'in_doubt', 'held')"
    )
    op.execute("DROP INDEX chunk_unfinished")
    op.execute("ALTER TABLE account ADD COLUMN passed_over_at timestamptz")
