"""Carriers that are slow or stuck, and results that come out of order by minutes."""

from __future__ import annotations

import pytest

NUMBERS = [f"11{n:08d}" for n in range(100)]
BLOCK = "\n".join(f"A{n},{number},Hola" for n, number in enumerate(NUMBERS))


def ids(rows: list[str]) -> list[str]:
    return [row.split("\t")[0] for row in rows]


@pytest.mark.parametrize(
    ("options", "slow"),
    [
        ({"slow_suffix": ["7"]}, [n for n in range(100) if n % 10 == 7]),
        ({"slow_suffix": ["7", "03"]}, [n for n in range(100) if n % 10 == 7 or n == 3]),
        ({"slow_prefix": ["110000002"]}, list(range(20, 30))),
        ({"slow_prefix": ["110000002"], "slow_suffix": ["99"]}, [*range(20, 30), 99]),
    ],
)
def test_the_lines_of_a_slow_carrier_wait_longer(client, simulator, options, slow):
    simulator.set_option(slow_seconds=600, **options)
    client.bulk(BLOCK)
    assert ids(client.rows()) == [f"A{n}" for n in range(100) if n not in slow]
    simulator.set_clock(advance=599)
    assert client.status(idinterno=f"A{slow[0]}") == b"PENDIENTE"
    simulator.set_clock(advance=1)
    assert client.status(idinterno=f"A{slow[0]}") == f"A{slow[0]}\t20260310121000\tOK".encode()
    assert len(client.rows()) == 100


def test_the_lines_of_a_stuck_carrier_wait_until_they_are_released(client, simulator):
    simulator.set_option(slow_suffix=["7"])
    client.bulk(BLOCK)
    simulator.set_clock(advance=30 * 86_400)
    assert len(client.rows()) == 90
    assert simulator.stats()["waiting"] == 10
    assert simulator.release_lines() == 10
    assert client.status(idinterno="A17") == b"A17\t20260409120000\tOK"
    assert simulator.stats()["waiting"] == 0
    client.bulk("B7,1161880007,Hola")
    assert client.status(idinterno="B7") == b"PENDIENTE"


def test_a_carrier_that_is_well_again_keeps_what_got_stuck(client, simulator):
    simulator.set_option(slow_suffix=["7"])
    client.bulk("A1,1161880007,Hola")
    simulator.set_option(slow_suffix=[])
    client.bulk("A2,1161880017,Hola")
    assert client.status(idinterno="A1") == b"PENDIENTE"
    assert client.result("A2") == "OK"
    assert simulator.release_lines() == 1


def test_results_come_in_any_order_within_one_post(client, simulator):
    simulator.set_option(delay_min=60, delay_max=600, out_of_order=True, seed=5)
    client.bulk(BLOCK)
    simulator.set_clock(advance=59)
    assert client.rows() == []
    simulator.set_clock(advance=541)
    rows = client.rows()
    handed_in = [f"A{n}" for n in range(100)]
    assert ids(rows) != handed_in
    assert sorted(ids(rows)) == sorted(handed_in)
    fechas = [row.split("\t")[1] for row in rows]
    assert "20260310120100" <= min(fechas) < max(fechas) < "20260310121000"
    assert len(set(fechas)) > 60


def test_results_of_one_second_come_in_any_order_too(client, simulator):
    simulator.set_option(out_of_order=True)
    client.bulk(BLOCK)
    handed_in = [f"A{n}" for n in range(100)]
    shown = ids(client.rows())
    assert shown != handed_in
    assert sorted(shown) == sorted(handed_in)


def test_a_fecha_is_the_moment_of_processing_and_no_row_shows_before(client, simulator):
    simulator.set_option(delay_max=300, out_of_order=True)
    client.bulk(BLOCK)
    seen: dict[str, str] = {}
    for second in range(0, 301, 20):
        now = simulator.set_clock(at=f"2026-03-10 12:{second // 60:02d}:{second % 60:02d}")
        for row in client.rows():
            idinterno, fecha, _ = row.split("\t")
            assert fecha <= now.translate(str.maketrans("", "", "-: "))
            assert seen.setdefault(idinterno, fecha) == fecha
    assert len(seen) == 100


def test_a_later_post_may_be_processed_before_an_earlier_one(client, simulator):
    simulator.set_option(delay_max=600, out_of_order=True, seed=2)
    client.bulk("\n".join(f"A{n},{number},uno" for n, number in enumerate(NUMBERS)))
    simulator.set_clock(advance=30)
    client.bulk("\n".join(f"B{n},{number},dos" for n, number in enumerate(NUMBERS)))
    simulator.set_clock(advance=600)
    processed = {line["idinterno"]: line["processed"] for line in simulator.ledger()}
    first_of_b = min(at for name, at in processed.items() if name.startswith("B"))
    overtaken = [name for name, at in processed.items() if name.startswith("A") and at > first_of_b]
    assert len(overtaken) > 50


def test_the_order_is_seeded(client, simulator):
    def order(seed: int) -> list[str]:
        simulator.reset()
        simulator.set_clock(at="2026-03-10 12:00:00")
        simulator.set_option(delay_max=600, out_of_order=True, seed=seed)
        client.bulk(BLOCK)
        simulator.set_clock(advance=600)
        return ids(client.rows())

    assert order(1) == order(1) != order(2)


def test_slow_carriers_and_any_order_go_together(client, simulator):
    simulator.set_option(delay_max=300, out_of_order=True, slow_suffix=["7"], slow_seconds=3600)
    client.bulk(BLOCK)
    simulator.set_clock(advance=300)
    assert len(client.rows()) == 90
    simulator.set_clock(advance=3600)
    slow = {line["processed"] for line in simulator.ledger() if line["destino"].endswith("7")}
    assert len(slow) > 5


def test_a_line_may_be_refused_as_it_is_taken_long_before_the_others_are_sent(client, simulator):
    simulator.set_option(refuse_at_once=True, no_call=["1161880002"], delay_min=600, delay_max=900)
    client.bulk("A1,1161880001,Hola\r\nA2,1161880002,Hola\r\nA3,1161880003,Hola")
    assert ids(client.rows()) == ["A2"]
    simulator.set_clock(advance=900)
    assert sorted(ids(client.rows())) == ["A1", "A2", "A3"]
