"""Questions about results: readings of `fecha`, read flags, one idinterno with two results, big answers."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.simulator import clock
from ops.simulator.status import StatusBook, TooLarge


def ids(rows: list[str]) -> list[str]:
    return [row.split("\t")[0] for row in rows]


@pytest.fixture
def spread(client, simulator):
    """One result each on the day before, and at 12:00:00, 12:00:01 and 12:00:02."""
    for number, at in enumerate(["2026-03-09 12:00:00", *(f"2026-03-10 12:00:0{second}" for second in range(3))]):
        simulator.set_clock(at=at)
        client.bulk(f"A{number},116188000{number},Hola")
    return client


@pytest.mark.parametrize(
    ("reading", "fecha", "found"),
    [
        ("since", "20260310120001", ["A2", "A3"]),
        ("since", "20260309000000", ["A0", "A1", "A2", "A3"]),
        ("since", "20260310120003", []),
        ("second", "20260310120001", ["A2"]),
        ("second", "20260310115959", []),
        ("day", "20260310235959", ["A1", "A2", "A3"]),
        ("day", "20260309000000", ["A0"]),
        ("day", "20260308235959", []),
    ],
)
def test_a_question_by_fecha_has_three_readings(spread, simulator, reading, fecha, found):
    simulator.set_option(fecha_reading=reading)
    assert ids(spread.rows(fecha)) == found


@pytest.mark.parametrize("fecha", ["2026-03-10 12:00", "20260230120000", "hoy", "", "2026031012000", "20260310250000"])
def test_a_malformed_fecha_is_pendiente(spread, fecha):
    assert spread.status(fecha=fecha) == b"PENDIENTE"


def test_an_idinterno_never_seen_and_one_not_processed_yet_are_pendiente_alike(client, simulator):
    simulator.set_option(delay_min=60, unit_status=True)
    client.bulk("A1,1161880001,Hola")
    page = "/enviar_sms.asp?api=1&apikey=SIMULADOR&tos=1161880002&texto=Hola&idinterno=U1"
    assert client.call(f"{page}&fechadesde=2026-03-10+15:00:00") == (200, b"OK")
    assert [client.status(idinterno=name) for name in ("A1", "U1", "NUNCA")] == [b"PENDIENTE"] * 3
    simulator.set_clock(at="2026-03-10 15:00:00")
    assert client.result("A1") == client.result("U1") == "OK"
    assert client.status(idinterno="NUNCA") == b"PENDIENTE"


def test_idinterno_is_case_blind_and_comes_back_as_it_was_given(client):
    client.bulk("aBc1,1161880001,Hola")
    assert client.status(idinterno="AbC1") == b"aBc1\t20260310120000\tOK"


def test_read_rows_are_left_out_only_when_asked(spread):
    assert ids(spread.rows(marcarcomoleidos=1, solonoleidos=1)) == ["A0", "A1", "A2", "A3"]
    spread.bulk("B1,1161880009,Hola")
    assert ids(spread.rows(solonoleidos=1)) == ["B1"]
    assert len(spread.rows()) == 5
    assert spread.status(idinterno="A1", solonoleidos=1) == b"PENDIENTE"
    assert spread.status(idinterno="A1", solonoleidos=0).endswith(b"OK")


def test_one_row_of_many_can_be_marked_as_read(client):
    client.bulk("A1,1161880001,Hola\nA2,1161880002,Hola\nA3,1161880003,Hola")
    client.status(idinterno="A2", marcarcomoleidos=1)
    assert ids(client.rows(solonoleidos=1)) == ["A1", "A3"]
    assert ids(client.rows()) == ["A1", "A2", "A3"]


@pytest.mark.parametrize(
    ("results", "texts"),
    [("both", ["OK", "identical"]), ("first", ["OK"]), ("last", ["identical"])],
)
def test_one_idinterno_with_two_results_shows_both_or_one(client, simulator, results, texts):
    simulator.set_option(results=results)
    client.bulk("A1,1161880001,Hola\nB1,1161880002,Hola")
    simulator.set_clock(advance=5)
    client.bulk("a1,1161880001,Hola")

    def shown(rows: list[str]) -> list[str]:
        mine = [row.split("\t")[2] for row in rows if row.upper().startswith("A1")]
        return ["identical" if "idéntico" in text else text for text in mine]

    assert shown(client.status(idinterno="A1").decode("latin-1").split("\r\n")) == texts
    assert shown(client.rows()) == texts
    assert client.result("B1") == "OK"


def test_an_answer_over_the_buffer_fails_as_asp_does_and_marks_nothing(client, simulator):
    simulator.set_option(max_answer=60)
    client.bulk("A1,1161880001,Hola\nA2,1161880002,Hola\nA3,1161880003,Hola")
    page = "/obtener_respuestaapi_bloque.asp?apikey=SIMULADOR&fecha=20260310000000&marcarcomoleidos=1"
    status, body = client.call(page)
    assert (status, b"Response Buffer Limit Exceeded" in body) == (500, True)
    assert client.result("A2") == "OK"
    simulator.set_option(max_answer=0)
    assert len(client.rows(solonoleidos=1)) == 3


def test_results_come_between_the_delays_and_never_before_their_lines(client, simulator):
    simulator.set_option(delay_min=10, delay_max=100, seed=3)
    client.bulk("\n".join(f"A{n},11{n:08d},Hola" for n in range(200)))
    seen = []
    for advance in (9, 46, 46):
        simulator.set_clock(advance=advance)
        seen.append(len(client.rows()))
    assert seen[0] == 0 < seen[1] < seen[2] == 200
    fechas = {row.split("\t")[1] for row in client.rows()}
    assert len(fechas) > 8
    assert min(fechas) >= "20260310120010"
    assert max(fechas) <= "20260310120140"


def test_a_row_may_show_up_after_its_own_fecha_has_passed(client, simulator):
    simulator.set_option(delay_min=30, fecha_lag=20, seed=1)
    client.bulk("A1,1161880001,Hola")
    simulator.set_clock(advance=29)
    assert client.rows() == []
    simulator.set_clock(advance=1)
    fecha = client.rows()[0].split("\t")[1]
    assert "20260310120010" <= fecha < "20260310120030"


def test_rows_may_come_in_random_order(client, simulator):
    client.bulk("\n".join(f"A{n},11{n:08d},Hola" for n in range(50)))
    in_order = client.rows()
    simulator.set_option(shuffle_rows=True)
    shuffled = client.rows()
    assert shuffled != in_order
    assert sorted(shuffled) == sorted(in_order)


def test_injected_rows_are_shown_like_any_other(client, simulator):
    client.bulk("A1,1161880001,Hola")
    simulator.inject(
        {"idinterno": "AJENO", "text": "OK"},
        {"idinterno": "A1", "text": "1161880001: algo", "fecha": "20260310120000"},
        {"idinterno": "VIEJO", "fecha": "20250101000000"},
    )
    assert ids(client.rows()) == ["VIEJO", "A1", "AJENO", "A1"] or set(ids(client.rows())) == {
        "VIEJO",
        "A1",
        "AJENO",
    }
    assert client.status(idinterno="A1").count(b"\r\n") == 1
    assert client.status(idinterno="viejo") == b"VIEJO\t20250101000000\tOK"


# -- the book against a plain model --------------------------------------------------------------------------

START = clock.parse_iso("2026-03-10 12:00:00")
BATCHES = st.lists(
    st.tuples(
        st.integers(0, 6).map(lambda days: days // 2 * clock.DAY + days),
        st.lists(st.sampled_from(["A", "b", "B", "C1", "c1"]), min_size=1, max_size=4),
    ),
    max_size=8,
)


def rows_of(second: int, names: list[str]) -> bytes:
    return b"".join(f"{name}\t{clock.stamp(second)}\tOK\r\n".encode() for name in names)


def model(batches: list[tuple[int, list[str]]], results: str) -> list[tuple[int, str]]:
    """(second, idinterno) that stay visible, in order of arrival."""
    shown: list[tuple[int, str]] = []
    for offset, names in batches:
        for name in names:
            same = [row for row in shown if row[1].upper() == name.upper()]
            if results == "first" and same:
                continue
            if results == "last":
                shown = [row for row in shown if row not in same]
            shown.append((START + offset, name))
    return shown


@given(BATCHES, st.sampled_from(["both", "first", "last"]), st.sampled_from(["since", "second", "day"]))
def test_the_book_answers_as_a_plain_list_would(batches, results, reading):
    book = StatusBook(lambda: results)
    for offset, names in batches:
        book.add(START + offset, partial(rows_of, START + offset, names), len(names))
    shown = sorted(model(batches, results), key=lambda row: row[0])
    for asked in range(START - 1, START + 8):
        first, last = clock.day_of(asked) if reading == "day" else (asked, asked)
        wanted = [row for row in shown if first <= row[0] and (reading == "since" or row[0] <= last)]
        expected = b"".join(rows_of(second, [name]) for second, name in wanted)
        assert b"".join(book.by_fecha(asked, reading)) == expected
    for name in ("a", "B", "C1"):
        mine = [row for row in shown if row[1].upper() == name.upper()]
        assert book.by_idinterno(name) == b"".join(rows_of(second, [given]) for second, given in mine)


@given(BATCHES)
def test_what_was_marked_as_read_comes_once_to_who_asks_for_unread_alone(batches):
    book = StatusBook(lambda: "both")
    seen = b""
    for offset, names in batches:
        book.add(START + offset, partial(rows_of, START + offset, names), len(names))
        if offset % 2:
            seen += book.by_idinterno(names[0], only_unread=True, mark=True)
        else:
            seen += b"".join(book.by_fecha(START + offset, "since", only_unread=True, mark=True))
    seen += b"".join(book.by_fecha(START, "since", only_unread=True, mark=True))
    everything = b"".join(book.by_fecha(START, "since"))
    assert sorted(seen.split(b"\r\n")) == sorted(everything.split(b"\r\n"))


def test_a_limit_is_exact():
    book = StatusBook(lambda: "both")
    book.add(START, partial(rows_of, START, ["A"]), 1)
    size = len(rows_of(START, ["A"]))
    assert book.by_fecha(START, "since", limit=size)
    with pytest.raises(TooLarge):
        book.by_fecha(START, "since", limit=size - 1)
