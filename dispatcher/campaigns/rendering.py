"""Another template for a draft: its texts are rendered anew from its list, in one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from dispatcher.campaigns import chunk_plan, filling, list_record, loading
from dispatcher.campaigns.chunk_plan import ChunkPlan
from dispatcher.campaigns.filling import Loaded
from dispatcher.campaigns.lifecycle import WrongState
from dispatcher.config import Settings
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import translated
from dispatcher.ingest import Source, ingest
from dispatcher.sending import html_calls
from dispatcher.suppression.lists import Lists
from dispatcher.uploads import reading, store
from schemas import tables
from schemas.payload import CampaignSpec

_ROWS = (tables.chunk, tables.message, tables.invalid_row, tables.left_out)


def render_anew(connection: Connection, engine: Engine, settings: Settings, campaign_id: int, template: str) -> Loaded:
    """Give a draft another template, in the caller's transaction; nothing of a draft has been sent.

    Rows that the old template made invalid may become messages, and the other way round. The suppression lists
    are read anew.

    Raises:
        WrongState: it is no draft.
        UsageError: it is a retry, its list is not kept any longer, or the list does not fit the template.
        NothingToSend: with this template every row is invalid.
    """
    campaign = tables.campaign
    draft = connection.execute(select(campaign).where(campaign.c.id == campaign_id).with_for_update()).one()
    if draft.state != "draft":
        raise WrongState(campaign_id, draft.state, "have another template", ("draft",))
    if draft.retry_of is not None:
        raise UsageError(
            translated("The texts of a retry are those that were rejected."),
            hint=translated("Load the rows as a campaign of their own, with the new text."),
        )
    record = list_record.read(connection, campaign_id, 1)
    spec = _spec(connection, draft, record.options, template)
    html_calls.check(spec, settings)
    with _list(connection, engine, settings, record, spec) as source:
        left_out = Lists.read(connection, settings.home, spec.intent)
        batches = ingest(source, loading.options_of(spec, settings), left_out.reasons)
        for table in _ROWS:
            connection.execute(delete(table).where(table.c.campaign_id == campaign_id))
        loaded = Loaded(campaign_id=campaign_id)
        size = chunk_plan.chunk_size(spec, settings)
        plan = ChunkPlan(campaign_id, size, settings.chunk_bytes, canary=spec.canary or 0)
        fingerprint = filling.fill(connection, loaded, draft.account_id, plan, source.name, batches)
    counted = update(campaign).where(campaign.c.id == campaign_id)
    counted = counted.values(rows=loaded.rows, messages=loaded.messages, invalid=loaded.invalid, template=template)
    counted = counted.values(registry=left_out.registry)
    connection.execute(counted.values(canary_chunks=(plan.canary_chunks or None) if spec.canary else None))
    lists = tables.campaign_list
    said = update(lists).where(lists.c.campaign_id == campaign_id, lists.c.list_no == 1)
    connection.execute(said.values(fingerprint=fingerprint.text()))
    if loaded.left_out:
        rows = [{"campaign_id": campaign_id, "reason": reason, "n": n} for reason, n in loaded.left_out.items()]
        connection.execute(insert(tables.left_out), rows)
    return loaded


def _spec(connection: Connection, draft: Any, options: dict[str, Any], template: str) -> CampaignSpec:
    """The draft as it was handed in, but for its template."""
    canary = None
    if draft.canary_chunks is not None:
        chunk = tables.chunk
        inside = (chunk.c.campaign_id == draft.id) & (chunk.c.chunk_no <= draft.canary_chunks)
        canary = connection.execute(select(func.sum(chunk.c.messages)).where(inside)).scalar()
    given = {name: value for name, value in options.items() if value is not None}
    return CampaignSpec(
        **given,
        template=template,
        html=draft.html,
        intent=draft.intent,
        test=draft.test,
        rate=draft.rate,
        canary=canary,
        draft=True,
    )


def _list(connection: Connection, engine: Engine, settings: Settings, record: Any, spec: CampaignSpec) -> Source:
    upload = store.get(connection, record.upload_id) if record.upload_id is not None else None
    if upload is None or not upload.there:
        raise reading.gone(record.name)
    return reading.open_list(engine, upload, spool(settings.home), loading.reading_of(spec, settings))
