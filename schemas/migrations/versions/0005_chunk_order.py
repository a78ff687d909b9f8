"""What claims, polls and watches need, and constraints for what nothing may store."""

from alembic import op

revision = "0005"
down_revision = "0004"


# Large tables are not read for a constraint: NOT VALID asks nothing of the rows that are there, all of every later one.
_CONSTRAINTS = (
    ("campaign", "campaign_rows", "messages >= 0 AND rejected >= 0", ""),
    ("campaign", "campaign_completed", "(state = 'completed') = (completed_at IS NOT NULL)", ""),
    ("chunk", "chunk_attempts", "attempt >= 0 AND resends >= 0 AND probes >= 0", ""),
    ("chunk", "chunk_accepted", "state <> 'accepted' OR accepted_at IS NOT NULL", ""),
    ("chunk_result", "chunk_result_code", "code BETWEEN -12 AND 1 OR code IN (-14, -99)", ""),
    ("result_line", "result_line_code", "code BETWEEN -12 AND 1 OR code IN (-14, -99)", "NOT VALID"),
    ("single_message", "single_message_guide_code", "code <> -13", "NOT VALID"),
    ("reject", "reject_code", "code BETWEEN -12 AND 1 OR code IN (-14, -99)", "NOT VALID"),
    # One for three: it is asked of each row that is loaded, and again with its result.
    (
        "message",
        "message_result",
        "CASE WHEN result_code IS NULL THEN processed_at IS NULL ELSE processed_at IS NOT NULL AND suppressed IS NULL "
        "AND (result_code BETWEEN -12 AND 1 OR result_code IN (-14, -99)) END",
        "NOT VALID",
    ),
)


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
    op.execute("ALTER TABLE message DROP CONSTRAINT message_result_code_check, DROP CONSTRAINT message_check")
    for table, name, holds, later in _CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({holds}) {later}")
    op.execute("ALTER TABLE account ADD COLUMN odd_lines_at timestamptz")  # when malformed or late lines came last
    op.execute("ALTER TABLE campaign ADD COLUMN opened_at timestamptz")  # loaded, resumed, or past its canary
