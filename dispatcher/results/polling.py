"""Polls by fecha (guide, "Comprobación del proceso de un envío en bloque"): what to ask, and when the cursor moves.

The guide does not say which rows a fecha brings. Three readings exist, and one poll plan for each:

- *since*: everything from that second on. The cursor is the latest fecha seen; most polls go 2 s behind it, one
  every 30 s goes 120 s behind, one every 5 min goes back to the oldest POST that still waits.
- *second*: that second alone. Every second is asked three times: after 2 s, 30 s and 5 min.
- *day*: the whole day. Today, and every earlier day from which something still waits.

A cursor moves only in the transaction that settled the rows of its answer, or after it. An answer that is too large is
too large the next time as well: no plan waits for one. What it would have brought is asked for by idinterno, and the
time that was not read does not count as observed.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from dispatcher.accounts import binding, provider_clock
from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.db.statements import query
from dispatcher.domain.window import PROVIDER_ZONE, fecha_digits
from dispatcher.errors import AnswerError, ProviderError
from dispatcher.provider.frames import parse_slice
from dispatcher.results.fecha_reading import detect
from dispatcher.results.settle import Settled, Settler, count_unmapped
from dispatcher.results.settle_pipeline import Batches
from dispatcher.runtime import Runtime

log = logging.getLogger(__name__)

BUDGET_SECONDS = 20.0
PACE_SECONDS = 1.0  # between polls while rows come: larger batches settle cheaper
QUICK_SECONDS = 0.3  # the same while few come
FEW_ROWS = 5_000
PATIENT_MISSES = 2  # so often a poll that brought nothing new is followed by another one without giving up the lease
FRESH = timedelta(seconds=2)
OVERLAP = timedelta(seconds=120)
DEEP_EVERY = timedelta(seconds=30)
FULL_EVERY = timedelta(minutes=5)
SECOND_PASSES = (timedelta(seconds=2), timedelta(seconds=30), timedelta(minutes=5))
SECONDS_A_CYCLE = 60
DAY_PACE = 5.0
_SLACK = timedelta(seconds=5)  # first_post_at is a lower bound already; seconds are truncated
_LATE_INTERVAL = 300.0
_LEASE_MARGIN = (
    15.0  # a poller that outlives its lease does no harm: settling is idempotent, its cursor no longer moves
)


@dataclass
class Cycle:
    """One round of questions: what waits, when it began, and where the cursors stand."""

    since: datetime  # provider's clock: no wanted result is older
    clock: ProviderClock
    db_now: datetime
    cursors: list[datetime]
    begun: float = field(default_factory=time.monotonic)

    def later(self) -> "Cycle":
        """The same round, as of this moment."""
        took = time.monotonic() - self.begun
        return replace(self, db_now=self.db_now + timedelta(seconds=took), begun=self.begun + took)

    @property
    def earliest(self) -> datetime:
        """The earliest that the provider's clock may show."""
        return self.clock.bounds(self.db_now)[0]

    @property
    def latest(self) -> datetime:
        """The latest that the provider's clock may show."""
        return self.clock.bounds(self.db_now)[1]


class Poller:
    """Polls one account from one process at a time, held by a lease in the database."""

    def __init__(self, runtime: Runtime, account: binding.Bound) -> None:
        """Make a poller; nothing is asked yet."""
        self.runtime = runtime
        self.account = account
        self.settler = Settler(runtime.engine, account.id)
        self.turn = 0
        self._life: str | None = None

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
        wait, misses, more = self.runtime.settings.poll_interval, 0, False
        try:
            wait, misses, more = self._poll_for(budget)
        finally:
            with self.runtime.engine.begin() as connection:
                connection.execute(
                    query("end_poll"),
                    {"account_id": self.account.id, "poll_turn": self.turn, "misses": misses, "wait": wait},
                )
        return more

    def _poll_for(self, budget: float) -> tuple[float, int, bool]:
        """Returns seconds to wait, misses in a row, and whether rows were still coming."""
        ends = time.monotonic() + budget
        interval = self.runtime.settings.poll_interval
        misses: int | None = None
        while True:
            begun = time.monotonic()
            row, cycle = self._look()
            misses = row.poll_misses if misses is None else misses
            if cycle is None:
                return interval, 0, False
            try:
                new = self._cycle(cycle, row.reading)
            except ProviderError as error:
                return self._failed(error, row.poll_failures), 0, False
            took = time.monotonic() - begun
            reading = self._reading(row.reading)
            pace = PACE_SECONDS if new >= FEW_ROWS else QUICK_SECONDS
            if reading == "day":
                pace = max(PACE_SECONDS, DAY_PACE * took)
            if new:
                misses = 0
            else:
                misses += 1
                idle = interval if row.awaited else max(interval, _LATE_INTERVAL)
                pace = max(min(idle, 2.0 ** min(misses, 12) / 2 if row.awaited else idle), pace)
                if not row.awaited or misses > PATIENT_MISSES:
                    return pace, misses, False
            if time.monotonic() + pace > ends:
                return min(pace, 60.0), misses, new > 0 and pace <= PACE_SECONDS
            time.sleep(max(0.0, pace - took))

    def _look(self) -> tuple[Any, Cycle | None]:
        """What waits for results, and the account's polling state."""
        clock = provider_clock.ensure_or_none(self.runtime, self.account.id)
        with self.runtime.engine.connect() as connection:
            awaited = connection.execute(query("awaiting_results"), {"account_id": self.account.id}).one()
            late = connection.execute(query("awaiting_late_results"), {"account_id": self.account.id}).one()
            row = connection.execute(query("poll_state"), {"account_id": self.account.id}).one()
        if row.life != self._life:  # restored from a dump while this process ran: what it settled may be lost again
            self.settler, self._life = Settler(self.runtime.engine, self.account.id), row.life
        waits = [moment for moment in (awaited.since, late.since) if moment is not None]
        if not waits or clock is None:
            return row, None
        return row, Cycle(min(waits) - _SLACK, clock, row.db_now, list(row.cursors or []))

    def _reading(self, found: str | None) -> str | None:
        wanted = self.runtime.settings.fecha_reading
        return found if wanted == "auto" else wanted

    def _cycle(self, cycle: Cycle, found: str | None) -> int:
        """One round. Returns how many messages got a result that they did not have."""
        reading = self._reading(found)
        settled = 0
        if reading is None:
            detection = detect(self.runtime, self.account.id, self.settler)
            reading, settled = detection.reading, detection.settled
            if reading is None:
                if detection.nothing_yet:
                    # A poll that worked: else an account whose very first POST is in doubt would observe no time,
                    # and the doubt's horizon would never pass.
                    with self.runtime.engine.begin() as connection:
                        self._move(connection, cycle, cycle.cursors)
                return settled
        plan = {"since": self._since, "second": self._second, "day": self._day}[reading]
        return settled + plan(cycle)

    def _since(self, cycle: Cycle) -> int:
        cursor, deep_at, full_at = _since_cursors(cycle)
        now = cycle.db_now
        start = fresh = max(cursor - FRESH, cycle.since)
        full = now - full_at >= FULL_EVERY and cursor - OVERLAP > cycle.since
        if full:
            start, full_at, deep_at = cycle.since, now, now
        elif now - deep_at >= DEEP_EVERY:
            start, deep_at = max(cursor - OVERLAP, cycle.since), now

        def cursors(seen: Settled) -> list[datetime]:
            # A fecha ahead of the provider's own clock must not carry the cursor over rows still to come.
            latest = min(seen.latest.replace(tzinfo=PROVIDER_ZONE), cycle.latest) if seen.latest else cursor
            return [max(cursor, latest), deep_at, full_at]

        if start < fresh:
            try:
                return self._done(cursor, self._ask(start, cycle, cursors))
            except AnswerError as error:
                self._heed(error)
            # What is new must not wait for it: it comes again when its next turn comes.
            cycle = cycle.later()
            deep_at, full_at = cycle.db_now, cycle.db_now if full else full_at
            self._go_on([cursor, deep_at, full_at])
        try:
            return self._done(cursor, self._ask(fresh, cycle, cursors))
        except AnswerError as error:
            self._heed(error)
            failed = error
        cycle = cycle.later()
        return self._done(cursor, self._newest(fresh, cycle, cursors, failed))

    def _newest(
        self, start: datetime, cycle: Cycle, cursors: Callable[[Settled], list[datetime]], failed: AnswerError
    ) -> Settled:
        """After a question from `start` that failed: read as far back as an answer reaches, and go on from there.

        A question about this moment tells whether the provider answers at all; then twice as much is asked for each
        time, until that fails or nothing is left out.

        Raises:
            AnswerError: `failed`, when not even this moment is answered for.
        """
        total, span = Settled(), timedelta(0)
        reached: datetime | None = None
        while reached is None or reached > start:
            self._go_on()
            asked = max(cycle.earliest - span, start)
            try:
                total.add(self._ask(asked, cycle, None))
            except AnswerError:
                break
            reached, read_from, span = asked, cycle.db_now - span, max(FRESH, 2 * span)
        if reached is None:
            raise failed
        whole = reached <= start
        if not whole:
            log.warning("results_passed_over account=%s from=%s until=%s", self.account.id, start, reached)
        cursor, *sweeps = cursors(total)
        with self.runtime.engine.begin() as connection:
            self._move(connection, cycle, [max(cursor, reached), *sweeps], None if whole else read_from)
        return total

    def _done(self, cursor: datetime, outcome: Settled) -> int:
        """How many messages got a result; lines that no question brings again are forgotten."""
        self.settler.seen.forget_before((cursor - OVERLAP - OVERLAP).astimezone(PROVIDER_ZONE).replace(tzinfo=None))
        return outcome.settled + outcome.changed

    def _second(self, cycle: Cycle) -> int:
        floor = cycle.since.replace(microsecond=0)
        cursors = [*cycle.cursors[: len(SECOND_PASSES)], *[floor] * (len(SECOND_PASSES) - len(cycle.cursors))]
        new = 0
        for number, delay in enumerate(SECOND_PASSES):
            moment = max(cursors[number], floor).replace(microsecond=0)
            end = cycle.earliest - delay
            until = min(end, moment + timedelta(seconds=SECONDS_A_CYCLE))
            while moment < until:
                following = moment + timedelta(seconds=1)
                cursors[number] = following
                outcome = self._ask_second(moment, end - timedelta(seconds=1), cycle, cursors)
                new += outcome.settled + outcome.changed
                moment = following
        return new

    def _ask_second(self, moment: datetime, last: datetime, cycle: Cycle, cursors: list[datetime]) -> Settled:
        """Ask for one second; it is passed over when it fails twice while the `last` one is answered."""

        def moved(_: Settled) -> list[datetime]:
            return list(cursors)

        try:
            return self._ask(moment, cycle, moved)
        except AnswerError as error:
            if moment >= last:
                raise
            self._heed(error)
        self._go_on()
        outcome = self._ask(last, cycle, None)
        try:
            outcome.add(self._ask(moment, cycle, moved))
        except AnswerError:
            log.warning("results_passed_over account=%s second=%s", self.account.id, moment)
            with self.runtime.engine.begin() as connection:
                self._move(connection, cycle, list(cursors), cycle.db_now)
        return outcome

    def _day(self, cycle: Cycle) -> int:
        """Today, then the earlier days: one that fails is no failure of the poll, and stops no other."""
        today = cycle.latest.astimezone(PROVIDER_ZONE).replace(hour=12, minute=0, second=0, microsecond=0)
        first = max(cycle.since.astimezone(PROVIDER_ZONE).date(), today.date() - timedelta(days=7))
        new = 0
        failed: AnswerError | None = None
        for back in range((today.date() - first).days + 1):
            self._go_on()
            try:
                outcome = self._ask(today - timedelta(days=back), cycle, None if back else lambda _: [cycle.db_now])
            except AnswerError as error:
                self._heed(error)
                if failed:
                    break  # perhaps nobody answers at all
                failed = None if back else error
                continue
            new += outcome.settled + outcome.changed
        if failed:
            raise failed
        return new

    def _heed(self, error: AnswerError) -> None:
        """Raise what says that another question would fare no better."""
        if not error.retryable:
            raise error
        log.warning("question_failed account=%s reason=%s", self.account.id, error.reason)

    def _go_on(self, cursors: list[datetime] | None = None) -> None:
        """Keep the lease for another question of this poll."""
        with self.runtime.engine.begin() as connection:
            connection.execute(
                query("poll_goes_on"),
                {"account_id": self.account.id, "poll_turn": self.turn, "cursors": cursors, "lease": self._lease},
            )

    def _ask(self, fecha: datetime, cycle: Cycle, cursors: Callable[[Settled], list[datetime]] | None) -> Settled:
        """Ask for one fecha and settle the answer as it streams in; the last batch's commit moves the cursor."""
        unmapped: dict[str, int] = {}
        malformed = lines = 0
        unseen = self.settler.seen.unseen()
        with Batches(self.settler) as batches, self.runtime.provider.status_by_fecha(fecha_digits(fecha)) as slices:
            try:
                for piece in slices:
                    parsed = parse_slice(piece, unseen)
                    malformed += parsed.malformed
                    for sentence, n in parsed.unmapped.items():
                        unmapped[sentence] = unmapped.get(sentence, 0) + n
                    lines += parsed.frame.height + parsed.skipped
                    batches.put(parsed.frame)
            except AnswerError:
                # Each line that came is true by itself, and perhaps no other answer brings it.
                self.settler.settle(batches.rest(), skip_seen=False)
                raise
            last, total = batches.rest(), batches.total
        if malformed and not lines:
            # Neither results nor PENDIENTE: somebody else's words, on which no cursor may move.
            raise AnswerError("The answer to a poll holds no result line.", reason="no_result_line")

        def also(connection: Connection, batch: Settled) -> None:
            if cursors:
                total.see(batch.latest)
                self._move(connection, cycle, cursors(total))
            if malformed:
                connection.execute(query("count_malformed"), {"account_id": self.account.id, "n": malformed})
            if batch.settled:
                count_unmapped(connection, unmapped)

        total.add(self.settler.settle(last, skip_seen=False, also=also))
        return total

    def _move(
        self, connection: Connection, cycle: Cycle, cursors: list[datetime], read_from: datetime | None = None
    ) -> None:
        """Move the cursors, and count the time since the last poll as observed when the window was open.

        `read_from` (the database's clock) says that results from before it were passed over.
        """
        connection.execute(
            query("poll_worked"),
            {
                "account_id": self.account.id,
                "poll_turn": self.turn,
                "cursors": cursors,
                "counts": self.runtime.settings.sending_window.allows(cycle.earliest),
                "cap_ms": self.runtime.settings.poll_gap_cap_ms,
                "begun_at": cycle.db_now,
                "read_from": read_from,
                "lease": self._lease,
            },
        )

    def _failed(self, error: ProviderError, failures: int) -> float:
        """Write a failed poll down. Returns the seconds to wait."""
        log.warning("poll_failed account=%s reason=%s", self.account.id, error.reason)
        words = f"{error.reason}: {error.words}" if error.words else str(error)
        with self.runtime.engine.begin() as connection:
            connection.execute(
                query("poll_failed"),
                {"account_id": self.account.id, "poll_turn": self.turn, "words": words[:300].replace("\x00", " ")},
            )
        return float(min(300.0, max(1.0, self.runtime.settings.poll_interval / 4) * 2 ** min(failures, 8)))


def _since_cursors(cycle: Cycle) -> tuple[datetime, datetime, datetime]:
    long_ago = cycle.db_now - timedelta(days=1)
    stored = [*cycle.cursors, *[long_ago] * 3][:3] if cycle.cursors else [cycle.since, long_ago, cycle.db_now]
    # A poll of the future was made before the database's clock was stepped back: long ago, then.
    deep_at, full_at = (at if at <= cycle.db_now else long_ago for at in stored[1:])
    return max(stored[0], cycle.since), deep_at, full_at
