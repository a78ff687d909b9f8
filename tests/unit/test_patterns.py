"""Every regular expression of the project takes linear time, whatever a stranger sends."""

import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from dispatcher.domain import formulas, phone, sms_text
from dispatcher.errors import ProviderError
from dispatcher.ingest import rows
from dispatcher.provider import answers, codes, envelopes, replies, verdict
from dispatcher.replies import push
from schemas.payload import CampaignPayload
from schemas.single import SingleMessage
from tests import pattern_attacks, pattern_search
from tests.pattern_attacks import LIMIT, Attack, cpu, growth
from tests.pattern_search import Found
from tests.processes import ROOT

FOUND, UNSEEN = pattern_search.find()

BUILT_AT_RUN_TIME = {
    "dispatcher/ingest/rows.py::_in_apostrophes": [rows._in_apostrophes(";"), rows._in_apostrophes("|")],
    "dispatcher/domain/sms_text.py::_spelled": [sms_text._spelled(["s", "a"]), sms_text._spelled(["aaa", "aa"])],
    "dispatcher/provider/envelopes.py::_opening": [envelopes._opening("RecibirSMSResult")],
}
"""Patterns that are put together from what only a caller knows, as they turn out."""
HELD_BY_A_NAME = {
    *("dispatcher/domain/phone.py::", "dispatcher/ingest/template.py::", "dispatcher/provider/codes.py::_pattern")
}
"""Functions that make the patterns of a table of their module, where they are found."""


def worst(found: Found) -> tuple[float, str]:
    """The largest growth of the CPU time when a text doubles, and the attack that shows it."""
    largest, shown = 0.0, ""
    for how in sorted(found.uses):
        try:
            attacks = pattern_attacks.slowest(found.pattern, how)
        except pattern_attacks.Explodes as explosion:
            return math.inf, str(explosion)
        for attack in attacks:

            def measure(length: int, how: str = how, attack: Attack = attack) -> float:
                return cpu(pattern_attacks.use(found.pattern, how, attack.text(length)))

            seen = growth(measure, 1000)
            if seen > largest:
                largest, shown = seen, f"{how} {attack}"
            if largest > LIMIT:
                return largest, shown
    return largest, shown


@pytest.mark.parametrize("found", FOUND, ids=lambda each: each.where)
def test_a_pattern_takes_linear_time(found: Found) -> None:
    grown, attack = worst(found)
    assert grown <= LIMIT, f"{found.where} {found.pattern.pattern!r}: x{grown:.1f} a doubling with {attack}"


def test_a_pattern_that_only_its_caller_knows_has_examples_here() -> None:
    assert {each.where for each in UNSEEN} == {*BUILT_AT_RUN_TIME, *HELD_BY_A_NAME}
    held = {each.where.partition("::")[0] for each in FOUND}
    assert {each.partition("::")[0] for each in HELD_BY_A_NAME} <= held


@pytest.mark.parametrize("where", BUILT_AT_RUN_TIME)
def test_what_is_built_at_run_time_takes_linear_time(where: str) -> None:
    for pattern in BUILT_AT_RUN_TIME[where]:
        grown, attack = worst(Found(where, pattern, frozenset({"search"})))
        assert grown <= LIMIT, f"{pattern.pattern!r}: x{grown:.1f} a doubling with {attack}"


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        (r"[ ()\-]*(\+?)([0-9 ().\-/]+)", "fullmatch"),
        (r"(a+)+$", "match"),
        (r"codigo(?:\s+es\b\s*:?|\s*[:=])\s*[0-9]", "search"),
        (r"<[^>]*>", "sub"),
        (r"(?<=://)([^:/@?]*):([^@]*)(?=@)", "sub"),
        (r"(?:\t([^\t\r\n]*))?[ ]*(?:\n|\Z)", "match"),
    ],
)
def test_a_quadratic_pattern_is_found_out(pattern: str, how: str) -> None:
    assert worst(Found("here", re.compile(pattern), frozenset({how})))[0] > LIMIT


def test_patterns_of_other_engines_are_those_of_linear_ones() -> None:
    assert SingleMessage.model_config.get("regex_engine") is CampaignPayload.model_config.get("regex_engine") is None
    sources = [
        path.read_text(encoding="utf-8") for part in pattern_search.PARTS for path in (ROOT / part).rglob("*.py")
    ]
    assert not [source for source in sources if "python-re" in source or "import regex" in source]


def envelope(words: str) -> bytes:
    return f"<s:Envelope><s:Body>{words}</s:Body></s:Envelope>".encode()


def any_of(*kinds: type[Exception]) -> Callable[[Callable[[bytes], Any]], Callable[[str], Any]]:
    """A reader that may refuse what it is given."""

    def wrapped(read: Callable[[bytes], Any]) -> Callable[[str], Any]:
        def call(text: str) -> None:
            with suppress(*kinds):
                read(text.encode("latin-1"))

        return call

    return wrapped


refusing = any_of(ProviderError, push.BadPush)
READERS: dict[str, tuple[Callable[[str], Any], list[str]]] = {
    "phone": (phone.normalise, ["-", " ", "(-", "1", ",000", "1.", "\u0301\u0316"]),
    "cell of a spreadsheet": (formulas.harmless_in_csv, [" ", ";", "\t", '"', "; ", ";=", "a;", "="]),
    "inbox": (
        refusing(lambda body: replies.parse_text(body, framed=True)),
        [
            "1\ta\n",
            "1144445555\ta\n",
            "1\ta\t",
            "\t2026-01-01 ",
            "1144445555\ta\t2026-13-01 10:00:00\t7\r\n",
            "\n",
            "\r",
        ],
    ),
    "inbox behind a reply that never ends": (
        refusing(lambda body: replies.parse_text(b"1\ta\n" + body + b"\t2026-13-01 10:00:00\t7\n", framed=True)),
        ["1\ta\n", "1144445555\ta\n"],
    ),
    "inbox as a table": (
        refusing(lambda body: replies.parse_excel(b"<table>" + body + b"</table>", framed=True)),
        ["<", "<!--", "<tr>", "<td", "<td>", "<!", "<a ", "&#9", "<tr><td>NUMERO</td></tr>", "</", "<script>"],
    ),
    "envelope": (
        lambda text: envelopes.words(envelope(text)),
        ["<", "<s:Body>", "</s:Body>", "&#", "&#9", "&a", "<a:"],
    ),
    "envelope's repair": (lambda text: envelopes.repaired(envelope(text)), ["&#x1A;", "&#", "\x01", "<"]),
    "status answer": (
        refusing(lambda body: answers.parse_status(body)),
        ["\t", " ", "M0\t", "\r", "M0\t20260101101010\t1:"],
    ),
    "bulk answer": (refusing(lambda body: answers.read_bulk_answer(200, body)), ["<", " ", "a", "1;", "\r\n", "ip "]),
    "verdict": (refusing(lambda body: verdict.read_answer(200, body)), ["1;", " ", "\n", "-"]),
    "sentence": (lambda text: codes.sentence_to_code.__wrapped__(text), ["no ", "\u00c3\u00a1", "n?", " ", "1", "_"]),
    "account's sentence": (codes.account_scope, ["ip no a ", "ip 1 ", "no ", "error en ", "clave "]),
    "verification": (
        sms_text.is_verification,
        [
            "codigo ",
            "pin es ",
            "clave",
            " ",
            "codigo es  : ",
            "1234 es ",
            "verification ",
            "use el codigo ",
            "\u0301\u0316",
        ],
    ),
    "company": (lambda text: sms_text.names_company(text, "S.A. aa"), ["s", "s.", "s.a.", "a ", ".", "s a "]),
    "push": (refusing(lambda body: push.read(b"ORIGEN=1144445555&TEXTO=" + body, b"")), ["&", "=", "%", "%zz", "a&"]),
    "error's words": (lambda text: str(ProviderError(words=text)), ["1", "12345678 ", "1\n"]),
}


@pytest.mark.parametrize(("reader", "unit"), [(name, unit) for name, (_, units) in READERS.items() for unit in units])
def test_a_reader_of_strangers_text_takes_linear_time(reader: str, unit: str) -> None:
    read = READERS[reader][0]

    def measure(length: int) -> float:
        text = unit * (length // len(unit))
        return cpu(lambda: (read(text), read(text + "x"), read("codigo" + text + "\x00")))

    assert growth(measure, 2000) <= LIMIT


def test_the_number_that_once_froze_the_api_is_refused_at_once() -> None:
    started = time.thread_time()
    problem = phone.normalise("-" * 60_000 + "x")
    assert isinstance(problem, phone.PhoneProblem)
    assert problem.reason == "number_too_long"
    assert len(problem.detail) < 200
    assert time.thread_time() - started < 0.05
