"""Whether the clocks of this machine, the database and the provider agree. Pure.

Each clock is given as its difference from this machine's: a positive one is ahead. Celery drops hints that have expired
by the worker's own clock, so this machine and the database must agree closely. The provider's clock is measured, so it
only has to be plausible.
"""

from datetime import timedelta

from dispatcher.errors import DispatcherError
from dispatcher.i18n.words import translated, worded

OURS = timedelta(minutes=5)
"""How far this machine's clock and the database's may differ."""
PROVIDER = timedelta(minutes=10)
"""How far the provider's clock may differ from both of ours, unless DISPATCHER_CLOCK_LIMIT says otherwise."""

_NTP = "Let NTP set it."
_EITHER = (
    "Sending follows the provider's clock, so nothing is sent while it is off. If the database runs on this machine, "
    "the one clock of both may be wrong instead: let NTP set it."
)


def compare(database: timedelta, provider: timedelta | None, limit: timedelta = PROVIDER) -> str:
    """Compare the database's clock and the provider's with this machine's; pass None if the provider's is not known.

    `limit` is how far the provider's may be off; 0 = no limit.

    Raises:
        DispatcherError: they differ too much; it says which clock is off, as far as the three can tell.
    """
    told = worded(
        "against this machine the database is {database}, the provider {provider}",
        database=_signed(database),
        provider=_signed(provider),
    )
    if abs(database) > OURS:
        raise DispatcherError(f"{_which_of_ours(database, provider)}: {told}.", hint=_NTP)
    if provider is not None and limit and min(abs(provider), abs(provider - database)) > limit:
        raise DispatcherError(worded("The provider's clock is off: {told}.", told=told), hint=_EITHER)
    return told


def _which_of_ours(database: timedelta, provider: timedelta | None) -> str:
    if provider is None:
        return translated("This machine's clock or the database's is off")
    of_machine, of_database = abs(provider), abs(provider - database)
    if min(of_machine, of_database) > PROVIDER:
        return translated("No two of the three clocks agree")
    if of_machine > of_database:
        return translated("This machine's clock is off")
    return translated("The database's clock is off")


def _signed(difference: timedelta | None) -> str:
    return translated("not known") if difference is None else f"{difference.total_seconds():+.0f} s"
