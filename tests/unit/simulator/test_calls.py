"""Who may call and how: credentials, names in any case, sizes, line ends, encodings."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

import pytest

LINE = "bloque=A1%2C1161880001%2CHola"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_wrong_key_is_a_sentence_with_200_and_nothing_is_taken(client, simulator):
    status, body = client.call(f"/enviar_sms_bloque.asp?apikey=NO&{LINE}")
    assert (status, body) == (200, b"La apikey es incorrecta.")
    assert simulator.stats()["taken"] == 0
    assert [post["answered"] for post in simulator.posts()] == ["200 La apikey es incorrecta."]


@pytest.mark.parametrize(
    "page",
    [
        "enviar_sms_bloque.asp?" + LINE,
        "obtener_respuestaapi_bloque.asp?fecha=20200101000000",
        "obtener_saldo.asp?a=1",
        "obtener_envios.asp?a=1",
        "obtener_vencimiento_paquete.asp?a=1",
    ],
)
def test_every_page_but_the_date_wants_credentials(client, page):
    assert client.call(f"/{page}") == (200, "Falta el parámetro APIKEY.".encode("latin-1"))
    assert client.call(f"/{page}&usuario=U&clave=mala") == (200, b"Usuario o clave incorrectos.")


def test_legacy_usuario_and_clave_open_the_same_account(client, simulator):
    simulator.set_option(user=["USU500:CLAVE500"])
    assert client.call(f"/enviar_sms_bloque.asp?USUARIO=USU500&Clave=CLAVE500&{LINE}") == (200, b"OK")
    assert client.result("A1") == "OK"


def test_two_keys_may_be_two_accounts_or_one(client, simulator):
    simulator.set_option(apikey=["SIMULADOR", "NUEVA", "AJENA:otra"])
    client.bulk("A1,1161880001,Hola")
    assert client.status(apikey="NUEVA", idinterno="A1").endswith(b"OK")
    assert client.status(apikey="AJENA", idinterno="A1") == b"PENDIENTE"
    client.bulk("B1,1161880001,Hola", apikey="AJENA")
    assert client.status(apikey="AJENA", idinterno="B1").endswith(b"OK")
    assert [line["account"] for line in simulator.ledger()] == ["main", "otra"]


def test_an_address_that_is_not_allowed_is_told_so(client, simulator):
    simulator.set_option(allow_ip=["10.0.0.1"])
    status, body = client.bulk("A1,1161880001,Hola")
    assert status == 200
    assert body.decode("latin-1") == "Acceso denegado: la IP 127.0.0.1 no se encuentra habilitada."
    simulator.set_option(allow_ip=["127.0.0.1"])
    assert client.bulk("A1,1161880001,Hola") == (200, b"OK")


def test_names_of_pages_and_parameters_are_case_blind(client):
    answer = client.call("/ENVIAR_SMS_Bloque.ASP?APIKEY=SIMULADOR&Bloque=A1%09 1161880001".replace(" ", ""))
    assert answer == (200, b"OK")
    client.call("/Enviar_Sms_Bloque.asp?ApiKey=SIMULADOR&SEPARADORCAMPOS=TAB&BLOQUE=A2%091161880001%09Hola")
    assert client.status(IDINTERNO="a2") == b"A2\t20260310120000\tOK"


def test_a_path_before_the_page_is_fine_and_an_unknown_page_is_404(client):
    assert client.call("/sms/v1/get_fecha.asp")[0] == 200
    assert client.call("/nada.asp")[0] == 404
    assert client.call("/get_fecha.asp", method="PUT")[0] == 405


def test_a_missing_parameter_is_told(client):
    assert client.call("/enviar_sms_bloque.asp?apikey=SIMULADOR")[1].startswith(b"Falta")
    assert client.call("/obtener_respuestaapi_bloque.asp?apikey=SIMULADOR")[1].startswith(b"Falta")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_a_body_that_is_no_form_has_no_parameters(client, simulator, kind):
    body = f"apikey=SIMULADOR&{LINE}".encode()
    answer = client.call("/enviar_sms_bloque.asp", method="POST", body=body, headers={"Content-Type": kind})
    assert answer == (200, "Falta el parámetro APIKEY.".encode("latin-1"))
    assert simulator.stats()["taken"] == 0


def test_the_query_string_comes_before_the_form(client):
    body = f"apikey=MALA&{LINE}".encode()
    assert client.call("/enviar_sms_bloque.asp?apikey=SIMULADOR", method="POST", body=body) == (200, b"OK")


def test_answers_are_latin1_without_a_charset(client, simulator):
    connection = http.client.HTTPConnection(urlsplit(simulator.url).netloc)
    connection.request("GET", "/obtener_saldo.asp")
    answer = connection.getresponse()
    assert answer.read() == "Falta el parámetro APIKEY.".encode("latin-1")
    assert answer.headers["Content-Type"] == "text/html"
    connection.close()


@pytest.mark.parametrize(("trailing", "end"), [(True, b"\r\n"), (False, b"")])
def test_a_trailing_line_end_may_be_there_or_not(client, simulator, trailing, end):
    simulator.set_option(trailing_crlf=trailing)
    assert client.status(idinterno="A1") == b"PENDIENTE" + end
    client.bulk("A1,1161880001,Hola\r\nA2,1161880002,Hola")
    row = b"\t20260310120000\tOK"
    assert client.status(fecha="20260310000000") == b"A1" + row + b"\r\nA2" + row + end


def test_ok_may_come_padded_and_in_any_case(client, simulator):
    simulator.set_option(ok_answer="  Ok \r\n")
    assert client.bulk("A1,1161880001,Hola") == (200, b"  Ok \r\n")


def block_of(size: int) -> bytes:
    line = b"A%07d%%2C11%08d%%2C" + b"x" * 80 + b"%%0D%%0A"
    count = size // len(line % (0, 0)) + 1
    return b"".join(line % (n, n) for n in range(count))[:size]


@pytest.mark.parametrize(
    ("option", "body", "code"),
    [
        ("max_field", b"apikey=SIMULADOR&bloque=" + block_of(100 * 1024 + 1), b"ASP 0107"),
        (
            "max_body",
            b"bloque=" + block_of(100_000) + b"&a=" + b"x" * 100_000 + b"&b=" + b"x" * 5000,
            b"ASP 0104",
        ),
    ],
)
def test_a_body_or_field_over_the_limit_fails_as_asp_does(client, simulator, option, body, code):
    page = "/enviar_sms_bloque.asp?apikey=SIMULADOR"
    status, answer = client.call(page, method="POST", body=body)
    assert status == 500
    assert code in answer
    assert simulator.stats()["taken"] == 0
    assert [post["answered"][:3] for post in simulator.posts()] == ["500"]
    simulator.set_option(**{option: 0})
    assert client.call(page, method="POST", body=body) == (200, b"OK")


def test_a_field_and_a_body_at_the_limit_pass(client):
    value = block_of(100 * 1024)
    head = b"apikey=SIMULADOR&bloque="
    filler = b"&a=" + b"x" * (200 * 1024 - len(head) - len(value) - 3)
    assert len(head + value + filler) == 200 * 1024
    body = head + value + filler
    assert client.call("/enviar_sms_bloque.asp", method="POST", body=body) == (200, b"OK")


def test_a_get_may_carry_as_much_as_a_request_line_holds(client, simulator):
    block = "%0D%0A".join(f"A{n}%2C11{n:08d}%2CHola" for n in range(450))
    assert 12_000 < len(block) < 16_000
    assert client.call(f"/enviar_sms_bloque.asp?apikey=SIMULADOR&bloque={block}") == (200, b"OK")
    assert client.call(f"/enviar_sms_bloque.asp?apikey=SIMULADOR&bloque={block}{block}")[0] >= 400
    assert simulator.stats()["taken"] == 450


def test_a_client_that_asks_before_its_body_is_told_to_go_on(client, simulator):
    body = f"apikey=SIMULADOR&{LINE}".encode()
    head = (
        "POST /enviar_sms_bloque.asp HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    address = urlsplit(simulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as peer:
        peer.sendall(head.encode())
        assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(body)
        assert peer.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_cut_off_in_the_middle_takes_nothing(client, simulator, wait_until):
    address = urlsplit(simulator.url)
    head = "POST /enviar_sms_bloque.asp?apikey=SIMULADOR HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as peer:
        peer.sendall((head + f"Content-Type: {FORM['Content-Type']}\r\n\r\n{LINE}").encode())
    assert client.bulk("B1,1161880002,Hola") == (200, b"OK")
    assert [line["idinterno"] for line in simulator.ledger()] == ["B1"]
    wait_until(lambda: simulator.stats()["calls"].get("cut_off") == 1)
