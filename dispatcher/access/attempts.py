"""Passwords that are tried: how many at once, and how many wrong ones for a name and from an address.

A try is noted before its password is looked at, and taken back when it was right: of a thousand that come at the same
moment, no more are looked at than of a thousand that come one after the other.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection, Engine, case, delete, func, insert, select

from schemas import tables

_SPAN = timedelta(minutes=15)
_WRONG_FOR_A_NAME = 10
_WRONG_FROM_AN_ADDRESS = 30
_LOCK = 7109
_AT_ONCE = threading.BoundedSemaphore(2)
"""Looking at a password takes 64 MiB and all of a core: two at once leave the rest of the page alone."""
_PATIENCE = 5.0
"""Seconds that one waits for its turn."""
_IPV6_NETWORK = 64
"""Whoever has one address of such a network has all of them."""

_failure = tables.sign_in_failure


class TooManyFailures(Exception):
    """So many passwords were wrong of late that none is looked at for some minutes."""


def note(engine: Engine, name: str, address: str | None) -> int:
    """Note a try, and return its number.

    Raises:
        TooManyFailures: it must not be looked at.
    """
    place = _place(address)
    with engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK, 0)))  # one after the other: each sees those before
        _require_patience(connection, _hash(name), place)
        connection.execute(delete(_failure).where(_failure.c.at < func.now() - _SPAN))
        new = insert(_failure).values(name_sha256=_hash(name), address=place).returning(_failure.c.id)
        return int(connection.execute(new).scalar_one())


def take_back(engine: Engine, number: int) -> None:
    """The password was right, or was not looked at."""
    with engine.begin() as connection:
        connection.execute(delete(_failure).where(_failure.c.id == number))


@contextmanager
def turn() -> Iterator[None]:
    """Wait until a password may be looked at.

    Raises:
        TooManyFailures: so many are waiting that it does not come.
    """
    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise TooManyFailures
    try:
        yield
    finally:
        _AT_ONCE.release()


def _require_patience(connection: Connection, name: str, place: str | None) -> None:
    of_name = func.count(case((_failure.c.name_sha256 == name, 1)))
    of_place = func.count(case((_failure.c.address == place, 1)))
    late = select(of_name, of_place).where(_failure.c.at > func.now() - _SPAN)
    for_name, from_place = connection.execute(late).one()
    if for_name >= _WRONG_FOR_A_NAME or from_place >= _WRONG_FROM_AN_ADDRESS:
        raise TooManyFailures


def _hash(name: str) -> str:
    return hashlib.sha256(" ".join(name.split()).casefold().encode(errors="replace")).hexdigest()


def _place(address: str | None) -> str | None:
    """An address; of IPv6 its network."""
    try:
        known = ipaddress.ip_address(address or "")
    except ValueError:
        return address
    return str(ipaddress.ip_network((known, _IPV6_NETWORK), strict=False)) if known.version == 6 else str(known)
