"""Small answers of the provider: any bytes are a value or an AnswerError."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import AnswerError
from dispatcher.provider.answers import no_result_line, parse_day, parse_integer, parse_server_date, parse_status
from dispatcher.provider.frames import parse_slice

NEARLY = st.from_regex(rb"\s?(-?[0-9]{0,22}|[0-9]{4}[-/][0-9]{1,2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2})?)\s?")
BODIES = st.one_of(st.binary(max_size=60), NEARLY, st.just(b""))


@pytest.mark.parametrize("parse", [parse_server_date, parse_day, parse_integer])
@given(body=BODIES)
@settings(max_examples=150)
def test_any_bytes_are_a_value_or_an_answer_error(parse: Callable[[bytes], object], body: bytes) -> None:
    with contextlib.suppress(AnswerError):
        parse(body)


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b"\t", b"A1\t20110927110505\tOK", b"\r\n", b"\r"]))))
def test_any_bytes_are_result_lines_or_counted(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    lines = parse_status(body)
    assert lines or no_result_line(body)
    frame = parse_slice(body)
    assert frame.frame.height == len(lines)
    assert frame.malformed >= 0
