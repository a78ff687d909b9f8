"""Reasons that are stored in English, as a reader of Spanish sees them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dispatcher.access.roles import Role
from dispatcher.campaigns import reject_watch, summary
from dispatcher.campaigns.reason_words import who, why
from dispatcher.i18n.words import speaking
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper
from tests.integration.web.page.visiting import visiting


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("paused by user Ana", "la pausó Ana"),
        ("cancelled by key ab12 ERP", "la canceló clave de la API ab12 ERP"),
        (f"canary: {reject_watch.verdict(1500, 4000, 0.25)}", "se rechazaron 1.500 de 4.000 mensajes (37,5 %)"),
        (f"rejected messages: {reject_watch.verdict(30, 50, 0.5)} in the last 5 chunks", "en los últimos 5 bloques"),
        (f"rejected messages: {reject_watch.verdict(30, 50, 0.5)} in the last 1 chunk", "en el último bloque"),
        (f"canary: {reject_watch.canary_verdict(0, 0, 0.1, posted=False)}", "Ninguno de los primeros mensajes salió"),
        (f"canary: {reject_watch.canary_verdict(0, 0, 0.1, posted=True)}", "Ninguno de los primeros mensajes tiene"),
        ("el texto era otro", "el texto era otro"),
        ("paused by {who} of <b>", "paused by {who} of <b>"),
        (None, ""),
    ],
)
def test_sentences_of_ours_are_said_in_spanish_and_other_words_stay(written: str | None, said: str) -> None:
    with speaking("es"):
        assert said in why(written)
        assert who("user Ana {x}") == "Ana {x}"
        assert who("key ab {x}") == "clave de la API ab {x}"


def test_the_page_of_a_paused_campaign_speaks_spanish(make_runtime: Callable[..., Runtime]) -> None:
    stepper = Stepper(make_runtime())
    campaign = stepper.load(2)
    with visiting(stepper.runtime, Role.SENDER, "es") as visitor:
        seen = visitor.submit(visitor.get(f"/campaigns/{campaign}/pause"), "/pause")
        assert "la pausó sender person" in seen.text
        assert "paused by" not in seen.text
        assert "user sender" not in seen.text
        assert "la pausó sender person" in visitor.get(f"/campaigns/{campaign}/resume").text
    with stepper.runtime.engine.connect() as connection:
        assert summary.show(connection, campaign).reason == "paused by user sender person"
