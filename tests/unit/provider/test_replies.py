from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import AnswerError
from dispatcher.provider.replies import Reply, of_rows, parse_excel, parse_slice, parse_text, slices
from dispatcher.provider.spool import Spool

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


@given(
    REPLIES,
    st.text(st.sampled_from("ab1\t\r\n "), max_size=30),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.integers(1, 60),
)
def test_however_an_answer_is_cut_into_pieces_its_replies_are_the_same(
    replies: list[Reply], odd: str, end: str, size: int
) -> None:
    body = end.join([*map(line, replies), odd, *map(line, replies[:1])]).encode("latin-1")
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    read = [parse_slice(slice_) for slice_ in slices(pieces, framed=True)]
    whole, strangers = parse_slice(body)
    assert [reply for found, _ in read for reply in found] == list(whole)
    assert [stranger for _, odd in read for stranger in odd] == strangers


def test_of_an_answer_that_may_have_been_cut_all_but_the_last_reply_is_kept() -> None:
    body = "".join(f"1161880001\thola\t2026-01-01 10:00:00\t{n}\r\n" for n in range(3)).encode()
    cut = slices([body[:60], body[60:-4]], framed=False)
    kept = [next(cut), next(cut)]
    assert [reply.id for slice_ in kept for reply in parse_slice(slice_)[0]] == [0, 1]
    with pytest.raises(AnswerError):
        next(cut)


def test_an_answer_in_which_no_reply_ever_begins_is_given_up() -> None:
    taken = iter([b"x" * 500_000] * 10)
    with pytest.raises(AnswerError) as caught:
        list(slices(taken, framed=True))
    assert caught.value.reason == "too_large"
    assert len(list(taken)) >= 5


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_a_spool_is_read_from_its_end(given: list[bytes]) -> None:
    with Spool() as spool:
        for slice_ in given:
            spool.write(slice_)
        assert list(spool.backwards()) == given[::-1]


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
