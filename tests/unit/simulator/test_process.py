"""The simulator as a process: it remembers over kill -9, ends with its parent, refuses bad settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ops.simulator.process import ROOT, ControlError, SimulatorProcess

from .conftest import NOON, Client, wait_until


@pytest.fixture
def durable(tmp_path):
    with SimulatorProcess() as simulator:
        simulator.start(
            ledger=tmp_path / "ledger.jsonl",
            clock_at=NOON,
            clock_speed=0,
            mix={"-1": 0.3},
            dup_hours=48,
            seed=2,
        )
        yield simulator


def everything(simulator: SimulatorProcess) -> tuple[object, ...]:
    client = Client(simulator)
    stats = simulator.stats()
    kept = {name: stats[name] for name in ("posts", "taken", "ignored", "waiting", "rows", "sent")}
    return list(simulator.ledger()), list(simulator.posts()), client.rows(), simulator.sent(), kept


def test_what_was_taken_and_said_survives_a_kill(durable):
    client = Client(durable)
    client.bulk("\r\n".join(f"A{n},11{n:08d},Hola" for n in range(50)) + "\r\nmala")
    client.bulk("Ñ,1161880001,Hola\r\nT1,1161880001,mañana", test=1)
    durable.set_faults({"kind": "repeat", "copies": 2, "times": 1}, {"kind": "late", "seconds": 60, "after": 1})
    client.bulk("R1,1161880003,Hola")
    client.bulk("L1,1161880004,Hola")
    durable.inject({"idinterno": "AJENO", "text": "OK"})
    before = everything(durable)
    durable.kill()
    durable.restart()
    assert everything(durable) == before
    assert before[-1]["waiting"] == 1
    durable.set_clock(advance=60)
    assert client.result("L1").endswith(("OK", "fijo"))
    sent = next(line for line in durable.ledger() if line["verdict"] == "OK")
    client.bulk(f"AGAIN,{sent['destino']},{sent['texto']}")
    assert "idéntico" in client.result("AGAIN")


def test_stuck_lines_and_what_was_paid_and_bought_survive_a_kill(tmp_path):
    with SimulatorProcess() as simulator:
        simulator.start(
            ledger=tmp_path / "ledger.jsonl",
            clock_at=NOON,
            clock_speed=0,
            credit=10,
            debit="on_taking",
            slow_suffix=["7"],
            strangers=1,
        )
        client = Client(simulator)
        client.bulk("A1,1161880001,Hola\nS1,1161880007,Hola")
        simulator.set_clock(advance=180)
        assert simulator.release_lines() == 1
        client.bulk("S2,1161880007,Chau\nX1,1155,Hola")
        simulator.change_plan(top_up=5)
        simulator.change_plan(new_month=True)
        before = everything(simulator), simulator.stats()["accounts"]
        simulator.kill()
        simulator.restart()
        simulator.set_option(strangers=0)  # the clock begins at noon again
        simulator.set_clock(at="2026-03-10 12:03:00")
        assert (everything(simulator), simulator.stats()["accounts"]) == before
        assert before[1]["main"] == {"saldo": 9, "envios": 0, "contracted": 15, "sent": 2, "strangers": 3}
        assert simulator.release_lines() == 1
        assert client.result("S2") == "OK"


def test_a_ledger_torn_in_its_last_line_is_read_up_to_there(durable, tmp_path):
    client = Client(durable)
    client.bulk("A1,1161880001,Hola")
    before = everything(durable)
    durable.kill()
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"event": "post", "acc')
    durable.restart()
    assert everything(durable) == before
    client.bulk("A2,1161880002,Hola")
    durable.kill()
    durable.restart()
    assert [line["idinterno"] for line in durable.ledger()] == ["A1", "A2"]


def test_a_reset_empties_the_file_too(durable):
    Client(durable).bulk("A1,1161880001,Hola")
    durable.reset()
    durable.kill()
    durable.restart()
    assert list(durable.ledger()) == []


def test_a_paused_simulator_answers_nobody_until_it_is_resumed(simulator):
    hasty = Client(simulator, timeout=0.3)
    simulator.pause()
    try:
        with pytest.raises(TimeoutError):
            hasty.call("/get_fecha.asp")
    finally:
        simulator.resume()
    assert Client(simulator).call("/get_fecha.asp")[0] == 200


def test_it_ends_when_the_process_that_started_it_does():
    script = (
        "import os; from ops.simulator.process import SimulatorProcess\n"
        "s = SimulatorProcess().start(); print(s.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    child = int(parent.stdout)
    wait_until(lambda: not _alive(child))


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops.simulator", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def test_help_names_every_setting():
    from ops.simulator.options import Options

    answer = run("--help")
    assert answer.returncode == 0
    for name in Options.model_fields:
        assert "--" + name.replace("_", "-") in answer.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--window", "8 a 22"),
        ("--mix", '{"-1": 2}'),
        ("--mix", "nada"),
        ("--credit", "mucho"),
        ("--fecha-reading", "hour"),
        ("--clock-at", "mañana"),
        ("--options", '{"nope": 1}'),
    ],
)
def test_a_bad_setting_stops_the_start_with_its_reason(arguments):
    answer = run(*arguments)
    assert answer.returncode == 2
    assert "Error:" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_it_says_where_it_listens_in_one_line_and_stops_on_sigterm():
    command = [
        sys.executable,
        "-m",
        "ops.simulator",
        "--window",
        "00:00-24:00",
        "--credit",
        "5",
        "--apikey",
        "K",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["pid"] == process.pid
        assert set(ready) == {"url", "smtp_url", "control_url", "pid"}
        process.terminate()
        assert process.wait(10) == 0


def test_a_bad_option_at_run_time_is_refused_and_changes_nothing(simulator):
    with pytest.raises(ControlError, match="window"):
        simulator.set_option(credit=5, window="nunca")
    with pytest.raises(ControlError):
        simulator.set_option(nope=1)
    assert Client(simulator).call("/obtener_saldo.asp?apikey=SIMULADOR")[1] == b"El usuario no posee un plan prepago."


def test_a_long_ledger_comes_whole(simulator):
    client = Client(simulator)
    for part in range(5):
        client.bulk("\n".join(f"A{n},11{n:08d},Hola" for n in range(part * 1000, part * 1000 + 1000)))
    assert [line["idinterno"] for line in simulator.ledger()] == [f"A{n}" for n in range(5000)]
    assert len(client.rows()) == 5000


def test_every_call_is_counted_with_what_it_asked(simulator):
    client = Client(simulator)
    client.status(idinterno="A1")
    client.status(fecha="20260310000000")
    client.call("/get_fecha.asp")
    asked = [(call["endpoint"], call["detail"]) for call in simulator.calls()]
    assert asked == [("status_idinterno", "A1"), ("status_fecha", "20260310000000"), ("date", "")]


def test_the_clock_runs_at_the_speed_it_is_told():
    with SimulatorProcess() as simulator:
        simulator.start(clock_at=NOON, clock_speed=3600)
        client = Client(simulator)
        wait_until(lambda: client.call("/get_fecha.asp")[1] >= b"2026-03-10 13:00:00")


def test_the_environment_of_the_caller_does_not_matter(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with SimulatorProcess() as simulator:
        assert simulator.start().stats()["posts"] == 0
    assert os.getcwd() == str(tmp_path)
