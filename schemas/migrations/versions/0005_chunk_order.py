"""What claims, polls and watches need: chunks in order, what was passed over, who paused a campaign."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Put an index without due chunks in the place of the one that a claim read whole, and sorted, each time.

    The order of claims begins with the root, so that a canary bounds the index. The chunks posted last, whose rejects
    are watched, have an index of their own.
    And let an account remember when a poll last went on without results that no answer would bring.
    """
    op.execute(
        "CREATE INDEX chunk_in_progress ON chunk (campaign_id, root_no) "
        "WHERE state IN ('sending', 'accepted', 'in_doubt', 'held')"
    )
    op.execute("DROP INDEX chunk_unfinished")
    op.execute(
        "CREATE INDEX campaign_unfinished ON campaign (account_id) WHERE state IN ('scheduled', 'running', 'paused')"
    )
    op.execute("DROP INDEX campaign_open")
    op.execute("DROP INDEX chunk_to_claim")
    op.execute("CREATE INDEX chunk_to_claim ON chunk (campaign_id, root_no, chunk_no) WHERE state = 'due'")
    op.execute("CREATE INDEX chunk_with_results ON chunk (campaign_id, posted_at) WHERE resulted > 0")
    op.execute("ALTER TABLE campaign ADD COLUMN paused_by_watch boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE campaign ADD COLUMN watched_from timestamptz")
    op.execute(
        "COMMENT ON COLUMN campaign.paused_by_watch IS 'the canary or the reject rate paused it: resume overrules that'"
    )
    op.execute(
        "COMMENT ON COLUMN campaign.watched_from IS 'only what was posted later counts for the reject rate; null = all'"
    )
    op.execute(
        "UPDATE campaign SET paused_by_watch = true "
        "WHERE state = 'paused' AND (reason LIKE 'canary: %' OR reason LIKE 'rejects: %')"
    )
    op.execute("ALTER TABLE account ADD COLUMN passed_over_at timestamptz")
