"""The inbox: control characters in replies, by text and by SOAP, and one that holds more than 16 MB."""

from __future__ import annotations

from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from ops.simulator.process import SimulatorProcess

from .conftest import NOON, Client

PAGE = "/ws/SMSMasivosAPI.asmx/RecibirSMS"
MEGABYTES = 17


def pull(client: Client, **more: str) -> bytes:
    status, body = client.call(f"/obtener_sms_entrada.asp?{urlencode({'apikey': 'SIMULADOR', **more})}")
    assert status == 200
    return body


def by_soap(client: Client) -> bytes:
    status, body = client.call(f"{PAGE}?{urlencode({'usuario': 'u', 'clave': 'c'})}")
    assert status == 200
    return body


@pytest.mark.parametrize("code", [0x00, 0x01, 0x0B, 0x0C, 0x1A, 0x1C, 0x1F, 0x85])
def test_a_control_character_comes_raw_in_the_text(client, simulator, code):
    simulator.reply("1161880001", f"a{chr(code)}b")
    assert pull(client).split(b"\t")[1] == b"a" + bytes([code]) + b"b"


def test_what_would_break_a_row_is_a_blank_unless_told(client, simulator):
    simulator.reply("1161880001", "a\tb\r\nc\nd\re")
    assert pull(client).split(b"\t")[1] == b"a b c d e"
    simulator.set_option(raw_replies=True)
    assert b"\ta\tb\r\nc\nd\re\t" in pull(client)


@pytest.mark.parametrize(
    ("code", "written"),
    [(0x00, b"&#x0;"), (0x01, b"&#x1;"), (0x1A, b"&#x1A;"), (0x1F, b"&#x1F;"), (0xFFFE, b"&#xFFFE;")],
)
def test_soap_writes_a_control_character_as_dotnet_does_though_no_xml_may(client, simulator, code, written):
    simulator.set_option(user=["u:c"])
    simulator.reply("1161880001", f"a<{chr(code)}&b")
    body = by_soap(client)
    assert b"<texto>a&lt;" + written + b"&amp;b</texto>" in body
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(body)


def test_soap_leaves_a_control_character_out_when_told(client, simulator):
    simulator.set_option(user=["u:c"], soap_controls="drop")
    simulator.reply("1161880001", "a\x1ab\r\n\tñ€")
    texts = [
        element.text for element in ElementTree.fromstring(by_soap(client)).iter() if element.tag.endswith("texto")
    ]
    assert texts == ["ab\r\n\tñ€"]


def test_an_inbox_may_hold_more_than_sixteen_megabytes(client, simulator):
    assert simulator.fill_inbox(MEGABYTES, size=1_000_000, texto="Respuesta ") == MEGABYTES
    body = pull(client)
    assert len(body) > 16 * 1024 * 1024
    rows = body.split(b"\r\n")
    assert [row.split(b"\t")[3] for row in rows] == [str(1000 + MEGABYTES - n).encode() for n in range(MEGABYTES)]
    assert rows[-1].split(b"\t")[1].startswith(b"Respuesta 1001 ")
    assert len(rows[-1].split(b"\t")[1]) == 1_000_000


def test_read_flags_hold_for_what_was_filled_in(client, simulator):
    simulator.fill_inbox(3, size=20, read=True, fecha="2026-03-09 10:00:00")
    simulator.fill_inbox(4, size=20)
    assert len(pull(client).split(b"\r\n")) == 7
    assert len(pull(client, solonoleidos="1", marcarcomoleidos="1").split(b"\r\n")) == 4
    assert pull(client, solonoleidos="1") == b""
    assert simulator.reply("1161880001", "ok")["id"] == 1008
    assert len(pull(client, solonoleidos="1").split(b"\r\n")) == 1
    assert len(pull(client).split(b"\r\n")) == 8


def test_each_reply_filled_in_comes_from_a_number_of_its_own(client, simulator):
    simulator.fill_inbox(2000, size=30)
    replies = list(simulator.replies())
    assert len({reply["origen"] for reply in replies}) == len({reply["texto"] for reply in replies}) == 2000
    assert len(pull(client, origen=replies[5]["origen"]).split(b"\r\n")) == 1


def test_what_was_filled_in_survives_a_kill(tmp_path):
    with SimulatorProcess() as simulator:
        simulator.start(ledger=tmp_path / "ledger.jsonl", clock_at=NOON, clock_speed=0)
        simulator.fill_inbox(3, size=40, texto="x")
        before = list(simulator.replies())
        simulator.kill()
        simulator.restart()
        assert list(simulator.replies()) == before
        assert simulator.reply("1161880001", "ok")["id"] == 1004
