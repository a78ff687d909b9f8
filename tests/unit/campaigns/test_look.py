"""The look of a dry run: what a careful colleague would ask about before a list goes out."""

from __future__ import annotations

from dispatcher.campaigns.look import Look
from dispatcher.ingest import IngestOptions, from_recipients, ingest


def look(*people: tuple[str, str], batch_rows: int = 50_000) -> Look:
    found = Look()
    source = from_recipients([{"telefono": number, "nombre": name} for number, name in people])
    for batch in ingest(source, IngestOptions("Hola {nombre}"), look=True, batch_rows=batch_rows):
        found.add(batch)
    return found


def test_the_odd_rows_are_shown_once_each_with_what_is_odd() -> None:
    people = [(f"11{44440000 + n}", "Ana Maria") for n in range(30)]
    people[3] = (people[3][0], "Ana Maria Guadalupe de los Milagros")
    people[7] = (people[7][0], "X")
    people[11] = (people[11][0], "Ñandú áéíó")
    people[13] = (people[13][0], "30111222")
    for batch_rows in (50_000, 4):
        rows = {row["line"]: row["why"] for row in look(*people, batch_rows=batch_rows).odd_rows()}
        assert {4: "longest", 8: "emptiest", 12: "most changed", 14: "a number as a name"}.items() <= rows.items()
        assert len(rows) == 5


def test_the_longest_text_is_there_with_its_line() -> None:
    found = look(("1144445555", "Ana"), ("1144445556", "Guadalupe"), ("1144445557", "Eva"), batch_rows=1)
    assert found.longest == {"line": 2, "destino": "1144445556", "texto": "Hola Guadalupe"}


def test_characters_that_are_spelled_otherwise_are_counted_by_text() -> None:
    found = look(("1144445555", "Ñáñá"), ("1144445556", "José"), ("1144445557", "Iván"))
    assert found.changes == {"Ñ": 1, "á": 2, "ñ": 1, "é": 1}


def test_rows_with_one_number_and_two_texts_are_counted_across_batches() -> None:
    people = [("1144445555", "Ana"), ("1144445556", "Eva"), ("011 15 4444-5555", "Luz"), ("1144445555", "Ana")]
    for batch_rows in (50_000, 1):
        assert look(*people, batch_rows=batch_rows).different_texts == 1


def test_a_template_without_columns_is_looked_at_too() -> None:
    source = from_recipients([{"telefono": "1144445555"}, {"telefono": "1144445556"}])
    (batch,) = ingest(source, IngestOptions("Hola José"), look=True)
    found = Look()
    found.add(batch)
    assert found.changes == {"é": 2}
