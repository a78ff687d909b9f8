"""The Celery app, `workers.app:app`. Each setting that differs from Celery's default guards against a known trap."""

import gc
import logging
import os
import signal
import sys
import time
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init, worker_process_init
from kombu.entity import Queue
from sqlalchemy import Engine

from dispatcher import audit_trail, config, error_reports, runtime
from dispatcher.db import engine as db_engine
from dispatcher.db import migrations
from dispatcher.db.errors import DRIVER_ERRORS, DatabaseRefused, translate
from dispatcher.domain import days_off
from dispatcher.errors import DispatcherError
from dispatcher.home import keep_to_ourselves, make_lists_folder_if_possible
from dispatcher.maintenance import host_clock
from workers import logs  # noqa: F401  # sets logging up when a process of Celery starts
from workers.hints import HintTask
from workers.schedule import SCHEDULE

QUEUES = ("tick", "urgent", "submit", "poll", "control", "webhooks")

log = logging.getLogger(__name__)

DATABASE_PAUSE = 2.0
"""Seconds between two looks of a starting worker for a database that does not answer."""

SOFT_SHUTDOWN_EXTRA = 15.0
"""Seconds beyond one provider call that a stopping worker gets."""

_LIMIT_EXTRA = 60.0
"""Seconds beyond three provider calls after which a process that sends is killed: it hangs where no deadline looks."""


def _transport(broker_url: str) -> dict[str, Any]:
    """Options and queues that belong to the broker."""
    if broker_url.startswith("amqp"):
        # task_default_queue_type would leave named queues classic.
        quorum = {"x-queue-type": "quorum"}
        return {
            "task_queues": [Queue(name, queue_arguments=quorum) for name in QUEUES],
            "broker_transport_options": {"confirm_publish": True},
            # Beat keeps one connection, and without a retry a broken one is never opened again: no tick would be sent.
            "task_publish_retry": True,
            "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0},
        }
    return {
        "task_queues": [Queue(name) for name in QUEUES],
        "worker_disable_prefetch": True,
        "task_publish_retry": False,
        "broker_transport_options": {
            # When a payload of a host that is gone comes back; a worker that starts again does not wait (payloads.py).
            "visibility_timeout": 3600,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": not broker_url.startswith("redis+socket"),
            "health_check_interval": 25,
        },
    }


def make_app() -> Celery:
    """The app as the settings say."""
    settings = config.settings()
    broker_url = settings.celery_broker_url
    celery = Celery("dispatcher", broker=broker_url, include=["workers.tasks"], task_cls=HintTask)
    celery.conf.update(
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        task_retry_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_soft_shutdown_timeout=settings.provider_timeout + SOFT_SHUTDOWN_EXTRA,
        task_ignore_result=True,
        worker_send_task_events=True,
        worker_max_tasks_per_child=1000,
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_default_queue="control",
        task_create_missing_queues=False,
        # Threads ignore it: whatever runs in them has deadlines of its own for each call and each lock.
        task_annotations={
            name: {"time_limit": 3 * settings.provider_timeout + _LIMIT_EXTRA}
            for name in ("dispatcher.submit", "dispatcher.send_message")
        },
        task_routes={
            "dispatcher.tick": {"queue": "tick"},
            "dispatcher.submit": {"queue": "submit"},
            "dispatcher.poll": {"queue": "poll"},
            "dispatcher.probe": {"queue": "poll"},
            "dispatcher.pull_inbox": {"queue": "poll"},
            "dispatcher.measure_clock": {"queue": "poll"},
            "dispatcher.read_balance": {"queue": "poll"},
            "dispatcher.send_message": {"queue": "urgent"},
            "dispatcher.deliver": {"queue": "webhooks"},
            "dispatcher.*": {"queue": "control"},
        },
        beat_schedule=SCHEDULE,
        beat_scheduler="celery.beat:Scheduler",  # in memory: a shelve file can corrupt, and the schedule is fixed
        timezone="UTC",
        enable_utc=True,
        worker_hijack_root_logger=False,
        **_transport(broker_url),
        **settings.celery_tls,
    )
    return celery


_WORKER = audit_trail.Actor("system", "worker")


@worker_init.connect
def _ready(**_: Any) -> None:
    """End a worker that cannot work, with a sentence: Celery itself would log what a signal raises, and go on."""
    audit_trail.belong_to(_WORKER)
    try:
        settings = config.settings()
        error_reports.require(settings)
        make_lists_folder_if_possible(settings.home)
        days_off.read_ahead()
        _await_database(settings)
        # A worker whose clock is far ahead takes no hint at all, so no tick of its own would say so.
        host_clock.compare_now(settings)
    except DispatcherError as error:
        sys.exit(f"{error} {error.hint or ''}".strip())
    # What is here now is never collected, nor copied for that into the processes of a pool.
    gc.freeze()


def _await_database(settings: config.Settings) -> None:
    """Return when the database answers; until then no task is taken, so none fails.

    Raises:
        UsageError: its schema is one that this code does not know.
        DatabaseRefused: it is there, and lets nobody in with this name, password or database.
    """
    engine = db_engine.connect(settings.sqlalchemy_url, pooled=settings.database_pooled)
    try:
        while not _schema_fits(engine):
            time.sleep(DATABASE_PAUSE)
    finally:
        engine.dispose()


def _schema_fits(engine: Engine) -> bool:
    try:
        migrations.require_schema(engine)
    except DRIVER_ERRORS as error:
        failure = translate(error)
        if isinstance(failure, DatabaseRefused):
            raise failure from error
        log.warning("database_awaited why=%s", failure)
        return False
    return True


@worker_process_init.connect
def _own_connections(**_: Any) -> None:
    """A forked child never uses its parent's sockets."""
    audit_trail.belong_to(_WORKER)
    runtime.current()


@beat_init.connect
def _end_where_it_stands(**_: Any) -> None:
    """A signal ends beat at once: it keeps nothing.

    Celery's own handler closes the connection under the call that is reading from it. What that call then raises takes
    the place of SystemExit, is logged as a tick that failed, and beat goes on.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


keep_to_ourselves()
app = make_app()
