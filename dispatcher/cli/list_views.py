"""What the commands say of a list: its sums, its invalid rows, and what a dry run found."""

from dispatcher.campaigns.dry_run import DryRunReport
from dispatcher.campaigns.look import WHY, Look
from dispatcher.campaigns.totals import Totals
from dispatcher.cli.campaign_views import count, say_left_out, when
from dispatcher.cli.output import Output
from dispatcher.i18n.words import counted, translated, worded

INVALID_ROWS_SHOWN = 20


def say_report(output: Output, found: DryRunReport) -> None:
    """What a load would do."""
    output.say(f"{sums(found.totals)}.")
    fields = ", ".join(found.columns["fields"]) or translated("no column")
    number = translated(" or ").join(found.columns["number"])
    output.say(worded("The number is taken from {number}, the text from {fields}.", number=number, fields=fields))
    output.table("Samples", ["number", "text"], [[s["destino"], s["texto"]] for s in found.samples])
    _say_look(output, found.look)
    say_load(output, found.totals)
    shown = found.invalid_rows[:INVALID_ROWS_SHOWN]
    output.table(
        worded("Invalid rows (the first {n:,})", n=len(shown)),
        ["line", "reason", "detail"],
        [[r["line"], r["reason"], r["detail"]] for r in shown],
        right=("line",),
    )
    would = found.estimate
    output.say(
        worded(
            "Would begin {begins} and end about {ends}; {basis}.",
            begins=when(would.begins),
            ends=when(would.ends),
            basis=would.basis,
        )
    )
    for remark in found.remarks:
        output.note(remark)


def say_load(output: Output, loaded: Totals) -> None:
    """Which rows are invalid, who is left out, and which texts were adapted."""
    output.table(
        "Invalid rows by reason",
        ["reason", "rows"],
        [[r, count(n)] for r, n in loaded.reasons.most_common()],
        right=("rows",),
    )
    if loaded.suppressed:
        say_left_out(output, loaded.left_out)
    if loaded.transliterated:
        output.say(
            worded(
                "Texts adapted to the SMS alphabet: {texts:,} (characters dropped: {dropped:,}).",
                texts=loaded.transliterated,
                dropped=loaded.dropped_characters,
            )
        )


def sums(loaded: Totals) -> str:
    """How many messages and invalid rows a list has."""
    messages = counted(loaded.messages, "{n:,} message", "{n:,} messages")
    return f"{messages}, {counted(loaded.invalid, '{n:,} invalid row', '{n:,} invalid rows')}"


def _say_look(output: Output, look: Look) -> None:
    rows = [[row["line"], translated(WHY[row["why"]]), row["destino"], row["texto"]] for row in look.odd_rows()]
    output.table("Worth a look", ["line", "why", "number", "text"], rows, right=("line",))
    changes = [[char, count(n)] for char, n in look.changes.most_common(20)]
    output.table("Characters that are spelled otherwise", ["character", "texts"], changes, right=("texts",))
    if look.different_texts:
        n = look.different_texts
        output.note(worded("Rows that have the number of another row, and another text: {n:,}.", n=n))
