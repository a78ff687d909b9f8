"""SOAP envelopes with characters that XML cannot carry, and words where a result was due."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.provider import envelopes
from dispatcher.provider.envelopes import has_result, repaired, words

UTF8 = '<?xml version="1.0" encoding="utf-8"?>'
LATIN = '<?xml version="1.0" encoding="iso-8859-1"?>'


def text_in(envelope: bytes) -> str:
    return ElementTree.fromstring(envelope).text or ""


@pytest.mark.parametrize(
    ("raw", "text", "count"),
    [
        (b"BAJA&#x1A;", "BAJA ", 1),
        (b"BAJA&#26;!", "BAJA !", 1),
        (b"&#x0;&#x1f;&#0031;a", "   a", 3),
        (b"a\x00b\x1ac", "a b c", 2),
        (b"&#xD83D;&#xDE00;", "\ufffd\ufffd", 2),
        (b"&#xFFFE;&#x110000;", "\ufffd\ufffd", 2),
        (b"\xef\xbf\xbe", "\ufffd", 1),
        (b"ma\xf1ana", "ma\ufffdana", 1),
    ],
)
def test_what_xml_forbids_is_replaced(raw: bytes, text: str, count: int) -> None:
    envelope = UTF8.encode() + b"<a>" + raw + b"</a>"
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(envelope)
    mended, replaced = repaired(envelope)
    assert (text_in(mended), replaced) == (text, count)


@pytest.mark.parametrize(
    "raw", [b"&#9;&#xA;&#13;\t\r\n", b"&amp;#x1A;", b"&#x1F44D;", "ñ 👍 \ufffd".encode(), b"&#241;"]
)
def test_what_xml_allows_is_left_as_it_is(raw: bytes) -> None:
    envelope = UTF8.encode() + b"<a>" + raw + b"</a>"
    assert repaired(envelope) == (envelope, 0)


def test_an_envelope_in_another_encoding_keeps_it() -> None:
    mended, replaced = repaired(LATIN.encode() + b"<a>ma\xf1ana&#x1A;&#xFFFE;</a>")
    assert (text_in(mended), replaced) == ("mañana \ufffd", 2)


def test_an_encoding_that_does_not_exist_is_no_character_s_fault() -> None:
    envelope = b'<?xml version="1.0" encoding="utf-99"?><a>x</a>'
    assert repaired(envelope) == (envelope, 0)


@given(st.text(max_size=30), st.booleans(), st.sampled_from([UTF8, LATIN, ""]))
def test_any_text_can_be_read_afterwards(text: str, as_references: bool, declaration: str) -> None:
    escaped = "".join(f"&#x{ord(char):X};" if as_references or char in "<&>" else char for char in text)
    encoding = "latin-1" if declaration == LATIN else "utf-8"
    envelope = f"{declaration}<a>{escaped}</a>".encode(encoding, "xmlcharrefreplace")
    read = text_in(repaired(envelope)[0])
    assert len(read.replace("\n", "")) <= len(text)
    assert [char for char in read if char.isalnum()] == [char for char in text if char.isalnum()]


@pytest.mark.parametrize(
    ("element", "there"),
    [
        ("<RecibirSMSResult />", True),
        ("<RecibirSMSResult>\n</RecibirSMSResult>", True),
        ('<n:RecibirSMSResult xmlns:n="x"/>', True),
        ('<RecibirSMSResult xsi:nil="false"/>', True),
        ('<RecibirSMSResult xsi:nil="true"/>', False),
        ("<RecibirSMSResult xsi:nil='1'></RecibirSMSResult>", False),
        ("<RecibirSMSResults/>", False),
        ("", False),
    ],
)
def test_an_empty_result_is_told_from_none(element: str, there: bool) -> None:
    assert (
        has_result(f"{UTF8}<e:Envelope><e:Body>{element}</e:Body></e:Envelope>".encode(), "RecibirSMSResult") is there
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<R>\n  <S/>\n</R>", ""),
        ("<R>Usuario o\n clave <b>inv&#225;lidos</b></R>", "Usuario o clave inválidos"),
    ],
)
def test_words_are_what_the_body_says_outside_of_its_tags(body: str, said: str) -> None:
    envelope = f"{UTF8}<soap:Envelope>\n<soap:Header>x</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    assert words(envelope.encode()) == said


def test_what_is_no_envelope_has_no_words() -> None:
    assert envelopes.words(b"OK") == ""


@pytest.mark.parametrize(
    "encoding", ["punycode", "idna", "undefined", "utf-7", "unicode_escape", "zlib_codec", "rot13"]
)
@pytest.mark.parametrize("body", [b"OK", b"\x81\xff", b"a-" * 100, b"\\N{x}"], ids=["plain", "bytes", "long", "escape"])
def test_an_encoding_that_no_xml_has_is_read_as_latin_1(encoding: str, body: bytes) -> None:
    whole = b'<?xml version="1.0" encoding="%s"?><s:Envelope><s:Body>%s</s:Body></s:Envelope>' % (
        encoding.encode(),
        body,
    )
    assert words(whole) == body.decode("latin-1")
    assert repaired(whole)[1] == 0
    assert has_result(whole, "Body")
