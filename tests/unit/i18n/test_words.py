"""Sentences in the language that is given, or in that of the context."""

from __future__ import annotations

import io
import threading

import pytest

from dispatcher import config
from dispatcher.domain import reasons
from dispatcher.errors import UsageError
from dispatcher.i18n import terms
from dispatcher.i18n.words import current, of_locale, speaking, worded
from dispatcher.ingest import open_source
from dispatcher.ingest.remarks import Remark
from tests.unit.ingest.lists import batches


def test_a_language_can_be_given() -> None:
    assert worded("{n:,} rows", "es", n=1234567) == "1.234.567 filas"
    assert worded("{n:,} rows", "en", n=1234567) == "1,234,567 rows"
    assert terms.status("in_doubt", "es") == "quizás enviado: se perdió la respuesta"


def test_the_context_has_a_language_that_others_do_not_see() -> None:
    seen = []
    with speaking("es"):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
        assert worded("fill it in") == "complétela"
    assert (seen, current()) == (["en"], "en")


def test_a_reason_is_worded_for_its_reader() -> None:
    facts = {"column": "telefono", "number": "11", "length": 2, "digits": 10, "country": "Argentina"}
    assert reasons.say("number_too_short", facts, "es") == (
        "columna 'telefono': 11 es demasiado corto (dígitos: 2): Argentina usa 10 con el código de área, sin 0 ni 15"
    )
    assert reasons.say("duplicate", {"number": "1144445555", "where": "line 3"}, "es") == (
        "1144445555 ya está en la línea 3: solo se envía la primera fila de cada número"
    )


def test_what_is_stored_of_an_invalid_row_is_english_whoever_loads_it() -> None:
    with speaking("es"):
        (batch,) = batches("telefono;nombre;saldo\n11;Ana;1\n")
    assert "too short" in batch.invalid_rows["detail"][0]


def test_remarks_and_refusals_speak_spanish() -> None:
    with speaking("es"):
        many = Remark("hidden_rows_left_out", {"rows": 1200}).sentence
        assert many == "Ocultas por un filtro, y quedaron afuera: 1.200 filas."
        with pytest.raises(UsageError, match="es un PDF, no una tabla") as caught:
            open_source(io.BytesIO(b"%PDF-1.7"))
    assert caught.value.hint == "exporte la lista misma como CSV o XLSX"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("es_AR.UTF-8", "es"), ("es", "es"), ("en_US.UTF-8", "en"), ("C", "en"), ("de_DE", "en"), ("@@", "en")],
)
def test_without_the_setting_the_locale_decides(monkeypatch: pytest.MonkeyPatch, locale: str, language: str) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LANG", "DISPATCHER_LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", locale)
    assert of_locale() == language
    assert config.language() == language
    monkeypatch.setenv("DISPATCHER_LANGUAGE", "es" if language == "en" else "en")
    assert config.language() != language
