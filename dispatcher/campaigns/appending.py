"""Appending: a second list, such as invalid rows that were mended, joins a campaign that is still open.

The rows are read and staged first; the campaign is locked for the last step alone. What has a message in the campaign
already is a duplicate, so nobody gets two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from dispatcher import audit_trail
from dispatcher.accounts import binding
from dispatcher.accounts.account_info import AccountInfo
from dispatcher.campaigns import approval, chunk_plan, filling, list_record, loading, summary
from dispatcher.campaigns.chunk_plan import ChunkPlan
from dispatcher.campaigns.filling import Loaded, NothingToSend
from dispatcher.config import Settings
from dispatcher.db.bulk_copy import Copier, copy_frame
from dispatcher.db.statements import query
from dispatcher.db.transactions import take_time
from dispatcher.errors import UsageError
from dispatcher.i18n import terms
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import Batch, Recipients, Source, ingest
from dispatcher.sending import html_calls
from dispatcher.suppression import no_llame
from dispatcher.suppression.lists import Lists
from dispatcher.suppression.no_llame import MARKETING
from dispatcher.uploads import store
from schemas import tables
from schemas.payload import CampaignSpec

log = logging.getLogger(__name__)

_staged = tables.appended_message
_READ_AT_ONCE = 100_000
ELSEWHERE = "the campaign, or in an earlier row"


def append(
    connection: Connection,
    settings: Settings,
    spec: CampaignSpec,
    source: Source,
    progress: Callable[[Batch], None] | None = None,
    info: AccountInfo | None = None,
) -> Loaded:
    """Add a list to the campaign `spec.append_to`, in the caller's transaction; the totals are those of this list.

    Raises:
        UsageError: the campaign is not open or belongs to another account; another template; as `loading.load`.
        NothingToSend: no row is a new message.
    """
    assert spec.append_to is not None
    campaign_id = spec.append_to
    settings.require_apikey()
    approval.require_draft(settings, draft=False, append_to=campaign_id)
    take_time(connection)
    account = binding.bind(connection, settings)
    connection.execute(query("lock_append"), {"campaign_id": campaign_id})
    campaign = _campaign(connection, campaign_id, account.id, spec)
    spec = _like_the_first_list(connection, spec, campaign)
    html_calls.check(spec, settings)
    if settings.lists_kept:
        store.check_size(source.stored_size, settings.upload_max)
    recipients = _known(connection, campaign_id)
    loaded = Loaded(campaign_id=campaign_id, list_no=list_record.latest(connection, campaign_id) + 1)
    plan = ChunkPlan(campaign_id, chunk_plan.chunk_size(spec, settings), settings.chunk_bytes, appends=True)
    stage(connection)
    options, left_out = loading.options_of(spec, settings), Lists.read(connection, settings.home, spec.intent).reasons
    with Copier(connection) as copier:
        for batch in ingest(source, options, left_out, recipients=recipients):
            filling.copy_batch(copier, loaded, plan, batch, into=_staged.name)
            if progress:
                progress(batch)
    if not loaded.messages:
        raise NothingToSend(source.name, loaded.refused)
    if moved := plan.finish():
        seq, chunk_no = moved
        connection.execute(update(_staged).where(_staged.c.seq == seq).values(chunk_no=chunk_no))
    upload_id = loading.keep_list(connection, settings, source) if settings.lists_kept else None
    list_record.keep(connection, campaign_id, loaded.list_no, source, spec, None, upload_id)
    now: datetime = connection.execute(select(func.now())).scalar_one()
    loading.check_account(loaded, settings, spec, info, now, plan.chunks(account.id).height)
    loaded.warnings += no_llame.warnings(connection, spec.intent)
    loaded.reading = [*source.remarks, *loaded.said()]
    _join(connection, loaded, plan.chunks(account.id))
    detail = {"messages": loaded.messages, "invalid": loaded.invalid, "list_no": loaded.list_no}
    audit_trail.record(connection, "campaign.append", campaign_id, detail=detail)
    log.info("appended campaign=%s messages=%s invalid=%s", campaign_id, loaded.messages, loaded.invalid)
    return loaded


def preview(connection: Connection, settings: Settings, spec: CampaignSpec) -> tuple[CampaignSpec, Recipients]:
    """How `append` would read a list, and who has a message already; it changes nothing.

    Raises:
        UsageError: as `append`.
    """
    assert spec.append_to is not None
    account = binding.find(connection, settings)
    campaign = _campaign(connection, spec.append_to, account.id if account else 0, spec)
    return _like_the_first_list(connection, spec, campaign), _known(connection, spec.append_to)


def stage(connection: Connection) -> None:
    """Make the table for the messages of an append; it ends with the transaction."""
    _staged.create(connection, checkfirst=False)


def _campaign(connection: Connection, campaign_id: int, account_id: int, spec: CampaignSpec) -> Any:
    state = summary.show(connection, campaign_id).state
    campaign = connection.execute(select(tables.campaign).where(tables.campaign.c.id == campaign_id)).one()
    if campaign.account_id != account_id:
        raise UsageError(
            worded("Campaign {campaign_id} belongs to another account.", campaign_id=campaign_id),
            hint=translated("Use the key of that account."),
        )
    if state not in ("scheduled", "running", "paused"):
        raise _closed(campaign_id, state)
    if spec.intent == MARKETING != campaign.intent:
        raise UsageError(
            worded("Campaign {campaign_id} is of service, so no marketing joins it.", campaign_id=campaign_id),
            hint=translated("Load the list as a campaign of its own."),
        )
    if spec.template and spec.template != campaign.template:
        raise UsageError(
            worded("Campaign {campaign_id} has another template.", campaign_id=campaign_id),
            hint=translated("Leave --template out: the list gets the campaign's."),
        )
    return campaign


def _closed(campaign_id: int, state: str) -> UsageError:
    return UsageError(
        worded(
            "Campaign {campaign_id} is {state}, so no list can be appended to it.",
            campaign_id=campaign_id,
            state=terms.state_word(state),
        ),
        hint=translated("Load the list as a campaign of its own."),
    )


def _like_the_first_list(connection: Connection, spec: CampaignSpec, campaign: Any) -> CampaignSpec:
    """Take the campaign's text, and the way its list was read wherever nothing else is asked for."""
    first = list_record.read(connection, campaign.id, 1)
    kept = {} if first is None else {name: first.options.get(name) for name in list_record.READING}
    asked = {name: getattr(spec, name) or kept.get(name) or getattr(spec, name) for name in list_record.READING}
    of_campaign = {name: getattr(campaign, name) for name in ("template", "html", "test", "rate", "not_on", "intent")}
    return spec.model_copy(update={**asked, **of_campaign})


def _known(connection: Connection, campaign_id: int) -> Recipients:
    """The numbers that have a message in the campaign."""
    recipients = Recipients()
    recipients.elsewhere = ELSEWHERE
    message = tables.message
    # Empty: a person who was erased.
    numbers = select(message.c.destino).where(message.c.campaign_id == campaign_id, message.c.destino != "")
    for part in connection.execute(numbers.execution_options(yield_per=_READ_AT_ONCE)).scalars().partitions():
        recipients.know(part)
    return recipients


def _join(connection: Connection, loaded: Loaded, chunks: pl.DataFrame) -> None:
    """The one step after which the new messages may be claimed."""
    which = {"campaign_id": loaded.campaign_id}
    if loaded.sending:
        connection.execute(query("not_last_any_more"), which)
    opened = connection.execute(query("lock_open_campaign"), which).first()
    if opened is None:
        raise _closed(loaded.campaign_id, summary.show(connection, loaded.campaign_id).state)
    chunk = tables.chunk
    taken = connection.execute(
        select(func.coalesce(func.max(chunk.c.chunk_no), 0)).where(chunk.c.campaign_id == loaded.campaign_id)
    ).scalar_one()
    connection.execute(query("take_appended"), {"messages": opened.messages, "chunks": taken})
    behind = chunks.with_columns(
        pl.col("chunk_no", "root_no") + taken, pl.col("first_seq", "last_seq") + opened.messages
    )
    copy_frame(connection, filling.copy_into(chunk.name, behind), behind)
    counted = {**which, "messages": loaded.messages, "invalid": loaded.invalid}
    connection.execute(query("count_appended"), counted)
    left_out = tables.left_out
    for reason, n in loaded.left_out.items():
        new = insert(left_out).values(campaign_id=loaded.campaign_id, reason=reason, n=n)
        more = {"n": left_out.c.n + new.excluded.n}
        connection.execute(new.on_conflict_do_update(index_elements=["campaign_id", "reason"], set_=more))
