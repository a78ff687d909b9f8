"""Saldo and envios: when a line is paid for, strangers on the same account, top-ups, months, no credit left."""

from __future__ import annotations

import pytest

from ops.simulator.process import ControlError

from .conftest import Client


def saldo(client: Client, apikey: str = "SIMULADOR") -> int:
    return int(client.call(f"/obtener_saldo.asp?apikey={apikey}")[1])


def envios(client: Client, apikey: str = "SIMULADOR") -> int:
    return int(client.call(f"/obtener_envios.asp?apikey={apikey}")[1])


def both(client: Client) -> tuple[int, int]:
    return saldo(client), envios(client)


def lines(count: int, name: str = "A") -> str:
    return "\n".join(f"{name}{n},11{n:08d},Hola {name}" for n in range(count))


# -- when a line is paid for -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("debit", "meanwhile"), [("on_processing", (100, 0)), ("on_taking", (90, 10))])
def test_a_line_is_paid_for_at_its_post_or_with_its_result(client, simulator, debit, meanwhile):
    simulator.set_option(credit=100, debit=debit, delay_min=60)
    client.bulk(lines(10))
    assert both(client) == meanwhile
    simulator.set_clock(advance=60)
    assert both(client) == (90, 10)
    assert simulator.stats()["accounts"]["main"]["sent"] == 10


@pytest.mark.parametrize(("refunds", "in_the_end"), [(True, (97, 3)), (False, (95, 5))])
def test_a_refused_line_gets_its_sms_back_or_not(client, simulator, refunds, in_the_end):
    simulator.set_option(credit=100, debit="on_taking", refunds=refunds, delay_min=60)
    client.bulk(f"{lines(3)}\nX1,1155,Hola\nX2,1161880002,mañana\nmalformed")
    assert both(client) == (95, 5)
    simulator.set_clock(advance=60)
    assert both(client) == in_the_end


@pytest.mark.parametrize("debit", ["on_processing", "on_taking"])
def test_a_test_line_costs_nothing(client, simulator, debit):
    simulator.set_option(credit=100, debit=debit, delay_min=60)
    client.bulk(lines(3), test=1)
    assert both(client) == (100, 0)
    simulator.set_clock(advance=60)
    assert both(client) == (100, 0)


def test_a_line_paid_for_goes_out_whatever_is_left_when_it_is_processed(client, simulator):
    simulator.set_option(credit=5, debit="on_taking", delay_min=60)
    client.bulk(lines(3))
    client.bulk(lines(4, "B"))
    assert both(client) == (0, 5)
    simulator.set_clock(advance=60)
    verdicts = [line["verdict"] for line in simulator.ledger()]
    assert verdicts == ["OK"] * 5 + ["se han agotado los 5 SMS contratados"] * 2
    assert both(client) == (0, 5)


def test_an_open_plan_counts_at_the_post_too(client, simulator):
    simulator.set_option(debit="on_taking", delay_min=60)
    client.bulk(lines(4))
    assert envios(client) == 4


@pytest.mark.parametrize(("debit", "meanwhile"), [("on_processing", (10, 0)), ("on_taking", (9, 1))])
def test_a_unit_message_for_later_is_paid_for_now_or_then(client, simulator, debit, meanwhile):
    simulator.set_option(credit=10, debit=debit)
    page = "/enviar_sms.asp?api=1&apikey=SIMULADOR&tos=1161880001&texto=Hola"
    assert client.call(f"{page}&fechadesde=2026-03-10+15:00:00") == (200, b"OK")
    assert both(client) == meanwhile
    simulator.set_clock(at="2026-03-10 15:00:00")
    assert both(client) == (9, 1)


# -- strangers -------------------------------------------------------------------------------------------------


def test_strangers_make_saldo_fall_and_envios_rise_by_themselves(client, simulator):
    simulator.set_option(credit=100, strangers=6)
    assert both(client) == (100, 0)
    simulator.set_clock(advance=60)
    assert both(client) == (94, 6)
    client.bulk(lines(4))
    simulator.set_clock(advance=30)
    assert both(client) == (87, 13)
    assert simulator.stats()["accounts"]["main"] == {
        "saldo": 87, "envios": 13, "contracted": 100, "sent": 4, "strangers": 9,
    }  # fmt: skip
    simulator.set_option(strangers=0)
    simulator.set_clock(advance=3600)
    assert both(client) == (87, 13)
    assert list(simulator.ledger())[-1]["idinterno"] == "A3"


def test_strangers_use_the_credit_up_before_a_later_line(client, simulator):
    simulator.set_option(credit=10, strangers=6, delay_min=120)
    client.bulk(lines(1))
    simulator.set_clock(advance=120)
    assert client.result("A0") == "1100000000: se han agotado los 10 SMS contratados"
    simulator.set_clock(advance=3600)
    assert both(client) == (0, 10)


def test_strangers_of_the_old_month_stay_there(client, simulator):
    simulator.set_option(strangers=1)
    simulator.set_clock(at="2026-04-01 00:10:00")
    assert envios(client) in (10, 11)
    simulator.set_clock(at="2026-03-31 23:59:00")
    assert envios(client) > 1000


# -- top-ups and months ----------------------------------------------------------------------------------------


def test_a_top_up_lifts_saldo_and_a_new_month_drops_envios(client, simulator):
    simulator.set_option(credit=10)
    client.bulk(lines(4))
    assert simulator.change_plan(top_up=50)["saldo"] == 56
    assert both(client) == (56, 4)
    assert simulator.change_plan(new_month=True)["envios"] == 0
    assert both(client) == (56, 0)
    client.bulk(lines(2, "B"))
    assert both(client) == (54, 2)


def test_what_was_paid_last_month_is_not_given_back_to_this_one(client, simulator):
    simulator.set_option(credit=10, debit="on_taking", delay_min=60)
    client.bulk("A1,1155,Hola")
    simulator.set_clock(advance=30)
    simulator.change_plan(new_month=True)
    client.bulk(lines(3))
    simulator.set_clock(advance=60)
    assert both(client) == (7, 3)


def test_a_top_up_is_one_account_s_alone(client, simulator):
    simulator.set_option(apikey=["SIMULADOR", "AJENA:otra"], credit=10)
    simulator.change_plan(top_up=5, account="otra")
    assert (saldo(client), saldo(client, "AJENA")) == (10, 15)


@pytest.mark.parametrize("change", [{"top_up": 5}, {"top_up": -1}])
def test_what_cannot_be_bought_is_refused(client, simulator, change):
    with pytest.raises(ControlError):
        simulator.change_plan(**change)
    assert envios(client) == 0


# -- no credit, no contract ------------------------------------------------------------------------------------


@pytest.mark.parametrize("debit", ["on_processing", "on_taking"])
def test_bulk_says_ok_without_credit_and_the_lines_say_why_not_until_some_is_bought(client, simulator, debit):
    simulator.set_option(credit=2, debit=debit)
    assert client.bulk(lines(2)) == (200, b"OK")
    assert client.bulk(lines(3, "B")) == (200, b"OK")
    assert [client.result(f"B{n}") for n in range(3)] == [
        f"110000000{n}: se han agotado los 2 SMS contratados" for n in range(3)
    ]
    simulator.change_plan(top_up=2)
    client.bulk(lines(3, "B"))
    verdicts = [line["verdict"] for line in simulator.ledger()][-3:]
    assert verdicts == ["OK", "OK", "se han agotado los 4 SMS contratados"]
    assert saldo(client) == 0


def test_lines_taken_without_credit_go_out_when_some_is_bought_before_their_turn(client, simulator):
    simulator.set_option(credit=0, delay_min=60)
    client.bulk(lines(2))
    simulator.change_plan(top_up=1)
    simulator.set_clock(advance=60)
    assert [line["verdict"] for line in simulator.ledger()] == ["OK", "se han agotado los 1 SMS contratados"]


@pytest.mark.parametrize("debit", ["on_processing", "on_taking"])
def test_bulk_says_ok_without_a_contract_and_the_lines_say_why_not_until_it_is_renewed(client, simulator, debit):
    simulator.set_option(credit=10, contract_expires="2026-03-09", debit=debit, refunds=False)
    assert client.bulk(lines(1)) == (200, b"OK")
    assert client.result("A0") == "1100000000: el contrato para enviar SMS ha expirado el 9 de marzo"
    assert saldo(client) == 10
    simulator.set_option(contract_expires="2026-04-09")
    client.bulk(lines(1, "B"))
    assert client.result("B0") == "OK"
    assert saldo(client) == 9
