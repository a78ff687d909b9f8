"""Calls held in the middle, and a provider that is away: by a real client over TCP."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from .wire import BLOCK, raw_answer, taken


def test_nobody_may_listen_for_a_while(simulator, client, wait_until):
    simulator.set_faults({"kind": "refused", "seconds": 0.3})
    with pytest.raises(ConnectionRefusedError):
        client.bulk(BLOCK)

    def listens() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            return client.bulk(BLOCK) == (200, b"OK")
        return False

    wait_until(listens)
    assert taken(simulator) == ["A0", "A1", "A2", "A3"]


def test_a_provider_that_is_gone_comes_back_when_faults_are_cleared(simulator, client):
    simulator.set_faults({"kind": "refused"})
    with pytest.raises(ConnectionRefusedError):
        client.bulk(BLOCK)
    simulator.clear_faults()
    assert client.bulk(BLOCK) == (200, b"OK")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse when a listener's queue is full")
def test_connections_may_be_swallowed_so_that_connecting_times_out(simulator, client):
    simulator.set_faults({"kind": "blackhole"})
    address = urlsplit(simulator.url)
    with pytest.raises(TimeoutError):
        socket.create_connection((address.hostname, address.port), timeout=0.3)
    simulator.clear_faults()
    assert client.bulk(BLOCK) == (200, b"OK")


@pytest.mark.parametrize(("when", "meanwhile"), [("before", []), ("after", ["A0", "A1", "A2", "A3"])])
def test_a_post_is_held_until_it_is_released(simulator, client, when, meanwhile):
    simulator.set_faults({"kind": "hold", "when": when, "times": 1})
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.bulk, BLOCK)
        held = simulator.held(1)
        assert [(one["endpoint"], one["when"]) for one in held] == [("bulk", when)]
        assert taken(simulator) == meanwhile
        assert simulator.release() == 1
        assert call.result() == (200, b"OK")
    assert taken(simulator) == ["A0", "A1", "A2", "A3"]
    assert simulator.held() == []


SILENT = {
    "date": "/get_fecha.asp",
    "saldo": "/obtener_saldo.asp?apikey=SIMULADOR",
    "envios": "/obtener_envios.asp?apikey=SIMULADOR",
    "vencimiento": "/obtener_vencimiento_paquete.asp?apikey=SIMULADOR",
    "inbox": "/obtener_sms_entrada.asp?apikey=SIMULADOR",
    "status_fecha": "/obtener_respuestaapi_bloque.asp?apikey=SIMULADOR&fecha=20200101000000",
    "status_idinterno": "/obtener_respuestaapi_bloque.asp?apikey=SIMULADOR&idinterno=A1",
    "unit": "/enviar_sms.asp?api=1&apikey=SIMULADOR&tos=1161880001&texto=Hola",
    "bulk": "/enviar_sms_bloque.asp?apikey=SIMULADOR&bloque=A1%2C1161880002%2CHola",
}


def test_any_set_of_endpoints_may_be_silent_until_it_is_released(simulator, client):
    silent = ["date", "envios", "inbox", "status", "bulk", "unit"]
    simulator.set_faults({"kind": "hold", "endpoint": silent, "take": "none"})
    with ThreadPoolExecutor(2 * len(SILENT)) as pool:
        calls = {name: [pool.submit(client.call, page) for _ in range(2)] for name, page in SILENT.items()}
        for name in ("saldo", "vencimiento"):
            assert [call.result()[0] for call in calls.pop(name)] == [200, 200]
        held = simulator.held(14)
        assert sorted(one["endpoint"] for one in held) == sorted([*calls, *calls])
        assert not any(call.done() for twins in calls.values() for call in twins)
        assert simulator.release(endpoint="status") == 4
        assert [call.result()[1] for call in calls.pop("status_fecha")] == [b"PENDIENTE", b"PENDIENTE"]
        assert [call.result()[0] for call in calls.pop("status_idinterno")] == [200, 200]
        assert simulator.release(count=1, endpoint="bulk") == 1
        assert len(simulator.held()) == 9
        simulator.clear_faults()
        assert simulator.release() == 9
        assert {call.result()[0] for twins in calls.values() for call in twins} == {200}
    assert client.call(SILENT["date"])[0] == 200
    assert taken(simulator) == []


def test_a_held_post_is_taken_even_when_its_client_is_gone(simulator, wait_until):
    simulator.set_faults({"kind": "hold", "when": "before", "times": 1})
    with pytest.raises(TimeoutError):
        raw_answer(simulator, timeout=0.3)
    assert len(simulator.held(1)) == 1
    assert taken(simulator) == []
    simulator.release()
    wait_until(lambda: taken(simulator) == ["A0", "A1", "A2", "A3"])


def test_calls_in_flight_are_counted(simulator, client):
    simulator.set_faults({"kind": "hold"})
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(client.bulk, f"A{n},116188000{n},Hola") for n in range(3)]
        assert len(simulator.held(3)) == 3
        assert simulator.stats()["in_flight"] == {"bulk": 3}
        simulator.release(1)
        simulator.release()
        assert [call.result() for call in calls] == [(200, b"OK")] * 3
    assert simulator.stats()["most_in_flight"]["bulk"] == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reset_ends_what_is_held_and_nothing_of_it_stays(simulator, client, when):
    simulator.set_faults({"kind": "hold", "when": when})
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.bulk, BLOCK)
        simulator.held(1)
        simulator.reset()
        with pytest.raises(http.client.RemoteDisconnected):
            call.result()
    assert list(simulator.ledger()) == list(simulator.posts()) == []


def test_a_post_may_be_held_with_half_of_it_taken_and_then_be_lost(simulator):
    simulator.set_faults({"kind": "hold", "take": "half"}, {"kind": "reset", "take": "half"})
    failure: list[BaseException] = []

    def post() -> None:
        try:
            raw_answer(simulator)
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=post)
    thread.start()
    simulator.held(1)
    assert taken(simulator) == ["A0", "A1"]
    simulator.release()
    thread.join(10)
    assert isinstance(failure[0], ConnectionResetError)


def test_an_idle_connection_does_not_outlive_its_listener(simulator):
    address = urlsplit(simulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as peer:
        peer.sendall(b"GET /get_fecha.asp HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.recv(1000).endswith(b"2026-03-10 12:00:00")
        simulator.set_faults({"kind": "refused"})
        assert peer.recv(1000) == b""


def test_a_call_in_flight_is_answered_though_nobody_listens_any_more(simulator, client):
    simulator.set_faults({"kind": "hold"})
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.bulk, BLOCK)
        simulator.held(1)
        simulator.set_faults({"kind": "refused"})
        simulator.release()
        assert call.result() == (200, b"OK")


def test_faults_leave_no_connection_behind(simulator, wait_until):
    if not os.path.isdir(f"/proc/{simulator.pid}/fd"):
        pytest.skip("only where /proc tells")
    before = len(os.listdir(f"/proc/{simulator.pid}/fd"))
    for kind in ("reset", "close", "truncate", "noise"):
        simulator.set_faults({"kind": kind}, replace=True)
        for _ in range(5):
            with contextlib.suppress(ConnectionResetError):
                raw_answer(simulator)
    wait_until(lambda: len(os.listdir(f"/proc/{simulator.pid}/fd")) <= before + 2)
