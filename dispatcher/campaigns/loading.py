"""Loading: a list of rows becomes a campaign that may run, in one transaction: all of it or nothing."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, update

from dispatcher import audit_trail
from dispatcher.accounts import binding
from dispatcher.accounts.account_info import AccountInfo
from dispatcher.campaigns import approval, chunk_plan, estimate, filling, list_record, reject_watch, repeats
from dispatcher.campaigns.chunk_plan import ChunkPlan
from dispatcher.campaigns.filling import Loaded
from dispatcher.campaigns.repeats import RepeatFound
from dispatcher.campaigns.schedule import Schedule, days_off
from dispatcher.config import Settings
from dispatcher.db import ranges
from dispatcher.db.transactions import take_time
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import Batch, IngestOptions, Reading, Recipients, Source, ingest
from dispatcher.sending import html_calls
from dispatcher.suppression import no_llame
from dispatcher.suppression.lists import Lists
from dispatcher.uploads import store
from dispatcher.webhooks import campaign_events
from schemas import tables
from schemas.payload import CampaignSpec

log = logging.getLogger(__name__)


def options_of(spec: CampaignSpec, settings: Settings) -> IngestOptions:
    """What the ingest needs to know of a campaign."""
    return IngestOptions(
        template=spec.template,
        country=settings.country,
        company=settings.company,
        to_column=spec.to_column,
        id_column=spec.id_column,
        strict_text=spec.strict_text,
        literal=spec.literal,
        keep_words=spec.keep_words,
        area=spec.area,
        first_number=spec.first_number,
    )


def reading_of(spec: CampaignSpec, settings: Settings) -> Reading:
    """How the file of a campaign is to be read."""
    return Reading(
        to_column=spec.to_column,
        sheet=spec.sheet,
        header_row=spec.header_row,
        visible_only=spec.visible_only,
        unpacked_max=settings.unpacked_max,
    )


def load(
    connection: Connection,
    settings: Settings,
    spec: CampaignSpec,
    source: Source,
    progress: Callable[[Batch], None] | None = None,
    info: AccountInfo | None = None,
    upload_id: int | None = None,
    *,
    ask: bool = False,
    number: int | None = None,
    rendered: bool = False,
) -> Loaded:
    """Load a campaign in the caller's transaction and open it: once that commits, workers may claim its chunks.

    `info` is the state of the account as read before the transaction: the campaign is checked against it. `upload_id`
    says that the source is this list of the upload store; any other source is put there. With `ask`, a list that
    repeats a campaign is not loaded; it is otherwise, with a warning. `number` is one that was reserved for it.
    With `rendered` the list has the texts of another campaign, as they were.

    Raises:
        RepeatFound: `ask`, and the list repeats a campaign.
        NothingToSend: every row is invalid.
        UsageError: the source is not a table, lacks a column, is empty, too large, or changed while it was read; no key
            is set; the database belongs to another account; the HTML cannot be sent; the spec requires a balance and
            the account has too little.
    """
    settings.require_apikey()
    approval.require_draft(settings, draft=spec.draft, append_to=None)
    keeps = upload_id is None and settings.lists_kept > 0
    if keeps:
        store.check_size(source.stored_size, settings.upload_max)
    html_calls.check(spec, settings, rendered=rendered)
    take_time(connection)
    account = binding.bind(connection, settings)
    now: datetime = connection.execute(select(func.now())).scalar_one()
    schedule = Schedule.of(spec, now)
    late = schedule.late_start(now) + schedule.within(settings.sending_window, now)
    recipients = Recipients()
    lists = Lists.read(connection, settings.home, spec.intent)
    batches = _with_first_checked(ingest(source, options_of(spec, settings), lists.reasons, recipients=recipients))
    # After everything that can refuse the list early: a campaign number, once drawn, is not used again.
    campaign_id = _insert_campaign(connection, account.id, spec, source.name, schedule, lists.registry, number)
    ranges.require(connection, campaign_id)
    loaded = Loaded(campaign_id=campaign_id)
    plan = ChunkPlan(campaign_id, chunk_plan.chunk_size(spec, settings), settings.chunk_bytes, canary=spec.canary or 0)
    fingerprint = filling.fill(connection, loaded, account.id, plan, source.name, batches, progress)
    if not spec.again and not spec.test:
        loaded.repeats = repeats.find(connection, account.id, fingerprint.text(), recipients)
        _refuse_repeats(loaded, spec, ask=ask)
    if keeps:
        upload_id = keep_list(connection, settings, source)
    list_record.keep(connection, campaign_id, 1, source, spec, fingerprint.text(), upload_id)
    check_account(loaded, settings, spec, info, schedule.begins(now), plan.chunks(account.id).height)
    registry = no_llame.warnings(connection, spec.intent)
    loaded.warnings += registry + late + [str(each) for each in loaded.repeats]
    _open(connection, loaded, plan.canary_chunks if spec.canary else None, upload_id, draft=spec.draft)
    detail = {"messages": loaded.messages, "invalid": loaded.invalid, "draft": spec.draft}
    audit_trail.record(connection, "campaign.create", campaign_id, detail=detail)
    campaign_events.created(connection, campaign_id)
    if upload_id is not None:
        store.keep(connection, settings, upload_id)
    loaded.reading = [*source.remarks, *loaded.said()]
    if registry:
        log.warning("no_llame_registry_old campaign=%s why=%s", campaign_id, " ".join(registry))
    log.info("loaded campaign=%s messages=%s invalid=%s", campaign_id, loaded.messages, loaded.invalid)
    return loaded


def keep_list(connection: Connection, settings: Settings, source: Source) -> int:
    """Put the list into the upload store, as it came. Returns its number there.

    Raises:
        UsageError: the file is not the one whose rows were read.
    """
    media_type = store.MEDIA_TYPES[source.format]
    kept = store.store(connection, settings, source.pieces(), name=Path(source.name).name, media_type=media_type)
    if source.changed():
        raise UsageError(
            worded("{name} changed while it was read; nothing was loaded.", name=source.name),
            hint=translated("Wait until it is complete."),
        )
    return kept.id


def _refuse_repeats(loaded: Loaded, spec: CampaignSpec, *, ask: bool) -> None:
    if loaded.repeats and (ask or spec.refuse_repeats):
        raise RepeatFound(
            " ".join(map(str, loaded.repeats)),
            hint=translated("Give --again (again) if it is meant to go out once more."),
        )


def _with_first_checked(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, with the first one read: a list that cannot be read, or has no rows, raises here."""
    first = next(batches, None)
    return batches if first is None else chain([first], batches)


def _insert_campaign(
    connection: Connection,
    account_id: int,
    spec: CampaignSpec,
    source_name: str,
    schedule: Schedule,
    registry: str | None,
    number: int | None,
) -> int:
    new = insert(tables.campaign).values(
        account_id=account_id,
        prefix=select(tables.installation.c.prefix).scalar_subquery(),
        name=spec.name or Path(source_name).stem or "campaign",
        template=spec.template,
        priority=spec.priority,
        rate=spec.rate,
        on_doubt=spec.on_doubt,
        intent=spec.intent,
        registry=registry,
        test=spec.test,
        max_reject_rate=reject_watch.reject_limit(spec),
        start_at=schedule.start_at,
        expires_at=schedule.expires_at,
        not_on=schedule.days_off.listed(),
        html=spec.html,
        keep_days=spec.keep_days,
        created_by=str(audit_trail.current()),
        tags=spec.tags,
    )
    if number is not None:
        new = new.values(id=number)
    campaign_id: int = connection.execute(new.returning(tables.campaign.c.id)).scalar_one()
    return campaign_id


def check_account(
    loaded: Loaded, settings: Settings, spec: CampaignSpec, info: AccountInfo | None, start: datetime, posts: int
) -> None:
    """Warn of what the account lacks for this campaign, or refuse the campaign."""
    sending = 0 if spec.test else loaded.sending
    off = days_off(spec.not_on)
    ends = estimate.estimate(settings, start, sending=sending, posts=posts, rate=spec.rate, days_off=off).ends
    loaded.warnings = estimate.shortfalls(info, sending=sending, ends=ends)
    if loaded.warnings and spec.require_balance:
        raise UsageError(
            " ".join(loaded.warnings),
            hint=translated("Buy messages or renew the contract; or do not require a balance."),
        )


def _open(
    connection: Connection, loaded: Loaded, canary_chunks: int | None, upload_id: int | None, *, draft: bool
) -> None:
    """The one step after which the campaign may run, unless it is a draft; without a single message it is complete."""
    campaign, account = tables.campaign, tables.account
    complete = not loaded.messages
    opened = (
        update(campaign)
        .where(campaign.c.id == loaded.campaign_id, campaign.c.state == "loading")
        .values(
            state="completed" if complete else "draft" if draft else "scheduled",
            completed_at=func.now() if complete else None,
            rows=loaded.rows,
            messages=loaded.messages,
            invalid=loaded.invalid,
            canary_chunks=canary_chunks or None,
            upload_id=upload_id,
            opened_at=func.clock_timestamp(),
            # Behind those that have waited: a stream of small campaigns must not starve an older one.
            turn=select(account.c.turn).where(account.c.id == campaign.c.account_id).scalar_subquery(),
        )
    )
    connection.execute(opened)
    left_out = [{"campaign_id": loaded.campaign_id, "reason": reason, "n": n} for reason, n in loaded.left_out.items()]
    if left_out:
        connection.execute(insert(tables.left_out), left_out)
