"""Every fault, met by a real client over TCP, and what the ledger says of it afterwards."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from ops.simulator.process import ControlError

from .wire import BLOCK, raw_answer, taken

TAKES = [("all", ["A0", "A1", "A2", "A3"]), ("half", ["A0", "A1"]), ("none", [])]


@pytest.mark.parametrize(("take", "ids"), TAKES)
def test_an_answer_may_be_lost_by_a_reset_after_taking_all_half_or_none(simulator, client, take, ids):
    simulator.set_faults({"kind": "reset", "take": take, "times": 1})
    with pytest.raises(ConnectionResetError):
        raw_answer(simulator)
    assert taken(simulator) == ids
    assert [(post["fault"], post["taken"]) for post in simulator.posts()] == [(f"reset:{take}", len(ids))]
    assert client.bulk("B1,1161880001,Hola") == (200, b"OK")


@pytest.mark.parametrize(("take", "ids"), TAKES)
def test_an_answer_may_be_lost_in_silence_until_the_client_gives_up(simulator, wait_until, take, ids):
    simulator.set_faults({"kind": "hang", "take": take, "times": 1})
    with pytest.raises(TimeoutError):
        raw_answer(simulator, timeout=0.3)
    wait_until(lambda: simulator.stats()["posts"] == 1)
    assert taken(simulator) == ids


@pytest.mark.parametrize(("take", "ids"), TAKES)
def test_a_connection_may_end_without_an_answer(simulator, take, ids):
    simulator.set_faults({"kind": "close", "take": take})
    assert raw_answer(simulator) == b""
    assert taken(simulator) == ids


@pytest.mark.parametrize(("take", "ids"), [("none", []), ("all", ["A0", "A1", "A2", "A3"])])
def test_a_500_may_come_before_or_after_taking(simulator, client, take, ids):
    simulator.set_faults({"kind": "error", "take": take, "times": 1})
    status, body = client.bulk(BLOCK)
    assert status == 500
    assert b"<font" in body
    assert taken(simulator) == ids


def test_a_500_takes_nothing_unless_told(simulator, client):
    simulator.set_faults({"kind": "error"})
    assert client.bulk(BLOCK)[0] == 500
    assert taken(simulator) == []


def test_html_may_come_with_200(simulator, client):
    simulator.set_faults({"kind": "html", "take": "half"})
    status, body = client.bulk(BLOCK)
    assert status == 200
    assert body.startswith(b"<html>")
    assert taken(simulator) == ["A0", "A1"]


def test_a_redirect_leads_a_careless_client_to_a_false_ok(simulator, client):
    simulator.set_faults({"kind": "redirect"})
    connection = http.client.HTTPConnection(urlsplit(simulator.url).netloc)
    connection.request("POST", "/enviar_sms_bloque.asp", "apikey=SIMULADOR&bloque=A1%2C1161880001%2CHola")
    answer = connection.getresponse()
    assert answer.status == 301
    assert client.call(answer.headers["Location"]) == (200, b"OK")
    connection.close()
    assert taken(simulator) == []
    assert simulator.stats()["calls"]["notice"] == 1


@pytest.mark.parametrize(("when", "taken_meanwhile"), [("before", 0), ("after", 4)])
def test_an_answer_may_be_slow_before_or_after_taking(simulator, client, wait_until, when, taken_meanwhile):
    simulator.set_faults({"kind": "slow", "seconds": 0.5, "when": when})
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        call = pool.submit(client.bulk, BLOCK)
        wait_until(lambda: simulator.stats()["calls"].get("bulk") == 1)
        assert simulator.stats()["taken"] == taken_meanwhile
        assert call.result() == (200, b"OK")
    assert time.monotonic() - started >= 0.5


def test_a_body_may_drip_byte_by_byte(simulator):
    simulator.set_faults({"kind": "drip", "interval": 0.002})
    started = time.monotonic()
    answer = raw_answer(simulator)
    assert answer.endswith(b"\r\n\r\nOK")
    assert time.monotonic() - started > 0.002 * len(answer) * 0.9


def test_garbage_may_come_as_a_body_or_in_the_place_of_http(simulator, client):
    simulator.set_faults({"kind": "garbage", "times": 1}, {"kind": "noise", "after": 1, "times": 1})
    status, body = client.bulk(BLOCK)
    assert (status, len(body)) == (200, 4096)
    assert not raw_answer(simulator).startswith(b"HTTP/")


def test_an_answer_may_have_fifty_megabytes(simulator, client):
    simulator.set_faults({"kind": "huge", "endpoint": "status"})
    assert len(client.status(fecha="20200101000000")) == 50_000_000


def test_an_answer_may_be_cut_off(simulator, client):
    client.bulk(BLOCK)
    simulator.set_faults({"kind": "truncate", "endpoint": "status_fecha"})
    with pytest.raises(http.client.IncompleteRead):
        client.status(fecha="20200101000000")
    assert client.status(idinterno="A1").endswith(b"OK")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bad_key", "La apikey es incorrecta."),
        ("bad_user", "Usuario o clave incorrectos."),
        ("ip", "Acceso denegado: la IP 127.0.0.1 no se encuentra habilitada."),
        ("credit", "se han agotado los 500 SMS contratados"),
        ("contract", "el contrato para enviar SMS ha expirado el 9 de diciembre"),
        ("Cuenta suspendida por mora.", "Cuenta suspendida por mora."),
    ],
)
def test_the_account_may_be_refused_by_any_sentence(simulator, client, text, words):
    simulator.set_option(credit=500)
    simulator.set_faults({"kind": "sentence", "text": text})
    status, body = client.bulk(BLOCK)
    assert (status, body.decode("latin-1")) == (200, words)
    assert taken(simulator) == []


def test_results_may_be_late_by_hours(simulator, client):
    simulator.set_option(window="00:00-24:00")
    simulator.set_faults({"kind": "late", "seconds": 6 * 3600, "times": 1})
    client.bulk(BLOCK)
    client.bulk("B1,1161880009,Hola")
    simulator.set_clock(advance=6 * 3600 - 1)
    assert [row.split("\t")[0] for row in client.rows()] == ["B1"]
    simulator.set_clock(advance=1)
    assert len(client.rows()) == 5


def test_results_may_be_repeated(simulator, client):
    simulator.set_faults({"kind": "repeat", "copies": 3})
    client.bulk(BLOCK)
    assert len(client.rows()) == 12
    assert client.status(idinterno="A1").count(b"A1\t") == 3
    assert simulator.sent()["sent_twice"] == {}


def test_rows_of_one_answer_may_be_shuffled(simulator, client):
    client.bulk("\n".join(f"A{n},11{n:08d},Hola" for n in range(40)))
    simulator.set_faults({"kind": "shuffle", "endpoint": "status", "times": 1})
    shuffled = client.rows()
    assert shuffled != client.rows()
    assert sorted(shuffled) == sorted(client.rows())


def test_lines_may_be_dropped_without_a_word(simulator, client):
    simulator.set_faults({"kind": "ignore", "share": 0.5})
    assert client.bulk("\n".join(f"A{n},11{n:08d},Hola" for n in range(100))) == (200, b"OK")
    dropped = [line["raw"].split("\t")[0] for line in simulator.ledger() if line["ignored"] == "fault"]
    assert 20 < len(dropped) < 80
    assert len(taken(simulator)) == 100 - len(dropped)
    assert client.status(idinterno=dropped[0]) == b"PENDIENTE"


def test_a_fault_waits_for_its_turn_and_ends_after_its_times(simulator, client):
    simulator.set_faults({"kind": "error", "after": 2, "times": 2})
    assert [client.bulk(f"A{n},116188000{n},Hola")[0] for n in range(6)] == [200, 200, 500, 500, 200, 200]
    assert taken(simulator) == ["A0", "A1", "A4", "A5"]


def test_a_fault_of_one_endpoint_leaves_the_others_alone(simulator, client):
    simulator.set_faults({"kind": "error", "endpoint": "status_idinterno"})
    page = "/obtener_respuestaapi_bloque.asp?apikey=SIMULADOR"
    assert client.call(f"{page}&idinterno=A1")[0] == 500
    assert client.call(f"{page}&fecha=20200101000000")[0] == 200
    assert client.bulk(BLOCK)[0] == 200
    simulator.set_faults({"kind": "error", "endpoint": "*"}, replace=True)
    assert client.call("/get_fecha.asp")[0] == 500


def test_a_probability_is_seeded(simulator, client):
    def outcomes() -> list[int]:
        simulator.set_faults({"kind": "error", "probability": 0.5, "seed": 4, "endpoint": "date"}, replace=True)
        return [client.call("/get_fecha.asp")[0] for _ in range(30)]

    first = outcomes()
    assert 5 < first.count(500) < 25
    assert outcomes() == first


@pytest.mark.parametrize("fault", [{"kind": "nothing"}, {"kind": "error", "takes": "all"}, {"take": "all"}])
def test_a_fault_that_makes_no_sense_is_refused(simulator, fault):
    with pytest.raises(ControlError):
        simulator.set_faults(fault)


def test_marks_are_set_even_when_the_answer_is_lost(simulator, client):
    client.bulk(BLOCK)
    simulator.set_faults({"kind": "close", "endpoint": "status", "times": 1})
    with pytest.raises(http.client.RemoteDisconnected):
        client.status(fecha="20200101000000", marcarcomoleidos=1)
    assert client.rows(solonoleidos=1) == []
    assert len(client.rows()) == 4
