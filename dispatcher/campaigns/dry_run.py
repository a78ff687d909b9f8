"""The dry run: checks everything that a load would check, says what it would say, and changes nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select

from dispatcher.accounts import account_info, binding
from dispatcher.campaigns import appending, chunk_plan, estimate, loading, repeats
from dispatcher.campaigns.chunk_plan import ChunkPlan
from dispatcher.campaigns.estimate import Estimate
from dispatcher.campaigns.look import Look
from dispatcher.campaigns.repeats import Fingerprint, Repeat
from dispatcher.campaigns.schedule import Schedule
from dispatcher.campaigns.totals import Totals
from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS, translate
from dispatcher.domain import reasons
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import Batch, Recipients, Remark, Source, ingest
from dispatcher.ingest.blocks import shown
from dispatcher.ingest.validate import Checker
from dispatcher.sending import html_calls
from dispatcher.suppression import no_llame
from dispatcher.suppression.lists import Lists
from schemas import tables
from schemas.payload import CampaignSpec

SAMPLES = 5
INVALID_ROWS_SHOWN = 50

OpenDatabase = Callable[[Settings], AbstractContextManager[Connection]]
"""Opens a connection; it may start an embedded server for it."""


@dataclass
class DryRunReport:
    """What a load would do.

    `cost` is what it would take from the balance, in messages; `balance` is null when it cannot be asked for.
    """

    totals: Totals
    samples: list[dict[str, Any]]
    invalid_rows: list[dict[str, Any]]
    estimate: Estimate
    remarks: list[str]
    reading: list[Remark]
    look: Look
    columns: dict[str, Any]
    cost: int
    balance: int | None
    repeats: list[Repeat] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON; there is no campaign and no file of invalid rows."""
        return {
            "campaign_id": None,
            "dry_run": True,
            **self.totals.totals_json(),
            "invalid_file": None,
            "samples": self.samples,
            "invalid_rows": self.invalid_rows,
            "begins": self.estimate.begins.isoformat(),
            "ends": self.estimate.ends.isoformat(),
            "basis": self.estimate.basis,
            "cost": self.cost,
            "balance": self.balance,
            "remarks": self.remarks,
            "reading": [remark.as_json() for remark in self.reading],
            "look": self.look.as_json(),
            "columns": self.columns,
            "repeats": [each.as_json() for each in self.repeats],
        }


def run(
    settings: Settings,
    spec: CampaignSpec,
    source: Source,
    open_database: OpenDatabase,
    progress: Callable[[Batch], None] | None = None,
) -> DryRunReport:
    """Read and check a whole source; opt-outs are looked up if there is a database already.

    Raises:
        UsageError: as a load would.
    """
    recipients = Recipients()
    if spec.append_to is not None:
        with open_database(settings) as connection:
            spec, recipients = appending.preview(connection, settings, spec)
    if not spec.template:
        raise UsageError(translated("A dry run needs the template."), hint=translated("Give --template."))
    html_calls.check(spec, settings)
    now = datetime.now(UTC)
    schedule = Schedule.of(spec, now)
    lists, remarks, looked_up = _lists(settings, open_database, spec.intent)
    plan = ChunkPlan(1, chunk_plan.chunk_size(spec, settings), settings.chunk_bytes)
    options = loading.options_of(spec, settings)
    batches = ingest(source, options, lists.reasons, look=True, recipients=recipients)
    checked = _check(batches, plan, progress)
    plan.finish()
    found = []
    if looked_up and not (spec.append_to or spec.again or spec.test):
        found = _repeats(settings, open_database, checked, recipients)
    remarks += map(str, found)
    sending, posts = checked.totals.sending, plan.chunks(0).height
    would = estimate.estimate(
        settings, schedule.begins(now), sending=sending, posts=posts, rate=spec.rate, days_off=schedule.days_off
    )
    remarks += schedule.late_start(now) + schedule.within(settings.sending_window, now)
    info = account_info.fetch_for_campaign(settings, required=False)
    remarks += estimate.shortfalls(info, sending=sending, ends=would.ends)
    if schedule.expires_at and would.ends > schedule.expires_at:
        remarks.append(translated("That is after --expires: messages not sent by then would expire."))
    if settings.apikey is None:
        remarks.append(translated("DISPATCHER_APIKEY is not set: you need it to create the campaign."))
    reading = [*source.remarks, *checked.totals.said()]
    remarks += [remark.sentence for remark in reading]
    return DryRunReport(
        totals=checked.totals,
        samples=checked.samples,
        invalid_rows=checked.invalid_rows,
        estimate=would,
        remarks=remarks,
        reading=reading,
        look=checked.look,
        cost=0 if spec.test else sending,
        balance=info.saldo if info is not None else None,
        repeats=found,
        columns=Checker(source.table.columns, options).taken,
    )


@dataclass
class _Checked:
    """The rows of a list, counted, with a few of them to show."""

    totals: Totals = field(default_factory=Totals)
    samples: list[dict[str, Any]] = field(default_factory=list)
    invalid_rows: list[dict[str, Any]] = field(default_factory=list)
    look: Look = field(default_factory=Look)
    fingerprint: Fingerprint = field(default_factory=Fingerprint)


def _check(batches: Iterator[Batch], plan: ChunkPlan, progress: Callable[[Batch], None] | None) -> _Checked:
    checked = _Checked()
    for batch in batches:
        suppressed = batch.messages["suppressed"]
        plan.assign(batch.messages["encoded_bytes"], suppressed.is_not_null())
        checked.totals.add(batch)
        checked.look.add(batch)
        checked.fingerprint.add(batch)
        sent = batch.messages.filter(suppressed.is_null())
        checked.samples += sent.head(SAMPLES - len(checked.samples)).select("destino", "texto").to_dicts()
        first = batch.invalid_rows.head(INVALID_ROWS_SHOWN - len(checked.invalid_rows)).to_dicts()
        checked.invalid_rows += [{**row, "detail": _detail(row)} for row in first]
        if progress:
            progress(batch)
    return checked


def _detail(row: dict[str, Any]) -> str:
    """The reason of an invalid row in the language of who runs this; stored is the English one."""
    return shown(reasons.say(row["reason"], json.loads(row["facts"])))


def _repeats(
    settings: Settings, open_database: OpenDatabase, checked: _Checked, recipients: Recipients
) -> list[Repeat]:
    """The campaigns that the list repeats."""
    with open_database(settings) as connection:
        account = binding.find(connection, settings)
        if account is None:
            return []
        return repeats.find(connection, account.id, checked.fingerprint.text(), recipients)


def _lists(settings: Settings, open_database: OpenDatabase, intent: str) -> tuple[Lists, list[str], bool]:
    """The lists of who gets nothing, remarks on them, and whether there is a database; none is created."""
    if settings.database_url is None and not (settings.home / "postgres" / "PG_VERSION").exists():
        return Lists(), [translated("Opt-outs were not looked up: there is no database yet.")], False
    try:
        with open_database(settings) as connection:
            if connection.execute(select(func.to_regclass(tables.undeliverable.name))).scalar() is None:
                return (
                    Lists(),
                    [
                        translated(
                            "Opt-outs were not looked up: the database has no schema yet (dispatcher db upgrade)."
                        )
                    ],
                    False,
                )
            remarks = _account_remarks(connection, settings) + no_llame.warnings(connection, intent)
            return Lists.read(connection, settings.home, intent), remarks, True
    except DRIVER_ERRORS as error:
        return Lists(), [worded("Opt-outs were not looked up: {why}", why=translate(error))], False
    except DispatcherError as error:
        return Lists(), [worded("Opt-outs were not looked up: {why}", why=error)], False


def _account_remarks(connection: Connection, settings: Settings) -> list[str]:
    if settings.fingerprint is None or binding.find(connection, settings) is not None:
        return []
    account = tables.account
    other = select(account.c.id).where(account.c.provider_url == settings.provider_url)
    if connection.execute(other).first() is None:
        return []
    return [translated("The database belongs to another API key: creating the campaign would be refused.")]
