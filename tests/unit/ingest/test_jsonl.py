"""JSONL: one object a line, and a bad line costs itself alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import UsageError
from tests.unit.ingest.lists import batches, outcomes

HOLA = "Hola {nombre}"


def test_every_line_is_an_object_or_a_reject() -> None:
    lines = [
        '{"telefono": 1144445555, "nombre": "Inés"}',
        '{"telefono": "1144445556", "nombre": ',
        "",
        '{"telefono": 1144445557.0, "nombre": ["a"]}',
        "[1, 2]",
        '{"telefono": "1144445558", "nombre": "a\\u0000"}',
        '{"telefono": "1144445559", "nombre": "\\ud83d"}',
        '{"telefono": "1144445560"}',
        '{"nombre": "b", "telefono": 1.144445561E9, "extra": {"x": 1}}',
    ]
    assert outcomes("\ufeff" + "\n".join(lines), HOLA) == {
        1: ("message", "1144445555", "Hola Ines"),
        2: ("invalid_row", None, "bad_json"),
        4: ("invalid_row", None, "value_nested"),
        5: ("invalid_row", None, "bad_json"),
        6: ("invalid_row", None, "nul_byte"),
        7: ("invalid_row", None, "nul_byte"),
        8: ("invalid_row", -99, "field_empty"),
        9: ("message", "1144445561", "Hola b"),
    }


def test_a_line_without_end_is_cut() -> None:
    text = '{"telefono": "1144445555", "nombre": "a"}\n{"x": "' + "y" * 1_200_000 + '"}\n'
    assert outcomes(text, HOLA)[2] == ("invalid_row", None, "row_too_long")


keys = st.sampled_from(["telefono", "nombre", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(keys, values) | st.text('{}[]":,0a\x00', max_size=8).map(str), max_size=10))
def test_no_line_is_lost(rows: list[object]) -> None:
    lines = ['{"telefono": "", "nombre": "x"}'] + [row if isinstance(row, str) else json.dumps(row) for row in rows]
    found = batches("\n".join(lines), HOLA)
    starts = [line for batch in found for frame in (batch.messages, batch.invalid_rows) for line in frame["line"]]
    filled = {number for number, line in enumerate(lines, 1) if line.strip()}
    assert len(starts) == len(set(starts))
    assert filled >= set(starts) >= {number for number in filled if not _is_empty(lines[number - 1])}


def _is_empty(line: str) -> bool:
    """Whether no key of an object holds anything that a test like this one can be sure of."""
    try:
        row = json.loads(line)
    except ValueError:
        return False
    values = row.values() if isinstance(row, dict) else ["x"]
    return all(value is None or (isinstance(value, str) and not value.isalnum()) for value in values)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_lines_or_a_usage_error(data: bytes) -> None:
    hint: str | None = "it is a list"
    try:
        batches(b'{"telefono": 1, "nombre": 2}\n' + data, HOLA)
    except UsageError as error:
        hint = error.hint
    assert hint


def test_objects_need_neither_the_same_keys_nor_the_same_spelling() -> None:
    lines = [
        '{"telefono": "1144445555", "nombre": "Ana"}',
        '{"Teléfono": "1144445556", "NOMBRE": "Sol"}',
        '{"saldo": 5, " telefono ": "1144445557", "Nombre": "Eva"}',
        "{}",
        '{"telefono": null, "nombre": " "}',
        '{"telefono": "1144445558", "nombre": "a", "Nombre": "b"}',
    ]
    assert outcomes("\n".join(lines), HOLA) == {
        1: ("message", "1144445555", "Hola Ana"),
        2: ("message", "1144445556", "Hola Sol"),
        3: ("message", "1144445557", "Hola Eva"),
        6: ("invalid_row", None, "two_values"),
    }


def test_a_column_may_begin_far_down() -> None:
    first = '{"telefono": "1144445555", "x": "' + "y" * 1_000 + '"}\n'
    text = first * 1_500 + '{"telefono": "1144445556", "nombre": "Ana"}\n'
    assert outcomes(text, HOLA)[1501] == ("message", "1144445556", "Hola Ana")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_in_json_is_rejected(word: str) -> None:
    text = '{"telefono": "1144445555", "nombre": "Ana"}\n{"telefono": "1144445556", "nombre": ' + word + "}"
    assert outcomes(text, HOLA)[2] == ("invalid_row", None, "bad_json")
