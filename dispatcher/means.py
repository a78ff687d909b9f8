"""Whether the account can carry a campaign: its balance, and the last day of its contract."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dispatcher.config import Settings
from dispatcher.errors import ProviderError, UsageError
from dispatcher.figures import if_any
from dispatcher.provider.http import HttpProvider
from dispatcher.window import provider_local

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
"""Total seconds for one of the two questions: handing a campaign in must not wait for a provider that is slow."""
_SECONDS_A_POST = 1.0
"""What a bulk POST is taken to cost when no rate limit says how fast it goes."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the provider says that the account has; None where the plan has no such limit."""

    saldo: int | None
    vencimiento: date | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a campaign would begin and end (UTC), and what that was reckoned from."""

    begins: datetime
    ends: datetime
    basis: str


def estimate(settings: Settings, start: datetime, *, sending: int, posts: int) -> Estimate:
    """When `sending` messages in `posts` bulk POSTs would go out, given rate and window."""
    if settings.rate:
        needed = timedelta(minutes=sending / settings.rate)
        basis = f"at DISPATCHER_RATE={settings.rate} messages a minute"
    else:
        needed = timedelta(seconds=posts * _SECONDS_A_POST / settings.concurrency)
        basis = f"taking 1 s for each of {posts:,} POSTs, {settings.concurrency} at a time"
    window = settings.sending_window
    return Estimate(
        window.next_opening(start), window.finish(start, needed), f"{basis}, within the window {settings.window}"
    )


def ask(settings: Settings, *, required: bool) -> Means | None:
    """Ask the provider; None when it does not say, or when no key is set. Outside any transaction.

    Raises:
        UsageError: it is required to know, and the provider gave no usable answer.
    """
    if settings.apikey is None:
        return None
    provider = HttpProvider(
        settings.provider_url,
        settings.require_apikey(),
        timeout=min(ASK_SECONDS, settings.provider_timeout),
        ca_bundle=str(settings.ca_bundle) if settings.ca_bundle else None,
    )
    try:
        return Means(if_any(provider.saldo), if_any(provider.vencimiento))
    except ProviderError as error:
        log.info("means_unknown reason=%s", error.reason)
        if required:
            raise UsageError(
                f"The balance is required and cannot be read: {error}",
                hint=error.hint or "Try again later, or without --require-balance.",
            ) from None
        return None
    finally:
        provider.close()


def shortfalls(means: Means | None, *, sending: int, ends: datetime) -> list[str]:
    """What the account lacks for a campaign of `sending` messages that would end at `ends`; a sentence each."""
    found: list[str] = []
    if means is None:
        return found
    if means.saldo is not None and sending > means.saldo:
        found.append(f"The campaign has {sending:,} messages to send and the balance is {means.saldo:,}.")
    last = provider_local(ends)
    if means.vencimiento is not None and last.date() > means.vencimiento:
        found.append(f"The campaign would end about {last:%Y-%m-%d %H:%M} and the contract on {means.vencimiento}.")
    return found
