"""Replies by the Web Service as ASP.NET writes them: characters that XML forbids, refusals, and answers without a list."""

from __future__ import annotations

import logging

import pytest

from dispatcher.errors import AnswerError
from dispatcher.provider.replies import Replies
from dispatcher.provider.soap_inbox import SoapInbox
from ops.simulator import wsdl
from tests.contract.senders import CLAVE, PAGE, USUARIO
from tests.contract.wire import Peer, Script, http, wire

ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soap:Body>'
    '<RecibirSMSResponse xmlns="http://servicio.smsmasivos.com.ar/ws/">%s</RecibirSMSResponse></soap:Body></soap:Envelope>'
)
NOBODY = (
    "<clsRespuesta><numero>0</numero><texto>%s</texto><fecha>0001-01-01T00:00:00</fecha><idsms>0</idsms></clsRespuesta>"
)


def row(texto: str, number: int, numero: str = "1161880001") -> str:
    return (
        f"<clsRespuesta><numero>{numero}</numero><texto>{texto}</texto><fecha>2026-03-10T12:00:00</fecha>"
        f"<idsms>{number}</idsms></clsRespuesta>"
    )


def listed(*rows: str) -> bytes:
    return (ENVELOPE % f"<RecibirSMSResult>{''.join(rows)}</RecibirSMSResult>").encode()


def serving(body: bytes) -> Script:
    """The WSDL to a GET, `body` to a POST."""

    def script(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            peer.send(http(body=wsdl.document("http://x.invalid/") if request.startswith(b"GET ") else body))

    return script


def pull(body: bytes) -> Replies:
    with wire(serving(body)) as server:
        return SoapInbox(server.url + PAGE, USUARIO, CLAVE, timeout=5).pull()


@pytest.mark.parametrize("texto", ["hola&#x1A;", "hola&#26;", "\x1ahola", "hola&#xD83D;&#xDE00;", "\ufffehola"])
def test_a_control_character_in_one_reply_stops_no_later_one(texto: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = pull(listed(row("BAJA", 2, "1161880002"), row(texto, 1)))
    assert [reply.id for reply in found] == [2, 1]
    assert found[0].texto == "BAJA"
    assert found[1].texto.strip(" \ufffd") == "hola"
    assert found.repaired == texto.count("&#") + texto.count("\x1a") + texto.count("\ufffe")
    assert f"inbox_repaired characters={found.repaired}" in caplog.text
    assert "hola" not in caplog.text


def test_a_baja_beside_a_control_character_is_one_word(caplog: pytest.LogCaptureFixture) -> None:
    assert [reply.texto.split() for reply in pull(listed(row("BAJA&#x1A;", 1)))] == [["BAJA"]]


def test_a_good_answer_is_not_repaired(caplog: pytest.LogCaptureFixture) -> None:
    found = pull(listed(row("ñandú &amp;#x1A; &#13;&#10;👍", 1)))
    assert [reply.texto for reply in found] == ["ñandú &#x1A; \r\n👍"]
    assert (found.repaired, caplog.text) == (0, "")


@pytest.mark.parametrize("body", [listed(), listed("\r\n  "), (ENVELOPE % "<RecibirSMSResult />").encode()])
def test_an_empty_list_is_an_empty_inbox(body: bytes) -> None:
    assert list(pull(body)) == []


WRONG = "Usuario o clave incorrectos"
REFUSED = {
    "words for a list": ENVELOPE % f"<RecibirSMSResult>{WRONG}</RecibirSMSResult>",
    "words beside no list": ENVELOPE % WRONG,
    "a list of words": ENVELOPE % f"<RecibirSMSResult><string>{WRONG}</string></RecibirSMSResult>",
    "another element": ENVELOPE % f"<Error>{WRONG}</Error>",
    "a reply of nobody": listed(NOBODY % WRONG).decode(),
}


@pytest.mark.parametrize("label", REFUSED)
def test_a_refusal_in_words_is_never_an_empty_inbox(label: str) -> None:
    with pytest.raises(AnswerError) as caught:
        pull(REFUSED[label].encode())
    assert (caught.value.reason, caught.value.retryable, caught.value.words) == ("credentials", False, WRONG)


@pytest.mark.parametrize(
    "body", [ENVELOPE % "Intente luego", listed(NOBODY % "Intente luego").decode()], ids=["words", "a reply of nobody"]
)
def test_other_words_of_the_provider_are_no_empty_inbox_either(body: str) -> None:
    with pytest.raises(AnswerError) as caught:
        pull(body.encode())
    assert (caught.value.reason, caught.value.retryable, caught.value.words) == ("sentence", True, "Intente luego")


@pytest.mark.parametrize("content", ["", '<RecibirSMSResult xsi:nil="true"/>'], ids=["missing", "null"])
def test_no_list_at_all_is_no_empty_inbox(content: str) -> None:
    with pytest.raises(AnswerError, match="not even an empty one") as caught:
        pull((ENVELOPE % content).encode())
    assert caught.value.hint is not None
    assert "DISPATCHER_CLAVE" in caught.value.hint


def test_an_error_does_not_quote_what_people_wrote() -> None:
    unreadable = listed(row("mi secreto", 1), "<other>")
    with pytest.raises(AnswerError) as caught:
        pull(unreadable)
    assert caught.value.reason == "garbage"
    assert "secreto" not in f"{caught.value} {caught.value.__dict__}"


def test_a_row_that_cannot_be_read_is_counted_and_the_others_are_kept() -> None:
    found = pull(listed(row("hola", 1), '<clsRespuesta xsi:nil="true" />', NOBODY % "x"))
    assert ([reply.texto for reply in found], found.malformed) == (["hola"], 2)
