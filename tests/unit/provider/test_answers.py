from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatcher.errors import AnswerError, ProviderError
from dispatcher.provider.answers import parse_status, read_bulk_answer
from dispatcher.provider.codes import sentence_to_code, strip_number
from dispatcher.provider.frames import parse_slice
from dispatcher.provider.slices import line_slices

FECHAS = st.one_of(
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(lambda moment: f"{moment:%Y%m%d%H%M%S}"),
    st.sampled_from(["", "2011", "20110230000000", "20110101250000", "20110101000060", "201109271105055",
                     "2011092711050x", " 20110927110505 ", "2011-09-27 110", "+2011092711050"]),
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from([
        "OK", "", "ok", "1161880001: el número de celular es muy corto", "algo nuevo", "1161880001: algo nuevo",
        "a\tb", '"', '"a', "-7;1155: x", "PENDIENTE",
    ]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=20),
)  # fmt: skip
IDS = st.one_of(st.from_regex(r"[A-Z][A-Z0-9]{1,10}", fullmatch=True), st.sampled_from(["", " ", " A1 ", '"X', "É1"]))
LINES = st.one_of(
    st.tuples(IDS, FECHAS, TEXTS).map("\t".join),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30),
)
ENDS = st.sampled_from(["\r\n", "\n", "\r", "\r\n\r\n"])
BODIES = st.lists(st.tuples(LINES, ENDS).map("".join), max_size=12).map(lambda parts: "".join(parts).encode("latin-1"))


@settings(max_examples=400, deadline=None)  # the first call of polars takes as long as many others
@given(BODIES)
@example(b"")
@example(b"PENDIENTE\r\n")
@example(b"M0\t202601 1101011\tOK")
@example(b"M0\t2026 101101011\tOK")
@example(b"M0\t2026010110 011\tOK")
@example(b"M0\t+2026010110101\tOK")
def test_the_fast_path_reads_what_the_plain_one_reads(body: bytes) -> None:
    slow, fast = parse_status(body), parse_slice(body)
    assert [(line.idinterno, line.fecha, line.text, line.code) for line in slow] == fast.frame.drop("hash").rows()
    assert slow.malformed == fast.malformed
    strange = [strip_number(line.text) for line in slow if not sentence_to_code(line.text)[1]]
    assert sum(fast.unmapped.values()) == len(strange)


def test_unmapped_sentences_are_counted_without_their_numbers() -> None:
    lines = b"".join(b"A%d\t20110927110505\t11618800%02d: algo nuevo\r\n" % (n, n) for n in range(30))
    assert parse_slice(lines + b"B1\t20110927110505\tOK\r\nno line\r\n").unmapped == {"algo nuevo": 30}


def test_a_text_keeps_its_number_and_its_latin_1_letters() -> None:
    body = "XXX\t20110927110505\t1161880001: el número recibió un mensaje idéntico\r\n".encode("latin-1")
    assert parse_slice(body).frame.drop("hash").rows() == [
        ("XXX", datetime(2011, 9, 27, 11, 5, 5), "1161880001: el número recibió un mensaje idéntico", -4)
    ]


@pytest.mark.parametrize("line", [b"XXX \t20110927110505\tOK\r\n", b" XXX\t 20110927110505 \tOK"])
def test_blanks_around_an_idinterno_do_not_make_it_somebody_elses(line: bytes) -> None:
    assert [(row.idinterno, row.code) for row in parse_status(line)] == [("XXX", 0)]
    assert parse_slice(line).frame.drop("hash").rows() == [("XXX", datetime(2011, 9, 27, 11, 5, 5), "OK", 0)]


def lines_of(body: bytes) -> list[bytes]:
    return [line for line in re.split(rb"\r\n|\n|\r", body) if line.strip()]


@given(BODIES, st.integers(1, 40), st.booleans())
def test_slices_are_the_answer_whatever_the_chunks(body: bytes, size: int, framed: bool) -> None:
    line = b"A1\t20110927110505\tOK"
    body = line + b"\r\n" + body.replace(b"<", b"") + line
    chunks = [body[i : i + size] for i in range(0, len(body), size)]
    slices = list(line_slices(chunks, framed=framed))
    assert lines_of(b"".join(slices)) == lines_of(body)
    assert all(slice_.endswith((b"\n", b"\r")) for slice_ in slices)


@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_any_bytes_give_slices_or_an_answer_error(chunks: list[bytes], framed: bool) -> None:
    try:
        slices = list(line_slices(chunks, framed=framed))
    except AnswerError:
        return
    for slice_ in slices:
        parse_slice(slice_)


@given(st.sampled_from([200, 200, 200, 204, 301, 401, 500]), st.binary(max_size=80))
def test_only_ok_is_acceptance(status: int, body: bytes) -> None:
    if status == 200 and body.strip().lower() == b"ok":
        read_bulk_answer(status, body)
        return
    with pytest.raises(ProviderError) as caught:
        read_bulk_answer(status, body)
    assert caught.value.delivered == "unknown" or caught.value.reason in ("credentials", "ip")


def test_malformed_lines_of_a_small_answer_are_counted() -> None:
    answer = parse_status(b"XXX\t20110927110505\tOK\r\nrubbish\r\n\r\nY\t2011\tOK\r\n")
    assert ([line.idinterno for line in answer], answer.malformed) == (["XXX"], 2)


def test_pendiente_in_a_slice_is_no_line() -> None:
    assert parse_slice(b"PENDIENTE\r\n").malformed == 0


@pytest.mark.parametrize("body", [b"\x85\xa0 ok", b"OK\x00"])
def test_strange_padding_is_not_ok(body: bytes) -> None:
    with pytest.raises(ProviderError):
        read_bulk_answer(200, body)
