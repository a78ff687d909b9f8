"""A certificate of a campaign, or of one message: the facts laid out on paper, in the reader's language."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine

from dispatcher.campaigns import one_message
from dispatcher.campaigns.certificate import facts as certified
from dispatcher.campaigns.certificate.facts import Facts
from dispatcher.campaigns.certificate.paper import Paper, written
from dispatcher.campaigns.outcome_words import outcome
from dispatcher.config import Settings
from dispatcher.domain.window import provider_local
from dispatcher.i18n import terms
from dispatcher.i18n.words import counted, current, translated, worded

MOST_ROWS = 5_000
"""Messages that a certificate lists; beyond that it has the counts and the hash, which stand for the same data."""

_WIDTHS = (16, 26, 74, 29, 29)
_ROW = 4.0


def of_campaign(engine: Engine, settings: Settings, campaign_id: int, path: Path) -> None:
    """Write the certificate of a campaign to `path`.

    Raises:
        NoCampaign: there is none.
    """
    with tempfile.TemporaryDirectory(prefix="certificate-", dir=path.parent) as folder:
        facts = certified.gather(engine, campaign_id, Path(folder))
        name = worded("Certificate of campaign {n}", n=campaign_id)
        paper = Paper(name, f"{name} · SHA-256 {facts.sha256[:16]}…")
        _who_and_when(paper, settings, facts)
        _counts(paper, facts)
        _hash(paper, facts, worded("campaign {n}", n=campaign_id))
        if facts.messages <= MOST_ROWS:
            _table(paper, facts)
        else:
            paper.paragraph(
                worded(
                    "It has more than {most} messages, so they are not listed here: the hash stands for all of them.",
                    most=_number(MOST_ROWS),
                )
            )
        paper.output(str(path))


def of_message(engine: Engine, settings: Settings, campaign_id: int, seq: int, path: Path) -> None:
    """Write the certificate of one message to `path`.

    Raises:
        NoCampaign: there is no such message.
    """
    with tempfile.TemporaryDirectory(prefix="certificate-", dir=path.parent) as folder:
        facts = certified.gather(engine, campaign_id, Path(folder), seq=seq)
        (row,) = facts.rows()
        with engine.connect() as connection:
            life = one_message.of_campaign(connection, campaign_id, seq)
        name = worded("Certificate of message {seq} of campaign {n}", seq=seq, n=campaign_id)
        paper = Paper(name, f"{name} · SHA-256 {facts.sha256[:16]}…")
        paper.heading(translated("Message"))
        paper.facts(_of_row(row))
        if life is not None and life.attempts:
            paper.heading(translated("Handed to the provider"))
            paper.facts([(_moment(each.at), outcome(each.outcome)) for each in life.attempts])
        if life is not None and life.result_lines:
            paper.heading(translated("What the provider said of it"))
            paper.facts([(_moment(each.fecha), f"{each.code}: {each.text or 'OK'}") for each in life.result_lines])
        _who_and_when(paper, settings, facts)
        _hash(paper, facts, worded("message {seq} of campaign {n}", seq=seq, n=campaign_id))
        paper.output(str(path))


def _of_row(row: dict[str, Any]) -> list[tuple[str, str]]:
    code = row["result_code"]
    return [
        (translated("Number"), row["destino"]),
        (translated("Text"), row["texto"]),
        (translated("Status"), terms.status(row["status"])),
        (translated("Handed in"), _moment(row["submitted_at"])),
        (translated("Result"), _moment(row["processed_at"])),
        (translated("Result code"), "-" if code is None else f"{code}: {terms.meaning(code)}"),
        (translated("The provider's words"), row["result_text"] or "-"),
        (translated("Own id"), row["external_id"] or "-"),
        ("idinterno", row["idinterno"]),
    ]


def _who_and_when(paper: Paper, settings: Settings, facts: Facts) -> None:
    it, released = facts.campaign, facts.released
    paper.heading(translated("Campaign"))
    paper.facts(
        [
            (translated("Number and name"), f"{it.campaign_id} · {it.name}"),
            (translated("List"), ", ".join(each.name for each in facts.lists) or "-"),
            (translated("Prepared by"), f"{it.created_by or '-'}, {_moment(it.created_at)}"),
            (
                translated("Released by"),
                f"{released.actor}, {_moment(released.at)}" if released else _unreleased(facts),
            ),
            (translated("Company"), settings.company or "-"),
            (translated("Sent through"), f"SMS Masivos ({urlsplit(settings.provider_url).hostname})"),
            (translated("Began"), _moment(it.started_at)),
            (translated("Ended"), _moment(it.completed_at)),
            (translated("State"), terms.state_word(it.state)),
        ]
    )
    if urlsplit(settings.provider_url).hostname in ("127.0.0.1", "localhost", "::1"):
        paper.paragraph(translated("Simulated provider: nothing reaches a phone."))
    if it.test:
        paper.paragraph(translated("This is a test: the provider only checked these messages, and nobody got them."))
    if not facts.is_over:
        paper.paragraph(
            translated("The campaign is not over: what is said here is as of the moment below, and may change.")
        )


def _unreleased(facts: Facts) -> str:
    return "-" if facts.campaign.state == "draft" else translated("whoever prepared it, when it was made")


def _counts(paper: Paper, facts: Facts) -> None:
    it = facts.campaign
    paper.heading(translated("Messages"))
    by_status = [(terms.status(name), _number(n)) for name, n in it.counts.items()]
    paper.facts(
        [
            (translated("Rows of the list"), _number(it.messages + it.invalid)),
            (translated("Invalid rows"), _number(it.invalid)),
            (translated("Messages"), _number(it.messages)),
        ]
    )
    paper.facts([(number, status) for status, number in by_status])
    if it.result_codes:
        paper.heading(translated("Result codes"))
        paper.facts([(f"{code}: {_number(n)}", terms.meaning(code)) for code, n in it.result_codes.items()])


def _hash(paper: Paper, facts: Facts, of: str) -> None:
    paper.heading(translated("Data"))
    paper.paragraph(
        counted(
            facts.messages,
            "SHA-256 of the data of {{of}}: {n:,} line, {{size}} bytes, as the JSONL download gives it.",
            "SHA-256 of the data of {{of}}: {n:,} lines, {{size}} bytes, as the JSONL download gives them.",
        ).format(of=of, size=_number(facts.size))
    )
    paper.code(facts.sha256)
    paper.paragraph(
        worded("Made on {at} by {who}. All times are Argentine (GMT-3).", at=_moment(facts.made_at), who=facts.made_by)
    )


def _table(paper: Paper, facts: Facts) -> None:
    paper.heading(translated("The messages, one by one"))
    names = (
        translated("No."),
        translated("Number"),
        translated("Status and code"),
        translated("Handed in"),
        translated("Result"),
    )
    paper.set_font("helvetica", "B", 7)
    for width, name in zip(_WIDTHS, names, strict=True):
        paper.cell(width, _ROW, written(name))
    paper.ln(_ROW)
    paper.set_font("helvetica", "", 7)
    said_by = translated("The provider's words")
    for row in facts.rows():
        if paper.will_page_break(4 * _ROW):
            paper.add_page()
        said = f"{terms.status(row['status'])}"
        if row["result_code"] is not None:
            said += f" · {row['result_code']}"
        words = row["result_text"] if row["result_code"] not in (None, 0) else None
        cells = (str(row["seq"]), row["destino"], said, _moment(row["submitted_at"]), _moment(row["processed_at"]))
        paper.set_text_color(0)
        for width, value in zip(_WIDTHS, cells, strict=True):
            paper.cell(width, _ROW, _cut(written(value), width))
        paper.ln(_ROW)
        paper.set_text_color(70)
        paper.set_x(paper.l_margin + _WIDTHS[0])
        paper.multi_cell(sum(_WIDTHS[1:]), _ROW - 0.5, written(row["texto"]), new_x="LMARGIN", new_y="NEXT", align="L")
        if words:
            paper.set_x(paper.l_margin + _WIDTHS[0])
            paper.multi_cell(
                sum(_WIDTHS[1:]), _ROW - 0.5, written(f"{said_by}: {words}"), new_x="LMARGIN", new_y="NEXT", align="L"
            )
    paper.set_text_color(0)


def _cut(words: str, width: float) -> str:
    """As much as has its place in a column; the whole is in the data."""
    most = int(width / 1.25)
    return words if len(words) <= most else words[: most - 3] + "..."


def _moment(value: datetime | str | None) -> str:
    if value is None:
        return "-"
    local = provider_local(datetime.fromisoformat(value) if isinstance(value, str) else value)
    return f"{local:%d/%m/%Y %H:%M:%S}" if current() == "es" else f"{local:%Y-%m-%d %H:%M:%S}"


def _number(n: int) -> str:
    shown = f"{n:,}"
    return shown.replace(",", ".") if current() == "es" else shown
