"""The compose file, without containers: each service's command and health check run here, as processes."""

import json
import re
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
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
from tests.processes import ROOT, Cluster

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
MONITORING = ("prometheus", "alertmanager", "grafana")
"""Others' images, of the profile `monitoring`; `test_monitoring.py` runs what they are configured with."""
SERVICES: dict[str, dict[str, Any]] = {
    name: service for name, service in COMPOSE["services"].items() if name not in MONITORING
}
WORKERS = ("tick", "worker", "poll", "control", "urgent", "webhooks")
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


SECRETS = Path("/run/secrets")
INSIDE = ("/tmp/dispatcher", "/var/lib/dispatcher")
"""Folders of the containers: one that goes with them, one that stays."""


INSIDE_PORTS = {"flower": "5555", "push": "8000", "web": "8080"}
"""Where services listen in their containers."""


@dataclass
class Composed:
    """The services of the file as processes: each with its own environment, secrets and folders, and with no others."""

    live: LiveSystem
    folder: Path
    ports: dict[str, int]

    def environment(self, service: str) -> dict[str, str]:
        """What a service is given, with the test's servers in the place of the file's."""
        ours = self.live.cluster.environment
        definition = SERVICES[service]
        found = {name: value for name, value in ours.items() if not name.startswith((PREFIX, "FLOWER"))}
        for name, value in definition["environment"].items():
            found[name] = VARIABLE.sub(lambda variable: variable[3] if variable[2] == "-" else "x", str(value))
            if found[name].startswith(str(SECRETS)):
                secret = Path(found[name]).name
                assert secret in definition["secrets"], (service, name)
                if not confined():
                    found[name] = str(self.folder / "secrets" / secret)
        for name in ("DISPATCHER_DATABASE_URL", "DISPATCHER_BROKER_URL", "DISPATCHER_PROVIDER_URL"):
            if name in found:
                found[name] = ours[name]
        for name in ("WINDOW", "POLL_INTERVAL", "IN_DOUBT_HORIZON", "PROVIDER_TIMEOUT", "PROBE_RATE", "CLOCK_LIMIT"):
            if f"{PREFIX}{name}" in found:
                found[f"{PREFIX}{name}"] = ours[f"{PREFIX}{name}"]
        if definition["environment"]["DISPATCHER_HOME"] == INSIDE[1]:
            found["DISPATCHER_HOME"] = ours["DISPATCHER_HOME"]
        if service in self.ports:
            found[f"{PREFIX}{service.upper()}_PORT"] = str(self.ports[service])
        return {**found, "DISPATCHER_NO_DOTENV": "1"}

    def command(self, service: str, words: list[str]) -> list[str]:
        """A command of a service, confined as its container would be where bubblewrap is at hand."""
        program = here(words)
        if not confined():
            return program
        definition = SERVICES[service]
        assert definition["read_only"]
        assert definition["cap_drop"] == ["ALL"]
        ours = self.live.cluster.environment
        servers = {Path(address).parent for address in re.findall(r"/tmp/[^?&\s]+", self.addresses())}
        home = ["--bind", ours["DISPATCHER_HOME"], ours["DISPATCHER_HOME"]] if definition.get("volumes") else []
        secrets = [
            word
            for name in definition.get("secrets", [])
            for word in ("--ro-bind", str(self.folder / "secrets" / name), str(SECRETS / name))
        ]
        return [
            *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run"),
            *("--ro-bind", str(ROOT), str(ROOT)),  # a checkout may lie below /tmp
            *(word for server in sorted(servers) for word in ("--ro-bind", str(server), str(server))),
            # The folder of Postgres' socket is closed to all but its user: over TCP, as in containers, nobody needs this.
            *(*home, *secrets, "--cap-drop", "ALL", "--cap-add", "CAP_DAC_OVERRIDE", "--die-with-parent", *program),
        ]

    def addresses(self) -> str:
        """Where the test's servers have their sockets."""
        ours = self.live.cluster.environment
        return f"{ours['DISPATCHER_DATABASE_URL']}/x {ours['DISPATCHER_BROKER_URL']}"

    def start(self, service: str) -> None:
        """Start a service."""
        cluster = self.live.cluster
        with (cluster.folder / f"{service}.log").open("ab") as log:
            cluster.processes[service] = subprocess.Popen(
                self.command(service, SERVICES[service]["command"]),
                env=self.environment(service),
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def run(self, service: str) -> subprocess.CompletedProcess[bytes]:
        """Run a service that ends."""
        command = self.command(service, SERVICES[service]["command"])
        return subprocess.run(command, env=self.environment(service), capture_output=True, timeout=240)

    def health(self, service: str) -> subprocess.CompletedProcess[bytes]:
        """Run a service's health check in its place."""
        kind, *test = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        words = (
            [word.replace(INSIDE_PORTS[service], str(self.ports[service])) for word in test]
            if (service in self.ports)
            else test
        )
        command = self.command(service, words)
        return subprocess.run(command, env=self.environment(service), capture_output=True, timeout=240)


@cache
def confined() -> bool:
    """Whether bubblewrap can confine a process here."""
    if shutil.which("bwrap") is None:
        return False
    return subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], capture_output=True).returncode == 0


@pytest.fixture
def composed(live: LiveSystem, tmp_path: Path) -> Composed:
    """The file's services over the test's servers."""
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    contents = {
        "database_password": "unused-by-a-socket",
        "apikey": live.cluster.environment["DISPATCHER_APIKEY"],
        "flower_auth": "jefa:clave-larga",
        "metrics_key": "smsd_of_prometheus",
    }
    assert set(contents) == set(COMPOSE["secrets"])
    for name, content in contents.items():
        (secrets / name).write_text(content)
    Path(live.cluster.environment["DISPATCHER_HOME"]).mkdir(parents=True, exist_ok=True)
    return Composed(live, tmp_path, {service: free_port() for service in INSIDE_PORTS})


def test_every_service_s_command_and_health_check_run_and_send_a_campaign(composed: Composed) -> None:
    live = composed.live
    migrated = composed.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    for service in ("worker", "beat"):
        assert composed.health(service).returncode == 1
    for service in (*WORKERS, "beat", *INSIDE_PORTS):
        composed.start(service)
    campaign = live.load(100, chunk_size=10)
    live.finish(campaign, 90)
    live.assert_every_line_once(campaign)
    for service in (*WORKERS, "beat"):
        checked = composed.health(service)
        assert checked.returncode == 0, checked.stderr
    for service in INSIDE_PORTS:
        wait_until(lambda service=service: composed.health(service).returncode == 0, 30, f"{service} is well")
    assert flower_status(composed.ports["flower"], None) == 401
    assert flower_status(composed.ports["flower"], ("jefa", "clave-larga")) == 200
    pushed = {"ORIGEN": "1144445555", "TEXTO": "Hola"}
    address = f"http://127.0.0.1:{composed.ports['push']}/push/smsmasivos"
    assert requests.get(address, params=pushed, timeout=10).text == "OK"
    assert live.value("SELECT count(*) FROM reply WHERE origen = '1144445555'") == 1
    api = f"http://127.0.0.1:{composed.ports['web']}/api/v1"
    assert requests.get(f"{api}/campaigns", timeout=10).status_code == 401
    key = {"Authorization": f"Bearer {live_key(live)}"}
    assert requests.get(f"{api}/campaigns/{campaign}", headers=key, timeout=10).json()["state"] == "completed"
    for service, process in live.cluster.processes.items():
        assert process.poll() is None, service


def live_key(live: LiveSystem) -> str:
    """A key of the API, made as an operator makes it."""
    command = [sys.executable, "-m", "dispatcher", "key", "create", "prueba", "--scope", "campaigns:read", "--json"]
    made = subprocess.run(command, env=live.cluster.environment, capture_output=True, check=True, timeout=60)
    return str(json.loads(made.stdout)["key"])


def flower_status(port: int, auth: tuple[str, str] | None) -> int:
    """How Flower answers to somebody who wants to see the tasks."""
    return requests.get(f"http://127.0.0.1:{port}/tasks", auth=auth, timeout=10).status_code


def test_the_simulator_s_command_and_health_check_run(cluster: Cluster) -> None:
    port = {"_8080": str(free_port()), "_0.0.0.0": "127.0.0.1"}
    assert health("simulator", cluster.environment, **port).returncode == 1
    cluster.spawn("simulator", here(SERVICES["simulator"]["command"], **port))
    wait_until(lambda: health("simulator", cluster.environment, **port).returncode == 0, 20, "it answers")


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


def test_postgres_is_ready_when_its_health_check_says_so(live: LiveSystem) -> None:
    program, *arguments = SERVICES["postgres"]["healthcheck"]["test"][1:]
    assert program == "pg_isready"
    folder = Path(live.value("SHOW data_directory"))
    binary = shutil.which("pg_isready") or next(iter(Path(sys.prefix).rglob("pginstall/bin/pg_isready")), None)
    if binary is not None:
        assert subprocess.run([str(binary), "--host", str(folder), *arguments], capture_output=True).returncode == 0
    assert float(SERVICES["postgres"]["image"].partition(":")[2].partition("-")[0]) >= 17


def test_the_file_is_one_that_compose_takes() -> None:
    checked = check_schema(ROOT / "docker-compose.yml")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('cap_drop: ["ALL"]', 'cap_drops: ["ALL"]'),
        ("read_only: true", "read_only: 5"),
        ("pids_limit: 256", "pids_limit: [256]"),
        ("condition: service_healthy", "condition: healthy"),
        ("secrets:\n  database_password:\n    file:", "secrets:\n  database_password:\n    path:"),
    ],
)
def test_a_slip_in_the_file_is_found(good: str, bad: str, tmp_path: Path) -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert good in text
    (tmp_path / "docker-compose.yml").write_text(text.replace(good, bad), encoding="utf-8")
    assert check_schema(tmp_path / "docker-compose.yml").returncode == 1


def check_schema(file: Path) -> subprocess.CompletedProcess[str]:
    """Read a compose file as the Compose Specification's own schema does."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


NEEDS = {
    "postgres": {"database_password"},
    "redis": set(),
    "migrate": {"database_password"},
    "beat": {"database_password"},
    "webhooks": {"database_password"},
    "flower": {"flower_auth"},
    "simulator": set(),
}
"""Secrets of each service; what works in the account's name has the database's password and the key."""


def test_each_service_gets_the_secrets_that_it_needs_by_files_and_no_others() -> None:
    assert COMPOSE["secrets"] == {
        name: {"file": f"./secrets/{name}"} for name in ("database_password", "apikey", "flower_auth", "metrics_key")
    }
    assert "secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for name, service in SERVICES.items():
        given = set(service.get("secrets", ()))
        assert given == NEEDS.get(name, {"database_password", "apikey"}), name
        used = {value for value in (service.get("environment") or {}).values() if str(value).startswith(str(SECRETS))}
        assert used == {str(SECRETS / secret) for secret in given}, name
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|KEY|AUTH|SECRET|TOKEN|CLAVE", variable) and not variable.endswith("_FILE"):
                assert VARIABLE.fullmatch(value), (name, variable)
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), (name, variable)


def test_no_service_may_write_get_rights_or_grow_without_bound() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] <= 256, name
        assert service["mem_limit"] in ("512m", "768m", "1g"), name
        assert "/tmp" in service["tmpfs"], name
        if name not in ("redis", "postgres"):
            assert service["image"].startswith("sms-dispatcher"), name
        else:
            assert re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-\w+", service["image"]), name
            assert service["user"] == name


def test_monitoring_is_closed_like_the_rest_and_published_on_this_machine_alone() -> None:
    for name in MONITORING:
        service = COMPOSE["services"][name]
        assert service["profiles"] == ["monitoring"]
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["mem_limit"] == "512m", name
        assert service["healthcheck"]["test"], name
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], volume


def test_only_what_calls_the_provider_or_is_published_reaches_beyond_the_machine() -> None:
    assert COMPOSE["networks"] == {"inside": {"internal": True}, "outside": None}
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"worker", "poll", "control", "urgent", "webhooks", "flower", "push", "web", "simulator"}
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"flower", "push", "web"}
    assert all(port.startswith("127.0.0.1:") for port in published["flower"])


def test_the_environment_names_settings_that_exist_and_all_of_them_that_an_operator_sets() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = {
        name.removesuffix("_FILE")
        for service in SERVICES.values()
        for name in (service.get("environment") or {})
        if name.startswith(PREFIX)
    }
    assert given <= known
    left_out = ("FLOWER_PORT", "CA_BUNDLE", "PUSH_HOST")
    assert known - given <= {f"{PREFIX}{name}" for name in left_out}


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


def test_the_image_takes_pinned_packages_and_runs_without_rights() -> None:
    build = SERVICES["worker"]["build"]
    dockerfile = (ROOT / build["dockerfile"]).read_text(encoding="utf-8")
    assert '--require-hashes -r "$REQUIREMENTS"' in dockerfile
    assert re.search(r"^USER (?!root)\w+$", dockerfile, re.MULTILINE)
    assert len(set(re.findall(r"^FROM (python:\d+\.\d+\.\d+-slim-\w+)( AS build)?$", dockerfile, re.MULTILINE))) == 2
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in allowed


def test_the_image_leaves_the_embedded_servers_and_the_simulator_out() -> None:
    default = re.search(r"^ARG REQUIREMENTS=(.+)$", (ROOT / "ops/image/Dockerfile").read_text(), re.MULTILINE)
    assert default
    extra = {re.split(r"[^a-z-]", line)[0] for line in pinned("requirements-embedded.in")}
    assert len(extra) > 2
    in_image = {line.partition("==")[0] for line in pinned(default[1]) if "==" in line}
    here = {line.partition("==")[0] for line in pinned("requirements.txt") if "==" in line}
    assert extra <= here - in_image
    # And the extra that reports errors, by the same lock as the developers'.
    assert {line for line in pinned(default[1]) if "==" in line} <= {
        *pinned("requirements.txt"),
        *pinned("requirements-dev.txt"),
    }
    assert SERVICES["simulator"]["build"]["args"] == {"REQUIREMENTS": "requirements.txt"}


def pinned(name: str) -> list[str]:
    """The lines of a list of packages, without comments and hashes."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.removesuffix(" \\") for line in lines if re.match(r"[a-z]", line)]
