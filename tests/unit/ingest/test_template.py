"""Templates and headings: a mistake is told before any row is read."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.domain.sms_text import outside_alphabet, transliterate
from dispatcher.errors import UsageError
from dispatcher.ingest import IngestOptions, Source, from_recipients, ingest
from dispatcher.ingest.columns import find, number_columns
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
    assert number_columns(["tos", "phone", "Celular"], None) == [2, 1, 0]
    assert number_columns(["movil", "tos", "Celular 2", "telefono"], None) == [3, 1, 0, 2]
    assert number_columns(["tos", "phone"], "phone") == [1]
    with pytest.raises(UsageError, match="'a', 'b'"):
        number_columns(["a", "b"], None)
    with pytest.raises(UsageError, match="'c'"):
        number_columns(["a", "b"], "c")


@pytest.mark.parametrize(
    "written",
    [
        *(
            "%nombre%",
            "#nombre#",
            "$nombre",
            "((nombre))",
            "«nombre»",
            "[nombre]",
            "<nombre>",
            "{{nombre}}",
            "%a%nombre%",
        ),
        *(
            "[[ Nombre ]]",
            "<<NOMBRE>>",
            "*|nombre|*",
            "@nombre",
            "%nom\u200bbre%",
            "(nombre)",
            "$(nombre)",
            "%(nombre)s",
        ),
        *("<%= nombre %>", "|nombre|", "~nombre~", "‹nombre›", "｛nombre｝", "[%nombre%]"),
    ],
)
def test_the_marks_of_another_tool_are_refused_once(written: str) -> None:
    source = from_recipients([{"telefono": "1144445555", "nombre": "Ana"}])
    with pytest.raises(UsageError) as caught:
        ingest(source, IngestOptions(f"Hola {written}, chau"))
    assert str(caught.value.hint).lower().replace("\u200b", "").startswith("did you mean {nombre}?")
    if not outside_alphabet(transliterate(written.replace("{{", "{"))[0]):
        assert list(ingest(source, IngestOptions(f"Hola {written}, chau", literal=True)))


@pytest.mark.parametrize("text", ["Hola [otra cosa], chau", "Hola {{x}}", "A & B", "uno | dos"])
def test_what_the_provider_does_not_take_in_any_text_is_refused_once(text: str) -> None:
    source = from_recipients([{"telefono": "1144445555", "nombre": "Ana"}])
    with pytest.raises(UsageError, match="which the provider does not take"):
        ingest(source, IngestOptions(text))


@pytest.mark.parametrize("text", ["20% de nombre y 30%", "(otra cosa)", "a#b nombre", "$5 nombre", "x@nombre.com"])
def test_marks_around_anything_else_are_text(text: str) -> None:
    source = from_recipients([{"telefono": "1144445555", "nombre": "Ana"}])
    assert list(ingest(source, IngestOptions(f"Hola {text}")))


def test_the_marks_are_looked_for_in_linear_time() -> None:
    source = from_recipients([{"telefono": "1144445555", "nombre": "Ana"}])
    for marks in ("%", "#", "((", "[", "$", "<a", "|", "~ "):
        began = time.process_time()
        with suppress(UsageError):  # the provider takes no bracket
            ingest(source, IngestOptions(marks * (2000 // len(marks))))
        assert time.process_time() - began < 0.5


def test_invisible_marks_in_headings_and_placeholders_do_not_matter() -> None:
    source = from_recipients([{"\u200etelefono": "1144445555", "nombre\u200b": "Ana"}])
    (batch,) = ingest(source, IngestOptions("Hola {nombre}, {\ufeffNOMBRE}"))
    assert batch.messages["texto"].to_list() == ["Hola Ana, Ana"]


@pytest.mark.parametrize(
    "heading",
    [
        *("Nº Celular", "Nro. de teléfono", "Móvil", "WhatsApp", "Tel. contacto", "phone_number", "Mobile", "TEL"),
        *("Celular 1", "telefono2", "Número de celular", "Teléfono/Celular", "Cel.", "Phone"),
        *("Teléfono (con código de área)", "telefonoCelular", "TelCel", "Phone 1 - Value", "Celular para SMS"),
    ],
)
def test_what_people_call_the_number_is_known(heading: str) -> None:
    assert number_columns(["nombre", heading], None) == [1]


@pytest.mark.parametrize("heading", ["numero", "Nº de cliente", "Teléfono fijo", "Compañía celular", "contacto", "n"])
def test_what_may_be_something_else_is_not_taken_for_the_number(heading: str) -> None:
    with pytest.raises(UsageError):
        number_columns(["nombre", heading], None)


def people(*pairs: tuple[str, str]) -> Source:
    return from_recipients([{"celular": celular, "telefono": telefono} for telefono, celular in pairs])


def test_several_number_columns_are_said_with_how_many_rows_have_a_number_only_in_the_other() -> None:
    source = people(("", "1144445551"), ("1144445552", "1144445552"), ("1144445553", "1144445554"), ("x", "y"))
    (batch,) = ingest(source, IngestOptions("Hola"))
    assert batch.messages["destino"].to_list() == ["1144445552", "1144445553"]
    said = {remark.code: (dict(remark.values), n) for remark, n in batch.remarks.items()}
    assert said == {
        "other_numbers": ({"taken": "telefono", "other": "celular"}, 1),
        "different_numbers": ({"taken": "telefono", "other": "celular"}, 1),
    }


def test_the_first_valid_number_of_several_columns_is_taken_when_asked_for() -> None:
    source = people(("", "1144445551"), ("1144445552", ""), ("1144445553", "1144445554"), ("x", "y"))
    (batch,) = ingest(source, IngestOptions("Hola", to_column="celular, Telefono"))
    assert batch.messages["destino"].to_list() == ["1144445551", "1144445552", "1144445554"]
    assert batch.invalid_rows["detail"][0].startswith("column 'celular or telefono'")
    assert not batch.remarks
    with pytest.raises(UsageError, match="'otra'"):
        ingest(source, IngestOptions("Hola", to_column="celular,otra"))


def test_an_area_that_argentina_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="'999'"):
        ingest(people(("", "")), IngestOptions("Hola", area="999"))
    (batch,) = ingest(people(("15 4444-5555", "")), IngestOptions("Hola", area="011"))
    assert batch.messages["destino"].to_list() == ["1144445555"]
