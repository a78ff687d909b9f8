"""A POST taken whole whose answer is lost, while results come only after a backlog: together with everything else."""

from __future__ import annotations

import contextlib

import pytest

from .wire import raw_answer, taken

LOST = [
    {"kind": "close"},
    {"kind": "reset"},
    {"kind": "hang"},
    {"kind": "slow", "seconds": 1.0},
    {"kind": "hold"},
]
MANY = "\n".join(f"B{n},11{n:08d},Hola" for n in range(40))


def post_in_vain(simulator) -> None:
    """One bulk POST of A0 to A3 that gets no answer in 0.3 s."""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        assert raw_answer(simulator, timeout=0.3) == b""


@pytest.mark.parametrize("lost", LOST, ids=[fault["kind"] for fault in LOST])
def test_the_answer_is_lost_and_the_results_come_after_the_backlog(client, simulator, wait_until, lost):
    late = {"kind": "late", "seconds": 600, "most": 1800, "times": 1}
    simulator.set_faults({**lost, "times": 1}, late)
    post_in_vain(simulator)
    wait_until(lambda: taken(simulator) == ["A0", "A1", "A2", "A3"])
    assert client.bulk("C1,1161880009,Hola") == (200, b"OK")
    simulator.set_clock(advance=599)
    assert [row.split("\t")[0] for row in client.rows()] == ["C1"]
    simulator.set_clock(advance=1201)
    assert len(client.rows()) == 5
    simulator.release()


def test_a_backlog_spreads_the_results_over_its_range(client, simulator):
    simulator.set_faults({"kind": "late", "seconds": 600, "most": 1800, "times": 1})
    client.bulk(MANY)
    shown = []
    for advance in (599, 601, 600):
        simulator.set_clock(advance=advance)
        shown.append(len(client.rows()))
    assert shown[0] == 0 < shown[1] < shown[2] == 40


def test_it_goes_together_with_a_stuck_carrier_any_order_payment_at_the_post_and_no_credit(client, simulator):
    simulator.set_option(
        credit=50, debit="on_taking", strangers=1, slow_suffix=["7"], out_of_order=True, delay_max=60, seed=4
    )
    simulator.set_faults({"kind": "close", "times": 1}, {"kind": "late", "seconds": 600, "most": 1800, "times": 1})
    with contextlib.suppress(ConnectionError):
        client.bulk(MANY)
    assert client.call("/obtener_saldo.asp?apikey=SIMULADOR")[1] == b"10"
    simulator.set_clock(advance=600)
    assert client.call("/obtener_saldo.asp?apikey=SIMULADOR")[1] == b"0"
    assert client.rows() == []
    assert client.bulk("C1,1161880009,Hola") == (200, b"OK")
    simulator.set_clock(advance=60)
    assert client.result("C1") == "1161880009: se han agotado los 50 SMS contratados"
    simulator.set_clock(advance=1200)
    processed = [line["processed"] for line in simulator.ledger() if line["verdict"] == "OK"]
    assert len(processed) == 36
    assert processed != sorted(processed)
    assert len(set(processed)) > 25
    assert simulator.stats()["waiting"] == 4
    assert simulator.release_lines() == 4
    assert {one["sent"] for one in simulator.sends_by_idinterno().values()} == {1, 0}
    assert sum(one["sent"] for one in simulator.sends_by_idinterno().values()) == 40
