"""When a campaign would end, and whether the account can carry it until then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.accounts.account_info import AccountInfo
from dispatcher.config import Settings
from dispatcher.domain.days_off import DaysOff
from dispatcher.domain.window import provider_local
from dispatcher.i18n.words import worded

_SECONDS_PER_POST = 1.0
"""Assumed duration of a bulk POST when no rate limit sets the pace."""
_NONE = DaysOff()


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a campaign would begin and end (UTC), and what the estimate is based on."""

    begins: datetime
    ends: datetime
    basis: str


def estimate(
    settings: Settings,
    start: datetime,
    *,
    sending: int,
    posts: int,
    rate: int | None = None,
    days_off: DaysOff = _NONE,
) -> Estimate:
    """When `sending` messages in `posts` bulk POSTs would go out, given both rates, the window and the days off."""
    if rate and not (settings.rate and settings.rate < rate):
        needed, basis = timedelta(minutes=sending / rate), f"at {rate:,} messages a minute"
    elif settings.rate:
        needed = timedelta(minutes=sending / settings.rate)
        basis = worded(
            "at {rate:,} messages a minute (DISPATCHER_RATE), within the window {window}",
            rate=settings.rate,
            window=settings.window,
        )
    else:
        needed = timedelta(seconds=posts * _SECONDS_PER_POST / settings.concurrency)
        basis = worded(
            "assuming 1 s for each POST ({posts:,}), {n} at a time, within the window {window}",
            posts=posts,
            n=settings.concurrency,
            window=settings.window,
        )
    if days_off:
        basis = worded("{basis}, not on {days}", basis=basis, days=days_off)
    window = settings.sending_window.without(days_off)
    return Estimate(window.next_opening(start), window.finish(start, needed), basis)


def shortfalls(info: AccountInfo | None, *, sending: int, ends: datetime) -> list[str]:
    """What the account lacks for a campaign of `sending` messages that would end at `ends`, one sentence each."""
    found: list[str] = []
    if info is None:
        return found
    if info.saldo is not None and sending > info.saldo:
        found.append(
            worded(
                "The balance is {saldo:,}, which is less than the messages to send: {sending:,}.",
                saldo=info.saldo,
                sending=sending,
            )
        )
    last = provider_local(ends)
    if info.vencimiento is not None and last.date() > info.vencimiento:
        found.append(
            worded(
                "The campaign would end about {last:%Y-%m-%d %H:%M}, but the contract ends on {contract}.",
                last=last,
                contract=info.vencimiento,
            )
        )
    return found
