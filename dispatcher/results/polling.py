"""Polls by fecha (guide, "Comprobación del proceso de un envío en bloque"): the loop that all readings of fecha share.

The guide does not say which rows a fecha brings. Three readings exist, and one plan for each:

- *since*: everything from that second on (`poll_since.py`).
- *second*: that second alone (`poll_second.py`).
- *day*: the whole day (`poll_day.py`).

An answer that is too large will be too large the next time as well, so no plan waits for one: what it would have
brought is asked for by idinterno, and the time that was not read does not count as observed.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy.exc import ProgrammingError

from dispatcher.accounts import binding, provider_clock
from dispatcher.db.statements import query
from dispatcher.domain.backoff import backoff
from dispatcher.errors import ProviderError
from dispatcher.results import poll_day
from dispatcher.results.fecha_reading import detect
from dispatcher.results.poll_cycle import Cycle, Plan, Questions
from dispatcher.results.poll_day import DayPlan
from dispatcher.results.poll_second import SecondPlan
from dispatcher.results.poll_since import SincePlan
from dispatcher.results.settle import Settler
from dispatcher.runtime import Runtime

log = logging.getLogger(__name__)

PLANS: dict[str, Callable[[Questions], Plan]] = {"since": SincePlan, "second": SecondPlan, "day": DayPlan}

BUDGET_SECONDS = 20.0
PACE_SECONDS = 1.0  # between polls while rows come: larger batches settle cheaper
QUICK_SECONDS = 0.3  # the same while few come
FEW_ROWS = 5_000
PATIENT_MISSES = 2  # more polls in a row than this that bring nothing new end the run
_SLACK = timedelta(seconds=5)  # first_post_at is a lower bound already; seconds are truncated
_LATE_INTERVAL = 300.0
_LONGEST_PAUSE = 60.0
# A poller that outlives its lease does no harm: settling is idempotent, and its cursors no longer move.
_LEASE_MARGIN = 15.0


class _Run(NamedTuple):
    """How a run of polls ended."""

    wait: float  # seconds until the next
    misses: int  # polls in a row that brought nothing new
    more: bool  # rows were still coming


class Poller:
    """Polls one account from one process at a time, held by a lease in the database."""

    def __init__(self, runtime: Runtime, account: binding.Bound) -> None:
        """Make a poller; nothing is asked yet."""
        self.runtime = runtime
        self.account = account
        self.settler = Settler(runtime.engine, account.id)
        self.turn = 0
        self._history: tuple[str, tuple[int, int] | None] | None = None

    @property
    def _lease(self) -> float:
        return self.runtime.settings.provider_timeout + _LEASE_MARGIN

    def run(self, budget: float = BUDGET_SECONDS) -> bool:
        """Poll while rows come, for `budget` seconds at most.

        Returns:
            Whether rows were still coming, so that another run should follow at once.
        """
        with self.runtime.engine.begin() as connection:
            turn = connection.execute(
                query("begin_poll"),
                {"account_id": self.account.id, "fingerprint": self.account.fingerprint, "lease": self._lease},
            ).scalar()
        if turn is None:
            return False
        self.turn = turn
        ended = _Run(self.runtime.settings.poll_interval, 0, False)
        try:
            ended = self._poll_for(budget)
        finally:
            with self.runtime.engine.begin() as connection:
                connection.execute(
                    query("end_poll"),
                    {"account_id": self.account.id, "poll_turn": turn, "misses": ended.misses, "wait": ended.wait},
                )
        return ended.more

    def _poll_for(self, budget: float) -> _Run:
        ends = time.monotonic() + budget
        misses: int | None = None
        while True:
            begun = time.monotonic()
            row, cycle = self._look()
            misses = row.poll_misses if misses is None else misses
            if cycle is None:
                return _Run(self.runtime.settings.poll_interval, 0, False)
            try:
                new = self._round(cycle, row.reading)
            except ProviderError as error:
                return _Run(self._failed(error, row.poll_failures), 0, False)
            took = time.monotonic() - begun
            pause = self._shortest_pause(row.reading, new, took)
            if new:
                misses = 0
            else:
                misses += 1
                pause = max(pause, self._idle_pause(row.awaited, misses))
                if not row.awaited or misses > PATIENT_MISSES:
                    return _Run(pause, misses, False)
            if time.monotonic() + pause > ends:
                return _Run(min(pause, _LONGEST_PAUSE), misses, new > 0 and pause <= PACE_SECONDS)
            time.sleep(max(0.0, pause - took))

    def _cluster(self) -> tuple[int, int] | None:
        """The cluster's identifier and timeline; None when this role may not ask."""
        try:
            with self.runtime.engine.connect() as connection:
                found = connection.execute(query("cluster")).one()
        except ProgrammingError:
            return None
        return found.system_identifier, found.timeline_id

    def _look(self) -> tuple[Any, Cycle | None]:
        """The account's polling state, and the round to make of what waits for results; None when nothing does."""
        clock = provider_clock.ensure_or_none(self.runtime, self.account.id)
        with self.runtime.engine.connect() as connection:
            awaited = connection.execute(query("awaiting_results"), {"account_id": self.account.id}).one()
            late = connection.execute(query("awaiting_late_results"), {"account_id": self.account.id}).one()
            row = connection.execute(query("poll_state"), {"account_id": self.account.id}).one()
        history = (row.prefix, self._cluster())
        if history != self._history:
            # Restored from a dump, or failed over, while this process ran: what it settled may be lost again.
            self.settler, self._history = Settler(self.runtime.engine, self.account.id), history
        waits = [moment for moment in (awaited.since, late.since) if moment is not None]
        if not waits or clock is None:
            return row, None
        return row, Cycle(min(waits) - _SLACK, clock, row.db_now, list(row.cursors or []))

    def _reading(self, found: str | None) -> str | None:
        wanted = self.runtime.settings.fecha_reading
        return found if wanted == "auto" else wanted

    def _round(self, cycle: Cycle, found: str | None) -> int:
        """One round of the plan. Returns how many messages got a result that they did not have."""
        questions = Questions(self.runtime, self.account.id, self.settler, self.turn, self._lease)
        reading = self._reading(found)
        settled = 0
        if reading is None:
            detection = detect(self.runtime, self.account.id, self.settler)
            reading, settled = detection.reading, detection.settled
            if reading is None:
                if detection.nothing_yet:
                    # A poll that worked: else an account whose very first POST is in doubt would observe no time,
                    # and the doubt's horizon would never pass.
                    questions.store(cycle, cycle.cursors)
                return settled
        return settled + PLANS[reading](questions).round(cycle)

    def _shortest_pause(self, found: str | None, new: int, took: float) -> float:
        """Seconds from the beginning of a round that took `took` seconds to the next."""
        if self._reading(found) == "day":
            return max(PACE_SECONDS, poll_day.PACE * took)
        return PACE_SECONDS if new >= FEW_ROWS else QUICK_SECONDS

    def _idle_pause(self, awaited: bool, misses: int) -> float:
        """Seconds to the next round after `misses` that brought nothing; late results are looked for rarely."""
        interval = self.runtime.settings.poll_interval
        if not awaited:
            return max(interval, _LATE_INTERVAL)
        return float(min(interval, 2.0 ** min(misses, 12) / 2))

    def _failed(self, error: ProviderError, failures: int) -> float:
        """Write a failed poll down. Returns the seconds to wait."""
        log.warning("poll_failed account=%s reason=%s", self.account.id, error.reason)
        words = f"{error.reason}: {error.words}" if error.words else str(error)
        with self.runtime.engine.begin() as connection:
            connection.execute(
                query("poll_failed"),
                {"account_id": self.account.id, "poll_turn": self.turn, "words": words[:300].replace("\x00", " ")},
            )
        return backoff(failures, first=max(1.0, self.runtime.settings.poll_interval / 4))
