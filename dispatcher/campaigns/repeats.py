"""Does a list go to people for whom the same is under way already? Said before it opens, and cheap at a million rows.

Two looks: a campaign of the last days that says the same to the same numbers, and open campaigns in which most of these
numbers are waiting. The second look samples: it never reads a campaign's messages unless this list is far smaller.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, func, select

from dispatcher.db.statements import query
from dispatcher.domain.window import provider_local
from dispatcher.errors import ListRefused
from dispatcher.i18n import terms
from dispatcher.i18n.words import worded
from dispatcher.ingest import Batch, Recipients
from schemas import tables

WITHIN = timedelta(days=7)
MOST_CAMPAIGNS = 20
_SAMPLE = 2_000
_SMALL_SAMPLE = 200
_MUCH_SMALLER = 20


class RepeatFound(ListRefused):
    """The list repeats a campaign, and whoever loads it wants to be asked first."""


@dataclass(frozen=True)
class Repeat:
    """An earlier campaign that a list repeats; `share` is how many of its numbers wait there, None = the same list."""

    code: str
    campaign_id: int
    name: str
    state: str
    created_at: datetime
    share: float | None = None

    def __str__(self) -> str:
        """Say it in a sentence."""
        earlier = worded(
            "campaign {campaign_id} «{name}» ({state}, {created_at:%Y-%m-%d %H:%M})",
            campaign_id=self.campaign_id,
            name=self.name,
            state=terms.state_word(self.state),
            created_at=provider_local(self.created_at),
        )
        if self.share is None:
            return worded("The same list with the same text was loaded as {earlier}.", earlier=earlier)
        return worded(
            "About {share:.0%} of these numbers wait in {earlier} for another message.",
            share=self.share,
            earlier=earlier,
        )

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {**asdict(self), "created_at": self.created_at.isoformat()}


class Fingerprint:
    """Equal for lists that say the same to the same numbers, whatever their format and order."""

    def __init__(self) -> None:
        """Start with no message."""
        self._rows = 0
        self._marks = [0, 0]

    def add(self, batch: Batch) -> None:
        """Take in one more batch. Numbers do not repeat within a list, so nothing cancels out."""
        self._rows += batch.messages.height
        if batch.messages.is_empty():
            return
        both = batch.messages.select("destino", "texto")
        for at in range(len(self._marks)):
            self._marks[at] ^= cast(int, both.hash_rows(at).bitwise_xor())

    def text(self) -> str | None:
        """Return the fingerprint; None when there was no message."""
        return f"{self._rows:x}-{self._marks[0]:016x}{self._marks[1]:016x}" if self._rows else None


def find(connection: Connection, account_id: int, fingerprint: str | None, recipients: Recipients) -> list[Repeat]:
    """Return the campaigns that a list repeats, before it is recorded itself. Campaigns with --test do not count."""
    same = _same(connection, account_id, fingerprint)
    if same:
        return same
    campaign = tables.campaign
    opened = select(campaign).where(
        campaign.c.account_id == account_id,
        campaign.c.state.in_(("scheduled", "running", "paused")),
        ~campaign.c.test,
    )
    found = []
    for row in connection.execute(opened.order_by(campaign.c.id.desc()).limit(MOST_CAMPAIGNS)).all():
        share = _share_waiting(connection, row, recipients)
        if share > 0.5:
            found.append(Repeat("numbers_waiting", row.id, row.name, row.state, row.created_at, round(share, 2)))
    return found


def _same(connection: Connection, account_id: int, fingerprint: str | None) -> list[Repeat]:
    if fingerprint is None:
        return []
    campaign, lists = tables.campaign, tables.campaign_list
    earlier = (
        select(campaign)
        .join(lists, lists.c.campaign_id == campaign.c.id)
        .where(lists.c.fingerprint == fingerprint, lists.c.loaded_at > func.now() - WITHIN)
        .where(campaign.c.account_id == account_id, ~campaign.c.test, campaign.c.state != "cancelled")
        .order_by(campaign.c.id.desc())
        .limit(1)
    )
    return [
        Repeat("same_list", row.id, row.name, row.state, row.created_at) for row in connection.execute(earlier).all()
    ]


def _share_waiting(connection: Connection, campaign: Any, recipients: Recipients) -> float:
    """Estimate how many of the numbers wait in a campaign, as a share of them."""
    waiting: int = connection.execute(query("count_waiting"), {"campaign_id": campaign.id}).scalar_one()
    if not len(recipients) or waiting * 2 < len(recipients):
        return 0.0
    if len(recipients) * _MUCH_SMALLER < waiting:
        sample = recipients.sample(_SMALL_SAMPLE)
        asked = {"campaign_id": campaign.id, "numbers": sample}
        waits: int = connection.execute(query("numbers_that_wait"), asked).scalar_one()
        return waits / len(sample)
    picked = min(_SAMPLE, campaign.messages)
    seqs = random.sample(range(1, campaign.messages + 1), picked)
    numbers = connection.execute(query("waiting_numbers"), {"campaign_id": campaign.id, "seqs": seqs}).scalars().all()
    if not numbers:
        return 0.0
    return min(1.0, recipients.count(numbers) / len(numbers) * waiting / len(recipients))
