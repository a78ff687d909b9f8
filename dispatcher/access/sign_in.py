"""How a user of the page comes in, and stays in: a link or a password, then a session that can be ended.

A session's token is in the browser's cookie alone; the database has its hash. One that was not seen for 12 hours is
over. Whoever guesses passwords has to wait (`attempts.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from dispatcher import audit_trail
from dispatcher.access import attempts, users
from dispatcher.access.attempts import TooManyFailures
from dispatcher.access.users import User, hashed
from schemas import tables

IDLE = timedelta(hours=12)
_MINUTE = func.date_trunc("minute", func.now())

_session, _link = tables.page_session, tables.sign_in_link


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that a user signed in with; `csrf` goes into its forms."""

    user: User
    token_sha256: str
    csrf: str


def by_link(engine: Engine, token: str) -> str | None:
    """The token of a new session for whoever has a link; None when the link is used, too old or none."""
    used = (
        update(_link)
        .where(_link.c.token_sha256 == hashed(token), _link.c.used_at.is_(None), _link.c.expires_at > func.now())
        .values(used_at=func.now())
        .returning(_link.c.user_id)
    )
    with engine.begin() as connection:
        user_id = connection.execute(used).scalar()
        user = users.get(connection, user_id) if user_id is not None else None
        if user is None or user.disabled_at is not None:
            return None
        return _begin(connection, user, "link")


def link_is_good(connection: Connection, token: str) -> bool:
    """Whether a link would let somebody in now."""
    good = select(_link.c.user_id).where(
        _link.c.token_sha256 == hashed(token), _link.c.used_at.is_(None), _link.c.expires_at > func.now()
    )
    return connection.execute(good).first() is not None


def by_password(engine: Engine, name: str, password: str, address: str | None) -> str | None:
    """The token of a new session; None when name or password is wrong.

    Raises:
        TooManyFailures: nothing was looked at.
    """
    user = _proven(engine, name, password, address)
    if user is None:
        return None
    with engine.begin() as connection:
        return _begin(connection, user, "password")


def knows_password(engine: Engine, user: User, password: str, address: str | None) -> bool:
    """Whether somebody who is signed in knows the own password.

    Raises:
        TooManyFailures: nothing was looked at.
    """
    return _proven(engine, user.name, password, address) is not None


def _proven(engine: Engine, name: str, password: str, address: str | None) -> User | None:
    tried = attempts.note(engine, name, address)
    with engine.connect() as connection:
        user = users.find(connection, name)
        known = users.password_hash(connection, user.id) if user is not None else None
    try:
        with attempts.turn():
            right = _verify(known or _nobody(), password[:1000])  # the same work, whether there is such a user or not
    except TooManyFailures:  # it was not looked at
        attempts.take_back(engine, tried)
        raise
    if user is None or known is None or not right or user.disabled_at is not None:
        return None
    attempts.take_back(engine, tried)
    return user


def _begin(connection: Connection, user: User, how: str) -> str:
    token = secrets.token_urlsafe(32)
    connection.execute(insert(_session).values(token_sha256=hashed(token), user_id=user.id))
    over = _session.c.ended_at.is_not(None) | (_session.c.seen_at < func.now() - IDLE)
    connection.execute(delete(_session).where(_session.c.user_id == user.id, over))
    with audit_trail.acting_as(user.actor):
        audit_trail.record(connection, "user.sign_in", detail={"by": how})
    return token


def session(connection: Connection, token: str) -> Session | None:
    """The session of a cookie; None when it is over, or its user was shut out. It is noted as seen, once a minute."""
    number = hashed(token)
    user = tables.page_user
    chosen = select((_session.c.seen_at < _MINUTE).label("unseen"), *users.COLUMNS).join_from(
        _session, user, user.c.id == _session.c.user_id
    )
    good = (_session.c.ended_at.is_(None), _session.c.seen_at > func.now() - IDLE, user.c.disabled_at.is_(None))
    row = connection.execute(chosen.where(_session.c.token_sha256 == number, *good)).first()
    if row is None:
        return None
    if row.unseen:
        connection.execute(update(_session).where(_session.c.token_sha256 == number).values(seen_at=func.now()))
        connection.commit()
    return Session(users.as_user(row), number, csrf_of(token))


def csrf_of(token: str) -> str:
    """What the forms of a session carry: nobody else can know it, and it does not tell the token."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def end(engine: Engine, token_sha256: str) -> None:
    """Sign out."""
    with engine.begin() as connection:
        mine = update(_session).where(_session.c.token_sha256 == token_sha256, _session.c.ended_at.is_(None))
        connection.execute(mine.values(ended_at=func.now()))


def _verify(known: str, password: str) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import VerificationError

    try:
        return PasswordHasher().verify(known, password)
    except VerificationError:
        return False


@lru_cache(maxsize=1)
def _nobody() -> str:
    from argon2 import PasswordHasher

    return PasswordHasher().hash(secrets.token_urlsafe(16))
