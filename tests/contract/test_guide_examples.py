"""Every example of the guide, to the letter: what it says to send is sent, what it says comes back comes back.

Then the same through our own client. `[SU_APIKEY]` is the only thing filled in; `{tab}` and `{enter}` are the bytes.
"""

from __future__ import annotations

import re
import smtplib
import urllib.request
from datetime import date, datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from dispatcher.domain import phone, sms_text
from dispatcher.errors import AccountBlocked, UsageError
from dispatcher.provider import answers
from dispatcher.provider.codes import CODES
from dispatcher.provider.http import HttpProvider
from dispatcher.provider.inbox import HttpInbox
from dispatcher.provider.message import LINK_MARK, Message
from dispatcher.provider.replies import Reply, parse_text
from dispatcher.provider.soap import SoapSender
from dispatcher.provider.soap_inbox import SoapInbox
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.contract.senders import CLAVE, KEY, PAGE, USUARIO, smtp_sender, unit_sender
from tests.contract.wire import Peer, http, wire

HOST = "http://servicio.smsmasivos.com.ar"
FIRST_OK = "XXX{tab}20110927110505{tab}OK"
AN_ERROR_AND_AN_OK = (
    "XXX{tab}20110927110505{tab}1161880001: el número recibió un mensaje idéntico hace menos de 48 horas "
    "(no se hará el envío).{enter}"
    "YYY{tab}20110927110505{tab}OK"
)
INBOX = (
    "115554444{tab}Cuarto mensaje{tab}2001-12-20 13:35:14{tab}1004{enter}"
    "115554666{tab}Tercer mensaje{tab}2001-12-20 13:35:10{tab}1003{enter}"
    "1153354666{tab}Segundo mensaje{tab}2001-12-20 13:35:10{tab}1002{enter}"
    "115554644{tab}Primer mensaje{tab}2001-12-20 13:35:10{tab}1001{enter}"
)
INBOX_WITH_IDS = (
    "115554444{tab}Cuarto mensaje{tab}2001-12-20 13:35:14{tab}1004{tab}MyID001{enter}"
    "115554666{tab}Tercer mensaje{tab}2001-12-20 13:35:10{tab}1003{tab}MyID002{enter}"
    "1153354666{tab}Segundo mensaje{tab}2001-12-20 13:35:10{tab}1002{tab}MyID003{enter}"
    "115554644{tab}Primer mensaje{tab}2001-12-20 13:35:10{tab}1001{tab}MyID004{enter}"
)
ONE_NUMBER = "1155554666{tab}Tercer mensaje{tab}2001-12-20 13:35:10{tab}1003{enter}"


def as_bytes(example: str) -> bytes:
    return example.replace("{tab}", "\t").replace("{enter}", "\r\n").encode("latin-1")


def ask(provider: SimulatorProcess, address: str, body: bytes | None = None) -> bytes:
    """Call an address of the guide, at the simulator in place of its host."""
    assert address.startswith(HOST + "/")
    url = address.replace(HOST, provider.url).replace("[SU_APIKEY]", KEY).replace("[SU APIKEY]", KEY)
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:
        return bytes(answer.read())


def client(provider: SimulatorProcess) -> HttpProvider:
    return HttpProvider(provider.url, KEY, timeout=5)


# -- Envío de mensajes vía http (en tiempo real) ---------------------------------------------------------------


def test_the_example_of_a_unit_call(provider: SimulatorProcess) -> None:
    example = f"{HOST}/enviar_sms.asp?api=1&apikey=[SU_APIKEY]&tos=1144445555&texto=Mensaje"
    assert ask(provider, example) == b"OK"
    (line,) = provider.ledger()
    assert (line["destino"], line["texto"], line["verdict"]) == ("1144445555", "Mensaje", "OK")


def test_a_unit_call_works_by_post_too(provider: SimulatorProcess) -> None:
    body = f"apikey={KEY}&tos=1144445555&texto=Mensaje".encode()
    assert ask(provider, f"{HOST}/enviar_sms.asp?api=1", body) == b"OK"


def test_the_parameters_may_be_in_capitals_as_the_guide_lists_them(provider: SimulatorProcess) -> None:
    query = "API=1&APIKEY=[SU_APIKEY]&TOS=1144445555&TEXTO=Mensaje&TEST=1&RESPUESTANUMERICA=1"
    assert ask(provider, f"{HOST}/enviar_sms.asp?{query}") == b"1;1144445555: probando sin enviar"


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_table_comes_with_its_number(provider: SimulatorProcess, code: int) -> None:
    provider.set_option(mix={str(code): 1.0})
    result = unit_sender(provider).send(Message("1144445555", "Mensaje", idinterno="MyID001"))
    assert result.code == code
    assert result.status == {0: "accepted", 1: "simulated"}.get(code, "rejected")


UNIT_SENTENCES = [
    ("1144445555", "x" * 161, "el texto del mensaje es muy largo (máximo 160 caracteres)", -6),
    ("1144445555", "mañana", "el texto del mensaje contiene caracteres inválidos", -11),
    (
        "1144445555",
        "Hola *1*",
        "el texto del mensaje contiene un campo personalizable que no ha sido completado (ejemplo: *1*)",
        -99,
    ),
    ("1155", "Mensaje", "el número de celular es muy corto", -7),
    ("11444455556", "Mensaje", "el número de celular es muy largo", -7),
]


@pytest.mark.parametrize(("numero", "texto", "sentence", "code"), UNIT_SENTENCES)
def test_every_sentence_about_a_message_is_said_and_understood(
    provider: SimulatorProcess, numero: str, texto: str, sentence: str, code: int
) -> None:
    result = unit_sender(provider).send(Message(numero, texto))
    assert (result.code, result.text) == (code, f"{code};{numero}: {sentence}")


@pytest.mark.parametrize(
    ("options", "sentence", "words"),
    [
        ({"credit": 0}, "se han agotado los NNNN SMS contratados".replace("NNNN", "0"), "credit"),
        (
            {"contract_expires": "2026-01-31"},
            "el contrato para enviar SMS ha expirado el XXXX de XXXMES",
            "contract",
        ),
    ],
    ids=["no credit left", "contract over"],
)
def test_every_sentence_about_the_account_is_said_and_understood(
    provider: SimulatorProcess, options: dict[str, object], sentence: str, words: str
) -> None:
    provider.set_option(**options)
    with pytest.raises(AccountBlocked) as caught:
        unit_sender(provider).send(Message("1144445555", "Mensaje"))
    assert (caught.value.reason, caught.value.delivered) == (words, "no")
    pattern = re.escape(sentence).replace("XXXX", r"\d{1,2}").replace("XXXMES", r"\w+")
    assert re.search(pattern, caught.value.words or ""), caught.value.words


ALPHABET = r"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!?\$%()*+, -./:;=@ y el espacio"


def test_the_alphabet_of_the_guide_is_taken_and_is_ours(provider: SimulatorProcess) -> None:
    """The backslash is the guide's escape for the $ after it."""
    letters = ALPHABET.removesuffix(" y el espacio").replace("\\", "")
    assert set(letters) == set(sms_text.ALPHABET) - {"#"}
    assert unit_sender(provider).send(Message("1144445555", letters)).status == "accepted"
    assert [line["texto"] for line in provider.ledger()] == [letters]


COUNTRIES = [
    ("AR", "011 15 4444-5555", "1144445555"),
    ("GT", "5555 6666", "55556666"),
    ("MX", "55 1234 5678", "5512345678"),
    ("PE", "987 654 321", "987654321"),
    ("UY", "099 123 456", "99123456"),
]


@pytest.mark.parametrize(("country", "written", "numero"), COUNTRIES)
def test_the_note_on_each_country_is_what_we_send_and_what_is_taken(
    provider: SimulatorProcess, country: str, written: str, numero: str
) -> None:
    provider.set_option(country=country)
    assert phone.normalise(written, country) == numero
    assert unit_sender(provider).send(Message(numero, "Mensaje")).status == "accepted"
    assert unit_sender(provider).send(Message(numero[:-1], "Mensaje")).code == -7


def test_an_idinterno_has_fifty_characters_at_most(provider: SimulatorProcess) -> None:
    unit_sender(provider).send(Message("1144445555", "Mensaje", idinterno="A1" * 25))
    assert [line["idinterno"] for line in provider.ledger()] == ["A1" * 25]
    with pytest.raises(UsageError):
        Message("1144445555", "Mensaje", idinterno="A" * 51)


def test_the_example_of_a_date_sends_then(provider: SimulatorProcess) -> None:
    provider.set_clock(at="2014-06-16 09:00:00")
    message = Message("1144445555", "Mensaje", fechadesde=datetime(2014, 6, 16, 17, 56))
    assert unit_sender(provider).send(message).status == "accepted"
    assert [line["verdict"] for line in provider.ledger()] == [None]
    provider.set_clock(at="2014-06-16 17:56:00")
    assert [line["fecha"] for line in provider.ledger()] == ["20140616175600"]


@pytest.mark.parametrize("fechadesde", ["16/06/2014 17:56", "2014-06-16", "2014-06-16T17:56:00", "2014-13-45 17:56:00"])
def test_a_date_in_a_wrong_format_sends_at_once(provider: SimulatorProcess, fechadesde: str) -> None:
    provider.set_clock(at="2014-06-16 09:00:00")
    example = f"{HOST}/enviar_sms.asp?api=1&apikey=[SU_APIKEY]&tos=1144445555&texto=Mensaje"
    assert ask(provider, f"{example}&fechadesde={fechadesde.replace(' ', '+')}") == b"OK"
    assert [line["fecha"] for line in provider.ledger()] == ["20140616090000"]


def test_a_multimedia_text_gets_its_link_where_the_mark_is(provider: SimulatorProcess) -> None:
    message = Message("1144445555", f"Vea {LINK_MARK} ya", html="<h1>Hola</h1>")
    assert unit_sender(provider).send(message).status == "accepted"
    (post,) = provider.posts()
    assert (post["html"], post["link"][:17]) == ("<h1>Hola</h1>", "http://1rck.in/-" + post["link"][16])


# -- Envío de mensajes vía Web Service -------------------------------------------------------------------------


def test_the_wsdl_stands_where_the_guide_says_and_the_page_beside_it(provider: SimulatorProcess) -> None:
    assert b"<wsdl:definitions" in ask(provider, f"{HOST}/ws/SMSMasivosAPI.asmx?WSDL")
    assert b"EnviarSMS" in ask(provider, f"{HOST}/ws/SMSMasivosAPI.asmx")


def test_the_web_service_says_what_the_page_says(provider: SimulatorProcess) -> None:
    sender = SoapSender(provider.url + PAGE, USUARIO, CLAVE)
    for numero, texto, sentence, code in UNIT_SENTENCES:
        assert sender.send(Message(numero, texto)).text == f"{code};{numero}: {sentence}"


# -- Envío de mensajes vía http (en bloque, POST), Comprobación ------------------------------------------------

BLOCK = "XXX%2C1161880001%2CTexto+1%0D%0AYYY%2C1161880002%2CTexto+2%0D%0A"


def test_the_example_of_a_bulk_call(provider: SimulatorProcess) -> None:
    assert ask(provider, f"{HOST}/enviar_sms_bloque.asp?apikey=[SU_APIKEY]&bloque={BLOCK}") == b"OK"
    taken = [(line["idinterno"], line["destino"], line["texto"]) for line in provider.ledger()]
    assert taken == [("XXX", "1161880001", "Texto 1"), ("YYY", "1161880002", "Texto 2")]


def test_the_same_by_post_and_from_our_client(provider: SimulatorProcess) -> None:
    assert ask(provider, f"{HOST}/enviar_sms_bloque.asp", f"apikey={KEY}&bloque={BLOCK}".encode()) == b"OK"
    client(provider).send_bulk(b"ZZZ,1161880003,Texto, con comas", separator="coma")
    client(provider).send_bulk(b"ZZY\t1161880004\tTexto 4", separator="tab")
    assert [line["idinterno"] for line in provider.ledger()] == ["XXX", "YYY", "ZZZ", "ZZY"]


def test_what_fits_a_url_is_that_very_example(provider: SimulatorProcess) -> None:
    """The guide's lines from our client by GET: what the provider reads is what it reads of the example."""
    lines = b"XXX\t1161880001\tTexto 1\r\nYYY\t1161880002\tTexto 2, con comas"
    client(provider).send_bulk(lines, method="auto")
    taken = [(line["idinterno"], line["destino"], line["texto"]) for line in provider.ledger()]
    assert taken == [("XXX", "1161880001", "Texto 1"), ("YYY", "1161880002", "Texto 2, con comas")]
    assert [post["bytes"] for post in provider.posts()] == [0], "there was no body"


COMA = "idinterno,destino,texto{enter}idinterno,destino,texto{enter}idinterno,destino,texto"
TAB = "Idinterno{tab}destino{tab}texto{enter}Idinterno{tab}destino{tab}texto{enter}Idinterno{tab}destino{tab}texto"


@pytest.mark.parametrize(("form", "separator"), [(COMA, "coma"), (COMA, None), (TAB, "tab")])
def test_both_forms_of_a_bloque_are_read_and_coma_is_the_default(
    provider: SimulatorProcess, form: str, separator: str | None
) -> None:
    block = as_bytes(form)
    for number in range(1, 4):
        block = re.sub(
            rb"(?i)idinterno(.)destino(.)texto", rb"ID%d\g<1>116188000%d\g<2>Texto %d" % ((number,) * 3), block, count=1
        )
    fields = {"apikey": KEY, "bloque": block} | ({"separadorcampos": separator} if separator else {})
    assert ask(provider, f"{HOST}/enviar_sms_bloque.asp", urlencode(fields).encode()) == b"OK"
    taken = [(line["idinterno"], line["destino"], line["texto"]) for line in provider.ledger()]
    assert taken == [(f"ID{n}", f"116188000{n}", f"Texto {n}") for n in (1, 2, 3)]


def test_a_malformed_line_is_ignored_a_text_has_commas_and_a_number_may_be_its_own_idinterno(
    provider: SimulatorProcess,
) -> None:
    block = b"1161880001,1161880001,Hola, Ana, y chau\r\nsin campos\r\nYYY,1161880002,Texto 2"
    fields = urlencode({"apikey": KEY, "bloque": block}).encode()
    assert ask(provider, f"{HOST}/enviar_sms_bloque.asp", fields) == b"OK"
    lines = list(provider.ledger())
    assert [(line["idinterno"], line["texto"]) for line in lines if not line["ignored"]] == [
        ("1161880001", "Hola, Ana, y chau"),
        ("YYY", "Texto 2"),
    ]
    assert [line["raw"] for line in lines if line["ignored"]] == ["sin campos"]


def test_a_bulk_test_is_validated_and_sends_nothing(provider: SimulatorProcess) -> None:
    client(provider).send_bulk(b"XXX\t1161880001\tTexto 1\r\nYYY\t1155\tTexto 2", test=True)
    codes = {id_: [line.code for line in client(provider).status_by_idinterno(id_)] for id_ in ("XXX", "YYY")}
    assert codes == {"XXX": [1], "YYY": [-7]}
    assert provider.stats()["sent"] == 0


def test_the_flags_of_a_status_are_those_of_the_guide(provider: SimulatorProcess) -> None:
    client(provider).send_bulk(b"XXX\t1161880001\tTexto 1")
    example = f"{HOST}/obtener_respuestaapi_bloque.asp?apikey=[SU_APIKEY]&idinterno=XXX"
    unread, marking = "&SOLONOLEIDOS=1", "&MARCARCOMOLEIDOS=1"
    read = ask(provider, example + unread)
    assert read.endswith(b"OK")
    assert ask(provider, f"{example}{unread}{marking}") == read
    assert ask(provider, example + unread) == b"PENDIENTE"
    assert ask(provider, f"{example}&SOLONOLEIDOS=0&MARCARCOMOLEIDOS=0") == read
    assert client(provider).status_by_idinterno("XXX", only_unread=True) == []


def test_the_examples_of_a_status(provider: SimulatorProcess) -> None:
    by_id = f"{HOST}/obtener_respuestaapi_bloque.asp?apikey=[SU_APIKEY]&idinterno=XXX"
    by_fecha = f"{HOST}/obtener_respuestaapi_bloque.asp?apikey=[SU_APIKEY]&fecha=20101231175015"
    assert ask(provider, by_id) == ask(provider, by_fecha) == b"PENDIENTE"
    assert client(provider).status_by_idinterno("XXX") == []
    provider.set_clock(at="2011-09-27 11:05:05")
    client(provider).send_bulk(b"XXX\t1161880001\tTexto 1")
    assert ask(provider, by_id) == as_bytes(FIRST_OK)
    assert ask(provider, by_fecha) == as_bytes(FIRST_OK)


def test_the_example_of_an_error_and_an_ok(provider: SimulatorProcess) -> None:
    provider.set_clock(at="2011-09-27 10:00:00")
    unit_sender(provider).send(Message("1161880001", "Texto 1"))
    provider.set_clock(at="2011-09-27 11:05:05")
    client(provider).send_bulk(b"XXX\t1161880001\tTexto 1\r\nYYY\t1161880002\tTexto 2")
    answer = ask(provider, f"{HOST}/obtener_respuestaapi_bloque.asp?apikey=[SU_APIKEY]&fecha=20110927110505")
    assert answer == as_bytes(AN_ERROR_AND_AN_OK)
    assert [(line.idinterno, line.code) for line in answers.parse_status(answer)] == [("XXX", -4), ("YYY", 0)]


# -- Envío de mensajes vía correo electrónico (SMTP) -----------------------------------------------------------

SUBJECT = "USU500 CLAVE500 1155556666 Octavio Gomez, no se olvide que hoy vence su factura."


def test_the_example_of_a_subject_line(provider: SimulatorProcess) -> None:
    address = urlsplit(provider.smtp_url)
    assert address.hostname
    assert address.port
    with smtplib.SMTP(address.hostname, address.port) as mail:
        mail.sendmail("a@b.example", "api@smsmasivos.com.ar", f"Subject: {SUBJECT}\r\n\r\n")
    (line,) = provider.ledger()
    assert (line["destino"], line["verdict"], line["transport"]) == ("1155556666", "OK", "smtp")
    assert line["texto"] == "Octavio Gomez, no se olvide que hoy vence su factura."


def test_our_mail_has_that_very_subject(provider: SimulatorProcess) -> None:
    texto = "Octavio Gomez, no se olvide que hoy vence su factura."
    assert smtp_sender(provider).send(Message("1155556666", texto)).status == "handed_over"
    (line,) = provider.ledger()
    assert f"{USUARIO} {CLAVE} {line['destino']} {line['texto']}" == SUBJECT


# -- Recepción de mensajes -------------------------------------------------------------------------------------


@pytest.fixture
def replies(provider: SimulatorProcess) -> SimulatorProcess:
    """The guide's four replies."""
    provider.set_option(trailing_crlf=True)
    for line in reversed(INBOX_WITH_IDS.split("{enter}")[:-1]):
        origen, texto, fecha, _, idinterno = line.split("{tab}")
        provider.reply(origen, texto, fecha=fecha, idinterno=idinterno)
    return provider


def test_the_examples_of_an_inbox(replies: SimulatorProcess) -> None:
    example = f"{HOST}/obtener_sms_entrada.asp?apikey=[SU_APIKEY]"
    assert ask(replies, example) == as_bytes(INBOX)
    assert ask(replies, f"{example}&traeridinterno=1") == as_bytes(INBOX_WITH_IDS)


@pytest.mark.parametrize("example", [INBOX, INBOX_WITH_IDS, INBOX_WITH_IDS.replace("20 13:35:10", "20\n13:35:10")])
def test_the_examples_of_an_inbox_are_read(example: str) -> None:
    read = parse_text(as_bytes(example), framed=True)
    assert [reply.id for reply in read] == [1004, 1003, 1002, 1001]
    assert [reply.origen for reply in read] == ["115554444", "115554666", "1153354666", "115554644"]
    assert [reply.texto.split()[0] for reply in read] == ["Cuarto", "Tercer", "Segundo", "Primer"]
    assert [reply.fecha for reply in read] == [
        datetime(2001, 12, 20, 13, 35, 14),
        *[datetime(2001, 12, 20, 13, 35, 10)] * 3,
    ]
    ids = [f"MyID00{number}" for number in (1, 2, 3, 4)] if "MyID" in example else [None] * 4
    assert [reply.idinterno for reply in read] == ids
    assert read.malformed == 0


def test_the_example_of_one_number_s_replies(provider: SimulatorProcess) -> None:
    provider.set_option(trailing_crlf=True)
    for number, origen in enumerate(["1155554644", "1153354666", "1155554666"]):
        texto = ["Primer mensaje", "Segundo mensaje", "Tercer mensaje"][number]
        provider.reply(origen, texto, fecha="2001-12-20 13:35:10")
    example = f"{HOST}/obtener_sms_entrada.asp?apikey=[SU_APIKEY]&origen=1155554666"
    assert ask(provider, example) == as_bytes(ONE_NUMBER)
    marking = f"{example}&solonoleidos=1&marcarcomoleidos=1"
    assert ask(provider, marking) == as_bytes(ONE_NUMBER)
    assert ask(provider, marking) == b""


def test_an_empty_inbox_comes_back_empty(provider: SimulatorProcess) -> None:
    assert ask(provider, f"{HOST}/obtener_sms_entrada.asp?apikey=[SU_APIKEY]") == b""
    assert list(HttpInbox(provider.url, KEY).pull()) == []


def test_the_examples_of_the_excel_format(replies: SimulatorProcess) -> None:
    assert ask(replies, f"{HOST}/obtener_sms_entrada.asp?formato=excel") == "Falta el parámetro APIKEY.".encode(
        "latin-1"
    )
    example = f"{HOST}/obtener_sms_entrada.asp?apikey=[SU_APIKEY]&formato=excel&origen=115554666"
    assert b"<td>Tercer mensaje</td>" in ask(replies, example)
    by_table = HttpInbox(replies.url, KEY, formato="excel").pull()
    assert list(by_table) == list(HttpInbox(replies.url, KEY).pull())
    assert by_table[0] == Reply(1004, "115554444", "Cuarto mensaje", datetime(2001, 12, 20, 13, 35, 14), "MyID001")


def test_the_web_service_hands_out_the_same_replies(replies: SimulatorProcess) -> None:
    by_soap = SoapInbox(replies.url + PAGE, USUARIO, CLAVE).pull()
    assert list(by_soap) == list(HttpInbox(replies.url, KEY).pull())


def test_a_reply_is_pushed_with_the_guide_s_three_parameters(provider: SimulatorProcess) -> None:
    def accept(peer: Peer) -> None:
        peer.read_request()
        peer.send(http(body=b"OK"))

    with wire(accept) as server:
        provider.set_option(push_url=f"{server.url}/push/smsmasivos")
        provider.reply("1155554666", "Sí, mañana", idinterno="MyID001")
        wait_until(lambda: [push["status"] for push in provider.pushes()] == [200], 10)
    method, target, _ = server.received.split(b"\r\n")[0].decode().split(" ")
    assert (method, urlsplit(target).path) == ("GET", "/push/smsmasivos")
    asked = parse_qs(urlsplit(target).query, encoding="latin-1")
    assert asked == {"ORIGEN": ["1155554666"], "TEXTO": ["Sí, mañana"], "IDINTERNO": ["MyID001"]}


# -- Consultas -------------------------------------------------------------------------------------------------


def test_the_examples_of_saldo_vencimiento_and_envios(provider: SimulatorProcess) -> None:
    provider.set_option(credit=100, contract_expires="2026-12-31")
    unit_sender(provider).send(Message("1144445555", "Mensaje"))
    assert ask(provider, f"{HOST}/obtener_saldo.asp?apikey=[SU_APIKEY]") == b"99"
    assert ask(provider, f"{HOST}/obtener_vencimiento_paquete.asp?apikey=[SU_APIKEY]") == b"2026-12-31"
    assert ask(provider, f"{HOST}/obtener_envios.asp?apikey=[SU_APIKEY]") == b"1"
    account = client(provider)
    assert (account.saldo(), account.vencimiento(), account.envios()) == (99, date(2026, 12, 31), 1)


def test_the_example_of_the_server_s_date(provider: SimulatorProcess) -> None:
    provider.set_clock(at="2013-12-09 18:35:58")
    assert ask(provider, f"{HOST}/get_fecha.asp?iso=1") == b"2013-12-09 18:35:58"
    assert client(provider).server_date().fecha == datetime(2013, 12, 9, 18, 35, 58)
