"""`dispatcher nollame …`: the registry of numbers that get no marketing."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from dispatcher import config
from dispatcher.cli.campaign_views import when
from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.ingest import Reading, open_source
from dispatcher.suppression import no_llame, no_llame_import, number_files, optouts


@click.group(cls=WholeGroup)
def nollame() -> None:
    """The No Llame registry (Ley 26.951): no marketing goes to a number on it."""


@nollame.command(name="import")
@click.argument("file")
@click.option("--taken", help="The day on which the file was taken from the registry: 2026-11-20. Default: now.")
@click.option("--to-column", help="The number's column, when it has an unusual name.")
@click.option("--force", is_flag=True, help="Also an older file, or one with less than half of the numbers.")
@command
def import_(output: Output, file: str, taken: str | None, to_column: str | None, force: bool) -> None:
    """Make FILE the registry: the whole official file, not what changed (one a line, CSV, XLSX; - reads stdin).

    The file is read to its end first, then it replaces the registry in one step. It can be had at nollame.aaip.gob.ar.
    """
    taken_at = _day(taken) if taken is not None else None
    settings = config.load()
    reading = Reading(to_column=to_column, unpacked_max=settings.unpacked_max)
    with open_source(file, spool=spool(settings.home), reading=reading) as source:
        numbers, unread = no_llame_import.read(source, settings.country, to_column)
        with session(may_create=True) as runtime, runtime.engine.begin() as connection:
            done = no_llame_import.replace(connection, numbers, unread, source.name, taken_at, force=force)
            known = no_llame.registry(connection)
    remarks = [remark.sentence for remark in number_files.remarks(source)] + no_llame.complaints(known)
    output.answer(
        {
            "numbers": done.numbers,
            "before": done.before,
            "added": done.added,
            "removed": done.removed,
            "invalid": unread.invalid,
            "invalid_rows": unread.invalid_rows,
            "remarks": remarks,
        }
    )
    for remark in remarks:
        output.note(remark)
    output.say(
        worded(
            "The registry has {numbers:,} numbers; {added:,} are new, {removed:,} are gone. "
            "Rows with what is no number: {invalid:,}.",
            numbers=done.numbers,
            added=done.added,
            removed=done.removed,
            invalid=unread.invalid,
        )
    )
    output.table(
        worded("Invalid rows (the first {n:,})", n=len(unread.invalid_rows)),
        ["line", "written", "code", "reason"],
        [list(invalid_row.values()) for invalid_row in unread.invalid_rows],
        right=("line", "code"),
    )


@nollame.command()
@click.argument("number")
@command
def check(output: Output, number: str) -> None:
    """Say whether NUMBER is in the registry."""
    with session() as runtime, runtime.engine.connect() as connection:
        national = optouts.national(number, runtime.settings.country)
        there, known = no_llame.holds(connection, national), no_llame.registry(connection)
    output.answer({"number": national, "no_llame": there, "registry": known.as_json() if known else None})
    if there:
        output.say(worded("{number} is in the No Llame registry: it gets no marketing.", number=national))
    else:
        output.say(worded("{number} is not in the No Llame registry.", number=national))
    for complaint in no_llame.complaints(known):
        output.note(complaint)


@nollame.command()
@command
def show(output: Output) -> None:
    """Say how many numbers the registry has, and how old it is."""
    with session() as runtime, runtime.engine.connect() as connection:
        known = no_llame.registry(connection)
    complaints = no_llame.complaints(known)
    output.answer({"registry": known.as_json() if known else None, "warnings": complaints})
    if known is not None:
        output.say(
            worded(
                "{numbers}, taken on {taken}, imported on {imported} from {source} by {who}.",
                numbers=counted(known.numbers, "{n:,} number", "{n:,} numbers"),
                taken=when(known.taken_at),
                imported=when(known.imported_at),
                source=known.source,
                who=known.imported_by,
            )
        )
    for complaint in complaints:
        output.note(complaint)


def _day(written: str) -> datetime:
    """The beginning of a day, by Argentine time."""
    try:
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=PROVIDER_ZONE).astimezone(UTC)
    except ValueError:
        raise UsageError(
            worded("--taken: {written} is no day.", written=written), hint=translated("Write it as 2026-11-20.")
        ) from None
