"""What a certificate states: a campaign with its counts, its data and their SHA-256; all of one file, made once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from dispatcher import audit_trail
from dispatcher.audit_trail import Entry
from dispatcher.campaigns import details, export, summary
from dispatcher.campaigns.details import ListOfCampaign
from dispatcher.campaigns.export import Only
from dispatcher.campaigns.summary import NoCampaign, Summary
from dispatcher.i18n.words import worded

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What is stated. `data` is the file whose hash is `sha256`: a JSON object for each message, in order of `seq`."""

    campaign: Summary
    lists: list[ListOfCampaign]
    released: Entry | None
    made_at: datetime
    made_by: str
    data: Path
    size: int
    sha256: str
    messages: int

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will change any more, unless the provider has a late word."""
        return self.campaign.state in ("completed", "cancelled") and self.campaign.final == self.campaign.messages

    def rows(self) -> Iterator[dict[str, Any]]:
        """The messages, as the data has them."""
        with self.data.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def gather(engine: Engine, campaign_id: int, folder: Path, *, seq: int | None = None) -> Facts:
    """Read the facts of a campaign, or those of one of its messages; the data goes into a file of `folder`.

    Raises:
        NoCampaign: there is no such campaign, or no such message in it.
    """
    with engine.connect() as connection:
        shown = summary.show(connection, campaign_id)
        lists = details.lists(connection, campaign_id)
        done = audit_trail.of_campaign(connection, campaign_id)
    path = folder / "data.jsonl"
    messages = export.write_results(engine, campaign_id, "jsonl", path, only=Only(seq=seq), force=True)
    if seq is not None and not messages:
        raise NoCampaign(worded("Campaign {campaign_id} has no message {seq}.", campaign_id=campaign_id, seq=seq))
    return Facts(
        campaign=shown,
        lists=lists,
        released=next((each for each in reversed(done) if each.action == "campaign.send"), None),
        made_at=datetime.now(UTC),
        made_by=str(audit_trail.current()),
        data=path,
        size=path.stat().st_size,
        sha256=_sha256(path),
        messages=messages,
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while piece := content.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
