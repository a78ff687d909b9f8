"""Polls where a fecha brings that second alone: every second is asked three times, after 2 s, 30 s and 5 min."""

import logging
from datetime import datetime, timedelta

from dispatcher.errors import AnswerError
from dispatcher.results.poll_cycle import Cycle, Questions
from dispatcher.results.settle import Settled

log = logging.getLogger(__name__)

PASSES = (timedelta(seconds=2), timedelta(seconds=30), timedelta(minutes=5))
"""How long after a second each pass asks for it; each pass has a cursor of its own, the next second to ask for."""
SECONDS_A_ROUND = 60
_SECOND = timedelta(seconds=1)


class SecondPlan:
    """See `Plan`."""

    def __init__(self, questions: Questions) -> None:
        """Ask by way of `questions`."""
        self._questions = questions

    def round(self, cycle: Cycle) -> int:
        """See `Plan.round`; each pass asks for up to a minute of seconds."""
        floor = cycle.since.replace(microsecond=0)
        cursors = [*cycle.cursors[: len(PASSES)], *[floor] * (len(PASSES) - len(cycle.cursors))]
        new = 0
        for number, delay in enumerate(PASSES):
            moment = max(cursors[number], floor).replace(microsecond=0)
            end = cycle.earliest - delay
            until = min(end, moment + SECONDS_A_ROUND * _SECOND)
            while moment < until:
                following = moment + _SECOND
                cursors[number] = following
                outcome = self._ask(moment, end - _SECOND, cycle, list(cursors))
                new += outcome.settled + outcome.changed
                moment = following
        return new

    def _ask(self, moment: datetime, last: datetime, cycle: Cycle, cursors: list[datetime]) -> Settled:
        """Ask for one second; it is passed over when it fails twice while the `last` one is answered."""

        def moved(_: Settled) -> list[datetime]:
            return cursors

        try:
            return self._questions.ask(moment, cycle, moved)
        except AnswerError as error:
            if moment >= last:
                raise
            self._questions.tolerate(error)
        self._questions.keep_lease()
        outcome = self._questions.ask(last, cycle)
        try:
            outcome.add(self._questions.ask(moment, cycle, moved))
        except AnswerError:
            log.warning("results_passed_over account=%s second=%s", self._questions.account_id, moment)
            self._questions.store(cycle, cursors, cycle.db_now)
        return outcome
