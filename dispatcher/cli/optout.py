"""`dispatcher optout …` and `dispatcher undeliverable …`: who gets nothing, and why."""

import click

from dispatcher import config
from dispatcher.audit_trail import os_user
from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.db.transactions import take_time
from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.terms import source_word
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.ingest import Reading, open_source
from dispatcher.suppression import do_not_send, no_llame, number_files, optout_import, optouts

_LIMIT = click.option("--limit", default=1_000, show_default=True, type=click.IntRange(1, 1_000_000))


@click.group(cls=WholeGroup)
def optout() -> None:
    """The opt-out list: no campaign and no single message goes to a number on it."""


@optout.command()
@click.argument("number")
@click.option("--reason", help="Why, for the record.")
@command
def add(output: Output, number: str, reason: str | None) -> None:
    """Opt NUMBER out."""
    with session(may_create=True) as runtime, runtime.engine.begin() as connection:
        national = optouts.national(number, runtime.settings.country)
        new = optouts.add(connection, national, source="operator", reason=reason or f"by {os_user()}")
        standing = optouts.find(connection, national)
    assert standing is not None
    output.answer({"optouts": [standing.as_json()], "added": int(new is not None)})
    output.say(
        worded("{national} gets no messages.", national=national)
        if new
        else worded("{national} gets no messages. It was on the list before.", national=national)
    )


@optout.command()
@click.argument("number")
@click.option("--reason", help="Why, for the record: who asked for messages again, and when.")
@command
def remove(output: Output, number: str, reason: str | None) -> None:
    """Opt NUMBER in again; it is recorded."""
    with session(may_create=True) as runtime, runtime.engine.begin() as connection:
        national = optouts.national(number, runtime.settings.country)
        was = optouts.remove(connection, national, source="operator", reason=reason or f"by {os_user()}")
    output.answer({"optouts": [], "removed": int(was is not None), "number": national})
    output.say(
        worded("{national} gets messages again.", national=national)
        if was
        else worded("{national} was not on the list.", national=national)
    )


@optout.command()
@click.argument("number")
@command
def check(output: Output, number: str) -> None:
    """Say whether NUMBER gets messages, and if not, why not."""
    with session() as runtime, runtime.engine.connect() as connection:
        national = optouts.national(number, runtime.settings.country)
        out, listed = optouts.find(connection, national), do_not_send.find(connection, national)
        registered = no_llame.holds(connection, national)
    output.answer(
        {
            "number": national,
            "optouts": [out.as_json()] if out else [],
            "undeliverable": [listed.as_json()] if listed else [],
            "no_llame": registered,
        }
    )
    if out:
        output.say(
            worded(
                "{national} opted out on {since:%Y-%m-%d %H:%M:%S} ({source}).",
                national=national,
                since=provider_local(out.since),
                source=source_word(out.source),
            )
        )
    if listed:
        output.say(
            worded(
                "{national} is not sent to until {until:%Y-%m-%d}: code {code}.",
                national=national,
                until=provider_local(listed.until),
                code=listed.code,
            )
        )
    if not (out or listed):
        output.say(
            worded("{national} gets messages, but no marketing (No Llame registry).", national=national)
            if registered
            else worded("{national} gets messages.", national=national)
        )


@optout.command(name="import")
@click.argument("file")
@click.option("--reason", help="Why, for the record; the file's name otherwise.")
@click.option("--to-column", help="The number's column, when it has an unusual name; several are divided by commas.")
@click.option("--area", help="The area code that local numbers belong to: with 11, '15 4444-5555' is 1144445555.")
@command
def import_(output: Output, file: str, reason: str | None, to_column: str | None, area: str | None) -> None:
    """Opt out every number of FILE (one a line, CSV, XLSX or JSONL; - reads stdin).

    Every column that holds numbers counts, and every number of a cell.
    """
    settings = config.load()
    reading = Reading(to_column=to_column, unpacked_max=settings.unpacked_max)
    with (
        open_source(file, spool=spool(settings.home), reading=reading) as source,
        session(may_create=True) as runtime,
        runtime.engine.begin() as connection,
    ):
        take_time(connection)
        done = optout_import.load(connection, source, runtime.settings.country, reason or source.name, to_column, area)
    output.answer(
        {
            "optouts": [each.as_json() for each in done.optouts],
            "added": done.added,
            "known": done.known,
            "invalid": done.invalid,
            "invalid_rows": done.invalid_rows,
            "remarks": [remark.sentence for remark in number_files.remarks(source)],
        }
    )
    for remark in number_files.remarks(source):
        output.note(remark.sentence)
    output.say(
        worded(
            "Opted out now: {added:,}; before: {known:,}. Rows with what is no number: {invalid:,}.",
            added=done.added,
            known=done.known,
            invalid=done.invalid,
        )
    )
    output.table(
        worded("Invalid rows (the first {n:,})", n=len(done.invalid_rows)),
        ["line", "written", "code", "reason"],
        [list(invalid_row.values()) for invalid_row in done.invalid_rows],
        right=("line", "code"),
    )


@optout.command(name="list")
@_LIMIT
@command
def list_(output: Output, limit: int) -> None:
    """The newest opt-outs, with source and time."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = optouts.listing(connection, limit)
        total = optouts.count(connection)
    output.answer({"optouts": [each.as_json() for each in found], "total": total})
    output.table(
        "Opt-outs",
        ["number", "source", "reason", "since"],
        [[o.number, source_word(o.source), o.reason, f"{provider_local(o.since):%Y-%m-%d %H:%M:%S}"] for o in found],
    )
    said = counted(total, "{n:,} number opted out.", "{n:,} numbers opted out.")
    output.say(said if total else translated("Nobody has opted out."))


@click.group(cls=WholeGroup)
def undeliverable() -> None:
    """Numbers that the provider says cannot receive (-1 fixed line, -2 many failures); they expire after 90 days."""


@undeliverable.command(name="list")
@_LIMIT
@command
def undeliverable_list(output: Output, limit: int) -> None:
    """The do-not-send list, the newest first."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = do_not_send.listing(connection, limit)
    output.answer({"undeliverable": [each.as_json() for each in found]})
    output.table(
        "Do not send",
        ["number", "code", "since", "until"],
        [
            [u.number, u.code, f"{provider_local(u.since):%Y-%m-%d}", f"{provider_local(u.until):%Y-%m-%d}"]
            for u in found
        ],
        right=("code",),
    )
    if not found:
        output.say("The do-not-send list is empty.")


@undeliverable.command(name="remove")
@click.argument("number")
@command
def undeliverable_remove(output: Output, number: str) -> None:
    """Send to NUMBER again, before its entry expires."""
    with session() as runtime, runtime.engine.begin() as connection:
        national = optouts.national(number, runtime.settings.country)
        if not do_not_send.remove(connection, national):
            raise UsageError(
                worded("{national} is not on the do-not-send list.", national=national),
                hint="`dispatcher undeliverable list`.",
            )
    output.answer({"undeliverable": [], "removed": 1, "number": national})
    output.say(worded("{national} is sent to again.", national=national))
