"""The tick: once a second it looks for what is due, overdue or over, and says which tasks should run.

Every step is idempotent, so two beats, a late tick or a lost one change nothing. Ticks never overlap: each holds a lock
for the whole of it.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from dispatcher.access import replays
from dispatcher.accounts import binding, provider_clock
from dispatcher.campaigns import list_checks, preparations, reject_watch, request_list, request_loading
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.db.statements import query
from dispatcher.maintenance import host_clock
from dispatcher.maintenance.event_log import EventLog
from dispatcher.people import erasing
from dispatcher.provider.deadline import now as boot_clock
from dispatcher.results import completion
from dispatcher.runtime import Runtime
from dispatcher.sending import admission, claims
from dispatcher.single_messages import records
from dispatcher.uploads import dropping
from dispatcher.webhooks import deliveries, delivering, listening
from schemas import tables

log = logging.getLogger(__name__)

_TICK_LOCK = 0x71C
_CLOCK_REFRESH = timedelta(minutes=1)
_BALANCE_REFRESH = timedelta(minutes=5)
_KEEP_EVERY = 60.0
_told = EventLog()
_lists = request_list.Background()


@dataclass
class Hints:
    """Tasks worth running now; losing them is harmless, the next tick finds the same."""

    submits: int = 0
    poll: bool = False
    probe: bool = False
    clock: bool = False
    balance: bool = False
    inbox: bool = False
    keep: bool = False
    account_id: int | None = None
    requests: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    webhooks: list[int] = field(default_factory=list)  # one for each call that may begin


def tick(runtime: Runtime) -> Hints:
    """Look after the configured account: leases, deadlines, horizons, completions. Returns what should run."""
    hints = Hints()
    with runtime.engine.begin() as connection:
        beat(connection, "tick")
        host_clock.compare(connection)
        account = binding.find(connection, runtime.settings)
        _told.changes(connection)
    if request_list.awaited(runtime.engine):
        _lists.run(partial(request_loading.look_for_files, runtime.engine, runtime.settings))
    hints.requests = request_loading.pending(runtime.engine)
    hints.checks = list_checks.pending(runtime.engine)
    if account is not None:
        _look_after(runtime, hints, account.id)
    hints.webhooks = _webhooks(runtime)
    _drop_old(runtime)
    hints.keep = _minutely.due()
    return hints


class _Minutely:
    """Whether a minute has passed in this process since it was last so."""

    _next = float("-inf")

    def due(self) -> bool:
        """Once a minute."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _KEEP_EVERY
        return True


_minutely = _Minutely()


def _look_after(runtime: Runtime, hints: Hints, account_id: int) -> None:
    hints.account_id = account_id
    with _alone(runtime, account_id) as mine:
        if mine:
            _each(runtime, account_id, _rescue, _retire, _give_up, _watch, _complete, _expire_singles)
            _fill(runtime, hints, account_id)


def _webhooks(runtime: Runtime) -> list[int]:
    """Endpoints to call now; a call whose worker is gone is made again. What fails here holds up nothing else."""
    try:
        with runtime.engine.begin() as connection:
            for delivery_id in delivering.rescue(connection):
                log.warning("webhook_again delivery=%s", delivery_id)
            return [webhook_id for webhook_id, places in delivering.due(connection) for _ in range(places)]
    except DRIVER_ERRORS as error:
        log.warning("webhooks_not_looked_at why=%s", type(error).__name__)
        return []


def _drop_old(runtime: Runtime) -> None:
    """Old lists, events and kept answers go; what stands in their way stands in nobody else's."""
    try:
        dropping.drop_old(runtime.engine)
        list_checks.drop_old(runtime.engine)
        deliveries.drop_old(runtime.engine)
        replays.drop_old(runtime.engine)
        listening.forget_gone(runtime.engine)
        preparations.drop_old(runtime.engine, runtime.settings)
        erasing.go_on(runtime.engine)
        with runtime.engine.begin() as connection:
            connection.execute(query("fold_tally"))
    except DRIVER_ERRORS as error:
        log.warning("old_not_dropped why=%s", type(error).__name__)


@contextmanager
def _alone(runtime: Runtime, account_id: int) -> Iterator[bool]:
    """Whether no other tick of the account is at work; none begins until this one is over.

    The lock belongs to a transaction of its own, which does nothing else: it survives a pool of connections between us
    and Postgres. A tick that hangs loses it after 30 seconds: Postgres ends a session that is idle in a transaction.
    """
    connection = runtime.engine.connect()
    try:
        yield bool(connection.execute(select(func.pg_try_advisory_xact_lock(_TICK_LOCK, account_id))).scalar())
    finally:
        try:
            connection.rollback()
        except DBAPIError:
            log.warning("tick_lock_lost account=%s", account_id)
        connection.close()


def _each(runtime: Runtime, account_id: int, *steps: Callable[[Connection, Runtime, int], None]) -> None:
    """Each step in a transaction of its own: locks are short, and never of chunks and campaigns together."""
    for step in steps:
        with runtime.engine.begin() as connection:
            step(connection, runtime, account_id)


def _rescue(connection: Connection, runtime: Runtime, account_id: int) -> None:
    claims.rescue(connection, runtime.settings, account_id)


def _retire(connection: Connection, runtime: Runtime, account_id: int) -> None:
    row = connection.execute(query("read_conditions"), {"account_id": account_id}).one()
    clock = provider_clock.of_row(row)
    # Only a trustworthy clock may say that a deadline has passed: what has expired once never comes back.
    known = clock is not None and clock.trustworthy(row.db_now, provider_clock.host_id(), boot_clock())
    latest = clock.bounds(row.db_now)[1] if clock and known else None
    for gone in connection.execute(query("retire_due"), {"account_id": account_id, "latest": latest}).all():
        log.info("%s campaign=%s chunk=%s", gone.state, gone.campaign_id, gone.chunk_no)


def _give_up(connection: Connection, runtime: Runtime, account_id: int) -> None:
    parameters = {"account_id": account_id, "horizon": runtime.settings.result_horizon}
    for gone in connection.execute(query("give_up_on_results"), parameters).all():
        log.warning("unknown campaign=%s chunk=%s lines=%s", gone.campaign_id, gone.chunk_no, gone.unknown)


def _watch(connection: Connection, runtime: Runtime, account_id: int) -> None:
    reject_watch.watch(connection, account_id)


def _complete(connection: Connection, runtime: Runtime, account_id: int) -> None:
    completion.complete(connection, account_id)


def _expire_singles(connection: Connection, runtime: Runtime, account_id: int) -> None:
    if gone := records.expire(connection):
        log.warning("singles_unknown n=%s", gone)


def _fill(runtime: Runtime, hints: Hints, account_id: int) -> None:
    """Set the hints: what is due now and can make progress."""
    with runtime.engine.connect() as connection:
        row = connection.execute(query("read_conditions"), {"account_id": account_id}).one()
        clock = provider_clock.of_row(row)
        good_clock = clock is not None and clock.trustworthy(row.db_now, provider_clock.host_id(), boot_clock())
        due = claims.due_exists(connection, account_id)
        work = connection.execute(query("work_waiting"), {"account_id": account_id}).one()
        if due and not good_clock:
            hints.submits = 1  # a pump measures the clock itself: the next tick would be a second later
        elif clock is not None and due and (most := _pumps(runtime, row, clock)):
            earliest, latest = clock.bounds(row.db_now)
            closed = runtime.settings.sending_window.names_of_days(earliest, latest)
            now = {"account_id": account_id, "earliest": earliest, "closed": closed}
            startable = connection.execute(query("startable"), now).first()
            hints.submits = most if startable else 0
    pause_over = row.clock_ask_at is None or row.clock_ask_at <= row.db_now
    # After a step of the clock the pause means nothing; the task itself then sees whether another one is asking.
    if good_clock:
        hints.clock = pause_over and row.db_now - row.clock_measured_at > _CLOCK_REFRESH
    else:
        hints.clock = not hints.submits
    hints.balance = bool((due or work.awaited) and _balance_is_old(row, work.doubt_since))
    hints.inbox = _inbox_is_old(runtime, row)
    poller_idle = row.poll_lease_until is None or row.poll_lease_until < row.db_now
    hints.poll = bool((work.awaited or work.late) and row.poll_at <= row.db_now and poller_idle)
    hints.probe = bool(work.probes and (row.probe_free_at is None or row.probe_free_at <= row.db_now))
    if runtime.settings.apikey is None:  # usuario and clave alone open none of these
        hints.submits, hints.balance, hints.poll, hints.probe = 0, False, False, False


def _balance_is_old(row: Any, doubt_since: datetime | None) -> bool:
    """Whether saldo and envíos should be read: every few minutes of work, and after a new doubt."""
    if row.balance_at is None or row.db_now - row.balance_at > _BALANCE_REFRESH:
        return True
    return doubt_since is not None and doubt_since > row.balance_at


def _inbox_is_old(runtime: Runtime, row: Any) -> bool:
    """Whether replies should be pulled."""
    return row.inbox_at is None or row.db_now - row.inbox_at > timedelta(seconds=runtime.settings.inbox_interval)


def _pumps(runtime: Runtime, row: Any, clock: provider_clock.ProviderClock) -> int:
    """How many pumps find something that may go now; one, when it is the rate that ends soon."""
    settings = runtime.settings
    decision = admission.decide(admission.of_row(row, clock, settings))
    holds = isinstance(decision, admission.Defer) and decision.rate_wait is None and decision.until is not None
    _told.waits(row.id, decision.why if isinstance(decision, admission.Defer) and holds else None)
    if isinstance(decision, admission.Defer):
        return int(decision.brief)
    return max(0, settings.concurrency - int(row.in_flight))


def beat(connection: Connection, name: str) -> None:
    """Record that something runs; the doctor looks at how long ago."""
    first = insert(tables.heartbeat).values(name=name)
    connection.execute(first.on_conflict_do_update(index_elements=["name"], set_={"at": func.clock_timestamp()}))
