"""`dispatcher campaign create`: a file becomes a campaign, or with --dry-run a look at what it would be."""

from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from dispatcher import config
from dispatcher.accounts import account_info
from dispatcher.accounts.account_info import AccountInfo
from dispatcher.campaigns import appending, invalid_file, loading
from dispatcher.campaigns import dry_run as dry_run_module
from dispatcher.campaigns.filling import Loaded, NothingToSend
from dispatcher.campaigns.repeats import RepeatFound
from dispatcher.campaigns.schedule import days_off
from dispatcher.cli import ops_loader, start_words
from dispatcher.cli.arguments import read_html
from dispatcher.cli.campaign_confirm import confirmed, somebody_is_there
from dispatcher.cli.command import command
from dispatcher.cli.list_views import say_load, say_report, sums
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import database_connection, session
from dispatcher.domain.display import shown
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import Batch, Source, open_source
from dispatcher.maintenance import workers_seen
from dispatcher.runtime import Runtime
from schemas.payload import CampaignSpec


@click.command()
@click.argument("file")
@click.option("--template", default="", help="The text, with columns in braces: 'Hola {nombre}'.")
@click.option("--name", help="Name of the campaign. Default: the file's name.")
@click.option(
    "--to-column",
    help="The number's column, or several (celular,telefono): the first valid number counts. Default: the first of"
    " telefono, celular, destino, phone, tos, or a heading like 'Nº Celular'.",
)
@click.option("--area", help="The area code that local numbers belong to: with 11, '15 4444-5555' is 1144445555.")
@click.option("--first-number", is_flag=True, help="Take the first good number of a cell that holds several.")
@click.option("--sheet", help="The sheet of a workbook, by name or number. Default: the first that holds numbers.")
@click.option("--header-row", type=int, help="The line of the headings. Default: the first of 20 with a known heading.")
@click.option("--visible-only", is_flag=True, help="Leave out the rows and columns that a workbook hides.")
@click.option(
    "--append-to",
    type=click.IntRange(min=1),
    help="Add the list to this open campaign, with its template. Who has a message in it gets no other.",
)
@click.option("--again", is_flag=True, help="The list repeats an earlier campaign, and is meant to.")
@click.option("--refuse-repeats", is_flag=True, help="Refuse a list that repeats an earlier campaign (exit 1).")
@click.option("--id-column", help="A column of your own ids, shown as external_id in the results.")
@click.option(
    "--start",
    help="When to begin, by Argentine time: '2026-12-01 09:00', 'mañana 9:00', 'lunes 10:30', +2h; or ISO 8601.",
)
@click.option(
    "--keep-days",
    type=click.IntRange(7, 36_500),
    help="Days after its end that its rows are kept, where that is less than DISPATCHER_RETENTION.",
)
@click.option("--expires", help="Messages not sent by then expire. Same format as --start.")
@click.option(
    "--not-on",
    multiple=True,
    metavar="DAYS",
    help="Days on which nothing of it goes: holidays (national, Argentina), or 2026-12-24,2026-12-31. Repeatable.",
)
@click.option("--priority", type=click.Choice(["high", "normal", "low"]), default="normal", show_default=True)
@click.option("--rate", type=click.IntRange(1, 1_000_000), help="Send at most so many messages a minute.")
@click.option(
    "--on-doubt",
    type=click.Choice(["resend", "hold"]),
    default="resend",
    show_default=True,
    help="If an answer was lost and the provider has no trace of a line: send it again, or hold it.",
)
@click.option(
    "--intent",
    type=click.Choice(["service", "marketing"]),
    default="service",
    show_default=True,
    help="marketing leaves out the numbers of the No Llame registry (`dispatcher nollame`); service is about what the"
    " person has with you.",
)
@click.option("--strict-text", is_flag=True, help="Leave out texts with accents and the like instead of adapting them.")
@click.option("--keep-words", is_flag=True, help="Send NULL, nan, N/A and the like. Default: they are empty fields.")
@click.option(
    "--literal", is_flag=True, help="Send %nombre%, [nombre] and the like as text, though a column is so named."
)
@click.option("--test", is_flag=True, help="The provider checks every message and sends none (TEST=1).")
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Content behind a link, one call a message; the text says where the link goes: http://1rck.in/-000000",
)
@click.option(
    "--canary",
    type=int,
    help="Send the first N alone. Pause if too many of them are rejected; `campaign resume` continues.",
)
@click.option(
    "--max-reject-rate",
    type=float,
    help="Pause if more than this share of recent messages is rejected (0.2 = 20 %). Default with --canary: 0.2.",
)
@click.option(
    "--require-balance",
    is_flag=True,
    help="Refuse the campaign if it exceeds the balance or outlasts the contract.",
)
@click.option("--draft", is_flag=True, help="Load it and wait: nothing is sent before `campaign send ID`.")
@click.option("--dry-run", is_flag=True, help="Validate, show samples, invalid rows and an estimate; change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask; in a script or with --json nothing is asked anyway.")
@click.option("--to-me", metavar="NUMBER", help="Send the first text to this number first, to see it on a phone.")
@command
def create(
    output: Output, file: str, dry_run: bool, html_file: Path | None, yes: bool, to_me: str | None, **fields: Any
) -> None:
    """Load FILE (CSV, XLSX or JSONL; - reads CSV from stdin) as a campaign.

    In a terminal it shows what would be sent and asks before anything is.

    Encoding, separator, sheet and headings are found out, and said where they are unusual. Cells of a workbook are
    read as they show.

    Good rows become messages. An invalid row is left out and kept with its line, the reason and what to do. A file
    that is not a table, lacks a column or is empty changes nothing.

    In the template, {{ and }} are literal braces. A placeholder may have filters and a default:

    \b
    {saldo:money}      $ 1.234,50, however the list writes it
    {vence:date}       31/12/2026
    {nombre:title}     JUAN PEREZ becomes Juan Perez
    {nombre:20}        at most 20 characters, cut at a word
    {nombre|cliente}   what stands there when the field is empty; also {nombre:title:20|cliente}

    \b
    dispatcher campaign create clientes.xlsx --template 'Hola {nombre}, su saldo es ${saldo}. Empresa SA' \\
        --start '2026-12-01 09:00:00'
    """
    if not fields["template"]:
        del fields["template"]
    fields |= {name: start_words.understood(output, fields[name], name) for name in ("start", "expires")}
    fields["not_on"] = days_off(fields["not_on"]).listed()
    try:
        spec = CampaignSpec(**fields, html=read_html(html_file))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = f"--{str(first['loc'][0]).replace('_', '-')}: " if first["loc"] else ""
        raise UsageError(where + translated(first["msg"].removeprefix("Value error, "))) from None
    settings = config.load()
    reading = loading.reading_of(spec, settings)
    with open_source(file, spool=spool(settings.home), reading=reading) as source:
        if dry_run:
            _dry_run(output, spec, source)
            return
        ask = somebody_is_there(output) and not (yes or spec.draft or spec.test)
        if ask or to_me is not None:
            quiet = output if ask else Output(as_json=True)
            spec = confirmed(output, spec, lambda: _check(quiet, spec, source), to_me=to_me, ask=ask)
        _create(output, spec, source)


def _create(output: Output, spec: CampaignSpec, source: Source) -> None:
    with session(may_create=True) as runtime:
        info = account_info.fetch_for_campaign(runtime.settings, required=spec.require_balance)
        try:
            loaded = _load(output, runtime, spec, source, info)
        except NothingToSend as nothing:
            # How the list was read may be why.
            for remark in source.remarks:
                output.note(remark.sentence)
            _write_refused(output, runtime, source, nothing)
            raise
        invalid_rows = _write_invalid_rows(output, runtime, loaded) if loaded.invalid else None
        with runtime.engine.connect() as connection:
            unseen = workers_seen.complaint(connection)
    output.answer(
        {
            "campaign_id": loaded.campaign_id,
            **loaded.totals_json(),
            "invalid_file": str(invalid_rows) if invalid_rows else None,
            "warnings": loaded.warnings,
            "remarks": [remark.sentence for remark in loaded.reading],
            "reading": [remark.as_json() for remark in loaded.reading],
            "repeats": [each.as_json() for each in loaded.repeats],
            "workers_seen": unseen is None,
        }
    )
    for warning in loaded.warnings:
        output.note(warning)
    for remark in loaded.reading:
        output.note(remark.sentence)
    output.say(worded("Campaign {number}: {sums}.", number=loaded.campaign_id, sums=sums(loaded)))
    say_load(output, loaded)
    if invalid_rows:
        output.say(worded("Each invalid row with its reason: {path}", path=invalid_rows))
        again = f"dispatcher campaign create {invalid_rows} --append-to {loaded.campaign_id}"
        output.say(worded("Correct them there, then: {command}", command=again))
    if unseen:
        output.note(unseen)
    if spec.draft:
        send = f"dispatcher campaign send {loaded.campaign_id}"
        output.say(worded("It is a draft. Send it with: {command}", command=send))
        return
    output.say(worded("Follow it with: {command}", command=f"dispatcher campaign watch {loaded.campaign_id}"))
    if spec.start is None:
        ops_loader.hint()


def _load(output: Output, runtime: Runtime, spec: CampaignSpec, source: Source, info: AccountInfo | None) -> Loaded:
    """Load the list. In a terminal, a list that repeats a campaign is loaded only when the person says so."""
    ask = somebody_is_there(output) and not spec.refuse_repeats
    try:
        with _progress(output, source) as advance, runtime.engine.begin() as connection:
            if spec.append_to is not None:
                return appending.append(connection, runtime.settings, spec, source, advance, info)
            return loading.load(connection, runtime.settings, spec, source, advance, info, ask=ask)
    except RepeatFound as repeat:
        if not ask or not output.asks(f"{repeat} {translated('Send it once more?')}"):
            raise
    return _load(output, runtime, spec.model_copy(update={"again": True}), source, info)


def _write_refused(output: Output, runtime: Runtime, source: Source, nothing: NothingToSend) -> None:
    """Give the rows back of a list of which none is good."""
    folder = runtime.settings.home / "invalid"
    try:
        path = invalid_file.write_refused(source, nothing.invalid_rows, folder, separator=runtime.settings.csv_divider)
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
        output.note(worded("The invalid rows cannot be written to a file: {why}", why=why))
    else:
        nothing.hint = worded("Correct the rows in {path}: each has its reason.", path=path)


def _write_invalid_rows(output: Output, runtime: Runtime, loaded: Loaded) -> Path | None:
    """The file of invalid rows. The campaign exists already: a full disk must not make anybody create it again."""
    try:
        folder = runtime.settings.home / "invalid"
        return invalid_file.write(
            runtime.engine,
            loaded.campaign_id,
            folder,
            list_no=loaded.list_no,
            separator=runtime.settings.csv_divider,
        )
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
        output.note(worded("The invalid rows are in the database, but not in a file: {why}", why=why))
        return None


def _dry_run(output: Output, spec: CampaignSpec, source: Source) -> None:
    found = _check(output, spec, source)
    output.answer(found.as_json())
    output.say(translated("Dry run: nothing was changed."))


def _check(output: Output, spec: CampaignSpec, source: Source) -> dry_run_module.DryRunReport:
    """Look at the whole list and show what it would be."""
    with _progress(output, source) as advance:
        found = dry_run_module.run(config.load(), spec, source, database_connection, advance)
    say_report(output, found)
    return found


class _progress:
    """A bar on stderr while a file is read; silent with --json or without a terminal."""

    def __init__(self, output: Output, source: Source) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn(translated("{task.fields[rows]:,} rows")),
            TimeElapsedColumn(),
            console=output.notes,
            transient=True,
            disable=output.as_json or not output.notes.is_terminal,
        )
        self._task = self._bar.add_task(
            escape(worded("Reading {name}", name=shown(source.name))), total=source.size, rows=0
        )
        self._rows = 0

    def __enter__(self) -> "_progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, batch: Batch) -> None:
        self._rows += batch.rows
        self._bar.update(self._task, completed=batch.position, rows=self._rows)
