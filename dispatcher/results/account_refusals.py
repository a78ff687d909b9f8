"""Results that speak of the account and not of their message: no credit, no contract.

Such a line was not sent. It goes again under the next generation of its idinterno, when the account is open.
"""

import logging

import polars as pl
from sqlalchemy import Connection

from dispatcher.accounts import blocking
from dispatcher.db.statements import query
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.provider.codes import account_scope, strip_number
from dispatcher.results import staging
from dispatcher.webhooks import campaign_events

log = logging.getLogger(__name__)

MAX_REFUSALS = 5
"""How often a line goes again after the account was refused for it; then the operator decides."""


def about_account(lines: pl.DataFrame) -> pl.DataFrame:
    """Those of the lines whose words speak of the account."""
    others = lines.filter(pl.col("code") == -99)
    if others.is_empty():
        return others
    words = others["text"].unique()
    return others.filter(pl.col("text").is_in([text for text in words if _cause(text)]))


def requeue(connection: Connection, account_id: int, lines: pl.DataFrame) -> int:
    """Block the account by the newest of these lines, and make them due again under their next generation.

    The lines are staged afterwards.

    Returns:
        How many messages moved to a new chunk.
    """
    fecha, words = lines.sort("fecha").select("fecha", "text").row(-1)
    at = fecha.replace(tzinfo=PROVIDER_ZONE)
    blocking.block_by_result(connection, account_id, strip_number(words), _cause(words), at)
    for campaign_id in sorted(lines["campaign_id"].unique()):
        connection.execute(query("lock_campaign"), {"campaign_id": campaign_id})
    key = ["campaign_id", "seq", "generation"]
    first = lines.sort("fecha").unique(key, keep="first", maintain_order=True)
    staging.stage(connection, first, refusals_count=True)
    children = connection.execute(query("requeue_refused"), {"most": MAX_REFUSALS}).all()
    for child in children:
        log.warning(
            "account_refused campaign=%s chunk=%s child=%s state=%s lines=%s",
            child.campaign_id,
            child.parent_no,
            child.chunk_no,
            child.state,
            child.n,
        )
    held = sorted({child.campaign_id for child in children if child.state == "held"})
    campaign_events.needs_decision(connection, held, "messages are held: the account was refused for them too often")
    return sum(child.n for child in children)


def _cause(words: str) -> str | None:
    scope = account_scope(words)
    return scope if scope in ("credit", "contract") else None
