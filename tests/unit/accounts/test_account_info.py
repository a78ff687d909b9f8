"""Account info: which plan has which value, and what is no plan at all."""

from collections.abc import Callable
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from dispatcher.accounts import account_info
from dispatcher.errors import AnswerError


def refusal(words: str) -> Callable[[], Any]:
    def ask() -> Any:
        raise AnswerError(reason="sentence", words=words)

    return ask


def account(**answers: Callable[[], Any]) -> Any:
    usual = {"saldo": lambda: 5, "vencimiento": lambda: date(2027, 1, 31), "envios": lambda: 7}
    now = SimpleNamespace(fecha=datetime(2026, 12, 1, 9))
    return SimpleNamespace(provider=SimpleNamespace(server_date=lambda: now, **{**usual, **answers}))


def test_a_figure_that_the_plan_has_not_is_none() -> None:
    prepaid = account_info.fetch(account(envios=refusal("no posee un plan abierto")))
    assert (prepaid.saldo, prepaid.envios) == (5, None)
    no_plan = refusal("no posee un plan prepago")
    assert account_info.fetch(account(saldo=no_plan, vencimiento=no_plan)).envios == 7


def test_a_sentence_for_every_figure_is_no_plan_but_a_refusal() -> None:
    refused = refusal("Error de autenticación")
    with pytest.raises(AnswerError, match="Error de autenticación"):
        account_info.fetch(account(saldo=refused, vencimiento=refused, envios=refused))
