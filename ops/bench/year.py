"""A year and a half of sending, a hundredth of a million messages a day; what is too old is dropped each week."""

from dataclasses import dataclass

from dispatcher.accounts import provider_clock
from dispatcher.maintenance import retention
from ops.bench.history import operations
from ops.bench.history_rows import begin, write_week
from ops.bench.lists import write_list
from ops.bench.stack import Stack, stack

SHARE = 100
"""A million a day is scaled down by so much."""
WEEKS = 80
KEPT_DAYS = 403
"""Thirteen months of 31 days, the default."""
CAMPAIGNS, EACH = 14, 5_000
"""Of a week: ten thousand messages a day."""
SETTLED_WEEK = -(-KEPT_DAYS // 7) + 2
"""The first week at whose end as much goes as comes: the last range that is kept is whole by then."""


@dataclass(frozen=True)
class Outcome:
    """Bytes of the database at the end of each week, and seconds of each operation in the first and after the last."""

    sizes: list[int]
    first: dict[str, float]
    last: dict[str, float]
    dropped: int  # ranges

    @property
    def growth(self) -> float:
        """The largest size after the first thirteen months, over the one at their end."""
        settled = self.sizes[SETTLED_WEEK:]
        return max(settled) / settled[0]


def measure() -> Outcome:
    """Write week after week, each as of its own time; before each next one, drop and seal what is due by then."""
    with stack("year") as running:
        running.load(write_list(running.home / "first.csv", 10))
        begin(running)
        provider_clock.ensure(running.runtime, running.scalar("SELECT id FROM account"))
        _week(running, 0)
        first = operations(running)
        # Nothing is sealed while something is sent; here a week has passed.
        running.observer.execute("UPDATE chunk SET posted_at = posted_at - interval '1 day'")
        sizes, dropped = [_size(running)], 0
        for week in range(1, WEEKS):
            dropped += _week(running, week)
            sizes.append(_size(running))
        return Outcome(sizes, first, operations(running), dropped)


def _week(running: Stack, week: int) -> int:
    """One week: what it sends, then retention as of its end. Returns how many ranges went."""
    ago = WEEKS - week
    write_week(running, CAMPAIGNS, EACH, weeks_ago=ago)
    days = KEPT_DAYS + 7 * (ago - 1)
    settings = running.settings.model_copy(update={"retention": f"{days} days", "retention_days": days})
    return len(retention.run(running.runtime.engine, settings, 600).ranges)


def _size(running: Stack) -> int:
    return running.scalar("SELECT pg_database_size(current_database())")
