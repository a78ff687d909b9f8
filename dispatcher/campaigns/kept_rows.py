"""Whether the rows of a campaign are still there: they go when they have been kept for as long as they should."""

from sqlalchemy import Connection, select

from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from schemas import tables


class RowsDropped(UsageError):
    """The rows of a campaign have gone after the time that they are kept; its sums are there."""


def require(connection: Connection, campaign_id: int) -> None:
    """Check that the messages of a campaign are still kept.

    Raises:
        RowsDropped: they are not.
    """
    campaign = tables.campaign.c
    dropped = connection.execute(select(campaign.dropped_at).where(campaign.id == campaign_id)).scalar()
    if dropped is not None:
        raise RowsDropped(
            worded(
                "The messages of campaign {campaign_id} were dropped on {day}: they are kept for a time.",
                campaign_id=campaign_id,
                day=f"{provider_local(dropped):%Y-%m-%d}",
            ),
            hint=worded(
                "Its counts stay: `dispatcher campaign show {campaign_id}`. DISPATCHER_RETENTION says for how long "
                "rows are kept.",
                campaign_id=campaign_id,
            ),
        )
