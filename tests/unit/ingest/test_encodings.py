"""Accents: a list is read in the encoding that it is in, or refused with the doubt; never half a name."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import UsageError
from dispatcher.ingest import from_recipients
from tests.unit.ingest.books import book, cell, rows
from tests.unit.ingest.lists import opened, outcomes

NAMES = ["García", "Peña", "José", "Raúl", "Juárez", "Ramón", "MUÑOZ", "ÁLVAREZ", "Agüero", "Ibáñez", "PÉREZ", "Núñez"]
PLAIN = ["Garcia", "Pena", "Jose", "Raul", "Juarez", "Ramon", "MUNOZ", "ALVAREZ", "Aguero", "Ibanez", "PEREZ", "Nunez"]
HOLA = "Hola {nombre}"
ENCODINGS = ["utf-8", "utf-8-sig", "cp1252", "cp850", "mac_roman", "utf-16", "utf-16-le", "utf-16-be"]


def number(at: int) -> str:
    return f"11{20_000_000 + at}"


def csv_of(names: list[str], end: str = "\n") -> str:
    return end.join(["telefono;nombre;saldo", *(f"{number(n)};{name};1" for n, name in enumerate(names))]) + end


def texts(found: dict[int, tuple[object, ...]]) -> list[object]:
    return [end[2] for end in found.values()]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
def test_every_encoding_of_spanish_lists_is_read(encoding: str, end: str) -> None:
    found = outcomes(csv_of(NAMES, end).encode(encoding), HOLA)
    assert texts(found) == [f"Hola {name}" for name in PLAIN]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_jsonl_is_read(encoding: str) -> None:
    lines = [json.dumps({"telefono": number(n), "nombre": x}, ensure_ascii=False) for n, x in enumerate(NAMES)]
    assert texts(outcomes("\n".join(lines).encode(encoding), HOLA)) == [f"Hola {name}" for name in PLAIN]


@pytest.mark.parametrize(
    ("encoding", "told"), [("cp850", "CP850 (DOS)"), ("mac_roman", "MacRoman"), ("utf-16", "UTF-16")]
)
def test_an_unusual_encoding_is_told(encoding: str, told: str) -> None:
    with opened(csv_of(NAMES).encode(encoding)) as source:
        (remark,) = source.remarks
    assert (remark.code, dict(remark.values)) == ("encoding", {"encoding": told})
    assert told in remark.sentence


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_usual_encoding_is_not(encoding: str) -> None:
    with opened(csv_of(NAMES).encode(encoding)) as source:
        assert source.remarks == []


@pytest.mark.parametrize("encoding", ["cp850", "mac_roman", "cp1252", "utf-8"])
def test_the_first_accent_may_stand_in_the_last_row(encoding: str) -> None:
    names = [*["Ana"] * 60_000, "García", "Peña"]
    found = outcomes(csv_of(names).encode(encoding), HOLA)
    assert [found[60_002][2], found[60_003][2]] == ["Hola Garcia", "Hola Pena"]


def test_words_that_speak_for_two_encodings_are_refused_with_both() -> None:
    data = csv_of(["José", "Núñez"]).encode("cp1252") + f"{number(9)};García;1\n".encode("cp850")
    with pytest.raises(UsageError, match="in doubt") as caught:
        outcomes(data, HOLA)
    assert "'García' (CP850 (DOS)) in line 4" in str(caught.value)
    assert caught.value.hint


def test_one_weak_word_is_no_proof() -> None:
    with pytest.raises(UsageError, match=r"RAÚL.*CP850.*RAéL"):
        outcomes(csv_of(["RAÚL"]).encode("cp850"), HOLA)


@pytest.mark.parametrize("name", ["D’Angelo", "d’angelo", "O’Connor", "MUñOZ", "“Ana”", "François", "João", "Müller"])
def test_what_is_usual_in_windows_1252_stays(name: str) -> None:
    with opened(csv_of([name, "Peña"]).encode("cp1252")) as source:
        assert source.remarks == []
        assert outcomes(source, HOLA)[3][2] == "Hola Pena"


def test_another_alphabet_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match=r"none of the encodings.*cp1251"):
        outcomes(csv_of(["Привет", "мир", "друзья", "хорошо"]).encode("cp1251"), HOLA)


def test_two_marks_at_the_beginning_are_skipped() -> None:
    assert texts(outcomes(b"\xef\xbb\xbf" * 2 + csv_of(["Peña"]).encode(), HOLA)) == ["Hola Pena"]


@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl", "inline"])
def test_what_was_encoded_twice_is_repaired_and_counted(form: str) -> None:
    broken = ["GarcÃ\xada", "RaÃºl", "PEÃ‘A", "Peña", "Ana"]
    people: list[dict[str, object]] = [{"telefono": number(n), "nombre": name} for n, name in enumerate(broken)]
    if form == "inline":
        source = from_recipients(people)
    elif form == "csv":
        source = opened(csv_of(broken))
    elif form == "jsonl":
        source = opened("\n".join(map(json.dumps, people)))
    else:
        lines = [[cell(f"A{n}", number(n)), cell(f"B{n}", name)] for n, name in enumerate(broken, 2)]
        source = opened(book(rows([cell("A1", "telefono"), cell("B1", "nombre")], *lines)))
    with source:
        found = outcomes(source, HOLA)
        (remark,) = source.remarks
    assert texts(found) == ["Hola Garcia", "Hola Raul", "Hola PENA", "Hola Pena", "Hola Ana"]
    assert (remark.code, remark.values["values"]) == ("repaired_double_encoding", 3)
    assert remark.sentence.endswith("repaired (García): 3 values.")


@pytest.mark.parametrize("name", ["Garc\ufffda", "GarcÃ a", "JosÃ", "Garc¡a"])
def test_a_name_whose_letters_are_lost_goes_to_nobody(name: str) -> None:
    found = outcomes(csv_of([name, "Ana"]), HOLA)
    assert found[2] == ("invalid_row", None, "damaged_text")
    assert found[3][2] == "Hola Ana"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ANA                  ", "ANA"),
        ("\u00a0Ana\u00a0\u00a0Paz\t", "Ana Paz"),
        ("\u200bAna\ufeff", "Ana"),
        ("$   1.500", "$ 1.500"),
    ],
)
def test_blanks_around_a_value_go_and_those_inside_become_one(written: str, read: str) -> None:
    people: list[dict[str, object]] = [{"telefono": number(0), "nombre": written}]
    sheet = rows([cell("A1", "telefono"), cell("B1", "nombre")], [cell("A2", number(0)), cell("B2", written)])
    for source in (
        from_recipients(people),
        opened(csv_of([written])),
        opened(json.dumps(people[0])),
        opened(book(sheet)),
    ):
        with source:
            assert texts(outcomes(source, HOLA)) == [f"Hola {read}"]


@given(st.lists(st.sampled_from(NAMES), min_size=4, unique=True), st.sampled_from(ENCODINGS))
def test_no_name_is_ever_mutilated(names: list[str], encoding: str) -> None:
    try:
        found = texts(outcomes(io.BytesIO(csv_of(names).encode(encoding)).getvalue(), HOLA))
    except UsageError:
        return
    assert found == [f"Hola {PLAIN[NAMES.index(name)]}" for name in names]
