"""The Spanish catalog has every sentence that the code words for the owner of a list, and fits it."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2 import Environment
from jinja2.ext import extract_from_ast

import dispatcher
from dispatcher.access import scopes
from dispatcher.campaigns import appending, look, schedule
from dispatcher.cli import campaign_list, campaign_views, help_terms
from dispatcher.domain import reasons
from dispatcher.i18n import terms
from dispatcher.ingest import encodings, files, filters, header, numbers, remarks
from dispatcher.ingest.workbook import package, sheet, table
from dispatcher.provider.codes import CODES, MEANING
from dispatcher.web import json_body
from dispatcher.web.page import reason_words, words
from dispatcher.web.page.prepare import steps
from dispatcher.webhooks import event_types
from schemas import payload
from schemas.states import CampaignState, MessageStatus

ROOT = Path(dispatcher.__file__).parent


def read() -> Catalog:
    with (ROOT / "i18n" / "catalogs" / "es.po").open("rb") as source:
        return read_po(source, locale="es_AR", abort_invalid=True)


def literals() -> Iterator[str]:
    """The sentences that stand where they are worded."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "")
            if called in ("worded", "translated", "counted", "Unreadable", "require"):
                for value in node.args:  # type: ignore[attr-defined]
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value


def of_templates() -> Iterator[str]:
    """The sentences of the page."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for path in (ROOT / "web" / "page" / "templates").glob("*.html"):
        tree = environment.parse(path.read_text(encoding="utf-8"))
        for _, _, said in extract_from_ast(tree, gettext_functions=("_", "counted"), babel_style=False):
            yield from (each for each in (said if isinstance(said, tuple) else (said,)) if each)


def whys() -> Iterator[str]:
    """The sentences that the API says of what it refuses: those of a problem, and of a field that is checked."""
    for path in [*(ROOT / "web" / "api").glob("*.py"), Path(payload.__file__)]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "")
            if called in ("Problem", "ValueError"):
                given = [each.value for each in node.keywords if each.arg == "why"]  # type: ignore[attr-defined]
                for value in given if called == "Problem" else node.args:  # type: ignore[attr-defined]
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value


def headings_of_tables() -> Iterator[str]:
    """The titles and headings of the tables that the owner of a list sees in a terminal."""
    for name in ("campaign_views", "list_views", "optout"):
        for node in ast.walk(ast.parse((ROOT / "cli" / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "table":
                yield from (
                    each.value
                    for part in node.args[:2]
                    for each in ast.walk(part)
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )


def sentences() -> set[str]:
    found = {
        *literals(),
        *headings_of_tables(),
        *campaign_list._HEADINGS,
        *campaign_views.LEFT_OUT.values(),
        *look.WHY.values(),
    }
    found |= {half for wording in reasons.REASONS.values() for half in (wording.why, wording.what_to_do)}
    found |= {*remarks.SENTENCES.values(), *(form for forms in remarks.COUNTED.values() for form in forms)}
    found |= {words for _, *told in files._NOT_TABLES for words in told}
    found |= {files._KNOWN, filters.LISTED, encodings._ADVICE, header._HINT, package._SAVE, sheet._DAMAGED}
    found |= {form for forms in schedule.AGO.values() for form in forms}
    found |= {*of_templates(), *words._ROLES.values(), *words._LEFT_OUT.values(), *words._REASONS.values()}
    found |= {*steps.STEPS.values(), *scopes.MEANINGS.values()}
    found |= {words for event, words in event_types.MEANINGS.items() if event is not event_types.EventType.PING}
    found |= {*help_terms.TERMS, *help_terms.TERMS.values()}
    found |= {*terms.SINGLE_STATES.values(), *reason_words._CANARY.values()}
    found |= {*package._NOT_XLSX.values(), *terms.RESULT_CODES.values(), *terms.STATUSES.values()}
    found |= {table._NOT_UNPACKED, table._NO_SPREADSHEET, *whys(), json_body._TOO_DEEP}
    return found | {*terms.CAMPAIGN_STATES.values(), numbers.Recipients().elsewhere, appending.ELSEWHERE}


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_every_sentence_has_its_spanish() -> None:
    catalog = read()
    assert sorted(each for each in sentences() if not catalog.get(each) or not catalog.get(each).string) == []
    assert not [message.id for message in catalog if message.id and message.fuzzy]
    assert not catalog.obsolete


@pytest.mark.parametrize("message", [each for each in read() if each.id], ids=lambda each: str(each.id)[:40])
def test_the_spanish_has_the_fields_of_the_english(message: object) -> None:
    english, spanish = str(message.id), str(message.string)  # type: ignore[attr-defined]
    if english.startswith("a placeholder is"):  # shown as it stands, with braces that are no fields
        return
    assert fields(spanish) == fields(english)


def test_every_code_and_state_has_its_words() -> None:
    assert set(terms.RESULT_CODES) == set(CODES)
    assert {code: terms.meaning(code, "es") for code in CODES} == MEANING
    assert set(terms.STATUSES) == set(MessageStatus)
    assert set(terms.CAMPAIGN_STATES) == set(CampaignState)


def test_a_duplicate_is_known_again_in_every_language() -> None:
    for language in ("es", "en"):
        why, _ = reasons.halves("duplicate", {"number": "1144445555", "where": "line 3"}, language)
        assert re.match(reasons.DUPLICATE, why), why
