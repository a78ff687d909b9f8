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
from dispatcher.campaigns import appending, doubt_words, look, reason_words, schedule
from dispatcher.cli import campaign_list, campaign_views, help_terms
from dispatcher.domain import reasons
from dispatcher.i18n import terms
from dispatcher.i18n.words import translated
from dispatcher.ingest import encodings, files, filters, header, numbers, remarks
from dispatcher.ingest.workbook import package, sheet, table
from dispatcher.provider.codes import CODES, MEANING
from dispatcher.web import json_body
from dispatcher.web.page import words
from dispatcher.web.page.prepare import steps
from dispatcher.webhooks import event_types
from schemas import payload
from schemas.states import CampaignState, MessageStatus

ROOT = Path(dispatcher.__file__).parent
OPS = ROOT.parent / "ops"
ERRORS = {"UsageError", "DispatcherError", "ListRefused", "BrokerUnavailable", "AnswerError"}
COMMAND = r"`dispatcher [^`]*`\.?|dispatcher .*|DISPATCHER_DATABASE_URL=.*|--fecha \d+|campaign\.\w+"
NOT_FOR_PEOPLE = {"sockets.py", "guarded_connection.py", "deadline.py"}


def read() -> Catalog:
    with (ROOT / "i18n" / "catalogs" / "es.po").open("rb") as source:
        return read_po(source, locale="es_AR", abort_invalid=True)


def literals() -> Iterator[str]:
    """The sentences that stand where they are worded."""
    for path in [*ROOT.rglob("*.py"), *OPS.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "")
            if called in ("worded", "translated_word", "translated", "counted", "Unreadable", "require"):
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


def called(path: Path) -> Iterator[tuple[str, list[ast.expr]]]:
    """Each call of a file: the name of what is called, and what stands where a sentence may stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            yield name, [*node.args, *(each.value for each in node.keywords if each.arg == "hint")]


def strings(value: ast.expr) -> Iterator[str]:
    """A string, or both of those of which one is chosen; no command that stands there to be copied."""
    if isinstance(value, ast.IfExp):
        yield from strings(value.body)
        yield from strings(value.orelse)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value:
        yield from () if re.fullmatch(COMMAND, value.value) else (value.value,)


SPEAK = {"say", "note", "fail", "Defer", "WrongState", "_Move", "__init__"}


def said_in_a_terminal() -> Iterator[str]:
    """What commands say as it stands, and the errors that end them with what to do."""
    for path in [*ROOT.rglob("*.py"), *OPS.glob("*.py")]:
        if (ROOT / "web" / "page") in path.parents or path.name in NOT_FOR_PEOPLE:
            continue
        for name, values in called(path):
            if name in SPEAK or name in ERRORS:
                for value in values:
                    yield from strings(value)


def headings_of_tables() -> Iterator[str]:
    """The titles and headings of the tables in a terminal."""
    for path in (ROOT / "cli").glob("*.py"):
        for name, values in called(path):
            if name == "table":
                for part in values[:2]:
                    found = [each.value for each in ast.walk(part) if isinstance(each, ast.Constant)]
                    yield from (each for each in found if isinstance(each, str) and each)


def default_messages() -> set[str]:
    """What an error says that was given no words: the first paragraph of its class's docstring."""
    bases: dict[str, set[str]] = {}
    said: dict[str, str] = {}
    for path in [*ROOT.rglob("*.py"), *OPS.rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {each.id for each in node.bases if isinstance(each, ast.Name)}
                said[node.name] = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    ours = {"DispatcherError"}
    while more := {name for name, of in bases.items() if of & ours} - ours:
        ours |= more
    return {said[name] for name in ours if said[name]}


def sentences() -> set[str]:
    found = {
        *literals(),
        *headings_of_tables(),
        *said_in_a_terminal(),
        *doubt_words._REASONS.values(),
        *default_messages(),
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
    found |= {*terms.REPLY_STATES.values(), *terms.REPLY_KINDS.values()}
    found |= {*terms.OPTOUT_ACTIONS.values(), *terms.SOURCES.values()}
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


def test_the_catalog_of_no_words_is_no_words() -> None:
    assert translated("", "es") == ""


def test_every_code_and_state_has_its_words() -> None:
    assert set(terms.RESULT_CODES) == set(CODES)
    assert {code: terms.meaning(code, "es") for code in CODES} == MEANING
    assert set(terms.STATUSES) == set(MessageStatus)
    assert set(terms.CAMPAIGN_STATES) == set(CampaignState)


def test_a_duplicate_is_known_again_in_every_language() -> None:
    for language in ("es", "en"):
        why, _ = reasons.halves("duplicate", {"number": "1144445555", "where": "line 3"}, language)
        assert re.match(reasons.DUPLICATE, why), why
