"""idinterno: what was encoded comes back, and nothing else is ever taken for ours."""

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatcher.domain import idinterno
from dispatcher.domain.idinterno import ALPHABET, MAX_SEQ, Idinterno
from dispatcher.domain.idinterno_column import decode_column

PREFIXES = st.text("0123456789ABCDEF", min_size=10, max_size=10)
OURS = st.builds(Idinterno, PREFIXES, st.integers(1, 2**60 - 1), st.integers(0, 15), st.integers(1, MAX_SEQ))
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@given(OURS)
@settings(deadline=None)
@example(Idinterno("F" * 10, 2**60 - 1, 15, MAX_SEQ))
def test_what_is_encoded_is_decoded_again_in_any_case(ours: Idinterno) -> None:
    text = idinterno.encode(*ours)
    assert idinterno.decode(text) == idinterno.decode(text.lower()) == ours


@given(OURS)
@settings(deadline=None)
def test_it_keeps_to_the_guide_alphanumeric_and_at_most_50_characters(ours: Idinterno) -> None:
    text = idinterno.encode(*ours)
    assert len(text) <= 50
    assert text[0].isalpha()
    assert set(text) <= set(CHARACTERS)


@given(OURS, st.data())
@settings(deadline=None)
def test_one_wrong_character_never_decodes(ours: Idinterno, data: st.DataObject) -> None:
    text = idinterno.encode(*ours)
    at = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from([c for c in CHARACTERS if c != text[at]]))
    assert idinterno.decode(text[:at] + wrong + text[at + 1 :]) is None


@given(OURS)
@settings(deadline=None)
def test_nothing_around_it_is_overlooked(ours: Idinterno) -> None:
    text = idinterno.encode(*ours)
    for other in (text + "\n", " " + text, text + " ", text + "\x00", text[1:], text.replace("M", "Ḿ", 1)):
        assert idinterno.decode(other) is None, repr(other)


def lines_that_may_come() -> st.SearchStrategy[str]:
    """Ours, nearly ours, and anybody's."""
    ours = OURS.map(lambda parts: idinterno.encode(*parts))
    near = st.tuples(ours, st.integers(0, 40), st.sampled_from(ALPHABET + "OISZQ\n İıſ٣é")).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 1 :]
    )
    return st.one_of(ours, ours.map(str.lower), near, st.text(max_size=50), ours.map(lambda t: t + "\n"))


@given(st.lists(lines_that_may_come(), max_size=30))
@settings(deadline=None)
def test_a_column_is_decoded_like_its_single_values(texts: list[str]) -> None:
    frame = pl.DataFrame(
        {"idinterno": texts, "row": range(len(texts))}, schema={"idinterno": pl.String, "row": pl.Int64}
    )
    found = decode_column(frame)
    expected = [(row, *parts) for row, text in enumerate(texts) if (parts := idinterno.decode(text))]
    assert sorted(found.select("row", "prefix", "campaign_id", "generation", "seq").rows()) == expected


def test_an_empty_column_keeps_its_types() -> None:
    empty = decode_column(pl.DataFrame(schema={"idinterno": pl.String}))
    full = decode_column(pl.DataFrame({"idinterno": [idinterno.encode("0" * 10, 1, 0, 1)]}))
    assert empty.schema == full.schema


@given(
    st.text(max_size=60) | st.from_regex(r"[mM][0-9a-fA-F]{10,14}[G-Vg-v][0-9A-Fa-f]{1,9}[0-9A-Za-z]", fullmatch=True)
)
def test_any_text_is_ours_or_nothing(text: str) -> None:
    found = idinterno.decode(text)
    column = decode_column(pl.DataFrame({"idinterno": [text]}))
    assert column.height == (found is not None)
    if found is not None:
        assert idinterno.encode(*found) == text.upper()
