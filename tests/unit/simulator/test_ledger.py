"""What a test may ask the ledger: how often something was really sent, when a line was taken and processed."""

from __future__ import annotations

import pytest

from ops.simulator import clock
from ops.simulator.process import ControlError


def unix(text: str) -> int:
    return clock.parse_iso(text)


def test_real_sends_are_counted_by_idinterno_and_by_pair(client, simulator):
    simulator.set_option(dup_hours=0)
    client.bulk("a1,1161880001,Hola\nA2,1161880002,Hola\nA3,1155,Hola")
    client.bulk("A1,1161880001,Hola\nA4,1161880001,Hola")
    client.bulk("A1,1161880001,Hola\nT1,1161880009,Hola", test=1)
    client.call("/enviar_sms.asp?api=1&apikey=SIMULADOR&tos=1161880002&texto=Hola")
    assert simulator.sends_by_idinterno() == {
        "A1": {"taken": 2, "sent": 2},
        "A2": {"taken": 1, "sent": 1},
        "A3": {"taken": 1, "sent": 0},
        "A4": {"taken": 1, "sent": 1},
    }
    assert simulator.sends_by_pair() == {
        ("1161880001", "Hola"): {"taken": 3, "sent": 3},
        ("1161880002", "Hola"): {"taken": 2, "sent": 2},
        ("1155", "Hola"): {"taken": 1, "sent": 0},
    }


def test_what_waits_for_its_result_was_taken_and_not_sent(client, simulator):
    simulator.set_option(delay_min=60)
    client.bulk("A1,1161880001,Hola, Ana")
    assert simulator.sends_by_pair() == {("1161880001", "Hola, Ana"): {"taken": 1, "sent": 0}}
    simulator.set_clock(advance=60)
    assert simulator.sends_by_pair() == {("1161880001", "Hola, Ana"): {"taken": 1, "sent": 1}}


def test_another_count_is_refused(simulator):
    with pytest.raises(ControlError, match="by must be"):
        list(simulator._lines("sends?by=texto"))


def test_a_line_says_when_it_was_taken_and_processed(client, simulator):
    simulator.set_option(delay_min=90)
    client.bulk("A1,1161880001,Hola")
    (line,) = simulator.ledger()
    assert (line["received"], line["processed"]) == (unix("2026-03-10 12:00:00"), None)
    simulator.set_clock(advance=3600)
    (line,) = simulator.ledger()
    assert (line["received"], line["processed"]) == (unix("2026-03-10 12:00:00"), unix("2026-03-10 12:01:30"))


# -- the provider's date -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at", ["1980-01-01 09:00:00", "1969-12-31 21:30:00", "2099-12-31 20:00:00", "9999-12-31 20:00:00"]
)
def test_the_date_may_lie_far_from_today(client, simulator, at):
    simulator.set_option(credit=10)
    assert simulator.set_clock(at=at) == at
    assert client.call("/get_fecha.asp") == (200, at.encode())
    client.bulk("A1,1161880001,Hola")
    stamp = at.translate(str.maketrans("", "", "-: "))
    assert client.status(idinterno="A1") == f"A1\t{stamp}\tOK".encode()
    assert client.call("/obtener_envios.asp?apikey=SIMULADOR")[1] == b"1"
    assert [line["received_at"] for line in simulator.ledger()] == [at]


def test_a_date_that_jumps_ahead_and_back_leaves_results_where_they_were(client, simulator):
    simulator.set_option(delay_min=60)
    client.bulk("A1,1161880001,Hola")
    simulator.set_clock(at="2099-01-01 12:00:00")
    assert client.status(idinterno="A1") == b"A1\t20260310120100\tOK"
    client.bulk("A2,1161880002,Hola")
    simulator.set_clock(at="2026-03-10 12:05:00")
    assert client.status(idinterno="A2") == b"PENDIENTE"
    simulator.set_clock(at="2099-01-01 12:01:00")
    assert client.status(idinterno="A2") == b"A2\t20990101120100\tOK"


def test_the_table_has_every_bulk_line_with_its_verdict(client, simulator):
    simulator.set_option(delay_min=60)
    client.bulk("A1,1161880001,Hola\nA2,1155,Hola")
    head = f"{next(iter(simulator.posts()))['post']}\t1\t"
    assert simulator.table().decode() == f"{head}0\t\tA1\t1161880001\tHola\n{head}0\t\tA2\t1155\tHola\n"
    simulator.set_clock(advance=60)
    client.call("/enviar_sms.asp?api=1&apikey=SIMULADOR&tos=1161880002&texto=Hola")
    (good, bad) = simulator.table().decode().splitlines()
    verdict = next(one["verdict"] for one in simulator.ledger() if one["destino"] == "1155")
    assert good == f"{head}{unix('2026-03-10 12:01:00')}\tOK\tA1\t1161880001\tHola"
    assert bad == f"{head}{unix('2026-03-10 12:01:00')}\t{verdict}\tA2\t1155\tHola"
