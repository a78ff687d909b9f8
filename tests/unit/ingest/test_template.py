"""Templates and headings: a mistake is told before any row is read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import UsageError
from dispatcher.ingest import IngestOptions, from_recipients, ingest
from dispatcher.ingest.columns import find, number_column
from dispatcher.ingest.template import Field, Literal, parse


def test_a_template_is_taken_apart() -> None:
    assert parse("Hola { nombre }: {{${saldo}}}").parts == (
        Literal("Hola "),
        Field("nombre"),
        Literal(": {$"),
        Field("saldo"),
        Literal("}"),
    )
    assert parse("{a}{b}{a}").fields == ("a", "b")


@pytest.mark.parametrize(
    ("template", "position"),
    [("Hola {nombre", 6), ("Hola nombre}", 12), ("a {b {c}}", 3), ("a {} b", 3), ("{ }", 1), ("{{a}", 4)],
)
def test_a_brace_without_its_pair_is_told_by_its_position(template: str, position: int) -> None:
    with pytest.raises(UsageError, match=f"position {position}$"):
        parse(template)


def test_an_empty_template_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        parse(" ")


@settings(deadline=None)
@given(st.text())
def test_any_text_doubled_in_its_braces_is_a_template_of_itself(text: str) -> None:
    if text.strip() and not any("\ud800" <= char <= "\udfff" for char in text):
        parts = parse(text.replace("{", "{{").replace("}", "}}")).parts
        assert parts == (Literal(text),)


def test_a_placeholder_that_is_no_column_is_told_with_the_nearest() -> None:
    source = from_recipients([{"telefono": "1", "Nombre completo": "a"}])
    with pytest.raises(UsageError, match=r"'nombre complteo'.*'telefono', 'Nombre completo'") as caught:
        ingest(source, IngestOptions("Hola {nombre complteo}"))
    assert "'Nombre completo'" in str(caught.value.hint)


def test_headings_are_found_exactly_and_then_loosely() -> None:
    columns = ["  TELÉFONO ", "Nombre", "nombre"]
    assert find("nombre", columns) == 2
    assert find("telefono", columns) == 0
    assert find("apellido", columns) is None
    with pytest.raises(UsageError, match="2 columns"):
        find("NOMBRE", columns)


def test_a_repeated_heading_matters_only_when_it_is_used() -> None:
    assert find("tos", ["tos", "x", "x"]) == 0
    with pytest.raises(UsageError, match="positions 2, 3"):
        find("x", ["tos", "x", "x"])


def test_the_numbers_column_is_the_first_of_the_known_names() -> None:
    assert number_column(["tos", "phone", "Celular"], None) == 2
    assert number_column(["tos", "phone"], "phone") == 1
    with pytest.raises(UsageError, match="'a', 'b'"):
        number_column(["a", "b"], None)
    with pytest.raises(UsageError, match="'c'"):
        number_column(["a", "b"], "c")
