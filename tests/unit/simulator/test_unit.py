"""Single messages at the simulator: one account with bulk, whichever way they come, and what only they can say."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from ops.simulator.process import SimulatorProcess

from .conftest import NOON, Client

PAGE = "/ws/SMSMasivosAPI.asmx"


def unit(client: Client, **fields: str) -> str:
    wanted = {"api": "1", "apikey": "SIMULADOR", "tos": "1161880001", "texto": "Hola", **fields}
    status, body = client.call(f"/enviar_sms.asp?{urlencode(wanted, encoding='latin-1')}")
    assert status == 200
    return body.decode("latin-1")


def test_bulk_and_unit_share_dup_guard_credit_and_month(client, simulator):
    simulator.set_option(credit=2)
    client.bulk("A1,1161880001,Hola")
    assert "idéntico" in unit(client)
    assert unit(client, tos="1161880002") == "OK"
    assert unit(client, tos="1161880003") == "1161880003: se han agotado los 2 SMS contratados"
    client.bulk("A2,1161880002,Hola\nA3,1161880004,Hola")
    assert "idéntico" in client.result("A2")
    assert "agotado" in client.result("A3")
    assert client.call("/obtener_saldo.asp?apikey=SIMULADOR")[1] == b"0"
    assert client.call("/obtener_envios.asp?apikey=SIMULADOR")[1] == b"2"
    assert [line["transport"] for line in simulator.ledger()] == ["bulk", "http", "http", "http", "bulk", "bulk"]


def test_every_line_of_the_ledger_is_counted_once_whatever_brought_it(client, simulator):
    unit(client)
    unit(client, tos="1161880002")
    client.bulk("A1,1161880003,Hola")
    sent = simulator.sent()
    assert (sent["lines"], sent["ok"], sent["idinternos"]) == (3, 3, 1)
    assert sent["taken_twice"] == sent["sent_twice"] == {}


def test_a_unit_message_shows_in_bulk_status_only_when_told_so(client, simulator):
    unit(client, idinterno="U1")
    assert client.status(idinterno="U1") == b"PENDIENTE"
    simulator.set_option(unit_status=True)
    unit(client, tos="1161880002", idinterno="U2")
    unit(client, tos="1161880003")
    assert client.status(idinterno="U2") == b"U2\t20260310120000\tOK"
    assert len(client.rows()) == 1


@pytest.mark.parametrize("policy", ["hold", "refuse"])
def test_outside_the_window_it_waits_or_is_refused(client, simulator, policy):
    simulator.set_option(outside_window=policy)
    simulator.set_clock(at="2026-03-10 23:00:00")
    answer = unit(client, respuestanumerica="1")
    if policy == "refuse":
        assert answer.startswith("-99;1161880001: el envío se encuentra fuera de la franja")
        return
    assert answer == "0;OK"
    assert [line["verdict"] for line in simulator.ledger()] == [None]
    simulator.set_clock(at="2026-03-11 08:00:00")
    assert [line["fecha"] for line in simulator.ledger()] == ["20260311080000"]


def test_what_goes_out_later_is_judged_again_then(client, simulator):
    assert unit(client, fechadesde="2026-03-10 15:00:00") == "OK"
    assert unit(client) == "OK"
    simulator.set_clock(at="2026-03-10 15:00:00")
    assert sorted(line["verdict"] == "OK" for line in simulator.ledger()) == [False, True]


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"tos": ""}, "-99;Falta el parámetro TOS."),
        ({"texto": ""}, "-99;Falta el parámetro TEXTO."),
        ({"idinterno": "A_1"}, "-99;el parámetro IDINTERNO debe ser alfanumérico, de 50 caracteres como máximo"),
        ({"tos": "11\t61880001"}, "-8;11 61880001: el número contiene caracteres inválidos"),
        ({"texto": "a\nb"}, "-11;1161880001: el texto del mensaje contiene caracteres inválidos"),
    ],
)
def test_what_is_missing_or_wrong_is_said(client, simulator, fields, answer):
    assert unit(client, respuestanumerica="1", **fields) == answer
    assert simulator.stats()["sent"] == 0


@pytest.mark.parametrize("api", ["", "0", "2"])
def test_without_api_1_the_answer_is_a_page(client, simulator, api):
    assert unit(client, api=api).startswith("<html>")
    assert simulator.stats()["taken"] == 0


def test_one_account_does_not_know_the_other_s(client, simulator):
    simulator.set_option(apikey=["K1:uno", "K2:dos"], user=["u:c"])
    assert unit(client, apikey="K1") == unit(client, apikey="K2") == "OK"
    assert "idéntico" in unit(client, apikey="K2")
    assert unit(client, apikey="K3") == "La apikey es incorrecta."
    assert unit(client, apikey="", usuario="u", clave="c") == "OK"


def test_an_html_without_its_mark_gets_no_link(client, simulator):
    unit(client, html="<p>hola</p>")
    (post,) = simulator.posts()
    assert post["html"] == "<p>hola</p>"
    assert "link" not in post


def test_unit_messages_and_replies_survive_a_kill(tmp_path):
    with SimulatorProcess() as simulator:
        simulator.start(ledger=tmp_path / "ledger.jsonl", clock_at=NOON, clock_speed=0)
        client = Client(simulator)
        unit(client, idinterno="U1", html="x")
        unit(client, tos="1161880002", texto="a\r\nb")
        unit(client, tos="1161880003", fechadesde="2026-03-10 15:00:00")
        simulator.reply("1161880001", "Sí\tclaro")
        simulator.reply("1161880009", "baja ")
        before = list(simulator.ledger()), list(simulator.posts()), list(simulator.replies()), simulator.sent()
        simulator.kill()
        simulator.restart()
        assert (
            list(simulator.ledger()),
            list(simulator.posts()),
            list(simulator.replies()),
            simulator.sent(),
        ) == before
        assert "idéntico" in unit(client)
        assert "BAJA" in unit(client, tos="1161880009")
        simulator.set_clock(at="2026-03-10 15:00:00")
        assert {line["destino"]: line["verdict"] for line in simulator.ledger()}["1161880003"] == "OK"
        assert simulator.reply("1161880001", "más")["id"] == 1003


# -- the Web Service without SOAP, and what is no Web Service --------------------------------------------------


def test_the_web_service_answers_plain_get_and_post(client, simulator):
    simulator.set_option(user=["u:c"])
    fields = {"usuario": "u", "clave": "c", "numero": "1161880001", "texto": "Hola", "test": "true"}
    status, body = client.call(f"{PAGE}/EnviarSMS?{urlencode(fields)}")
    assert status == 200
    assert body.decode().endswith(">1161880001: probando sin enviar</string>")
    status, body = client.call(
        f"{PAGE.lower()}/enviarsms", method="POST", body=urlencode(fields | {"test": "0"}).encode()
    )
    assert body.decode().endswith(">OK</string>")
    simulator.reply("1161880001", "a < b")
    status, body = client.call(f"{PAGE}/RecibirSMS?usuario=u&clave=c&traeridinterno=true")
    assert b"<texto>a &lt; b</texto>" in body


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        (f"{PAGE}/NoSuchThing", "GET", None, 500),
        (PAGE, "POST", b"no xml", 500),
        (PAGE, "POST", b"<a/>", 500),
        (PAGE, "POST", b'<Envelope xmlns="x"><Body/></Envelope>', 500),
        (PAGE, "POST", b'<Envelope xmlns="x"><Body><Otra/></Body></Envelope>', 500),
        (PAGE, "PUT", b"x", 405),
        ("/ws/Other.asmx", "GET", None, 404),
        (PAGE, "GET", None, 200),
    ],
)
def test_what_is_no_call_of_the_web_service_is_answered_all_the_same(client, path, method, body, status):
    assert client.call(path, method=method, body=body, headers={"Content-Type": "text/xml"})[0] == status


def test_the_wsdl_names_the_address_it_was_asked_at_or_the_one_it_was_told(client, simulator):
    assert f'location="{simulator.url}{PAGE}"'.encode() in client.call(f"{PAGE}?wsdl")[1]
    simulator.set_option(wsdl_address="https://else.example/x.asmx")
    assert b'location="https://else.example/x.asmx"' in client.call(f"{PAGE}?WSDL")[1]


# -- replies ---------------------------------------------------------------------------------------------------


def test_a_reply_finds_the_message_that_it_answers(client, simulator):
    client.bulk("A1,1161880001,uno\nA2,1161880002,dos")
    client.bulk("A3,1161880001,tres")
    assert simulator.reply("1161880001", "ok")["idinterno"] == "A3"
    assert simulator.reply("1161880002", "ok")["idinterno"] == "A2"
    assert simulator.reply("1161880003", "ok")["idinterno"] == ""
    assert simulator.reply("1161880001", "ok", idinterno="A1")["idinterno"] == "A1"


@pytest.mark.parametrize("texto", ["BAJA", " baja "])
def test_who_sends_baja_gets_nothing_any_more_by_any_way(client, simulator, texto):
    simulator.set_option(delay_min=60)
    client.bulk("A1,1161880001,uno")
    simulator.reply("1161880001", texto)
    simulator.reply("1161880002", "BAJA no, gracias")
    client.bulk("A2,1161880002,uno")
    simulator.set_clock(advance=61)
    assert "BAJA" in client.result("A1")
    assert client.result("A2") == "OK"
    assert unit(client, respuestanumerica="1", texto="dos").startswith("-3;")
    simulator.reset()
    assert unit(client) == "OK"


def test_a_push_that_fails_is_tried_as_often_as_told(client, simulator, wait_until):
    simulator.set_option(push_url="http://127.0.0.1:9/push", push_tries=2)
    simulator.reply("1161880001", "ok")
    wait_until(lambda: len(list(simulator.pushes())) == 2)
    assert all(push["status"] is None and "Error" in push["error"] for push in simulator.pushes())
    simulator.reply("1161880001", "ok", push=False)
    assert len(list(simulator.pushes())) == 2


def test_a_pushed_reply_may_come_by_post(client, simulator, wait_until):
    # Its own status page does for a customer's service: it answers 200 to anything.
    simulator.set_option(push_url=f"{simulator.url}/aviso.asp?x=1", push_method="POST", push_encoding="utf-8")
    simulator.reply("1161880001", "Sí")
    wait_until(lambda: [push["status"] for push in simulator.pushes()] == [200])
    assert json.dumps(simulator.stats()["calls"]) == '{"notice": 1}'
