"""Which replies opt a person out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.suppression import optouts

BAJA = ["BAJA", "baja", " Baja. ", "¡BAJA!", "b a j a", "Bájà", '"BAJA"', "BAJA\r\n", "BAJA 👍", "B.A.J.A."]
REVIEW = ["por favor no me den de baja", "BAJA BAJA", "quiero la baja", "baja?  cuando"]
OTHER = ["", "si", "trabaja", "bajas", "👍", "BAJAR", "vaja"]


@pytest.mark.parametrize(
    ("texto", "kind"), [(t, "optout") for t in BAJA] + [(t, "review") for t in REVIEW] + [(t, "reply") for t in OTHER]
)
def test_only_a_whole_reply_opts_out(texto: str, kind: str) -> None:
    assert optouts.Words("BAJA").meant_by(texto) == kind


def test_the_words_are_a_setting_and_may_be_several() -> None:
    words = optouts.Words("BAJA, no mas ,Stop")
    assert [words.meant_by(t) for t in ("STOP!", "No más", "nomas", "no quiero mas", "stop it")] == [
        "optout",
        "optout",
        "optout",
        "reply",
        "review",
    ]


@given(st.text(max_size=40))
def test_any_text_has_a_kind(texto: str) -> None:
    assert optouts.Words("BAJA").meant_by(texto) in ("optout", "review", "reply")
