"""Other services are told which messages have a result now, in the transaction that settles them."""

from collections.abc import Sequence

import polars as pl
from sqlalchemy import Connection

from dispatcher.webhooks import outbox


def tell(connection: Connection, lines: pl.DataFrame) -> None:
    """Tell of the messages of settled lines (columns campaign_id, seq; sorted): one event a campaign."""
    parts = lines.select("campaign_id", "seq").partition_by("campaign_id", maintain_order=True, as_dict=True)
    outbox.tell_results(connection, {int(key[0]): part["seq"] for key, part in parts.items()})


def tell_few(connection: Connection, messages: Sequence[tuple[int, int]]) -> None:
    """The same for single messages, (campaign, seq), whose result came late or was another one before."""
    by_campaign: dict[int, list[int]] = {}
    for campaign_id, seq in sorted(set(messages)):
        by_campaign.setdefault(campaign_id, []).append(seq)
    outbox.tell_results(connection, by_campaign)
