"""PUSH: reading what the provider brings, and who brought it."""

import contextlib
import ipaddress
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.replies.push import MAX_BYTES, BadPush, Push, allowed, caller, read

NETS = [ipaddress.ip_network(net) for net in ("200.1.2.3/32", "10.0.0.0/8", "2001:db8::/32")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"ORIGEN=1144445555&TEXTO=Hola&IDINTERNO=X1", Push("1144445555", "Hola", "X1")),
        (b"origen=1144445555&Texto=Hola+che&idinterno=", Push("1144445555", "Hola che", None)),
        (b"origen=1144445555&texto=", Push("1144445555", "", None)),
        (b"origen=1144445555&texto=a%26b%3Dc%2B", Push("1144445555", "a&b=c+", None)),
        (b"origen=%2B5491144445555&texto=S%ED", Push("+5491144445555", "Sí", None)),
        (b"origen=1144445555&texto=S%C3%AD%20%F0%9F%91%8D", Push("1144445555", "Sí 👍", None)),
        (b"origen=1144445555&texto=uno&texto=dos", Push("1144445555", "uno", None)),
    ],
)
def test_a_push_is_read_in_any_case_and_encoding(query: bytes, expected: Push) -> None:
    assert read(query, b"") == expected
    assert read(b"", query) == expected


@pytest.mark.parametrize(
    ("query", "word"),
    [
        (b"", "ORIGEN"),
        (b"texto=hola", "ORIGEN"),
        (b"origen=&texto=hola", "ORIGEN"),
        (b"origen=abc&texto=hola", "ORIGEN"),
        (b"origen=" + b"1" * 40 + b"&texto=hola", "ORIGEN"),
        (b"origen=1144445555", "TEXTO"),
        (b"origen=1144445555&texto=x&idinterno=a%20b", "IDINTERNO"),
        (b"origen=1144445555&texto=x&idinterno=" + b"a" * 51, "IDINTERNO"),
        (b"origen=1144445555&texto=" + b"x" * MAX_BYTES, "bytes"),
    ],
)
def test_bad_input_gets_a_sentence(query: bytes, word: str) -> None:
    with pytest.raises(BadPush, match=word):
        read(query, b"")


@given(st.text(max_size=200), st.sampled_from(["utf-8", "latin-1"]))
def test_what_was_encoded_is_read_back(texto: str, encoding: str) -> None:
    try:
        encoded = urlencode({"ORIGEN": "1144445555", "TEXTO": texto}, encoding=encoding).encode()
    except UnicodeEncodeError:
        return
    found = read(encoded, b"").texto
    if encoding == "utf-8":
        assert found == texto
    else:
        # A latin-1 text may read as UTF-8 too; then nobody can tell.
        assert found == texto or quote(found, encoding="utf-8") == quote(texto, encoding="latin-1")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_push_or_a_sentence(raw: bytes) -> None:
    with contextlib.suppress(BadPush):
        assert read(raw, raw).origen


def test_without_trusted_hops_the_header_is_not_even_looked_at() -> None:
    assert caller("203.0.113.9", ["200.1.2.3"], 0) == ipaddress.ip_address("203.0.113.9")


@pytest.mark.parametrize(
    ("forwarded", "hops", "expected"),
    [
        (["200.1.2.3"], 1, "200.1.2.3"),
        (["6.6.6.6, 200.1.2.3"], 1, "200.1.2.3"),
        (["6.6.6.6", "200.1.2.3"], 1, "200.1.2.3"),
        (["200.1.2.3, 6.6.6.6"], 1, "6.6.6.6"),
        (["200.1.2.3, 10.9.9.9"], 2, "200.1.2.3"),
        (["200.1.2.3:5555"], 1, "200.1.2.3"),
        (["[2001:db8::1]:443"], 1, "2001:db8::1"),
        (["::ffff:200.1.2.3"], 1, "200.1.2.3"),
        ([], 1, None),
        (["200.1.2.3"], 2, None),
        (["nobody"], 1, None),
    ],
)
def test_the_caller_is_the_entry_that_our_own_outermost_proxy_wrote(
    forwarded: list[str], hops: int, expected: str | None
) -> None:
    found = caller("10.0.0.1", forwarded, hops)
    assert (str(found) if found else None) == expected


@pytest.mark.parametrize(
    ("address", "may"),
    [("200.1.2.3", True), ("10.250.1.1", True), ("2001:db8::7", True), ("200.1.2.4", False), ("::1", False)],
)
def test_only_listed_addresses_may_push(address: str, may: bool) -> None:
    assert allowed(ipaddress.ip_address(address), NETS) is may


def test_an_unknown_address_may_not_push() -> None:
    assert not allowed(None, NETS)
