"""The API over real HTTP: uvicorn in a thread, the simulator or a plain client on the other side."""

import logging
import socket
from collections.abc import Callable

import pytest
import requests

from dispatcher.accounts import binding
from dispatcher.runtime import Runtime
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.stepper import Stepper
from tests.integration.web.serving import serving

GOOD = {"ORIGEN": "1144445555", "TEXTO": "Sí, gracias", "IDINTERNO": "X1"}


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    made = make_runtime()
    with made.engine.begin() as connection:
        binding.bind(connection, made.settings)
    return made


def replies(stepper: Stepper) -> list[tuple[str, str, str | None]]:
    return [(row.origen, row.texto, row.idinterno) for row in stepper.sql("SELECT * FROM reply ORDER BY id")]


def test_a_push_by_get_or_post_is_stored_before_it_is_answered(runtime: Runtime) -> None:
    stepper = Stepper(runtime)
    with serving(runtime) as url:
        assert requests.get(f"{url}/push/smsmasivos", params=GOOD, timeout=10).status_code == 200
        assert len(replies(stepper)) == 1
        answer = requests.post(f"{url}/push/smsmasivos", data=GOOD, timeout=10)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert replies(stepper) == [("1144445555", "Sí, gracias", "X1")] * 2


def test_a_baja_that_is_pushed_opts_out_at_once(runtime: Runtime) -> None:
    stepper = Stepper(runtime)
    with serving(runtime) as url:
        requests.get(f"{url}/push/smsmasivos", params={**GOOD, "TEXTO": " baja!"}, timeout=10).raise_for_status()
    assert [(row.destino, row.source) for row in stepper.sql("SELECT * FROM optout")] == [("1144445555", "reply")]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_simulators_push_arrives_whole(
    method: str, encoding: str, runtime: Runtime, simulator: SimulatorProcess
) -> None:
    with serving(runtime) as url:
        simulator.set_option(push_url=f"{url}/push/smsmasivos", push_method=method, push_encoding=encoding)
        simulator.reply("1144445555", "¿Cuándo? Sí: ñandú", idinterno="A1")
        wait_until(lambda: list(simulator.pushes()), 10)
    assert [push["status"] for push in simulator.pushes()] == [200]
    assert replies(Stepper(runtime)) == [("1144445555", "¿Cuándo? Sí: ñandú", "A1")]


def test_bad_input_gets_a_sentence_and_stores_nothing(runtime: Runtime) -> None:
    with serving(runtime) as url:
        for query in (
            "",
            "?ORIGEN=1144445555",
            "?TEXTO=x",
            "?ORIGEN=x&TEXTO=x",
            f"?ORIGEN=1144445555&TEXTO={'x' * 20_000}",
        ):
            answer = requests.get(f"{url}/push/smsmasivos{query}", timeout=10)
            assert answer.status_code == 400, query[:30]
            assert len(answer.text) > 20
        assert requests.post(f"{url}/push/smsmasivos", data=b"x" * 100_000, timeout=10).status_code in (413, 415)
        assert requests.post(f"{url}/push/smsmasivos", json=GOOD, timeout=10).status_code == 415
        assert requests.put(f"{url}/push/smsmasivos", timeout=10).status_code == 405
        assert len(requests.request("G" * 5000, f"{url}/push/smsmasivos", timeout=10).text) < 150
        assert requests.get(f"{url}/docs", timeout=10).status_code == 404
    assert replies(Stepper(runtime)) == []


@pytest.mark.parametrize("path", ["/push/smsmasivos", "/push/smsmasivos/"])
def test_callers_that_go_away_within_their_body_leave_no_traceback(
    runtime: Runtime, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("uvicorn.error")
    with serving(runtime) as url:
        log.addHandler(caplog.handler)  # uvicorn's own set-up takes all handlers away
        address = url.removeprefix("http://")
        host, port = address.split(":")
        for _ in range(5):
            with socket.create_connection((host, int(port))) as caller:
                caller.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 100\r\n"
                    "Content-Type: application/x-www-form-urlencoded\r\n\r\nORIGEN=1".encode()
                )
        assert requests.get(f"{url}{path}", params=GOOD, timeout=10).status_code == 200
    log.removeHandler(caplog.handler)
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


def test_an_address_that_is_not_listed_may_not_push(make_runtime: Callable[..., Runtime]) -> None:
    made = make_runtime(push_allow="200.1.2.3")
    with serving(made) as url:
        answer = requests.get(
            f"{url}/push/smsmasivos", params=GOOD, headers={"X-Forwarded-For": "200.1.2.3"}, timeout=10
        )
        assert answer.status_code == 403
        assert "DISPATCHER_PUSH_ALLOW" in answer.text
    assert replies(Stepper(made)) == []


def test_behind_one_trusted_proxy_its_entry_counts_and_no_other(make_runtime: Callable[..., Runtime]) -> None:
    made = make_runtime(push_allow="200.1.2.3", trusted_hops=1)
    with serving(made) as url:
        codes = [
            requests.get(
                f"{url}/push/smsmasivos", params=GOOD, headers={"X-Forwarded-For": chain}, timeout=10
            ).status_code
            for chain in ("200.1.2.3", "6.6.6.6, 200.1.2.3", "200.1.2.3, 6.6.6.6", "nobody")
        ]
        codes.append(requests.get(f"{url}/push/smsmasivos", params=GOOD, timeout=10).status_code)
    assert codes == [200, 200, 403, 403, 403]


def test_with_a_secret_the_path_without_it_does_not_exist(make_runtime: Callable[..., Runtime]) -> None:
    made = make_runtime(push_secret="un-secreto-largo")
    with serving(made) as url:
        codes = [
            requests.get(f"{url}/push/smsmasivos{end}", params=GOOD, timeout=10).status_code
            for end in ("/un-secreto-largo", "", "/", "/otro", "/un-secreto-larg%C3%B3")
        ]
    assert codes[0] == 200
    assert set(codes[1:]) == {404}
    assert len(replies(Stepper(made))) == 1


def test_without_a_key_or_a_database_the_provider_is_told_to_try_again(
    make_runtime: Callable[..., Runtime], database_url: str
) -> None:
    made = make_runtime(apikey="")
    with serving(made) as url:
        answer = requests.get(f"{url}/push/smsmasivos", params=GOOD, timeout=10)
        assert answer.status_code == 503
        assert "DISPATCHER_APIKEY" in answer.text
        assert requests.get(f"{url}/healthz", timeout=10).json() == {"ok": True}
    gone = make_runtime(database_url=database_url.replace("/t", "/not_there_"))
    with serving(gone) as url:
        assert requests.get(f"{url}/push/smsmasivos", params=GOOD, timeout=10).status_code == 503
        assert requests.get(f"{url}/healthz", timeout=10).status_code == 503
