"""Polls where a fecha brings its whole day: today, and every earlier day from which something still waits."""

from datetime import timedelta

from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import AnswerError
from dispatcher.results.poll_cycle import Cycle, Questions

PACE = 5.0
"""A round begins no sooner than this many times the length of the round before: each one reads whole days."""
_DAYS_BACK = timedelta(days=7)


class DayPlan:
    """See `Plan`."""

    def __init__(self, questions: Questions) -> None:
        """Ask by way of `questions`."""
        self._questions = questions

    def round(self, cycle: Cycle) -> int:
        """See `Plan.round`; an earlier day that fails is no failure of the poll, and today's stops no earlier one."""
        today = cycle.latest.astimezone(PROVIDER_ZONE).replace(hour=12, minute=0, second=0, microsecond=0)
        first = max(cycle.since.astimezone(PROVIDER_ZONE).date(), today.date() - _DAYS_BACK)
        new = 0
        failed: AnswerError | None = None
        for back in range((today.date() - first).days + 1):
            self._questions.keep_lease()
            cursors = None if back else lambda _: [cycle.db_now]
            try:
                outcome = self._questions.ask(today - timedelta(days=back), cycle, cursors)
            except AnswerError as error:
                self._questions.tolerate(error)
                if failed:
                    break  # perhaps the provider does not answer at all
                failed = None if back else error
                continue
            new += outcome.settled + outcome.changed
        if failed:
            raise failed
        return new
