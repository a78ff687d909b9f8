"""A damaged workbook is a list with fewer rows, invalid rows, or a refusal: never another exception."""

from __future__ import annotations

import contextlib
import io
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import UsageError
from tests.unit.ingest.lists import outcomes
from tests.unit.ingest.test_xlsx import workbook

BOOK = workbook(["telefono", "valor"], *([f"11{20_000_000 + n}", n] for n in range(12)))
PARTS = {name: zipfile.ZipFile(io.BytesIO(BOOK)).read(name) for name in zipfile.ZipFile(io.BytesIO(BOOK)).namelist()}


def is_list_or_refused(data: bytes) -> None:
    with contextlib.suppress(UsageError):
        outcomes(data, "{valor}")


@given(st.lists(st.tuples(st.integers(0, len(BOOK) - 1), st.integers(0, 255)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_flipped_bytes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(BOOK)
    for at, value in changes:
        data[at] = value
    is_list_or_refused(bytes(data))


@given(
    st.sampled_from(sorted(PARTS)),
    st.one_of(
        st.none(),
        st.binary(max_size=60),
        st.tuples(st.integers(0, 4000), st.integers(0, 60), st.binary(max_size=20)),
    ),
)
@settings(max_examples=120, deadline=None)
def test_a_part_that_is_missing_replaced_or_damaged_inside(
    name: str, change: bytes | tuple[int, int, bytes] | None
) -> None:
    parts = dict(PARTS)
    if change is None:
        del parts[name]
    elif isinstance(change, bytes):
        parts[name] = change
    else:
        at, length, instead = change
        parts[name] = parts[name][:at] + instead + parts[name][at + length :]
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w") as book:
        for part, data in parts.items():
            book.writestr(part, data)
    is_list_or_refused(saved.getvalue())
