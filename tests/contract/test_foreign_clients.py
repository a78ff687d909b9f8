"""Other people's clients against the simulator: what PHP, Node, Java, .NET and Python programs in use do with the
provider's pages, by the means of their own runtime. Where such a client works with the provider it works here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from ops.simulator.process import SimulatorProcess
from tests.contract.conftest import NOON

FOREIGN = Path(__file__).parent / "foreign"
WS = "/ws/SMSMasivosAPI.asmx"
NS = "{http://servicio.smsmasivos.com.ar/ws/}"
STAMP = "20260310120000"
USER = {"usuario": "USU500", "clave": "CLAVE500"}
IDENTICAL = "el número recibió un mensaje idéntico hace menos de 48 horas (no se hará el envío)."
BAD_TEXT = "el texto del mensaje contiene caracteres inválidos"


def run(command: list[str], call: str, provider: SimulatorProcess) -> Any:
    """What a client prints for one of its calls."""
    done = subprocess.run([*command, call, provider.url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def php(call: str, provider: SimulatorProcess, *extensions: str) -> Any:
    """A call of the PHP client; skips where PHP or one of its extensions is missing."""
    binary = shutil.which("php")
    if binary is None:
        pytest.skip("php is not installed (Debian: php-cli php-curl php-soap)")
    loaded = subprocess.run([binary, "-m"], capture_output=True, text=True, check=True).stdout.lower().split()
    missing = [name for name in extensions if name not in loaded]
    if missing:
        pytest.skip(f"php lacks {', '.join(missing)} (Debian: php-curl php-soap)")
    return run([binary, str(FOREIGN / "client.php")], call, provider)


def node(call: str, provider: SimulatorProcess) -> Any:
    """A call of the Node client; skips where Node is missing."""
    binary = shutil.which("node")
    if binary is None:
        pytest.skip("node is not installed")
    return run([binary, str(FOREIGN / "client.mjs")], call, provider)


def taken(provider: SimulatorProcess) -> list[tuple[str, str, str]]:
    return [(line["idinterno"], line["destino"], line["texto"]) for line in provider.ledger() if not line["ignored"]]


def two_replies(provider: SimulatorProcess) -> None:
    provider.reply("1161880001", "Sí, mañana", idinterno="ABC1")
    provider.reply("1161880002", "BAJA")


# -- PHP ---------------------------------------------------------------------------------------------------------


def test_php_single_messages(provider: SimulatorProcess) -> None:
    assert php("unit", provider, "curl") == [f"1161880001: {BAD_TEXT}", "OK", "OK", "OK", "OK"]
    good = [line for line in provider.ledger() if line["transport"] == "http" and line["destino"] != "1161880001"]
    assert [line["texto"] for line in good] == ["Hola", "A=1; B+C 100%, #2"]
    assert [post["fechadesde"] for post in provider.posts() if "fechadesde" in post] == ["2026-03-11 09:00:00"]


def test_php_numeric_answers(provider: SimulatorProcess) -> None:
    field = "el texto del mensaje contiene un campo personalizable que no ha sido completado (ejemplo: *1*)"
    assert php("numeric", provider, "curl") == [
        [0, "OK"],
        [1, "1161880001: probando sin enviar"],
        [-7, "1155: el número de celular es muy corto"],
        [-99, f"1161880002: {field}"],
    ]


def test_php_blocks_and_their_results(provider: SimulatorProcess) -> None:
    comma, tab, never, one, by_date, unread = php("bulk", provider, "curl")
    assert (comma, tab, never, unread) == ("OK", "OK", False, False)
    assert one == [["P1", STAMP, "OK"]]
    assert by_date == [
        ["P1", STAMP, "OK"],
        ["P2", STAMP, "OK"],
        ["P3", STAMP, "115: el número de celular es muy corto"],
        *[[f"Q{n}", STAMP, "OK"] for n in range(1, 61)],
    ]
    assert taken(provider)[0] == ("P1", "1161880001", "Uno, con coma")
    assert taken(provider)[-1] == ("Q60", "1161880060", "Aviso largo 60")


def test_php_inbox(provider: SimulatorProcess) -> None:
    two_replies(provider)
    with_id, of_one, unread, nobody = php("inbox", provider, "curl")
    # Its pattern wants an idinterno, so it leaves out the reply that has none; both lines are there.
    assert with_id == [["1161880001", "Sí, mañana", NOON, "1001", "ABC1"]]
    assert of_one == [["1161880002", "BAJA", NOON, "1002"]]
    assert unread == [["1161880001", "Sí, mañana", NOON, "1001"]]
    assert nobody == ""


def test_php_figures(provider: SimulatorProcess) -> None:
    provider.set_option(credit=50, contract_expires="2026-12-31")
    assert php("figures", provider) == [50, "2026-12-31", 0, STAMP]


def test_php_reads_the_wsdl_and_calls_its_operations(provider: SimulatorProcess) -> None:
    assert php("soap-functions", provider, "soap") == [
        "EnviarSMSResponse EnviarSMS(EnviarSMS $parameters)",
        "RecibirSMSResponse RecibirSMS(RecibirSMS $parameters)",
    ]
    assert php("soap-send", provider, "soap") == [
        f"1161880001: {BAD_TEXT}",
        "OK",
        "1161880001: probando sin enviar",
        "Usuario o clave incorrectos.",
    ]
    assert taken(provider)[1] == ("", "1161880001", "Su codigo")


def test_php_replies_by_soap(provider: SimulatorProcess) -> None:
    two_replies(provider)
    fecha = NOON.replace(" ", "T")
    assert php("soap-inbox", provider, "soap") == [
        [
            {"numero": 1161880002, "texto": "BAJA", "fecha": fecha, "idsms": 1002, "idinterno": ""},
            {"numero": 1161880001, "texto": "Sí, mañana", "fecha": fecha, "idsms": 1001, "idinterno": "ABC1"},
        ],
        {},
        "Usuario o clave incorrectos.",
    ]


# -- Node --------------------------------------------------------------------------------------------------------


def test_node_single_messages(provider: SimulatorProcess) -> None:
    assert node("unit", provider) == [
        "OK",
        f"1161880001: {IDENTICAL}",
        "OK",
        f"1161880003: {BAD_TEXT}",
        "1161880003: probando sin enviar",
        "OK",
        True,
    ]
    assert ("", "1161880001", "Hola: 50% de descuento") in taken(provider)
    assert "1161880005" not in {number for _, number, _ in taken(provider)}


def test_node_blocks_and_their_results(provider: SimulatorProcess) -> None:
    by_post, by_get, never, rows, no_block = node("bulk", provider)
    assert (by_post, by_get, never, no_block) == ("OK", "OK", "PENDIENTE", "Falta el parámetro BLOQUE.")
    assert rows == [
        ["N1", STAMP, "OK"],
        ["1161880002", STAMP, "OK"],
        ["N3", STAMP, "11: el número de celular es muy corto"],
        ["N4", STAMP, "OK"],
    ]


def test_node_inbox_and_figures(provider: SimulatorProcess) -> None:
    provider.set_option(credit=50)
    two_replies(provider)
    unread, again = node("inbox", provider)
    assert unread == [["1161880002", "BAJA", NOON, "1002", ""], ["1161880001", "Sí, mañana", NOON, "1001", "ABC1"]]
    assert again == []
    assert node("figures", provider) == [50, 0, NOON]


def test_node_soap_package(provider: SimulatorProcess) -> None:
    if not any((Path(folder) / "soap").is_dir() for folder in os.environ.get("NODE_PATH", "").split(os.pathsep)):
        pytest.skip("the npm package soap is not in NODE_PATH")
    two_replies(provider)
    sent, received, fault = node("soap", provider)
    assert sent == {"EnviarSMSResult": "OK"}
    rows = received["RecibirSMSResult"]["clsRespuesta"]
    assert [(row["numero"], row["texto"], row["idsms"]) for row in rows] == [
        (1161880002, "BAJA", 1002),
        (1161880001, "Sí, mañana", 1001),
    ]
    assert "Usuario o clave incorrectos." in fault


# -- Python, Java, .NET: their calls by hand ---------------------------------------------------------------------


def test_an_accounting_program_reads_every_reply_of_the_plain_web_service(provider: SimulatorProcess) -> None:
    """It takes `.text` of each reply's idinterno without asking whether it is there."""
    two_replies(provider)
    flags = "&solonoleidos=True&marcarcomoleidos=True&traeridinterno=True&origen="
    asked = f"{provider.url}{WS}/RecibirSMS?&usuario=USU500&clave=CLAVE500{flags}"
    root = ElementTree.fromstring(requests.get(asked, timeout=10).text)
    rows = [
        tuple(getattr(reply.find(NS + name), "text", "missing") for name in ("numero", "texto", "idsms", "idinterno"))
        for reply in root
    ]
    assert rows == [("1161880002", "BAJA", "1002", None), ("1161880001", "Sí, mañana", "1001", "ABC1")]
    assert list(ElementTree.fromstring(requests.get(asked, timeout=10).text)) == []


def test_an_inbox_is_read_by_columns(provider: SimulatorProcess) -> None:
    """It wants five columns in every line, and cuts the CR off the last one itself."""
    two_replies(provider)
    page = f"{provider.url}/obtener_sms_entrada.asp?"
    answer = requests.get(page, {**USER, "solonoleidos": 1, "marcarcomoleidos": 1, "traeridinterno": 1}, timeout=10)
    columns = [line.split("\t") for line in answer.text.split("\n")]
    assert [row[4].replace("\r", "") for row in columns] == ["", "ABC1"]


def test_a_stub_older_than_traeridinterno_gets_the_idinterno(provider: SimulatorProcess) -> None:
    """Java: recibirSMS(usuario, clave, origen, soloNoLeidos, marcarComoLeidos), then getIdinterno() of each reply."""
    two_replies(provider)
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in USER.items())
    envelope = (
        '<?xml version="1.0" ?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>'
        f'<RecibirSMS xmlns="{NS[1:-1]}">{fields}<origen></origen><solonoleidos>true</solonoleidos>'
        "<marcarcomoleidos>false</marcarcomoleidos></RecibirSMS></S:Body></S:Envelope>"
    )
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NS[1:-1]}RecibirSMS"'}
    answer = requests.post(provider.url + WS, envelope.encode(), headers=headers, timeout=10)
    replies = ElementTree.fromstring(answer.content).iter(f"{NS}clsRespuesta")
    assert [reply.findtext(f"{NS}idinterno") for reply in replies] == ["", "ABC1"]


def test_a_uuid_as_idinterno_is_refused_as_the_guide_has_it_or_taken_as_its_clients_expect(
    provider: SimulatorProcess,
) -> None:
    uuid = "9b2f7c1e-0c53-4d0b-9a3e-5f0c2b7d1a64"
    query = f"&tos=1161880001&texto=Hola a todos&IDINTERNO={uuid}"
    asked = f"{provider.url}/enviar_sms.asp?api=1&usuario=USU500&clave=CLAVE500{query}"
    assert "IDINTERNO" in requests.get(asked, timeout=10).text
    provider.set_option(any_idinterno=True)
    assert requests.get(asked, timeout=10).text == "OK"
    assert provider.reply("1161880001", "Recibido")["idinterno"] == uuid
