"""`dispatcher campaign …`: create, show, list, watch, pause, resume, cancel, results."""

import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from dispatcher import campaigns, door, export, loading, means, preview
from dispatcher.campaigns import Summary
from dispatcher.cli.output import FAILED, Output, command, read_html, session
from dispatcher.errors import UsageError
from dispatcher.ingest import Batch, Source, open_source
from dispatcher.provider.codes import MEANING
from dispatcher.runtime import Runtime
from dispatcher.window import provider_local
from schemas.payload import CampaignSpec


@click.group()
def campaign() -> None:
    """Hand in campaigns, follow them, stop them, read their results."""


@campaign.command()
@click.argument("file")
@click.option("--template", required=True, help="The text, with columns in braces: 'Hola {nombre}'. {{ }} are literal.")
@click.option("--name", help="What to call it; the file's name otherwise.")
@click.option("--to-column", help="The number's column; else the first of telefono, celular, destino, phone, tos.")
@click.option("--id-column", help="A column of your own ids, shown as external_id in the results.")
@click.option("--start", help='When to begin: "2026-12-01 09:00:00" (Argentine time) or ISO 8601 with offset.')
@click.option("--expires", help="When to give up on what was not sent; same forms as --start.")
@click.option("--priority", type=click.Choice(["high", "normal", "low"]), default="normal", show_default=True)
@click.option(
    "--on-doubt",
    type=click.Choice(["resend", "hold"]),
    default="resend",
    show_default=True,
    help="When an answer was lost and the provider provably has no trace of a line: send it again, or hold it.",
)
@click.option("--strict-text", is_flag=True, help="Reject texts with accents and the like, instead of adapting them.")
@click.option("--test", is_flag=True, help="The provider validates and sends nothing (TEST=1).")
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Content behind a link, one call a message; the text says where the link goes: http://1rck.in/-000000",
)
@click.option("--canary", type=int, help="Send the first N alone; go on only if few of them are rejected.")
@click.option(
    "--max-reject-rate",
    type=float,
    help="Pause when more than this share (0.2 = 20 %) of recent results are rejects; 0.2 with --canary.",
)
@click.option("--require-balance", is_flag=True, help="Refuse it when it exceeds the balance or outlasts the contract.")
@click.option("--dry-run", is_flag=True, help="Validate, show samples, rejects and an estimate; change nothing.")
@command
def create(output: Output, file: str, dry_run: bool, html_file: Path | None, **fields: Any) -> None:
    """Load FILE (CSV, XLSX or JSONL; - reads CSV from stdin) as a campaign.

    Good rows become messages; bad ones are rejected one by one, each with its line, the reason and what to do. A file
    that is no table, lacks a column or is empty changes nothing.

    \b
    dispatcher campaign create clientes.xlsx --template 'Hola {nombre}, su saldo es ${saldo}. Empresa SA' \\
        --start '2026-12-01 09:00:00'
    """
    try:
        spec = CampaignSpec(**fields, html=read_html(html_file))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise UsageError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from None
    with open_source(file) as source:
        if dry_run:
            _dry_run(output, spec, source)
        else:
            _create(output, spec, source)


def _create(output: Output, spec: CampaignSpec, source: Source) -> None:
    with session() as runtime:
        account_means = means.ask(runtime.settings, required=spec.require_balance)
        with _progress(output, source) as advance, runtime.engine.begin() as connection:
            loaded = loading.load(connection, runtime.settings, spec, source, advance, account_means)
        assert loaded.campaign_id is not None
        rejects = _write_rejects(output, runtime, loaded.campaign_id) if loaded.rejected else None
    output.answer(
        {
            "campaign_id": loaded.campaign_id,
            "messages": loaded.messages,
            "rejected": loaded.rejected,
            "rejects_file": str(rejects) if rejects else None,
            "suppressed": loaded.suppressed,
            "left_out": dict(loaded.left_out),
            "reasons": dict(loaded.reasons),
            "dropped_characters": loaded.dropped_characters,
            "transliterated": loaded.transliterated,
            "warnings": loaded.warnings,
        }
    )
    for warning in loaded.warnings:
        output.note(warning)
    output.say(f"Campaign {loaded.campaign_id}: {loaded.messages:,} messages, {loaded.rejected:,} rejected.")
    _say_load(output, loaded)
    if rejects:
        output.say(f"Each rejected row with its reason: {rejects}")
    if not loaded.messages:
        output.note("No row was good: nothing will be sent.")
    output.say(f"Follow it with: dispatcher campaign watch {loaded.campaign_id}")
    if loaded.messages and spec.start is None:
        door.hint()


def _write_rejects(output: Output, runtime: Runtime, campaign_id: int) -> Path | None:
    """The file of rejects. The campaign stands already: a full disk must not make anybody create it again."""
    try:
        return export.write_rejects(runtime.engine, campaign_id, runtime.settings.home / "rejects")
    except OSError as error:
        output.note(f"The rejects are in the database, but not in a file: {error.filename}: {error.strerror}")
        return None


def _say_load(output: Output, loaded: loading.Loaded) -> None:
    output.table(
        "Rejected rows by reason",
        ["reason", "rows"],
        [[r, n] for r, n in loaded.reasons.most_common()],
        right=("rows",),
    )
    if loaded.suppressed:
        say_left_out(output, loaded.left_out)
    if loaded.transliterated:
        output.say(
            f"{loaded.transliterated:,} texts were adapted to the SMS alphabet"
            f" ({loaded.dropped_characters:,} characters dropped)."
        )


def _dry_run(output: Output, spec: CampaignSpec, source: Source) -> None:
    with _progress(output, source) as advance:
        found = preview.preview(spec, source, advance)
    output.answer(found.as_json())
    output.say(f"Dry run: {found.loaded.messages:,} messages, {found.loaded.rejected:,} rejected; nothing was changed.")
    output.table("Samples", ["number", "text"], [[s["destino"], s["texto"]] for s in found.samples])
    _say_load(output, found.loaded)
    output.table(
        f"Rejects (first {len(found.rejects)})",
        ["line", "reason", "detail"],
        [[r["line"], r["reason"], r["detail"]] for r in found.rejects],
        right=("line",),
    )
    output.say(f"Would begin {_when(found.begins)} and end about {_when(found.ends)}; {found.basis}.")
    for remark in found.remarks:
        output.note(remark)


class _progress:
    """A bar on stderr while a file is read; silent with --json or without a terminal."""

    def __init__(self, output: Output, source: Source) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeElapsedColumn(),
            console=output.notes,
            transient=True,
            disable=output.as_json or not output.notes.is_terminal,
        )
        self._task = self._bar.add_task(f"Reading {source.name}", total=source.size, rows=0)
        self._rows = 0

    def __enter__(self) -> "_progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, batch: Batch) -> None:
        self._rows += batch.rows
        self._bar.update(self._task, completed=batch.position, rows=self._rows)


@campaign.command()
@click.argument("campaign_id", type=int)
@command
def show(output: Output, campaign_id: int) -> None:
    """Where a campaign stands: state, statuses, result codes."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = campaigns.show(connection, campaign_id)
    output.answer(found.as_json())
    say_summary(output, found)


def say_summary(output: Output, found: Summary) -> None:
    """A campaign for people."""
    output.say(f"Campaign {found.campaign_id} «{found.name}»: {found.state}" + (" (test)" if found.test else ""))
    if found.blocked:
        output.say(f"The account is BLOCKED. The provider says: {found.blocked}")
    if found.reason:
        output.say(f"Reason: {found.reason}")
    window = f", until {_when(found.expires_at)}" if found.expires_at else ""
    output.say(f"From {_when(found.start_at or found.created_at)}{window}; priority {found.priority}.")
    output.say(f"{found.messages:,} messages ({found.final:,} final), {found.rejected:,} rows rejected.")
    output.table(
        "Statuses", ["status", "messages"], [[s, f"{n:,}"] for s, n in found.counts.items()], right=("messages",)
    )
    say_left_out(output, found.left_out)
    say_codes(output, found.result_codes)


_LEFT_OUT = {
    "optout_at_load": "on the opt-out list when the campaign was loaded",
    "optout_at_claim": "opted out after that, before their turn came",
    "undeliverable_at_load": "on the do-not-send list when the campaign was loaded",
    "undeliverable_at_claim": "put on the do-not-send list after that",
}


def say_left_out(output: Output, left_out: Mapping[str, int]) -> None:
    """How many were left out, and why."""
    output.table(
        "Left out: nothing is sent to them",
        ["messages", "why"],
        [[f"{n:,}", _LEFT_OUT.get(reason, reason)] for reason, n in left_out.items()],
        right=("messages",),
    )


def say_codes(output: Output, codes: dict[int, int]) -> None:
    """The result codes with what they mean."""
    output.table(
        "Result codes",
        ["code", "messages", "meaning"],
        [[code, f"{n:,}", MEANING.get(code, "")] for code, n in codes.items()],
        right=("code", "messages"),
    )


def _when(moment: datetime | None) -> str:
    return provider_local(moment).strftime("%Y-%m-%d %H:%M:%S (-03)") if moment else "—"


@campaign.command(name="list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@command
def list_(output: Output, limit: int) -> None:
    """The newest campaigns."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = campaigns.listing(connection, limit)
    output.answer({"campaigns": [each.as_json() for each in found]})
    output.table(
        "Campaigns",
        ["id", "name", "state", "messages", "final", "rejected", "held", "start"],
        [
            [
                c.campaign_id,
                c.name,
                "blocked" if c.blocked else c.state,
                f"{c.messages:,}",
                f"{c.final:,}",
                f"{c.rejected:,}",
                c.held,
                _when(c.start_at or c.created_at),
            ]
            for c in found
        ],
        right=("id", "messages", "final", "rejected", "held"),
    )
    if not found:
        output.say("No campaigns yet. Hand one in with `dispatcher campaign create FILE --template …`.")


@campaign.command()
@click.argument("campaign_id", type=int)
@click.option("--timeout", type=click.FloatRange(min=0), help="Give up after this many seconds (exit 1).")
@command
def watch(output: Output, campaign_id: int, timeout: float | None) -> None:
    """Follow a campaign until it ends; exit 0 only when it completed."""
    ends = time.monotonic() + timeout if timeout is not None else None
    with session() as runtime:
        found = _follow(output, lambda: _read(runtime, campaign_id), ends)
    output.answer(found.as_json())
    say_summary(output, found)
    if found.state != "completed":
        if found.state != "cancelled":
            output.note(f"Still {found.state} after {timeout:.0f} s." if timeout is not None else "Not completed.")
        sys.exit(FAILED)


def _read(runtime: Any, campaign_id: int) -> Summary:
    with runtime.engine.connect() as connection:
        return campaigns.show(connection, campaign_id)


def _follow(output: Output, read: Any, ends: float | None) -> Summary:
    bar = progress_bar(output)
    found: Summary = read()
    task = bar.add_task("", total=max(found.messages, 1))
    with bar:
        while True:
            bar.update(task, completed=found.final, description=describe(found))
            if found.state in ("completed", "cancelled") and not found.in_flight:
                return found
            if ends is not None and time.monotonic() >= ends:
                return found
            time.sleep(0.5)
            found = read()


def progress_bar(output: Output) -> Progress:
    """The bar that follows a campaign, on stderr."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeElapsedColumn(),
        console=output.notes,
        transient=True,
        disable=output.as_json or not output.notes.is_terminal,
    )


def describe(found: Summary) -> str:
    """A campaign's progress in one line."""
    state = "BLOCKED" if found.blocked else found.state
    waiting = " ".join(f"{status} {n:,}" for status, n in found.counts.items())
    return f"{state}: {waiting}"


@campaign.command()
@click.argument("campaign_id", type=int)
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl", "xlsx"]), default="csv", show_default=True)
@click.option("--output", "-o", "path", type=click.Path(dir_okay=False, path_type=Path), help="A file; else stdout.")
@command
def results(output: Output, campaign_id: int, kind: str, path: Path | None) -> None:
    """Every message with its status and result code, in the columns of the view message_status."""
    with session() as runtime:
        with runtime.engine.connect() as connection:
            campaigns.show(connection, campaign_id)
        if path is None and (kind == "xlsx" or output.as_json):
            raise UsageError(f"{'XLSX' if kind == 'xlsx' else '--json'} needs --output FILE.", hint="Name a file.")
        rows = export.write_results(runtime.engine, campaign_id, kind, path)
    output.answer({"campaign_id": campaign_id, "rows": rows, "file": str(path)})
    if path is not None:
        output.say(f"{rows:,} messages written to {path}")
