from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import AnswerError
from dispatcher.provider.replies import Reply, of_rows, parse_excel, parse_text

LATIN = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x85")
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)).map(lambda moment: moment.replace(microsecond=0))
ORIGINS = st.from_regex(r"[1-3][0-9]{9}", fullmatch=True)
REPLIES = st.lists(
    st.builds(
        Reply,
        id=st.integers(1, 10**12),
        origen=ORIGINS,
        texto=st.text(LATIN, max_size=160),
        fecha=MOMENTS,
        idinterno=st.none() | st.from_regex(r"[A-Z][A-Z0-9]{0,49}", fullmatch=True),
    ),
    max_size=6,
)


def line(reply: Reply) -> str:
    return f"{reply.origen}\t{reply.texto}\t{reply.fecha}\t{reply.id}\t{reply.idinterno or ''}"


@given(REPLIES, st.sampled_from(["\r\n", "\n", "\r"]), st.booleans())
def test_replies_come_through_text_as_they_were(replies: list[Reply], end: str, trailing: bool) -> None:
    body = end.join(map(line, replies)) + (end if trailing and replies else "")
    read = parse_text(body.encode("latin-1"), framed=True)
    assert list(read) == replies
    assert read.malformed == 0


@given(REPLIES)
def test_replies_come_through_a_table_as_they_were(replies: list[Reply]) -> None:
    rows = "".join(
        f"<tr><td>{'</td><td>'.join(escape(cell) for cell in line(r).split(chr(9)))}</td></tr>" for r in replies
    )
    body = f"<table><tr><th>NUMERO</th></tr>{rows}</table>".encode("latin-1")
    assert list(parse_excel(body, framed=True)) == replies


@given(st.text(st.sampled_from("abc \t\r\n1<"), max_size=40), ORIGINS)
def test_blanks_in_a_text_do_not_hide_the_replies_around_it(texto: str, origen: str) -> None:
    around = [Reply(1, "1161880001", "antes", datetime(2026, 1, 1)), Reply(3, "1161880003", "x", datetime(2026, 1, 1))]
    middle = Reply(2, origen, texto, datetime(2026, 1, 1))
    body = "\r\n".join(map(line, [around[0], middle, around[1]]))
    assert list(parse_text(body.encode("latin-1"), framed=True)) == [around[0], middle, around[1]]


@given(st.binary(max_size=200))
def test_any_bytes_are_replies_or_an_error(body: bytes) -> None:
    for parse in (parse_text, parse_excel):
        try:
            parse(body, framed=True)
        except AnswerError:
            continue


def test_a_line_that_is_no_reply_is_counted_and_the_others_go_on() -> None:
    good = "1161880001\thola\t2026-01-01 10:00:00\t7\r\n"
    read = parse_text(f"basura\r\n{good}1161880002\tsin fecha\r\n{good}".encode(), framed=True)
    assert [reply.id for reply in read] == [7, 7]
    assert read.malformed == 2


@pytest.mark.parametrize(
    ("body", "framed", "reason"),
    [
        (b"", False, "empty"),
        (b"1161880001\thola\t2026-01-01 10:00:00\t70", False, "cut"),
        (b"<html>error</html>", True, "html"),
        (b"1161880001\thola\t2026-01-01 10:00:00\t7\r\n<font>Microsoft VBScript error</font>", True, "html"),
        (b"La apikey es incorrecta.", True, "credentials"),
        (b"Intente luego", True, "sentence"),
        (b"\x00\x01\x02", True, "garbage"),
    ],
)
def test_what_is_not_a_whole_inbox_is_an_error(body: bytes, framed: bool, reason: str) -> None:
    for parse in (parse_text, parse_excel):
        with pytest.raises(AnswerError) as caught:
            parse(body, framed=framed)
        assert caught.value.reason == reason


def test_a_table_that_breaks_off_is_an_error() -> None:
    with pytest.raises(AnswerError) as caught:
        parse_excel(b"<table><tr><td>1161880001</td><td>hola</td>", framed=True)
    assert caught.value.reason == "cut"


def test_a_row_of_the_web_service_is_in_provider_time() -> None:
    given = SimpleNamespace(numero=1161880001, texto=None, fecha=datetime(2026, 1, 1, 13, tzinfo=UTC), idsms=7)
    assert list(of_rows([None, given])) == [Reply(7, "1161880001", "", datetime(2026, 1, 1, 10))]
    assert of_rows([SimpleNamespace(numero=None)]).malformed == 1


@pytest.mark.parametrize("body", [b"<table></table>", b"<table><tr></tr></table>", b"<TABLE>\r\n</TABLE>"])
def test_a_table_without_rows_is_an_empty_inbox(body: bytes) -> None:
    assert list(parse_excel(body, framed=True)) == []


def test_a_page_with_another_table_is_no_empty_inbox() -> None:
    with pytest.raises(AnswerError):
        parse_excel(b"<table><tr><td>Error del servidor</td></tr></table>", framed=True)


def test_a_refusal_under_the_titles_of_a_table_is_no_empty_inbox() -> None:
    with pytest.raises(AnswerError) as caught:
        parse_excel(b"<table><tr><th>NUMERO</th></tr><tr><td>La apikey es incorrecta.</td></tr></table>", framed=True)
    assert (caught.value.reason, caught.value.retryable) == ("credentials", False)
    rest = parse_excel(b"<table><tr><th>NUMERO</th></tr><tr><td>Sin mensajes</td></tr></table>", framed=True)
    assert (list(rest), rest.malformed) == ([], 1)
