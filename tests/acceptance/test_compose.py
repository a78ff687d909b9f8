"""The compose file, without containers: each service's command and health check run here, as processes."""

import re
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
import yaml

from dispatcher.config import PREFIX, Settings
from ops.embedded import valkey_binary
from tests.acceptance.live_system import LiveSystem
from tests.conftest import wait_until
from tests.processes import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = ("tick", "worker", "poll", "control", "urgent")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def here(command: list[str], **replaced: str) -> list[str]:
    """A container's command with this interpreter's programs, and with other words in the place of some."""
    assert command[0] in ("dispatcher", "celery", "python"), command
    program = [sys.executable] if command[0] == "python" else [sys.executable, "-m", command[0]]
    words = [*program, *command[1:]]
    for old, new in replaced.items():
        words = [word.replace(old.removeprefix("_"), new) for word in words]
    return words


def health(service: str, environment: dict[str, str], **replaced: str) -> subprocess.CompletedProcess[bytes]:
    """Run a service's health check."""
    kind, *test = SERVICES[service]["healthcheck"]["test"]
    assert kind == "CMD"
    return subprocess.run(here(test, **replaced), env=environment, capture_output=True, timeout=240)


@pytest.fixture
def composed(live: LiveSystem) -> LiveSystem:
    """A live whose processes get the compose file's environment, with the test's servers in the place of its own."""
    given = {
        name: VARIABLE.sub(lambda found: found[3] if found[2] == "-" else "x", value)
        for name, value in SERVICES["flower"]["environment"].items()
    }
    port = free_port()
    live.cluster.environment |= {
        **given,
        **{name: value for name, value in live.cluster.environment.items() if name.startswith(PREFIX)},
        "FLOWER_BASIC_AUTH": "jefa:clave-larga",
        "FLOWER_PORT": str(port),
    }
    return live


def test_every_service_s_command_and_health_check_run_and_send_a_campaign(composed: LiveSystem) -> None:
    environment = composed.cluster.environment
    migrated = subprocess.run(here(SERVICES["migrate"]["command"]), env=environment, capture_output=True, timeout=240)
    assert migrated.returncode == 0, migrated.stderr
    for service in ("worker", "beat"):
        assert health(service, environment).returncode == 1
    for service in (*WORKERS, "beat", "flower"):
        composed.cluster.spawn(service, here(SERVICES[service]["command"], **{"_0.0.0.0": "127.0.0.1"}))
    campaign = composed.load(100, chunk_size=10)
    composed.finish(campaign, 90)
    composed.assert_every_line_once(campaign)
    port = {"_5555": environment["FLOWER_PORT"]}
    for service in (*WORKERS, "beat"):
        checked = health(service, environment)
        assert checked.returncode == 0, checked.stderr
    wait_until(lambda: health("flower", environment, **port).returncode == 0, 20, "Flower is well")
    assert flower_status(environment, None) == 401
    assert flower_status(environment, ("jefa", "clave-larga")) == 200
    for service, process in composed.cluster.processes.items():
        assert process.poll() is None, service


def flower_status(environment: dict[str, str], auth: tuple[str, str] | None) -> int:
    """How Flower answers to somebody who wants to see the tasks."""
    return requests.get(f"http://127.0.0.1:{environment['FLOWER_PORT']}/tasks", auth=auth, timeout=10).status_code


def test_the_simulator_s_command_and_health_check_run(composed: LiveSystem) -> None:
    port = {"_8080": str(free_port()), "_0.0.0.0": "127.0.0.1"}
    assert health("simulator", composed.cluster.environment, **port).returncode == 1
    composed.cluster.spawn("simulator", here(SERVICES["simulator"]["command"], **port))
    wait_until(lambda: health("simulator", composed.cluster.environment, **port).returncode == 0, 20, "it answers")


def test_redis_keeps_its_queues_on_disk_and_evicts_nothing(tmp_path: Path) -> None:
    program, *arguments = SERVICES["redis"]["command"]
    assert program == "redis-server"
    path = tmp_path / "r.sock"
    server = subprocess.Popen(
        [valkey_binary(), *arguments, "--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(path))

    def answers() -> bool:
        with suppress(redis.ConnectionError):
            return bool(client.ping())
        return False

    try:
        wait_until(answers, 10, "it answers")
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
    finally:
        client.close()
        server.terminate()
        server.wait(10)
    assert SERVICES["redis"]["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"]


def test_postgres_is_ready_when_its_health_check_says_so(composed: LiveSystem) -> None:
    program, *arguments = SERVICES["postgres"]["healthcheck"]["test"][1:]
    assert program == "pg_isready"
    folder = Path(composed.value("SHOW data_directory"))
    binary = shutil.which("pg_isready") or next(iter(Path(sys.prefix).rglob("pginstall/bin/pg_isready")), None)
    if binary is not None:
        assert subprocess.run([str(binary), "--host", str(folder), *arguments], capture_output=True).returncode == 0
    assert int(SERVICES["postgres"]["image"].partition(":")[2]) >= 17


def test_no_secret_stands_in_the_file_and_every_one_is_required() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for name in ("POSTGRES_PASSWORD", "DISPATCHER_APIKEY", "FLOWER_BASIC_AUTH"):
        assert f"${{{name}:?" in text
        assert not re.search(rf"\$\{{{name}:?-", text)
    for service in SERVICES.values():
        for name, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|KEY|AUTH|SECRET|TOKEN", name):
                assert VARIABLE.fullmatch(value), name


def test_the_environment_names_settings_that_exist_and_all_of_them_that_an_operator_sets() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = set(SERVICES["worker"]["environment"])
    assert given <= known
    assert known - given <= {
        f"{PREFIX}{name}" for name in ("FLOWER_PORT", "FLOWER_AUTH", "CA_BUNDLE", "API_HOST", "API_PORT")
    }


def test_what_runs_waits_for_what_it_needs_and_is_given_time_to_stop() -> None:
    for service in (*WORKERS, "beat", "flower"):
        conditions = {name: how["condition"] for name, how in SERVICES[service]["depends_on"].items()}
        assert conditions == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "redis": "service_healthy",
        }
    longest = Settings.model_fields["provider_timeout"].default + 15
    for service in WORKERS:
        assert int(SERVICES[service]["stop_grace_period"].removesuffix("s")) > longest
    for name, definition in SERVICES.items():
        assert definition["restart"] == ("on-failure" if name == "migrate" else "unless-stopped"), name
        assert name == "migrate" or definition["healthcheck"]["test"], name
    assert SERVICES["simulator"]["profiles"] == ["simulator"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["flower"]["ports"])


def test_the_image_takes_pinned_packages_and_runs_without_rights() -> None:
    build = SERVICES["worker"]["build"]
    dockerfile = (ROOT / build["dockerfile"]).read_text(encoding="utf-8")
    assert "--require-hashes -r requirements.txt" in dockerfile
    assert re.search(r"^USER (?!root)\w+$", dockerfile, re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in allowed
