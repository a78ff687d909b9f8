"""A day of `dispatcher up` with whatever goes wrong in one, and then every log of it read.

What happened to each campaign is there; no number, text, name, key or password of anybody is: not in our lines, not in
those of Celery, Flower, Postgres and Valkey, and not on Flower's pages.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from celery import Celery

from ops.simulator.process import SimulatorProcess
from tests.acceptance.test_replies import free_port
from tests.conftest import wait_until
from tests.processes import Cluster
from tests.receivers import receiver, status

PROVIDER_KEY = "LLAVEPROVEEDOR7781"
PUSH_SECRET = "secretodelpush9912"
CLAVE = "clavedelwebservice55"
NAME, TEXT, ANSWER = "Anastasia", "reconocible", "contestacion"
PEOPLE = [f"11473829{n:02}" for n in range(40)]
ALONE, FORBIDDEN, PUSHED = "1147382977", "1147382988", "1147382966"
PRIVATE = (PROVIDER_KEY, PUSH_SECRET, CLAVE, NAME, TEXT, ANSWER, "47382")
"""What no log may hold; each number has the last in it, with prefixes or without."""


@dataclass
class Day:
    """One `dispatcher up` with servers of its own."""

    home: Path
    cluster: Cluster
    simulator: SimulatorProcess
    push: str
    web: str
    flower: str
    keys: list[str] = field(default_factory=list)

    def sql(self, statement: str) -> list[Any]:
        """Run a statement as the owner of the server, beside the dispatcher."""
        with psycopg.connect(self.addresses["database_url"], autocommit=True) as connection:
            result = connection.execute(statement)
            return result.fetchall() if result.description else []

    @property
    def addresses(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.home / "run" / "embedded.json").read_text())
        return found

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.keys[0]}", "Idempotency-Key": uuid.uuid4().hex}
        return requests.request(method, f"{self.web}{path}", headers=headers, timeout=60, **more)

    def create(self, people: list[str], template: str, start: str | None = None) -> int:
        """A campaign over the API."""
        recipients = [{"telefono": number, "nombre": NAME} for number in people]
        wanted = {"template": template, "recipients": recipients, **({"start": start} if start else {})}
        answer = self.call("POST", "/api/v1/campaigns", json=wanted)
        assert answer.status_code < 300, answer.text
        return int(answer.json()["campaign_id"])

    def state(self, campaign: int) -> str:
        return str(self.sql(f"SELECT state FROM campaign WHERE id = {campaign}")[0][0])

    def wait_for(self, predicate: Callable[[], Any], seconds: float, what: str) -> None:
        wait_until(predicate, seconds, what)

    def log(self) -> str:
        return self.cluster.log("up")


@contextmanager
def day(simulator: SimulatorProcess, environment: dict[str, str], folder: Path, form: str) -> Iterator[Day]:
    """Run it; it must stop cleanly."""
    ports = [free_port() for _ in range(3)]
    home = folder / "home"
    for name in ("DATABASE_URL", "BROKER_URL"):
        environment = {key: value for key, value in environment.items() if key != f"DISPATCHER_{name}"}
    environment |= {
        "DISPATCHER_HOME": str(home),
        "DISPATCHER_APIKEY": PROVIDER_KEY,
        "DISPATCHER_USUARIO": "usuario",
        "DISPATCHER_CLAVE": CLAVE,
        "DISPATCHER_PUSH_SECRET": PUSH_SECRET,
        "DISPATCHER_PUSH_HOST": "127.0.0.1",
        "DISPATCHER_PUSH_PORT": str(ports[0]),
        "DISPATCHER_WEB_PORT": str(ports[1]),
        "DISPATCHER_FLOWER_PORT": str(ports[2]),
        "DISPATCHER_FLOWER_AUTH": "flower:mirar1234",
        "DISPATCHER_WEBHOOK_ALLOW": "127.0.0.0/8",
        "DISPATCHER_INBOX_INTERVAL": "1",
        "DISPATCHER_CHUNK_SIZE": "5",
        "DISPATCHER_LOG": form,
        "DISPATCHER_LANGUAGE": "en",
        "PYTHONUNBUFFERED": "1",
    }
    with Cluster(environment, folder) as cluster:
        push, web, flower = (f"http://127.0.0.1:{port}" for port in ports)
        found = Day(home, cluster, simulator, f"{push}/push/smsmasivos/{PUSH_SECRET}", web, flower)
        running = cluster.spawn("up", [sys.executable, "-m", "dispatcher", "up"])

        def answers() -> bool:
            with suppress(requests.RequestException):
                return all(requests.get(f"{base}/healthz", timeout=2).ok for base in (push, web))
            return False

        try:
            wait_until(answers, 60, "the listeners answer")
            yield found
        finally:
            running.terminate()
            code = running.wait(120)
    assert code == 0, found.log()[-3000:]


def a_quiet_morning(day: Day, told: str) -> tuple[int, int]:
    """A campaign by command, one paused and gone on with, replies both ways, an opt-out, single messages, webhooks."""
    day.keys += [day.cluster.cli("key", "create", f"crm{n}", *scopes())["key"] for n in range(1)]
    secret = day.cluster.cli("webhook", "create", told, "--event", "campaign.completed", "--event", "message.results")
    day.keys.append(str(secret["secret"]))
    day.simulator.set_option(push_url=day.push, push_tries=3)
    rows = "".join(f"{number},{NAME}\n" for number in [*PEOPLE, "no es un numero 4738299"])
    arguments = ("campaign", "create", "-", "--template", f"Hola {{nombre}}, {TEXT} uno")
    first = int(day.cluster.cli(*arguments, stdin=f"telefono,nombre\n{rows}".encode())["campaign_id"])
    day.wait_for(lambda: day.state(first) == "completed", 60, "the first campaign")
    paused = day.create(PEOPLE[:3], f"Hola {{nombre}}, {TEXT} luego", start="2099-01-01 10:00:00")
    for action in ("pause", "resume", "cancel"):
        assert day.call("POST", f"/api/v1/campaigns/{paused}/{action}").ok, action
    for number, words in ((PEOPLE[0], f"{ANSWER} si"), (PEOPLE[1], "BAJA"), (PUSHED, f"{ANSWER} no")):
        day.simulator.reply(number, words)
    day.wait_for(lambda: day.sql("SELECT count(*) FROM reply")[0][0] == 3, 30, "the replies")
    with Celery("service", broker=day.addresses["broker_url"]) as service:
        for n, number in enumerate((ALONE, "123", ALONE)):
            message = {"number": number, "text": f"{TEXT} {n}", "idinterno": f"T{n}"}
            service.send_task("dispatcher.send_message", args=[message], queue="urgent")
        service.send_task("dispatcher.send_mesage", args=[{"number": ALONE, "text": TEXT}], queue="urgent")
    day.call("POST", "/api/v1/messages", json={"number": ALONE, "text": f"{TEXT} por la API"})
    day.cluster.cli("optout", "add", PUSHED, code=None)
    return first, paused


def scopes() -> list[str]:
    """All of them, for `key create`."""
    from dispatcher.access.scopes import Scope

    return [word for scope in Scope for word in ("--scope", str(scope))]


def bad_requests(day: Day) -> None:
    """What people and machines send by mistake, and on purpose."""
    broken = f'{{"number": "{ALONE}", "text": "{TEXT}'
    for method, path, more in (
        ("POST", "/api/v1/messages", {"data": broken}),
        ("POST", "/api/v1/messages", {"json": {"number": ALONE, "text": TEXT, NAME: TEXT}}),
        ("POST", "/api/v1/messages", {"json": {"number": [ALONE], "text": f"{TEXT}\x00"}}),
        ("POST", "/api/v1/messages", {"json": {"number": ALONE, "text": f"{TEXT}\x00"}}),
        ("POST", "/api/v1/campaigns", {"json": {"template": f"{TEXT} {{falta}}", "recipients": [{"telefono": ALONE}]}}),
        ("GET", f"/api/v1/optouts/{ALONE}", {}),
        ("PUT", f"/api/v1/optouts/{ALONE}", {"data": broken}),
        ("GET", f"/api/v1/nada/{ALONE}?text={TEXT}", {}),
        ("GET", f"/api/v1/replies?origen={ALONE}&x={TEXT}&limit={ALONE}", {}),
        ("GET", f"/api/v1/campaigns/{ALONE}{ALONE}{ALONE}", {}),
        ("GET", f"/personas?number={ALONE}", {}),
        ("GET", f"/sign-in/{ALONE}{TEXT}", {}),
        ("POST", f"/sign-in?name={NAME}", {"data": {"name": NAME, "password": TEXT}}),
    ):
        day.call(method, path, **more)
    wrong = {"Authorization": f"Bearer smsd_{TEXT}{ALONE}"}
    requests.get(f"{day.web}/api/v1/campaigns", headers=wrong, timeout=10)
    for path in (f"/push/smsmasivos/{TEXT}?origen={ALONE}&texto={TEXT}", f"/push/smsmasivos?origen={ALONE}"):
        requests.get(day.push.partition("/push")[0] + path, timeout=10)
    requests.get(f"{day.push}?origen={ALONE}&texto={TEXT}%00&nada={NAME}", timeout=10)


def the_provider_fails(day: Day) -> int:
    """Answers that are none, which quote what was sent to them."""
    quoted = f"Error: {PEOPLE[5]} {TEXT} {NAME} {PROVIDER_KEY}"
    for endpoint in ("unit", "bulk"):
        day.simulator.set_faults(
            {"kind": "error", "endpoint": endpoint, "times": 1},
            {
                "kind": "html",
                "endpoint": endpoint,
                "times": 1,
                "after": 1,
                "text": f"<html><body>{quoted}</body></html>",
            },
            {"kind": "truncate", "endpoint": endpoint, "times": 1, "after": 2},
            {"kind": "sentence", "endpoint": endpoint, "times": 1, "after": 3, "text": f"{PEOPLE[5]}: no se pudo"},
            {"kind": "sentence", "endpoint": endpoint, "times": 1, "after": 4, "text": "credit"},
        )
    for endpoint in ("status", "inbox"):
        day.simulator.set_faults(
            {"kind": "sentence", "endpoint": endpoint, "times": 1, "text": f"{PEOPLE[5]} no tiene permiso"},
            {"kind": "html", "endpoint": endpoint, "times": 1, "after": 1, "text": f"<html>{PEOPLE[5]}</html>"},
            {"kind": "garbage", "endpoint": endpoint, "times": 1, "after": 2},
        )
    for n in range(5):
        day.call("POST", "/api/v1/messages", json={"number": PEOPLE[5], "text": f"{TEXT} falla {n}"})
    second = day.create(PEOPLE, f"Hola {{nombre}}, {TEXT} dos")
    day.wait_for(lambda: len(day.sql("SELECT 1 FROM attempt WHERE outcome <> 'accepted'")) >= 3, 60, "failures")
    day.simulator.clear_faults()
    return second


def the_database_fails(day: Day) -> None:
    """Constraints that break on a number, a statement that is cancelled, connections that are cut."""
    for table, column in (("message", "destino"), ("single_message", "destino"), ("reply", "origen")):
        rule = f"CHECK ({column} NOT LIKE '%{FORBIDDEN}') NOT VALID"
        day.sql(f"ALTER TABLE {table} ADD CONSTRAINT forbidden_{table} {rule}")
    day.call("POST", "/api/v1/messages", json={"number": FORBIDDEN, "text": f"{TEXT} prohibido"})
    people = [{"telefono": FORBIDDEN, "nombre": NAME}]
    wanted = {"template": f"Hola {{nombre}} {TEXT}", "recipients": people}
    day.call("POST", "/api/v1/campaigns", json=wanted)
    day.simulator.reply(FORBIDDEN, f"{ANSWER} prohibida")
    with Celery("service", broker=day.addresses["broker_url"]) as service:
        service.send_task("dispatcher.create_campaign", args=[{**wanted, "idempotency_key": "k9"}], queue="control")
        message = {"number": FORBIDDEN, "text": f"{TEXT} prohibido", "idinterno": "F1"}
        service.send_task("dispatcher.send_message", args=[message], queue="urgent")
    day.cluster.cli("send", FORBIDDEN, f"{TEXT} prohibido", code=None)
    day.wait_for(lambda: "CheckViolation" in day.log(), 30, "a broken constraint")
    for table in ("message", "single_message", "reply"):
        day.sql(f"ALTER TABLE {table} DROP CONSTRAINT forbidden_{table}")
    mine = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
    with psycopg.connect(day.addresses["database_url"]) as connection:
        connection.execute("LOCK TABLE message, single_message, reply IN ACCESS EXCLUSIVE MODE")
        ends = time.monotonic() + 4
        while time.monotonic() < ends:
            day.sql(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {mine}")
            time.sleep(0.2)
    for _ in range(3):
        day.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")
        day.call("POST", "/api/v1/messages", json={"number": ALONE, "text": f"{TEXT} cortado"})
        time.sleep(0.3)


def flowers_pages(day: Day) -> str:
    """Its pages and its API, with a page for each task."""
    session = requests.Session()
    session.auth = ("flower", "mirar1234")
    listed = session.post(f"{day.flower}/tasks/datatable", data=TABLE, timeout=30)
    pages = [session.get(f"{day.flower}/{path}", timeout=30).text for path in ("workers", "tasks", "broker", "metrics")]
    assert listed.ok, listed.text
    rows = listed.json()["data"]
    assert rows
    pages += [session.get(f"{day.flower}/task/{row['uuid']}", timeout=30).text for row in rows[:200]]
    return "\n".join([listed.text, *pages])


TABLE = {
    "draw": "1",
    "start": "0",
    "length": "1000",
    "search[value]": "",
    "order[0][column]": "0",
    "order[0][dir]": "asc",
    "columns[0][data]": "name",
}


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_logs_of_a_day_say_what_happened_and_nothing_private(
    simulator: SimulatorProcess, environment: dict[str, str], form: str
) -> None:
    simulator.set_option(apikey=[PROVIDER_KEY], user=[f"usuario:{CLAVE}"])
    # Not below pytest's own folder, which another run of pytest closes to the user that Postgres runs as.
    with (
        tempfile.TemporaryDirectory(prefix="dispatcher-day-", ignore_cleanup_errors=True) as folder,
        receiver() as there,
    ):
        path = Path(folder)
        path.chmod(0o755)
        there.answer = status(500, f"{ANSWER} {PEOPLE[3]}".encode())
        with day(simulator, {**environment}, path, form) as running:
            first, paused = a_quiet_morning(running, there.url)
            bad_requests(running)
            second = the_provider_fails(running)
            running.cluster.cli("account", "resume", code=None)
            the_database_fails(running)
            shown = flowers_pages(running)
            private = (*PRIVATE, *(key[-20:] for key in running.keys))
        logs = {
            str(each.relative_to(path)): each.read_text(errors="replace")
            for each in path.rglob("*log")
            if each.is_file()
        }
        assert not [each.name for each in path.rglob("*flower*") if each.is_file() and each.suffix != ".auth"]
    assert {"up.log", "home/postgres/log", "home/valkey/log"} <= logs.keys()
    for name, said in {**logs, "Flower's pages": shown}.items():
        for word in private:
            found = [line for line in said.splitlines() if word in line]
            assert not found, f"{name} has {word}:\n" + "\n".join(line[:600] for line in found[:5])
    happened = {campaign: what_happened(logs["up.log"], form, campaign) for campaign in (first, paused, second)}
    assert [each for each in happened[first] if each in STORY] == ["campaign_create", "started", "completed"]
    assert [each for each in happened[paused] if each in STORY] == [
        "campaign_create",
        "campaign_pause",
        "campaign_resume",
        "campaign_cancel",
    ]
    assert {"campaign_create", "started", "post_failed"} <= set(happened[second])
    assert "completed campaign=1 messages=40" in logs["up.log"] or '"messages": 40' in logs["up.log"]


STORY = ("campaign_create", "started", "campaign_pause", "campaign_resume", "campaign_cancel", "completed")


def what_happened(log: str, form: str, campaign: int) -> list[str]:
    """The events of a campaign in their order."""
    if form == "text":
        return list(map(str, re.findall(rf" (\w+) campaign={campaign}\b", log)))
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert lines
    return [line["event"] for line in lines if line.get("campaign") == campaign]
