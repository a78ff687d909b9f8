"""What an account has bought and spent: the figures behind saldo and envios, whoever did the spending.

The option `debit` says when a line is paid for: when it is taken or when it is processed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ops.simulator import clock, sentences
from ops.simulator.options import Options


class Plan:
    """One account's money, counted in SMS; times are provider unix seconds."""

    def __init__(self, options: Callable[[], Options]) -> None:
        self._options = options
        self._bought = 0
        self._spent = 0
        self._by_month: Counter[int] = Counter()
        self._month_began = float("-inf")
        self.by_strangers = 0
        self._strangers = Strangers()

    # -- questions -------------------------------------------------------------------------------------------

    @property
    def contracted(self) -> int | None:
        """SMS contracted in all, top-ups included; None on an open plan."""
        credit = self._options().credit
        return None if credit is None else credit + self._bought

    def left(self) -> int | None:
        """The saldo; None on an open plan."""
        contracted = self.contracted
        return None if contracted is None else max(contracted - self._spent, 0)

    def affordable(self, paid: int) -> int | None:
        """How many lines of a batch can go out, when so many of them are paid for; None = all."""
        left = self.left()
        return None if left is None else paid + left

    def exhausted(self) -> str:
        """The sentence for a line that nothing is left for."""
        return sentences.exhausted(self.contracted or 0)

    def sent_this_month(self, now: float) -> int:
        """The envios."""
        return max(self._by_month[clock.first_of_month(now)], 0)

    # -- moves -----------------------------------------------------------------------------------------------

    def reserve(self, lines: int, at: float) -> int:
        """Pay for lines at their POST where the account is of that kind; how many are paid for."""
        if self._options().debit != "on_taking":
            return 0
        left = self.left()
        paid = lines if left is None else min(lines, left)
        self.debit(paid, at)
        return paid

    def settle(self, *, paid: int, sent: int, taken: float, fecha: float) -> None:
        """Square what was paid at the POST with what really went out."""
        if sent > paid:
            self.debit(sent - paid, fecha)
        elif sent < paid and self._options().refunds:
            self._spent -= paid - sent
            if taken >= self._month_began:
                self._by_month[clock.first_of_month(taken)] -= paid - sent

    def debit(self, count: int, at: float) -> None:
        """Count so many SMS as sent at that moment."""
        self._spent += count
        self._by_month[clock.first_of_month(at)] += count

    def top_up(self, count: int) -> None:
        """Somebody buys SMS."""
        self._bought += count

    def begin_month(self, at: float) -> None:
        """Envios counts from zero again, whatever the date."""
        self._month_began = at
        self._by_month[clock.first_of_month(at)] = 0

    def count_strangers(self, until: float) -> list[tuple[float, int]]:
        """Debit what other users sent since the last look: moments, and how many by then. They need credit too."""
        counted = []
        for at, count in self._strangers.since_last(self._options().strangers, until):
            left = self.left()
            sent = count if left is None else min(count, left)
            if sent:
                self.strangers_sent(sent, at)
                counted.append((at, sent))
        return counted

    def strangers_sent(self, count: int, at: float) -> None:
        """Debit what other users of the account sent."""
        self.by_strangers += count
        self.debit(count, at)


class Strangers:
    """Other users of an account, who send so many messages a minute of provider time."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._begin = self._last = 0.0
        self._counted = 0

    def since_last(self, rate: float, until: float) -> list[tuple[float, int]]:
        """Messages since the last call, those of an earlier month apart.

        A new rate, or a clock set back to before they began, starts them again.
        """
        if rate != self._rate or until < self._begin:
            self._rate, self._begin, self._last, self._counted = rate, until, until, 0
        if not rate:
            return []
        turn = clock.first_of_month(until)
        moments = (turn - 1.0, until) if self._last < turn else (until,)
        self._last = until
        return [(at, self._more_by(at)) for at in moments]

    def _more_by(self, at: float) -> int:
        # An epsilon, so that 0.1 a minute for ten minutes is one.
        more = max(int(self._rate * (at - self._begin) / 60 + 1e-9) - self._counted, 0)
        self._counted += more
        return more
