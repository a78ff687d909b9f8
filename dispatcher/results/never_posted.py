"""The witness among results: lines under our own prefix that this database never posted.

Only a database that is older than what was posted gets them: one that was restored, or a failover that lost commits.
"""

import logging

import polars as pl
from sqlalchemy import Connection, select

from schemas import tables

log = logging.getLogger(__name__)

STALE_WORDS = "the provider has {} results of lines that this database never posted"
"""Why the account stops."""

_LOGGED = 10


def count_beyond_campaigns(connection: Connection, lines: pl.DataFrame) -> int:
    """Count lines under this database's prefix whose campaign, or whose line of it, the database does not have."""
    if lines.is_empty():
        return 0
    prefix = connection.execute(select(tables.installation.c.prefix)).scalar_one()
    own = lines.filter(pl.col("prefix") == prefix)
    if own.is_empty():
        return 0
    campaign = tables.campaign.c
    known = connection.execute(
        select(campaign.id, campaign.messages).where(campaign.id.in_(own["campaign_id"].unique().to_list()))
    ).all()
    messages = {row.id: row.messages for row in known}
    beyond = [line for line in own.select("campaign_id", "seq").iter_rows() if line[1] > messages.get(line[0], 0)]
    for campaign_id, seq in beyond[:_LOGGED]:
        log.warning("never_posted campaign=%s seq=%s reason=not_in_database", campaign_id, seq)
    return len(beyond)


def count_in_unposted_chunks(connection: Connection, lines: pl.DataFrame) -> int:
    """Count lines under this database's prefix, of those given, whose chunk was never posted."""
    if lines.is_empty():
        return 0
    own = _under_present_prefix(connection, lines["campaign_id"].unique().to_list())
    ours = lines.filter(pl.col("campaign_id").is_in(list(own)))
    for campaign_id, root_no in ours.select("campaign_id", "root_no").unique().iter_rows():
        log.warning("never_posted campaign=%s chunk=%s", campaign_id, root_no)
    return ours.height


def is_later_generation(connection: Connection, campaign_id: int, seq: int, generation: int) -> bool:
    """Whether a line of a generation that its message has not reached is under this database's prefix."""
    if not _under_present_prefix(connection, [campaign_id]):
        return False
    log.warning("never_posted campaign=%s seq=%s generation=%s", campaign_id, seq, generation)
    return True


def _under_present_prefix(connection: Connection, campaign_ids: list[int]) -> set[int]:
    """Those of the campaigns whose idinternos carry the prefix that the database has now."""
    campaign, prefix = tables.campaign.c, select(tables.installation.c.prefix).scalar_subquery()
    return set(
        connection.execute(
            select(campaign.id).where(campaign.id.in_(campaign_ids), campaign.prefix == prefix)
        ).scalars()
    )
