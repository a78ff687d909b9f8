"""Users of the page: made at the command line, or by an admin. A user comes in by a link, then chooses a password."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.config import Settings
from dispatcher.db.storable import storable
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from schemas import tables

LINK_LASTS = timedelta(minutes=10)
SHORTEST_PASSWORD = 10
_LONGEST_PASSWORD = 200

_user, _link = tables.page_user, tables.sign_in_link


@dataclass(frozen=True, slots=True)
class User:
    """A user of the page. `has_password`: until then, links alone let the user in."""

    id: int
    name: str
    role: Role
    has_password: bool
    created_at: datetime
    created_by: str
    disabled_at: datetime | None

    @property
    def actor(self) -> audit_trail.Actor:
        """The user as who does something."""
        return audit_trail.Actor("user", self.name)


def create(engine: Engine, name: str, role: Role) -> User:
    """Make a user.

    Raises:
        UsageError: the name is taken, empty, too long, or has characters that cannot be shown.
    """
    name = " ".join(storable(name).split())
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise UsageError(
            translated("A user needs a name of 1 to 100 characters."), hint=translated("For example ana or Ana López.")
        )
    row = {"name": name, "role": str(role), "created_by": str(audit_trail.current())}
    try:
        with engine.begin() as connection:
            made = connection.execute(insert(_user).values(row).returning(*COLUMNS)).one()
            audit_trail.record(connection, "user.create", detail={"user": name, "role": str(role)})
    except IntegrityError:
        raise UsageError(
            worded("There is a user {name!r} already.", name=name),
            hint=translated("`dispatcher user list` shows them."),
        ) from None
    return as_user(made)


def listing(connection: Connection) -> list[User]:
    """All users, by name."""
    return [as_user(row) for row in connection.execute(select(*COLUMNS).order_by(func.lower(_user.c.name)))]


def named(connection: Connection, name: str) -> User:
    """The user of this name, in any case.

    Raises:
        UsageError: there is none.
    """
    found = find(connection, name)
    if found is None:
        raise UsageError(
            worded("There is no user {name!r}.", name=name[:100]), hint=translated("`dispatcher user list` shows them.")
        )
    return found


def find(connection: Connection, name: str) -> User | None:
    """The user of this name, in any case; None when there is none."""
    wanted = func.lower(" ".join(storable(name).split()))
    row = connection.execute(select(*COLUMNS).where(func.lower(_user.c.name) == wanted)).first()
    return as_user(row) if row else None


def change_role(engine: Engine, name: str, role: Role) -> User:
    """Give a user another role; it counts from the next click on.

    Raises:
        UsageError: there is no such user, or nobody would be left who manages users.
    """
    with engine.begin() as connection:
        user = named(connection, name)
        _require_another_admin(connection, user, leaves=role is not Role.ADMIN)
        connection.execute(update(_user).where(_user.c.id == user.id).values(role=str(role)))
        audit_trail.record(connection, "user.role", detail={"user": user.name, "role": str(role)})
        return named(connection, name)


def disable(engine: Engine, name: str) -> User:
    """Shut a user out, with every session, at once. One who is shut out already stays so.

    Raises:
        UsageError: there is no such user, or nobody would be left who manages users.
    """
    with engine.begin() as connection:
        user = named(connection, name)
        _require_another_admin(connection, user, leaves=True)
        open_still = update(_user).where(_user.c.id == user.id, _user.c.disabled_at.is_(None))
        if connection.execute(open_still.values(disabled_at=func.now())).rowcount:
            end_sessions(connection, user.id)
            audit_trail.record(connection, "user.disable", detail={"user": user.name})
        return named(connection, name)


def enable(engine: Engine, name: str) -> User:
    """Let a user in again who was shut out.

    Raises:
        UsageError: there is no such user.
    """
    with engine.begin() as connection:
        user = named(connection, name)
        connection.execute(update(_user).where(_user.c.id == user.id).values(disabled_at=None))
        audit_trail.record(connection, "user.enable", detail={"user": user.name})
        return named(connection, name)


def _require_another_admin(connection: Connection, user: User, *, leaves: bool) -> None:
    if not leaves or user.role is not Role.ADMIN or user.disabled_at is not None:
        return
    # Two admins who shut each other out at once: the second one waits here, and then sees the first one gone.
    admins = select(_user.c.id).where(_user.c.role == "admin", _user.c.disabled_at.is_(None)).with_for_update()
    if set(connection.execute(admins).scalars()) <= {user.id}:
        raise UsageError(
            worded("{name!r} is the only admin.", name=user.name), hint=translated("Make another user an admin first.")
        )


def end_sessions(connection: Connection, user_id: int, *, but: str | None = None) -> None:
    """Sign a user out everywhere, except in the session of this hash."""
    session = tables.page_session
    mine = update(session).where(session.c.user_id == user_id, session.c.ended_at.is_(None))
    if but is not None:
        mine = mine.where(session.c.token_sha256 != but)
    connection.execute(mine.values(ended_at=func.now()))


def first_admin(engine: Engine) -> User:
    """The user of this machine as an admin; made when there is no admin at all, else any admin that there is."""
    with engine.connect() as connection:
        own = find(connection, audit_trail.os_user())
        admins = [user for user in listing(connection) if user.role is Role.ADMIN and user.disabled_at is None]
    if own in admins and own is not None:
        return own
    if admins:
        return admins[0]
    name = audit_trail.os_user() if own is None else f"{own.name} admin"
    return create(engine, name, Role.ADMIN)


def make_link(engine: Engine, user: User) -> str:
    """A token that lets a user in once, within LINK_LASTS; the page shows it behind `/sign-in/`.

    Raises:
        UsageError: the user is shut out.
    """
    if user.disabled_at is not None:
        raise UsageError(
            worded("The user {name!r} is shut out.", name=user.name), hint=translated("`dispatcher user enable` first.")
        )
    token = secrets.token_urlsafe(32)
    with engine.begin() as connection:
        connection.execute(
            insert(_link).values(token_sha256=hashed(token), user_id=user.id, expires_at=func.now() + LINK_LASTS)
        )
        audit_trail.record(connection, "user.link", detail={"user": user.name})
    return token


def link_of(settings: Settings, token: str) -> str:
    """Where a browser on this machine uses a token of `make_link`."""
    host = "127.0.0.1" if settings.web_host in ("0.0.0.0", "::") else settings.web_host
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.web_port}/sign-in/{token}"


def set_password(connection: Connection, user: User, password: str) -> None:
    """Choose a password; the caller ends the other sessions.

    Raises:
        UsageError: it is too short, too long, or the name.
    """
    from argon2 import PasswordHasher

    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(worded("A password has at least {n} characters.", n=SHORTEST_PASSWORD))
    if len(password) > _LONGEST_PASSWORD:
        raise UsageError(worded("A password has at most {n} characters.", n=_LONGEST_PASSWORD))
    if password.casefold() == user.name.casefold() or len(set(password)) < 4:
        raise UsageError(translated("That password is easy to guess: choose another one."))
    hashed_password = PasswordHasher().hash(password)
    connection.execute(update(_user).where(_user.c.id == user.id).values(password_hash=hashed_password))
    audit_trail.record(connection, "user.password", detail={"user": user.name})


def password_hash(connection: Connection, user_id: int) -> str | None:
    """The hash of a user's password."""
    found: str | None = connection.execute(select(_user.c.password_hash).where(_user.c.id == user_id)).scalar()
    return found


def get(connection: Connection, user_id: int) -> User | None:
    """The user of this number."""
    row = connection.execute(select(*COLUMNS).where(_user.c.id == user_id)).first()
    return as_user(row) if row else None


def hashed(token: str) -> str:
    """What is stored of a token. No slow hash: 256 random bits cannot be guessed, however fast."""
    return hashlib.sha256(token.encode()).hexdigest()


COLUMNS = (
    *(_user.c[name] for name in ("id", "name", "role", "created_at", "created_by", "disabled_at")),
    _user.c.password_hash.is_not(None).label("has_password"),
)
"""What `as_user` reads."""


def as_user(row: Any) -> User:
    """The user of a row."""
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        has_password=row.has_password,
        created_at=row.created_at,
        created_by=row.created_by,
        disabled_at=row.disabled_at,
    )
