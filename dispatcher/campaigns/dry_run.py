"""The dry run: everything that a load would check and say, and nothing changed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from dispatcher import config
from dispatcher.accounts import account_info, binding
from dispatcher.campaigns import chunk_plan, estimate, loading
from dispatcher.campaigns.loading import Loaded
from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.ingest import Batch, Source, ingest
from dispatcher.sending import html_calls
from dispatcher.suppression.lists import Lists
from schemas.payload import CampaignSpec

SAMPLES = 5
INVALID_ROWS_SHOWN = 20


@dataclass
class Preview:
    """What a load would do."""

    loaded: Loaded
    begins: datetime
    ends: datetime
    basis: str
    samples: list[dict[str, Any]] = field(default_factory=list)
    invalid_rows: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON; there is no campaign and no file of invalid rows."""
        return {
            "campaign_id": None,
            "dry_run": True,
            "messages": self.loaded.messages,
            "invalid": self.loaded.invalid,
            "invalid_file": None,
            "suppressed": self.loaded.suppressed,
            "left_out": dict(self.loaded.left_out),
            "reasons": dict(self.loaded.reasons),
            "dropped_characters": self.loaded.dropped_characters,
            "transliterated": self.loaded.transliterated,
            "samples": self.samples,
            "invalid_rows": self.invalid_rows,
            "begins": self.begins.isoformat(),
            "ends": self.ends.isoformat(),
            "basis": self.basis,
            "remarks": self.remarks,
        }


OpenDatabase = Callable[[Settings], AbstractContextManager[Connection]]
"""Opens a connection; it may start an embedded server for it."""


def preview(
    spec: CampaignSpec,
    source: Source,
    open_database: OpenDatabase,
    progress: Callable[[Batch], None] | None = None,
) -> Preview:
    """Read and check a whole source; opt-outs are looked up in the database, if there is one already.

    Raises:
        UsageError: as a load would.
    """
    settings = config.load()
    html_calls.check(spec, settings)
    now = datetime.now(UTC)
    times = loading.schedule(spec, now)
    lists, remarks = _lists(settings, open_database)
    loaded = Loaded(None)
    plan = chunk_plan.ChunkPlan(1, chunk_plan.chunk_size(spec, settings), settings.chunk_bytes)
    found = Preview(loaded, now, now, "", remarks=remarks + loading.late_start(times.start_at, now))
    for batch in ingest(source, loading.options_of(spec, settings), lists.reasons):
        reasons = batch.messages["suppressed"]
        plan.assign(batch.messages["encoded_bytes"], reasons.is_not_null())
        loaded.messages += batch.messages.height
        loaded.leave_out(reasons)
        loaded.invalid += batch.invalid_rows.height
        loaded.reasons.update(batch.invalid_rows["reason"].to_list())
        loaded.dropped_characters += batch.dropped_characters
        loaded.transliterated += batch.transliterated
        sent = batch.messages.filter(reasons.is_null())
        found.samples += sent.head(SAMPLES - len(found.samples)).select("destino", "texto").to_dicts()
        found.invalid_rows += batch.invalid_rows.head(INVALID_ROWS_SHOWN - len(found.invalid_rows)).to_dicts()
        if progress:
            progress(batch)
    if not loaded.rows:
        raise UsageError(f"{source.name} has no rows below its header.", hint="Check that this is the right file.")
    posts = plan.chunks(0).height
    sending = loaded.messages - loaded.suppressed
    would = estimate.estimate(settings, max(times.start_at or now, now), sending=sending, posts=posts)
    found.begins, found.ends, found.basis = would.begins, would.ends, would.basis
    found.remarks += estimate.shortfalls(
        account_info.fetch_for_campaign(settings, required=False), sending=sending, ends=would.ends
    )
    if times.expires_at and found.ends > times.expires_at:
        found.remarks.append("That is after --expires: what is not sent by then would expire.")
    if settings.apikey is None:
        found.remarks.append("DISPATCHER_APIKEY is not set: it is needed to create the campaign.")
    return found


def _lists(settings: Settings, open_database: OpenDatabase) -> tuple[Lists, list[str]]:
    """The opt-outs and the do-not-send list, and what there is to say; a dry run makes no database."""
    if settings.database_url is None and not (settings.home / "postgres" / "PG_VERSION").exists():
        return Lists(), ["Opt-outs were not looked up: there is no database yet."]
    try:
        with open_database(settings) as connection:
            if connection.execute(text("SELECT to_regclass('undeliverable')")).scalar() is None:
                return Lists(), ["Opt-outs were not looked up: the database has no schema yet (dispatcher db upgrade)."]
            remarks = []
            if settings.fingerprint and binding.find(connection, settings) is None:
                other = connection.execute(
                    text("SELECT 1 FROM account WHERE provider_url = :url"), {"url": settings.provider_url}
                ).first()
                if other:
                    remarks.append("The database belongs to another API key: creating would be refused.")
            return Lists.read(connection), remarks
    except DRIVER_ERRORS:
        return Lists(), ["The database does not answer, so opt-outs were not looked up."]
    except DispatcherError as error:
        return Lists(), [f"Opt-outs were not looked up: {error}"]
