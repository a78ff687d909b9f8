"""`dispatcher db`, `doctor`, `up`, `demo`: the set-up and its parts."""

import sys
from typing import Literal

import click

from dispatcher import config
from dispatcher.campaigns import operator_actions
from dispatcher.cli import ops_loader
from dispatcher.cli.command import command
from dispatcher.cli.halted import in_flight
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import FAILED, Output
from dispatcher.cli.sessions import require_database, session
from dispatcher.db import migrations
from dispatcher.db.errors import DatabaseError, translated
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import counted, worded
from dispatcher.i18n.words import translated as translated_word
from dispatcher.runtime import Runtime


@click.group(cls=WholeGroup)
def db() -> None:
    """The database's schema."""


@db.command()
@click.option(
    "--phase",
    type=click.Choice(["pre", "all"]),
    default="all",
    show_default=True,
    help="pre: only changes that the previous version tolerates (rolling upgrade). all: everything.",
)
@command
def upgrade(output: Output, phase: Literal["pre", "all"]) -> None:
    """Bring the database to this version's schema. Safe to run again."""
    settings = config.load()
    with ops_loader.embedded(settings, broker=False):
        runtime = Runtime(settings)
        try:
            before, after = migrations.upgrade(runtime.engine, phase)
        finally:
            runtime.close()
    output.answer({"before": before, "after": after})
    output.say(
        worded("The database is at {after}.", after=after)
        if before == after
        else worded("Upgraded from {before} to {after}.", before=before or translated_word("nothing"), after=after)
    )


@db.command()
@command
def restored(output: Output) -> None:
    """After restoring a dump: draw a new idinterno prefix, and hold what was unfinished.

    What the dump shows as due may have been sent since it was made. Decide with `dispatcher campaign doubts` and
    `dispatcher campaign resolve`.
    """
    with session() as runtime:
        answer = operator_actions.restored(runtime.engine)
    output.answer(answer)
    output.say(
        worded(
            "New prefix {prefix}; {held}.",
            prefix=answer["prefix"],
            held=counted(answer["held_chunks"], "{n:,} chunk held", "{n:,} chunks held"),
        )
    )
    if answer["in_flight"]:
        output.say(in_flight(answer["in_flight"]))
    for campaign_id in answer["campaigns"]:
        output.say(
            worded("Decide: dispatcher campaign resolve {campaign_id} --all --as sent|unsent", campaign_id=campaign_id)
        )


@db.command()
@click.argument("url")
@command
def move(output: Output, url: str) -> None:
    """Move the embedded database to the empty one at URL, and stop sending from the embedded one.

    Stop `dispatcher up` first. All of it is copied in one snapshot and counted on both sides. Leave the password out of
    URL where others see this machine's processes: PGPASSWORD is not read, but ~/.pgpass is.

    \b
    dispatcher db move postgresql://dispatcher@db.example.com/dispatcher
    """
    moved = ops_loader.move_database(config.load(), url)
    rows = sum(moved.values())
    output.answer({"tables": moved, "rows": rows})
    output.say(
        worded(
            "Moved: {tables} tables, {rows:,} rows; each table has as many on both sides.", tables=len(moved), rows=rows
        )
    )
    output.say(
        "Nothing is sent from the embedded database any more. Now set, with the password in the URL or in a file:"
    )
    output.say("DISPATCHER_DATABASE_URL=postgresql://… (or DISPATCHER_DATABASE_URL_FILE)")
    output.say("Keep DISPATCHER_HOME: its keys and marks belong to the installation. Then: dispatcher doctor")


@click.command()
@command
def doctor(output: Output) -> None:
    """Check the whole set-up and everything that should be running; say what is wrong."""
    from dispatcher.maintenance import doctor as examination

    examined = "settings"
    try:
        settings = config.load()
        examined = "database"
        require_database(settings)
        examined = "settings"
        with translated(), ops_loader.embedded(settings, broker=True):
            checks = examination.examine(settings)
    except DispatcherError as error:
        examined = "database" if isinstance(error, DatabaseError) else examined
        checks = [examination.unusable(error, examined)]
    ok = all(check.ok for check in checks)
    output.answer({"ok": ok, "checks": [check._asdict() for check in checks]})
    verdict = {True: translated_word("ok"), False: translated_word("FAIL")}
    output.table("", ["", "check", "detail"], [[verdict[c.ok], c.name, c.detail] for c in checks])
    if not ok:
        sys.exit(FAILED)


@click.command()
@click.option("--simulated", is_flag=True, help="Against the simulator, in a home of its own: no key needed.")
@command
def up(output: Output, simulated: bool) -> None:
    """Run the workers, beat, Flower and the listeners in the foreground, with embedded or configured servers.

    Ctrl-C or SIGTERM stops it cleanly: a POST that is under way may finish.
    """
    if simulated:
        code = ops_loader.try_it(output)
        output.answer({"clean": code == 0})
        sys.exit(code)
    settings = config.load()
    with ops_loader.only_up(settings), ops_loader.embedded(settings, broker=True):
        runtime = Runtime(settings)
        try:
            migrations.require_schema(runtime.engine)
        finally:
            runtime.close()
        code = ops_loader.supervise(settings, output.note)
    output.answer({"clean": code == 0})
    sys.exit(code)


@click.command()
@command
def push(output: Output) -> None:
    """Take the replies that the provider pushes, in the foreground (part of `up`): /push/smsmasivos and /healthz."""
    settings = config.load()
    if not settings.push_port:
        raise UsageError("DISPATCHER_PUSH_PORT is 0, so nothing listens for PUSH.", hint="Set it, or unset it.")
    with ops_loader.embedded(settings, broker=False):
        from dispatcher.web import push_app

        push_app.serve(settings)


@click.command()
@command
def web(output: Output) -> None:
    """Run the page and the HTTP API alone, in the foreground (part of `up`): /, /api/v1, /api/v1/docs."""
    settings = config.load()
    if not settings.web_port:
        raise UsageError("DISPATCHER_WEB_PORT is 0, so there is no page and no API.", hint="Set it, or unset it.")
    with ops_loader.embedded(settings, broker=True):
        from dispatcher.web import web_app

        hints = web_app.Hints(ops_loader.hint, ops_loader.hint_request, ops_loader.hint_check, ops_loader.queue_message)
        web_app.serve(settings, hints)


@click.command()
@click.option("--messages", default=10_000, show_default=True, type=click.IntRange(1, 2_000_000))
@command
def demo(output: Output, messages: int) -> None:
    """Watch a campaign load, go out to a simulated provider and come back; nothing can reach a phone.

    It runs in a home of its own with servers of its own, and ignores the configured key, URL, database and broker.
    """
    output.answer(ops_loader.demo(messages, output))
