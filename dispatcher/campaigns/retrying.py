"""Retry: the rejected messages of a campaign become a new draft, linked to it, which somebody looks at and releases.

A message is in one such draft at most, unless that was cancelled, so that nobody is sent to twice by a second call. The
texts go in as they were, or are made anew from the list; the suppression lists are read anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from psycopg import sql
from sqlalchemy import Connection, Engine, select, update

from dispatcher import audit_trail
from dispatcher.accounts import binding
from dispatcher.campaigns import kept_rows, list_record, loading, summary
from dispatcher.campaigns.filling import Loaded
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.db.transactions import take_time
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import open_source
from dispatcher.suppression.optouts import OPT_OUT_CODES
from schemas import tables
from schemas.payload import CampaignSpec

_NUMBER, _ID = "_destino", "_external_id"
"""Headings of a retry's own columns, beside those of the list."""
_LOWEST_CODE = -99
_NAME = 200


class NothingRejected(UsageError):
    """The campaign has no rejected message that is not in a retry already."""


def draft(
    engine: Engine,
    settings: Settings,
    campaign_id: int,
    *,
    codes: Sequence[int] = (),
    words: str | None = None,
    template: str | None = None,
) -> Loaded:
    """Make the draft, of the messages with one of these codes, or with these words in the provider's text.

    With a template they get another text, made from the rows of the list that they came from.

    Raises:
        UsageError: no such campaign, one of another account or with HTML, a code that must not be retried, or nothing
            that could be; with a template, a list that is not kept any longer or does not fit it.
    """
    _check_codes(codes)
    with tempfile.TemporaryFile(prefix="dispatcher-retry-") as rows, engine.begin() as connection:
        take_time(connection)
        summary.show(connection, campaign_id)
        kept_rows.require(connection, campaign_id)
        account = binding.bind(connection, settings)
        # One retry of a campaign at a time: the second one sees what the first one took.
        connection.execute(query("lock_append"), {"campaign_id": campaign_id})
        first = connection.execute(select(tables.campaign).where(tables.campaign.c.id == campaign_id)).one()
        _check_campaign(first, account.id)
        spec, source = _spec(first), _Rows(sql.SQL("message"), sql.SQL("m.texto"))
        if template is not None:
            spec, source = _anew(connection, engine, settings, first, template)
        if not _copy(connection, campaign_id, codes, words, source, rows):
            raise NothingRejected(
                worded(
                    "Campaign {campaign_id} has no such rejected message that is not in a retry already.",
                    campaign_id=campaign_id,
                ),
                hint=worded("`dispatcher campaign show {campaign_id}` lists the codes.", campaign_id=campaign_id),
            )
        rows.seek(0)
        with open_source(rows, format="csv", name=f"retry of campaign {campaign_id}") as opened:
            loaded = loading.load(connection, settings, spec, opened, rendered=template is None)
        made = update(tables.campaign).where(tables.campaign.c.id == loaded.campaign_id)
        connection.execute(made.values(retry_of=campaign_id, template=template or first.template))
        detail = {"draft": loaded.campaign_id, "codes": list(codes), "messages": loaded.messages}
        audit_trail.record(connection, "campaign.retry", campaign_id, detail=detail)
    return loaded


def _check_codes(codes: Sequence[int]) -> None:
    for code in codes:
        if code in OPT_OUT_CODES:
            raise UsageError(
                worded("Code {code} means that the person does not want messages, so it is not retried.", code=code)
            )
        if code >= 0:
            raise UsageError(worded("Code {code} does not mean rejected, so there is nothing to retry.", code=code))
        if code < _LOWEST_CODE:
            raise UsageError(
                worded("Code {code} is not one of the provider's.", code=code),
                hint=translated("`dispatcher campaign show` lists the codes."),
            )


def _check_campaign(campaign: Any, account_id: int) -> None:
    if campaign.account_id != account_id:
        raise UsageError(
            worded("Campaign {number} belongs to another account.", number=campaign.id),
            hint=translated("Use the key of that account."),
        )


def _spec(first: Any) -> CampaignSpec:
    """As the first campaign, but for its times; the text is one column."""
    return CampaignSpec(
        template="{texto}",
        name=f"{first.name[: _NAME - 8]} (retry)",
        to_column=_NUMBER,
        id_column=_ID,
        priority=first.priority,
        rate=first.rate,
        not_on=first.not_on,
        on_doubt=first.on_doubt,
        intent=first.intent,
        test=first.test,
        max_reject_rate=first.max_reject_rate,
        keep_days=first.keep_days,
        keep_words=True,
        literal=True,
        again=True,
        draft=True,
        html=first.html,
        tags=first.tags,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where the rows of a retry are read, as `m`, and what they hold beside the number and the id."""

    table: sql.Composable
    columns: sql.Composable


def _anew(
    connection: Connection, engine: Engine, settings: Settings, first: Any, template: str
) -> tuple[CampaignSpec, _Rows]:
    """With another text: the columns of the list, read as they were the first time."""
    from dispatcher.campaigns import export_list

    own = export_list.stage(connection, engine, settings, first.id, tables.message.c.keys())
    kept = list_record.read(connection, first.id, 1).options
    how = {name: kept.get(name) or False for name in ("strict_text", "literal", "keep_words")}
    spec = _spec(first).model_copy(update={"template": template, **how})
    columns = sql.SQL(", ").join(
        sql.SQL("m.{} AS {}").format(sql.Identifier(column), sql.Identifier(heading or "-"))
        for heading, column in own.items()
    )
    return spec, _Rows(export_list.beside_messages(connection, first.id, list(own.values())), columns)


def _copy(
    connection: Connection,
    campaign_id: int,
    codes: Sequence[int],
    words: str | None,
    source: _Rows,
    rows: IO[bytes],
) -> int:
    """Write the rejected messages as CSV. Returns how many."""
    number = sql.Literal(campaign_id)
    which = [sql.SQL("m.result_code < 0 AND m.result_code <> ALL({})").format(sql.Literal(sorted(OPT_OUT_CODES)))]
    if codes:
        which.append(sql.SQL("m.result_code = ANY({})").format(sql.Literal(list(codes))))
    if words is not None:
        which.append(sql.SQL("position(lower({}) IN lower(m.result_text)) > 0").format(sql.Literal(words)))
    taken = sql.SQL(
        "SELECT 1 FROM campaign r JOIN message t ON t.campaign_id = r.id "
        "WHERE r.retry_of = {} AND r.state <> 'cancelled' AND t.destino = m.destino"
    ).format(number)
    chosen = sql.SQL(
        "SELECT m.destino AS {}, m.external_id AS {}, {} FROM {} m "
        "WHERE m.campaign_id = {} AND m.destino <> '' AND {} AND NOT EXISTS ({}) ORDER BY m.seq"
    ).format(
        sql.Identifier(_NUMBER),
        sql.Identifier(_ID),
        source.columns,
        source.table,
        number,
        sql.SQL(" AND ").join(which),
        taken,
    )
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor:
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)").format(chosen)
        with cursor.copy(statement) as copy:
            for part in copy:
                rows.write(bytes(part))
        return int(cursor.rowcount)
