"""Which replies opt a person out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.settings.replies import Replies
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


@pytest.mark.parametrize(
    ("texto", "kind"),
    [(t, "review") for t in ("STOP", "Alto!", "cancelar", "no me manden más mensajes", "por favor no me manden mas")]
    + [(t, "reply") for t in ("stopp", "no puedo ir", "cancelaron")]
    + [("BAJA", "optout")],
)
def test_words_that_may_ask_for_no_more_go_to_a_person(texto: str, kind: str) -> None:
    settings = Replies()
    assert optouts.Words(settings.optout_words, settings.review_words).meant_by(texto) == kind


@given(st.text(max_size=40))
def test_any_text_has_a_kind(texto: str) -> None:
    assert optouts.Words("BAJA").meant_by(texto) in ("optout", "review", "reply")
