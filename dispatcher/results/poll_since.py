"""Polls where a fecha brings everything from that second on: the cursor is the latest fecha seen.

Most polls ask from 2 s before the cursor. One every 30 s goes back 120 s, one every 5 min to the oldest POST that still
waits: these sweeps find rows that appeared later than their fecha.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import AnswerError
from dispatcher.results.poll_cycle import Cycle, NewCursors, Questions
from dispatcher.results.settle import Settled

log = logging.getLogger(__name__)

FRESH = timedelta(seconds=2)
OVERLAP = timedelta(seconds=120)
DEEP_EVERY = timedelta(seconds=30)
FULL_EVERY = timedelta(minutes=5)


@dataclass(frozen=True)
class SinceCursors:
    """The three cursors of this reading."""

    latest: datetime  # provider's clock: the latest fecha seen
    deep_at: datetime  # database's clock: when a poll last went back OVERLAP
    full_at: datetime  # database's clock: when a poll last went back to the oldest POST that waits

    @classmethod
    def of(cls, cycle: Cycle) -> Self:
        """The stored cursors, or those to begin with."""
        long_ago = cycle.db_now - timedelta(days=1)
        stored = [*cycle.cursors, *[long_ago] * 3][:3] if cycle.cursors else [cycle.since, long_ago, cycle.db_now]
        # A poll of the future was made before the database's clock was stepped back: long ago, then.
        deep_at, full_at = (at if at <= cycle.db_now else long_ago for at in stored[1:])
        return cls(max(stored[0], cycle.since), deep_at, full_at)

    def stored(self) -> list[datetime]:
        """As the account's row keeps them."""
        return [self.latest, self.deep_at, self.full_at]

    def swept(self, now: datetime, *, full: bool) -> Self:
        """The cursors after a sweep."""
        return replace(self, deep_at=now, full_at=now if full else self.full_at)

    def seen_by(self, cycle: Cycle) -> NewCursors:
        """The cursors after an answer."""

        def cursors(seen: Settled) -> list[datetime]:
            # A fecha ahead of the provider's own clock must not carry the cursor over rows still to come.
            latest = min(seen.latest.replace(tzinfo=PROVIDER_ZONE), cycle.latest) if seen.latest else self.latest
            return replace(self, latest=max(self.latest, latest)).stored()

        return cursors


class SincePlan:
    """See `Plan`."""

    def __init__(self, questions: Questions) -> None:
        """Ask by way of `questions`."""
        self._questions = questions

    def round(self, cycle: Cycle) -> int:
        """See `Plan.round`; a sweep that fails is no failure of the poll."""
        at = SinceCursors.of(cycle)
        start = fresh = max(at.latest - FRESH, cycle.since)
        full = cycle.db_now - at.full_at >= FULL_EVERY and at.latest - OVERLAP > cycle.since
        if full:
            start, at = cycle.since, at.swept(cycle.db_now, full=True)
        elif cycle.db_now - at.deep_at >= DEEP_EVERY:
            start, at = max(at.latest - OVERLAP, cycle.since), at.swept(cycle.db_now, full=False)
        if start < fresh:
            try:
                return self._done(at, self._questions.ask(start, cycle, at.seen_by(cycle)))
            except AnswerError as error:
                self._questions.tolerate(error)
            # What is new must not wait for the sweep, which comes again in its next turn.
            cycle = cycle.later()
            at = at.swept(cycle.db_now, full=full)
            self._questions.keep_lease(at.stored())
        try:
            return self._done(at, self._questions.ask(fresh, cycle, at.seen_by(cycle)))
        except AnswerError as error:
            self._questions.tolerate(error)
            failed = error
        return self._done(at, self._newest(fresh, cycle.later(), at, failed))

    def _newest(self, start: datetime, cycle: Cycle, at: SinceCursors, failed: AnswerError) -> Settled:
        """After a question from `start` that failed: read as far back as an answer reaches, and go on from there.

        A question about this moment tells whether the provider answers at all; then twice as much is asked for each
        time, until that fails or nothing is left out.

        Raises:
            AnswerError: `failed`, when not even the question about this moment is answered.
        """
        total, span = Settled(), timedelta(0)
        reached: datetime | None = None
        while reached is None or reached > start:
            self._questions.keep_lease()
            asked = max(cycle.earliest - span, start)
            try:
                total.add(self._questions.ask(asked, cycle))
            except AnswerError:
                break
            reached, read_from, span = asked, cycle.db_now - span, max(FRESH, 2 * span)
        if reached is None:
            raise failed
        whole = reached <= start
        if not whole:
            log.warning("results_passed_over account=%s from=%s until=%s", self._questions.account_id, start, reached)
        latest, *sweeps = at.seen_by(cycle)(total)
        self._questions.store(cycle, [max(latest, reached), *sweeps], None if whole else read_from)
        return total

    def _done(self, at: SinceCursors, outcome: Settled) -> int:
        """How many messages got a result; lines that no question brings again are forgotten."""
        oldest = (at.latest - OVERLAP - OVERLAP).astimezone(PROVIDER_ZONE).replace(tzinfo=None)
        self._questions.settler.seen.forget_before(oldest)
        return outcome.settled + outcome.changed
