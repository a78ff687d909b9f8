"""What a monitoring system sees: read from Postgres when it asks, at most every ten seconds.

No metric has a number, a text or a campaign's name. Whatever cannot be read leaves its metrics out, and `dispatcher_up`
says so: a database that is away is a finding, never an error of the page.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection, func, select

from dispatcher.accounts import balances, binding, provider_clock
from dispatcher.accounts.binding import Bound
from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.db import ranges
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.db.statements import query
from dispatcher.maintenance import queues
from dispatcher.runtime import Runtime
from dispatcher.sending import admission
from dispatcher.sending.admission import Defer
from schemas import tables

log = logging.getLogger(__name__)

KEPT = 10.0
"""Seconds that a reading serves every scrape."""
PRIORITIES = ("high", "normal", "low")
_OPEN_CHUNKS = ("due", "sending", "accepted", "in_doubt", "held")
_OPEN_CAMPAIGNS = ("scheduled", "running", "paused")


class Metrics:
    """The metrics of one installation."""

    def __init__(self, runtime: Runtime) -> None:
        """Nothing is read yet."""
        self._runtime = runtime
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._lock = threading.Lock()
        self._text, self._read_at = b"", -KEPT

    def text(self) -> bytes:
        """The exposition of Prometheus, at most KEPT seconds old."""
        with self._lock:
            if time.monotonic() - self._read_at >= KEPT:
                self._text = generate_latest(self._registry)
                self._read_at = time.monotonic()
            return self._text

    def describe(self) -> Iterable[Metric]:
        """None: the registry reads nothing when this is made."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything once."""
        build = GaugeMetricFamily("dispatcher_build_info", "The version that answers.", labels=["version"])
        build.add_metric([version("sms-dispatcher")], 1)
        yield build
        up = GaugeMetricFamily("dispatcher_up", "Whether a part answers.", labels=["part"])
        try:
            with self._runtime.engine.connect() as connection:
                found = list(_of_database(connection, self._runtime))
            up.add_metric(["database"], 1)
            yield from found
        except DRIVER_ERRORS as error:
            log.warning("metrics_without_database why=%s", type(error).__name__)
            up.add_metric(["database"], 0)
        lengths = queues.lengths(self._runtime.settings)
        up.add_metric(["broker"], int(lengths is not None))
        yield up
        yield _labelled("dispatcher_queue_length", "Hints that wait in the broker.", "queue", lengths or {})


def _of_database(connection: Connection, runtime: Runtime) -> Iterator[Metric]:
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    yield from _tallies(connection)
    yield _states(connection, "metrics_open_chunks", "chunks", _OPEN_CHUNKS)
    yield _states(connection, "metrics_open_campaigns", "campaigns", _OPEN_CAMPAIGNS)
    yield from _of_replies_and_webhooks(connection, now)
    beats = connection.execute(select(tables.heartbeat.c.name, tables.heartbeat.c.at)).all()
    ages = {row.name: _age(now, row.at) for row in beats}
    yield _labelled("dispatcher_heartbeat_age_seconds", "Since a part last said that it runs.", "process", ages)
    yield _one(
        "dispatcher_partitions_ahead", "Ranges of messages that no campaign has reached.", ranges.ahead(connection)
    )
    open_now = runtime.settings.sending_window.next_opening(now) <= now
    yield _one("dispatcher_window_open", "Whether messages may go out at this hour.", int(open_now))
    account = binding.find(connection, runtime.settings)
    if account is not None:
        yield from _of_account(connection, runtime, account, now)


def _tallies(connection: Connection) -> Iterator[Metric]:
    results = CounterMetricFamily("dispatcher_messages", "Results by code of the guide.", labels=["result"])
    attempts = CounterMetricFamily("dispatcher_attempts", "Bulk POSTs by outcome.", labels=["outcome"])
    for row in connection.execute(query("metrics_tally")):
        (results if row.kind == "result" else attempts).add_metric([row.label], row.n)
    yield results
    yield attempts


def _states(connection: Connection, statement: str, what: str, known: Iterable[str]) -> Metric:
    counted = {row.state: row.n for row in connection.execute(query(statement))}
    words = f"{what.capitalize()} that are not over, by state."
    return _labelled(f"dispatcher_{what}", words, "state", {state: counted.get(state, 0) for state in known})


def _of_replies_and_webhooks(connection: Connection, now: datetime) -> Iterator[Metric]:
    waiting = connection.execute(query("metrics_webhooks")).one()
    yield _one("dispatcher_webhook_backlog", "Deliveries that wait for an attempt.", waiting.n)
    yield _one(
        "dispatcher_webhook_oldest_age_seconds", "Since the oldest could have been made.", _age(now, waiting.since)
    )
    yield _one("dispatcher_webhooks_disabled", "Endpoints that are not called any more.", waiting.disabled)
    unreviewed = connection.execute(query("metrics_unreviewed")).scalar_one()
    yield _one("dispatcher_replies_unreviewed", "Replies that might be opt-outs, and that nobody saw.", unreviewed)


def _of_account(connection: Connection, runtime: Runtime, account: Bound, now: datetime) -> Iterator[Metric]:
    row = connection.execute(query("read_conditions"), {"account_id": account.id}).one()
    clock = provider_clock.of_row(row)
    yield _one(
        "dispatcher_account_blocked", "Whether the account sends nothing.", int(bool(row.blocked_at or row.stale_at))
    )
    yield _one("dispatcher_in_doubt_chunks", "Chunks of which nobody knows whether they were taken.", row.doubts)
    unresulted = connection.execute(query("metrics_unresulted"), {"account_id": account.id}).scalar()
    yield _one(
        "dispatcher_oldest_unresulted_age_seconds", "Since the oldest POST without all results.", _age(now, unresulted)
    )
    scheduled = connection.execute(query("metrics_scheduled"), {"account_id": account.id}).scalar_one()
    yield _one("dispatcher_scheduled_messages", "Messages that wait to be sent.", scheduled)
    balance = balances.last(connection, account.id)
    if balance is not None and balance.saldo is not None:
        yield _one("dispatcher_balance_messages", "Messages left, by the last reading.", balance.saldo)
    if clock is not None:
        earliest, latest = clock.bounds(now)
        middle = earliest + (latest - earliest) / 2
        yield _one(
            "dispatcher_clock_offset_seconds",
            "The provider's clock less the database's.",
            (middle - now).total_seconds(),
        )
    yield _claimable(connection, runtime, account, row, clock or ProviderClock(0, 0, row.db_now))


def _claimable(connection: Connection, runtime: Runtime, account: Bound, row: Any, clock: ProviderClock) -> Metric:
    """What may not go now, for window, start, pause, rate or block, does not age."""
    known = admission.of_row(row, clock, runtime.settings)
    ages = dict.fromkeys(PRIORITIES, 0.0)
    if not known.blocked and not isinstance(admission.decide(known), Defer):
        today = admission.today(runtime.settings, row.db_now, clock)
        span = {
            "account_id": account.id,
            "earliest": today.earliest,
            "latest": today.latest,
            "closed": today.closed,
            "day_began": today.began,
        }
        ended = admission.waits_ended(known)
        last = connection.execute(query("metrics_last_claim"), {"account_id": account.id}).scalar()
        for found in connection.execute(query("metrics_claimable"), span):
            since = max([found.since, *ended, *([last] if last is not None else [])])
            ages[found.priority] = _age(row.db_now, since)
    words = "Since the oldest chunk of a priority could have gone."
    return _labelled("dispatcher_oldest_claimable_age_seconds", words, "priority", ages)


def _age(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _labelled(name: str, words: str, label: str, values: dict[str, Any]) -> Metric:
    made = GaugeMetricFamily(name, words, labels=[label])
    for each, value in values.items():
        made.add_metric([each], value)
    return made
