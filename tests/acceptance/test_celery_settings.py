"""The Celery app's settings: each guards against a known trap, so each is pinned."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from dispatcher.config import Settings
from ops import commands
from tests.processes import ROOT
from workers.schedule import SCHEDULE

QUEUES = ("tick", "urgent", "submit", "poll", "control", "webhooks")

DUMP = """
import json
from workers.app import app
app.loader.import_default_modules()
print(json.dumps({
    "conf": {name: app.conf[name] for name in json.loads(INPUT)},
    "queues": {queue.name: queue.queue_arguments or {} for queue in app.conf.task_queues},
    "routes": {name: app.amqp.router.route({}, name)["queue"].name for name in app.tasks if name.startswith("disp")},
    "watched": [name for name, task in app.tasks.items() if getattr(task.Request, "__name__", "") == "HintRequest"],
    "late": [name for name, task in app.tasks.items() if task.acks_late],
    "beat": {name: [entry["task"], entry["schedule"]] for name, entry in app.conf.beat_schedule.items()},
}))
"""
PINNED: dict[str, Any] = {
    "task_acks_late": False,
    "task_reject_on_worker_lost": False,
    "task_retry_on_worker_lost": False,
    "worker_prefetch_multiplier": 1,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "worker_soft_shutdown_timeout": 75.0,
    "task_publish_retry": False,
    "task_ignore_result": True,
    "worker_send_task_events": True,
    "worker_max_tasks_per_child": 1000,
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_create_missing_queues": False,
    "enable_utc": True,
}


def app_of(broker_url: str) -> dict[str, Any]:
    """The app as a process of its own has it, with that broker."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCHER_")}
    names = json.dumps([*PINNED, "worker_disable_prefetch", "broker_transport_options", "task_annotations"])
    done = subprocess.run(
        [sys.executable, "-c", DUMP.replace("INPUT", repr(names))],
        env={**environment, "PYTHONPATH": str(ROOT), "DISPATCHER_NO_DOTENV": "1", "DISPATCHER_BROKER_URL": broker_url},
        capture_output=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def over_redis() -> dict[str, Any]:
    """The app over Redis."""
    return app_of("redis://localhost:1/0")


def test_a_hint_is_acknowledged_early_and_never_redelivered_by_celery(over_redis: dict[str, Any]) -> None:
    assert {name: over_redis["conf"][name] for name in PINNED} == PINNED
    assert over_redis["conf"]["worker_disable_prefetch"] is True


def test_a_dead_redis_connection_is_noticed(over_redis: dict[str, Any]) -> None:
    assert over_redis["conf"]["broker_transport_options"] == {
        "visibility_timeout": 3600,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }


def test_queues_and_task_names_are_those_that_others_hold_on_to(over_redis: dict[str, Any]) -> None:
    assert set(over_redis["queues"]) == {"tick", "urgent", "submit", "poll", "control", "webhooks"}
    assert {name.removeprefix("dispatcher."): queue for name, queue in over_redis["routes"].items()} == {
        "tick": "tick",
        "create_campaign": "control",
        "load_request": "control",
        "check_list": "control",
        "keep": "control",
        "submit": "submit",
        "send_message": "urgent",
        "deliver": "webhooks",
        **dict.fromkeys(("poll", "probe", "measure_clock", "read_balance", "pull_inbox"), "poll"),
    }


def test_every_hint_that_comes_expired_is_counted_and_no_payload_is(over_redis: dict[str, Any]) -> None:
    ours = set(over_redis["routes"])
    assert ours - set(over_redis["watched"]) == {"dispatcher.create_campaign", "dispatcher.send_message"}


def test_every_queue_has_one_worker_and_its_size_is_a_setting() -> None:
    sized = Settings(concurrency=7, workers_poll=9, workers_control=3, workers_urgent=5, workers_webhooks=6)
    run = {queue: commands.worker(sized, queue) for queue in commands.QUEUES}
    assert {queue: command[command.index("-Q") + 1] for queue, command in run.items()} == {
        queue: queue for queue in QUEUES
    }
    assert {queue: tuple(command[-3:][::2]) for queue, command in run.items()} == {
        "tick": ("solo", "1"),
        "submit": ("prefork", "7"),
        "poll": ("threads", "9"),
        "control": ("threads", "3"),
        "urgent": ("prefork", "5"),
        "webhooks": ("threads", "6"),
    }
    assert commands.worker(Settings(workers_submit=4), "submit")[-1] == "4"


def test_a_process_that_sends_is_killed_when_it_hangs_beyond_every_deadline(over_redis: dict[str, Any]) -> None:
    limit = {"time_limit": 240.0}
    assert over_redis["conf"]["task_annotations"] == {"dispatcher.submit": limit, "dispatcher.send_message": limit}


def test_beat_sends_the_tick_to_its_own_queue() -> None:
    assert {entry["options"]["queue"] for entry in SCHEDULE.values()} == {"tick"}


def test_only_tasks_that_carry_a_payload_acknowledge_late(over_redis: dict[str, Any]) -> None:
    assert set(over_redis["late"]) <= {"dispatcher.create_campaign", "dispatcher.send_message"}
    assert "dispatcher.create_campaign" in over_redis["late"]


def test_beat_ticks_every_second(over_redis: dict[str, Any]) -> None:
    assert over_redis["beat"]["tick"] == ["dispatcher.tick", 1.0]


def test_every_queue_is_a_quorum_queue_over_rabbitmq() -> None:
    app = app_of("amqp://guest@localhost:1//")
    assert {name: arguments.get("x-queue-type") for name, arguments in app["queues"].items()} == dict.fromkeys(
        QUEUES, "quorum"
    )
    assert app["conf"]["broker_transport_options"] == {"confirm_publish": True}


def test_a_broken_connection_to_rabbitmq_is_opened_anew_by_one_more_try() -> None:
    assert app_of("amqp://guest@localhost:1//")["conf"]["task_publish_retry"] is True
