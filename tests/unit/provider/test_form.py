from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.provider.form import bulk_form, encode, fecha_digits, status_form


@given(st.binary(max_size=300))
def test_encoding_equals_quote_plus(raw: bytes) -> None:
    assert encode(raw) == quote_plus(raw).encode()


@given(st.text(alphabet="abcXYZ019 %+\r\n\t,:$!?=()/;*#@.-_~&áñ", max_size=200))
def test_encoding_of_likely_text_equals_quote_plus(text: str) -> None:
    raw = text.encode("latin-1")
    assert encode(raw) == quote_plus(raw).encode()


def test_every_byte_is_encoded_as_quote_plus_does() -> None:
    for byte in range(256):
        assert encode(bytes([byte])) == quote_plus(bytes([byte])).encode()


def test_the_guide_s_bulk_example_is_encoded_to_the_letter() -> None:
    body = bulk_form("K", b"XXX,1161880001,Texto 1\r\nYYY,1161880002,Texto 2\r\n", "coma", test=False)
    wanted = b"XXX%2C1161880001%2CTexto+1%0D%0AYYY%2C1161880002%2CTexto+2%0D%0A"
    assert body == b"apikey=K&separadorcampos=coma&bloque=" + wanted


@given(st.text(alphabet=st.characters(max_codepoint=255), min_size=1, max_size=100), st.booleans())
def test_a_bulk_form_reads_back(text: str, test: bool) -> None:
    body = bulk_form("a&b=c", text.encode("latin-1"), "tab", test=test)
    fields = dict(parse_qsl(body.decode("ascii"), encoding="latin-1", strict_parsing=True))
    wanted = {"apikey": "a&b=c", "separadorcampos": "tab", "bloque": text}
    assert fields == (wanted | {"test": "1"} if test else wanted)


def test_flags_that_are_not_set_are_not_sent() -> None:
    assert status_form("K", "idinterno", "A1", only_unread=False, mark_read=False) == b"apikey=K&idinterno=A1"


def test_a_fecha_is_fourteen_digits_of_provider_time() -> None:
    assert fecha_digits(datetime(2010, 12, 31, 17, 50, 15, 999)) == "20101231175015"
    assert fecha_digits("20101231175015") == "20101231175015"


@pytest.mark.parametrize("fecha", [datetime(2010, 1, 1, tzinfo=UTC), "2010", "2010-12-31 17:50:15", "2010123117501٥"])
def test_another_fecha_is_refused(fecha: datetime | str) -> None:
    with pytest.raises(ValueError, match="fecha must be"):
        fecha_digits(fecha)
