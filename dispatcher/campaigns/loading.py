"""Loading: from a source of rows to a campaign that may run, in one transaction, all of it or nothing."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import polars as pl
from sqlalchemy import Connection, text

from dispatcher.accounts import binding
from dispatcher.accounts.account_info import AccountInfo
from dispatcher.campaigns import chunk_plan, estimate, reject_watch
from dispatcher.campaigns.chunk_plan import ChunkPlan
from dispatcher.config import Settings
from dispatcher.db.bulk_copy import Copier, copy_frame
from dispatcher.db.transactions import take_time
from dispatcher.domain.window import parse_moment, provider_local
from dispatcher.errors import UsageError
from dispatcher.ingest import Batch, IngestOptions, Source, ingest
from dispatcher.sending import html_calls
from dispatcher.suppression.lists import Lists
from schemas.payload import CampaignSpec

log = logging.getLogger(__name__)


@dataclass
class Loaded:
    """What came of a load."""

    campaign_id: int | None
    messages: int = 0
    invalid: int = 0
    suppressed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # of the suppressed: how many for what
    reasons: Counter[str] = field(default_factory=Counter)
    dropped_characters: int = 0
    transliterated: int = 0
    warnings: list[str] = field(default_factory=list)  # what the account lacks for it; a start in the past

    @property
    def rows(self) -> int:
        """Rows that came in: each became a message or an invalid row."""
        return self.messages + self.invalid

    def leave_out(self, reasons: pl.Series) -> None:
        """Count the messages that were left out, by reason; null is none."""
        if reasons.null_count() < len(reasons):
            self.left_out.update(reasons.drop_nulls().to_list())
            self.suppressed = self.left_out.total()


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a campaign may begin and must have ended, in UTC."""

    start_at: datetime | None  # None = at once
    expires_at: datetime | None


def schedule(spec: CampaignSpec, now: datetime) -> Schedule:
    """Read and check the dates of a spec.

    Raises:
        UsageError: a date in another form, a deadline before the start, or in the past.
    """
    start = parse_moment(spec.start, "start") if spec.start is not None else None
    expires = parse_moment(spec.expires, "expires") if spec.expires is not None else None
    if expires and expires <= max(start or now, now):
        raise UsageError("expires lies before the start, so nothing could be sent.", hint="Give a later --expires.")
    return Schedule(start, expires)


_MINUTES = ((24 * 60, "day"), (60, "hour"), (1, "minute"))
_LATE = timedelta(minutes=5)
"""How far back a start may lie without a word: a file takes its time, and clocks differ."""


def late_start(start: datetime | None, now: datetime) -> list[str]:
    """What there is to say of a start that is over: nothing waits for it, so the wrong year sends at once."""
    if start is None or now - start <= _LATE:
        return []
    minutes = int((now - start).total_seconds() // 60)
    n, unit = next((minutes // size, unit) for size, unit in _MINUTES if minutes >= size)
    ago = f"{n:,} {unit}{'s' * (n != 1)}"
    return [f"start {provider_local(start):%Y-%m-%d %H:%M:%S} (-03) lies {ago} in the past: it begins at once."]


def options_of(spec: CampaignSpec, settings: Settings) -> IngestOptions:
    """What the ingest needs to know of a campaign."""
    return IngestOptions(
        template=spec.template,
        country=settings.country,
        company=settings.company,
        to_column=spec.to_column,
        id_column=spec.id_column,
        strict_text=spec.strict_text,
    )


def load(
    connection: Connection,
    settings: Settings,
    spec: CampaignSpec,
    source: Source,
    progress: Callable[[Batch], None] | None = None,
    info: AccountInfo | None = None,
) -> Loaded:
    """Load a campaign in the caller's transaction and open it: when that commits, workers may claim its chunks.

    `info` is what the account had before the transaction: the campaign is checked against it.

    Raises:
        UsageError: the source is no table, lacks a column, is empty; no key; another account's database; HTML that
            cannot go out; more than the account has, when the spec requires a balance.
    """
    settings.require_apikey()
    html_calls.check(spec, settings)
    take_time(connection)
    account = binding.bind(connection, settings)
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    times = schedule(spec, now)
    batches = _begun(ingest(source, options_of(spec, settings), Lists.read(connection).reasons))
    # After all that can refuse it early: a number that was drawn does not come back with the transaction.
    campaign = connection.execute(
        text(
            "INSERT INTO campaign (account_id, prefix, name, template, priority, on_doubt, test, max_reject_rate, "
            "start_at, expires_at, html) SELECT :account, prefix, :name, :template, :priority, :on_doubt, :test, "
            ":max_reject_rate, :start, :expires, :html FROM installation RETURNING id"
        ),
        {
            "account": account.id,
            "name": spec.name or Path(source.name).stem or "campaign",
            "template": spec.template,
            "priority": spec.priority,
            "on_doubt": spec.on_doubt,
            "test": spec.test,
            "max_reject_rate": reject_watch.reject_limit(spec),
            "start": times.start_at,
            "expires": times.expires_at,
            "html": spec.html,
        },
    ).scalar_one()
    loaded = Loaded(campaign)
    plan = ChunkPlan(campaign, chunk_plan.chunk_size(spec, settings), settings.chunk_bytes, canary=spec.canary or 0)
    with Copier(connection) as copier:
        for batch in batches:
            _copy_batch(copier, loaded, plan, batch)
            if progress:
                progress(batch)
    if not loaded.rows:
        raise UsageError(f"{source.name} has no rows below its header.", hint="Check that this is the right file.")
    chunks = plan.chunks(account.id)
    copy_frame(connection, _CHUNK_COPY, chunks)
    _check_account(loaded, settings, spec, info, max(times.start_at or now, now), chunks.height)
    loaded.warnings += late_start(times.start_at, now)
    _open(connection, loaded, plan.canary_chunks if spec.canary else None)
    log.info("loaded campaign=%s messages=%s invalid=%s", campaign, loaded.messages, loaded.invalid)
    return loaded


def _begun(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, the first of them checked already: a list that cannot be read or has no rows raises here."""
    return chain([first for first in [next(batches, None)] if first is not None], batches)


def _check_account(
    loaded: Loaded, settings: Settings, spec: CampaignSpec, info: AccountInfo | None, start: datetime, posts: int
) -> None:
    """Warn of what the account lacks for this campaign, or refuse it."""
    sending = 0 if spec.test else loaded.messages - loaded.suppressed
    ends = estimate.estimate(settings, start, sending=sending, posts=posts).ends
    loaded.warnings = estimate.shortfalls(info, sending=sending, ends=ends)
    if loaded.warnings and spec.require_balance:
        raise UsageError(" ".join(loaded.warnings), hint="Buy messages or renew; or do not require a balance.")


_MESSAGE_COPY = (
    "COPY message (campaign_id, seq, chunk_no, line, destino, texto, external_id, suppressed) FROM STDIN (FORMAT csv)"
)
_INVALID_ROW_COPY = "COPY invalid_row (campaign_id, line, raw, code, reason, detail) FROM STDIN (FORMAT csv)"
_CHUNK_COPY = (
    "COPY chunk (campaign_id, account_id, chunk_no, root_no, first_seq, last_seq, messages, suppressed) "
    "FROM STDIN (FORMAT csv)"
)


def _copy_batch(copier: Copier, loaded: Loaded, plan: ChunkPlan, batch: Batch) -> None:
    rows = batch.messages
    numbers = plan.assign(rows["encoded_bytes"], rows["suppressed"].is_not_null())
    copier.put(
        _MESSAGE_COPY,
        rows.select(
            pl.lit(loaded.campaign_id).alias("campaign_id"),
            pl.int_range(loaded.messages + 1, loaded.messages + rows.height + 1, dtype=pl.Int32).alias("seq"),
            numbers.alias("chunk_no"),
            "line",
            "destino",
            "texto",
            "external_id",
            "suppressed",
        ),
    )
    copier.put(
        _INVALID_ROW_COPY,
        batch.invalid_rows.select(
            pl.lit(loaded.campaign_id).alias("campaign_id"), "line", "raw", "code", "reason", "detail"
        ),
    )
    loaded.messages += rows.height
    loaded.leave_out(rows["suppressed"])
    loaded.invalid += batch.invalid_rows.height
    loaded.reasons.update(batch.invalid_rows["reason"].to_list())
    loaded.dropped_characters += batch.dropped_characters
    loaded.transliterated += batch.transliterated


def _open(connection: Connection, loaded: Loaded, canary_chunks: int | None) -> None:
    """The one step after which the campaign may run; with no message at all it is complete."""
    connection.execute(
        text(
            "UPDATE campaign SET state = CASE WHEN :messages = 0 THEN 'completed' ELSE 'scheduled' END, "
            "completed_at = CASE WHEN :messages = 0 THEN now() END, "
            "rows = :rows, messages = :messages, invalid = :invalid, "
            "canary_chunks = :canary_chunks, opened_at = clock_timestamp(), "
            # Behind those that have waited: small campaigns that keep coming must not starve an older one.
            "turn = (SELECT turn FROM account WHERE id = account_id) WHERE id = :id AND state = 'loading'"
        ),
        {
            "id": loaded.campaign_id,
            "rows": loaded.rows,
            "messages": loaded.messages,
            "invalid": loaded.invalid,
            "canary_chunks": canary_chunks or None,
        },
    )
    for reason, n in loaded.left_out.items():
        connection.execute(
            text("INSERT INTO left_out (campaign_id, reason, n) VALUES (:id, :reason, :n)"),
            {"id": loaded.campaign_id, "reason": reason, "n": n},
        )
