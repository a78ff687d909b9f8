"""`dispatcher up` and `dispatcher demo` as a user runs them: they end clean, and nothing of a demo ever gets out."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from celery import Celery

from ops.simulator.process import SimulatorProcess
from tests.acceptance.test_replies import free_port
from tests.conftest import APIKEY, wait_until
from tests.processes import ROOT, Cluster

DISPATCHER = [sys.executable, "-m", "dispatcher"]


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that works for a folder: it stands in its command line or its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


@pytest.fixture
def user(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[Cluster]:
    """A user with a data folder of their own, no servers, and the key and URL of a provider that must hear nothing."""
    home = tmp_path_factory.mktemp("user")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCHER_")} | {
        "XDG_DATA_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "DISPATCHER_NO_DOTENV": "1",
        "DISPATCHER_PROVIDER_URL": simulator.url,
        "DISPATCHER_APIKEY": APIKEY,
        "DISPATCHER_WINDOW": "00:00-24:00",
        "DISPATCHER_POLL_INTERVAL": "1",
        "DISPATCHER_PROVIDER_TIMEOUT": "5",
        **{f"DISPATCHER_{name}_PORT": str(free_port()) for name in ("FLOWER", "PUSH", "WEB")},
    }
    with Cluster(environment, home) as cluster:
        yield cluster
    for process in processes_of(home):
        process.kill()


def up(user: Cluster) -> subprocess.Popen[bytes]:
    """`dispatcher up`, once a worker and beat have done something."""
    process = user.spawn("up", [*DISPATCHER, "up"])

    def alive() -> bool:
        assert process.poll() is None, user.log("up")
        return "tick" in heartbeats(user)

    wait_until(alive, 90, "a tick of beat")
    return process


def heartbeats(user: Cluster) -> dict[str, bool]:
    """The doctor's findings by name, once everything answers that `up` starts."""
    done = subprocess.run([*DISPATCHER, "doctor", "--json"], env=user.environment, capture_output=True)
    checks = {check["name"]: check["ok"] for check in json.loads(done.stdout or b'{"checks": []}')["checks"]}
    return checks | {"tick": True} if checks.get("beat") and checks.get("worker") else {}


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_up_sends_a_campaign_and_stops_without_leaving_a_process(
    number: signal.Signals, user: Cluster, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    process = up(user)
    path = tmp_path / "lista.csv"
    path.write_text("telefono\n" + "".join(f"11{20_000_000 + n}\n" for n in range(500)))
    created = user.cli("campaign", "create", str(path), "--template", "Hola")
    assert user.cli("campaign", "watch", str(created["campaign_id"]), "--timeout", "40")["counts"] == {"ok": 500}
    assert (simulator.stats()["taken"], simulator.sent()["taken_twice"]) == (500, {})
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(120) == 0, user.log("up")
    assert time.monotonic() - began < 20
    wait_until(lambda: not processes_of(user.folder), 10, f"all gone: {processes_of(user.folder)}")


def runs(process: psutil.Process) -> bool:
    """Whether it still does anything: whoever adopted it may not have asked how it ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks the children of `up`")
def test_whatever_up_runs_may_be_killed_it_comes_back_and_nothing_is_lost(
    user: Cluster, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    process = up(user)
    supervisor = psutil.Process(process.pid)
    assert supervisor.num_threads() == 1, "a fork beside a thread may find its locks taken for ever"
    (user.folder / "dispatcher" / "lists" / "lista.csv").write_text(
        "telefono\n" + "".join(f"11{20_000_000 + n}\n" for n in range(300))
    )
    children = supervisor.children()
    pool = [each for child in children for each in child.children()]
    named = " ".join(word for child in children for word in child.cmdline())
    parts = ("tick@", "submit@", "poll@", "control@", "urgent@", "webhooks@", "beat", "flower", "push", "web")
    assert [part for part in parts if part not in named] == []
    assert (len(children), len(pool)) == (10, 4)
    for one in [pool[0], *children]:
        one.kill()
    wait_until(lambda: len([each for each in supervisor.children() if runs(each)]) == 10, 60, "all are started again")
    wait_until(lambda: "tick" in heartbeats(user), 90, "all workers answer")
    assert {each.pid for each in supervisor.children()}.isdisjoint({each.pid for each in children})
    # Loaded by the worker of `control`, settled by that of `poll`: both import polars in a fork.
    payload = {"idempotency_key": "k", "template": "Hola", "file": "lista.csv"}
    state = json.loads((user.folder / "dispatcher" / "run" / "embedded.json").read_text())
    with Celery("asker", broker=state["broker_url"]) as asker:
        asker.send_task("dispatcher.create_campaign", args=[payload], queue="control", retry=False)
    wait_until(lambda: user.cli("campaign", "list")["campaigns"], 60, "the campaign is loaded")
    (campaign,) = user.cli("campaign", "list")["campaigns"]
    watched = user.cli("campaign", "watch", str(campaign["campaign_id"]), "--timeout", "60")
    assert watched["counts"] == {"ok": 300}
    assert simulator.sent()["taken_twice"] == {}
    process.terminate()
    assert process.wait(120) == 0, user.log("up")
    wait_until(lambda: not processes_of(user.folder), 10, f"all gone: {processes_of(user.folder)}")


def test_a_first_start_that_is_killed_half_way_leaves_a_home_that_works(user: Cluster) -> None:
    """Killed with all that it started, as when the power goes, while the embedded Postgres is made."""
    home = user.folder / "dispatcher"
    process = user.spawn("upgrade", [*DISPATCHER, "db", "upgrade"])
    wait_until(lambda: list(home.glob("postgres*/PG_VERSION")), 30, "the data folder is begun")
    for each in processes_of(user.folder):
        each.kill()
    process.wait()
    assert not (home / "postgres" / "postmaster.pid").exists(), "it was killed too late to show anything"
    assert user.cli("campaign", "create", "examples/clientes.csv", "--template", "Hola {nombre}")["messages"] > 0
    assert sorted(path.name for path in home.glob("postgres*")) == ["postgres"]


def test_embedded_servers_that_die_are_started_again_and_nothing_is_lost(
    user: Cluster, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    process = up(user)
    home = user.folder / "dispatcher"
    state = json.loads((home / "run" / "embedded.json").read_text())
    postmaster = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
    path = tmp_path / "lista.csv"
    path.write_text("telefono\n" + "".join(f"11{20_000_000 + n}\n" for n in range(300)))
    created = user.cli("campaign", "create", str(path), "--template", "Hola")
    for pid in (state["valkey_pid"], postmaster):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "embedded" in user.log("up") and "tick" in heartbeats(user), 90, "all work again")
    watched = user.cli("campaign", "watch", str(created["campaign_id"]), "--timeout", "60")
    assert watched["counts"] == {"ok": 300}
    assert simulator.sent()["taken_twice"] == {}
    process.terminate()
    assert process.wait(120) == 0, user.log("up")
    wait_until(lambda: not processes_of(user.folder), 10, f"all gone: {processes_of(user.folder)}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_up_killed_takes_its_children_along(user: Cluster) -> None:
    process = up(user)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 12, children  # five workers, two of them with processes of their own, beat, Flower, the API
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(runs, children)), 30, f"all gone: {children}")
    assert user.cli("campaign", "list")["campaigns"] == []
    wait_until(lambda: not processes_of(user.folder), 10, "the embedded servers stop with the next command")


def test_a_second_up_is_refused_by_the_number_of_the_first_and_a_killed_one_stands_in_nobody_s_way(
    user: Cluster,
) -> None:
    process = up(user)
    began = time.monotonic()
    assert f"process {process.pid}." in user.cli("up", code=1)["error"]
    assert time.monotonic() - began < 10
    assert process.poll() is None
    process.kill()
    process.wait()
    again = up(user)
    again.terminate()
    assert again.wait(120) == 0, user.log("up")


def test_workers_that_a_demoted_redis_ended_are_back_when_it_is_promoted(
    user: Cluster, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    process = up(user)
    state = json.loads((user.folder / "dispatcher" / "run" / "embedded.json").read_text())
    broker = redis.Redis(unix_socket_path=state["broker_url"].removeprefix("redis+socket://"))
    broker.replicaof("127.0.0.1", "1")
    wait_until(lambda: user.log("up").count("starting it again") >= 3, 60, "workers end")
    broker.replicaof("NO", "ONE")
    broker.close()
    path = tmp_path / "lista.csv"
    path.write_text("telefono\n" + "".join(f"11{20_000_000 + n}\n" for n in range(100)))
    created = user.cli("campaign", "create", str(path), "--template", "Hola")
    watched = user.cli("campaign", "watch", str(created["campaign_id"]), "--timeout", "100", timeout=120)
    assert watched["counts"] == {"ok": 100}
    assert simulator.sent()["taken_twice"] == {}
    wait_until(lambda: "tick" in heartbeats(user), 60, "all workers answer")
    assert process.poll() is None
    process.terminate()
    assert process.wait(120) == 0, user.log("up")


def test_up_is_not_said_to_be_where_another_program_listens(user: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        user.environment["DISPATCHER_WEB_PORT"] = str(port)
        refused = user.cli("up", code=1)
    assert str(port) in refused["error"]
    assert "DISPATCHER_WEB_PORT" in refused["hint"]


def test_up_leaves_stdout_to_its_one_object(user: Cluster) -> None:
    answer = user.folder / "up.out"
    with answer.open("wb") as out, (user.folder / "up.err").open("wb") as said:
        process = subprocess.Popen([*DISPATCHER, "up", "--json"], env=user.environment, stdout=out, stderr=said)
    wait_until(lambda: "tick" in heartbeats(user), 90, "a tick of beat")
    process.terminate()
    assert process.wait(120) == 0
    (line,) = answer.read_text().splitlines()
    assert json.loads(line) == {"clean": True}


def served(user: Cluster) -> bool:
    """Whether the embedded servers run."""
    return (user.folder / "dispatcher" / "run" / "embedded.json").exists()


def test_a_command_that_is_terminated_stops_what_it_started_and_says_so(user: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "lista.csv"
    path.write_text("telefono\n1120000001\n")
    created = user.cli("campaign", "create", str(path), "--template", "Hola")
    watch = subprocess.Popen(
        [*DISPATCHER, "campaign", "watch", str(created["campaign_id"]), "--json"],
        env=user.environment,
        stdout=subprocess.PIPE,
    )
    wait_until(lambda: served(user), 60, "the embedded Postgres")
    watch.terminate()
    said, _ = watch.communicate(timeout=60)
    assert watch.returncode == 143
    assert json.loads(said)["error"] == "Interrupted."
    wait_until(lambda: not processes_of(user.folder), 10, f"all gone: {processes_of(user.folder)}")


def test_a_reader_that_leaves_ends_an_export_quietly(user: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "lista.csv"
    path.write_text("telefono\n" + "".join(f"11{20_000_000 + n}\n" for n in range(5_000)))
    created = user.cli("campaign", "create", str(path), "--template", "Hola")
    for command in ("results", "show"):
        export = subprocess.Popen(
            [*DISPATCHER, "campaign", command, str(created["campaign_id"])],
            env=user.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert export.stdout
        assert export.stderr
        if command == "results":
            assert export.stdout.readline()
        export.stdout.close()
        assert (export.stderr.read(), export.wait(60)) == (b"", 141)
        export.stderr.close()


def test_the_folder_for_lists_is_there_before_the_first_list(user: Cluster) -> None:
    user.cli("db", "upgrade")
    assert (user.folder / "dispatcher" / "lists").is_dir()


def start_demo(user: Cluster) -> subprocess.Popen[bytes]:
    """A demo in the middle of its campaign: its own provider has taken some of it, and results are to come."""
    process = user.spawn("demo", [*DISPATCHER, "demo", "--messages", "20000"])

    def sending() -> bool:
        assert process.poll() is None, user.log("demo")
        found = re.search(r"http://127\.0\.0\.1:\d+", user.log("demo"))
        if found is None:
            return False
        with urllib.request.urlopen(f"{found[0]}/_sim/stats", timeout=10) as answer:
            return bool(json.load(answer)["taken"] >= 1000)

    wait_until(sending, 60, "the demo sends")
    return process


def assert_provider_heard_no_post(simulator: SimulatorProcess) -> None:
    """Nothing was posted, and no result asked for: the demo's ids are unknown out here."""
    calls = simulator.stats()["calls"]
    assert calls.get("bulk", 0) == 0
    assert simulator.stats()["taken"] == 0


@pytest.mark.slow
def test_a_demo_interrupted_leaves_nothing_running_and_up_sends_nothing_of_it(
    user: Cluster, simulator: SimulatorProcess
) -> None:
    demo = start_demo(user)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(120) == 1
    wait_until(lambda: not processes_of(user.folder), 10, "all gone")
    process = up(user)
    assert user.cli("campaign", "list")["campaigns"] == []
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    assert_provider_heard_no_post(simulator)


def test_a_demo_killed_is_swept_up_by_the_next_one_and_up_sends_nothing_of_either(
    user: Cluster, simulator: SimulatorProcess
) -> None:
    demo = start_demo(user)
    demo.kill()
    demo.wait()
    orphans = [process for process in processes_of(user.folder) if "celery" in " ".join(process.cmdline())]
    process = up(user)
    assert user.cli("campaign", "list")["campaigns"] == []
    done = user.cli("demo", "--messages", "500")
    assert sum(done["counts"].values()) == done["messages"]
    assert not any(map(runs, orphans))
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    wait_until(lambda: not processes_of(user.folder), 10, f"all gone: {processes_of(user.folder)}")
    assert_provider_heard_no_post(simulator)
