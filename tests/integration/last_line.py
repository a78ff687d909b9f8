"""The last line of a campaign is a chunk of its own; most tests count chunks by their size and have it back."""

from sqlalchemy import Engine, text

_BACK = """
WITH alone AS (
    SELECT l.campaign_id, l.chunk_no, l.first_seq AS seq, (
        SELECT max(k.chunk_no) FROM chunk k WHERE k.campaign_id = l.campaign_id AND k.chunk_no < l.chunk_no
          AND l.first_seq BETWEEN k.first_seq AND k.last_seq + 1  -- within it, when only left-out lines came after
    ) AS former
    FROM chunk l WHERE l.campaign_id = :id AND l.goes_last
), line AS (
    UPDATE message m SET chunk_no = a.former FROM alone a
    WHERE m.campaign_id = a.campaign_id AND m.seq = a.seq
      AND a.former IN (SELECT chunk_no FROM chunk WHERE campaign_id = :id AND messages < :size)
    RETURNING m.campaign_id, a.chunk_no, a.former, m.seq
), grown AS (
    UPDATE chunk k SET messages = k.messages + 1, last_seq = greatest(k.last_seq, l.seq) FROM line l
    WHERE k.campaign_id = l.campaign_id AND k.chunk_no = l.former
)
UPDATE chunk k SET messages = 0 FROM line l WHERE k.campaign_id = l.campaign_id AND k.chunk_no = l.chunk_no
"""


def put_last_line_back(engine: Engine, campaign_id: int, size: int) -> None:
    """Undo what `ChunkPlan.finish` does to a campaign that nothing was claimed of."""
    with engine.begin() as connection:
        connection.execute(text(_BACK), {"id": campaign_id, "size": size})
        connection.execute(
            text("DELETE FROM chunk WHERE campaign_id = :id AND goes_last AND messages = 0"), {"id": campaign_id}
        )
        connection.execute(text("UPDATE chunk SET goes_last = false WHERE campaign_id = :id"), {"id": campaign_id})
