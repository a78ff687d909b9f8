"""Keys of the API: `smsd_<8 id>_<43 secret>`. The database has the id and a hash; the key itself is shown once.

A key is looked up at every call, so that one that was revoked opens nothing any more, wherever the call comes in.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, case, func, insert, select, update

from dispatcher import audit_trail
from dispatcher.access.scopes import Scope
from dispatcher.db.errors import DRIVER_ERRORS, sqlstate
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from schemas import tables

log = logging.getLogger(__name__)

_KEY = re.compile(r"smsd_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
_ID_LETTERS = string.ascii_lowercase + string.digits
_NOBODY = "0" * 64
_MINUTE = func.date_trunc("minute", func.now())

Refused = Literal["malformed", "unknown", "revoked", "expired", "network"]

_key = tables.api_key


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret."""

    id: str
    name: str
    scopes: frozenset[str]
    networks: tuple[str, ...]  # where it may be used from; none = anywhere
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None  # to the minute
    revoked_at: datetime | None

    @property
    def actor(self) -> audit_trail.Actor:
        """The key as who does something."""
        return audit_trail.Actor("key", f"{self.id} {self.name}")


class KeyRefused(Exception):
    """A key opens nothing; `why` is one of a few words."""

    def __init__(self, why: Refused) -> None:
        """Take the word."""
        super().__init__(why)
        self.why: Refused = why


def create(
    engine: Engine,
    name: str,
    scopes: Iterable[Scope],
    *,
    expires_at: datetime | None = None,
    networks: Iterable[str] = (),
) -> tuple[Key, str]:
    """Make a key. Returns it, and what its holder sends: nothing else ever shows that again.

    Raises:
        UsageError: the name is empty or too long, there is no scope, a network is none, or it expired already.
    """
    name = name.strip()
    if not 0 < len(name) <= 200:
        raise UsageError("A key needs a name of 1 to 200 characters.", hint="Name the service that will use it.")
    wanted = sorted({str(scope) for scope in scopes})
    if not wanted:
        raise UsageError("A key needs at least one scope.", hint="Give --scope, for example campaigns:read.")
    number = "".join(secrets.choice(_ID_LETTERS) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    row = {
        "id": number,
        "secret_sha256": _hash(secret),
        "name": name,
        "scopes": wanted,
        "networks": [_network(given) for given in networks],
        "expires_at": expires_at,
        "created_by": str(audit_trail.current()),
    }
    with engine.begin() as connection:
        now: datetime = connection.execute(select(func.now())).scalar_one()
        if expires_at is not None and expires_at <= now:
            raise UsageError("The key would have expired already.", hint="Give a later --expires.")
        made = connection.execute(insert(_key).values(row).returning(*_columns())).one()
        audit_trail.record(connection, "key.create", detail={"key": number, "name": name, "scopes": wanted})
    return _as_key(made), f"smsd_{number}_{secret}"


def listing(connection: Connection) -> list[Key]:
    """All keys, the newest first."""
    return [_as_key(row) for row in connection.execute(select(*_columns()).order_by(_key.c.created_at.desc()))]


def revoke(engine: Engine, number: str) -> Key:
    """End a key, everywhere and for good. One that was revoked before stays as it is.

    Raises:
        UsageError: there is no such key.
    """
    # Somebody may paste the whole key, which must not end up in an answer or a log.
    number = number.removeprefix("smsd_")[:8]
    with engine.begin() as connection:
        fresh = update(_key).where(_key.c.id == number, _key.c.revoked_at.is_(None)).values(revoked_at=func.now())
        if connection.execute(fresh).rowcount:
            audit_trail.record(connection, "key.revoke", detail={"key": number})
        found = connection.execute(select(*_columns()).where(_key.c.id == number)).first()
    if found is None:
        raise UsageError(worded("There is no key {number!r}.", number=number), hint="`dispatcher key list` shows them.")
    return _as_key(found)


def check(connection: Connection, given: str, address: str | None) -> Key:
    """The key that a caller at this address sends; its use is noted, once a minute.

    Raises:
        KeyRefused: it opens nothing.
    """
    parts = _KEY.fullmatch(given)
    if parts is None:
        raise KeyRefused("malformed")
    number, secret = parts.groups()
    is_over = case((_key.c.revoked_at.is_not(None), "revoked"), (_key.c.expires_at <= func.now(), "expired"))
    unused = _key.c.last_used_at.is_(None) | (_key.c.last_used_at < _MINUTE)
    chosen = select(*_columns(), _key.c.secret_sha256, is_over.label("over"), unused.label("unused"))
    row = connection.execute(chosen.where(_key.c.id == number)).first()
    # The same work whether the id is known or not; of a wrong secret nobody learns what became of its key.
    if not hmac.compare_digest(_hash(secret), row.secret_sha256 if row else _NOBODY) or row is None:
        raise KeyRefused("unknown")
    if row.over:
        raise KeyRefused(row.over)
    if row.networks and not _is_in(address, row.networks):
        raise KeyRefused("network")
    if row.unused:
        _note_use(connection, number)
    return _as_key(row)


def _note_use(connection: Connection, number: str) -> None:
    """Note that a key was used. A database that only reads, such as a standby, still serves who asks."""
    try:
        connection.execute(update(_key).where(_key.c.id == number).values(last_used_at=_MINUTE))
        connection.commit()
    except DRIVER_ERRORS as error:
        connection.rollback()
        log.warning("key_use_not_noted key=%s sqlstate=%s", number, sqlstate(error))


def _columns() -> list[Any]:
    return [column for column in _key.c if column.name != "secret_sha256"]


def _as_key(row: Any) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        scopes=frozenset(row.scopes),
        networks=tuple(row.networks),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _hash(secret: str) -> str:
    # No slow hash: a secret of 256 random bits cannot be guessed, however fast.
    return hashlib.sha256(secret.encode()).hexdigest()


def _network(given: str) -> str:
    try:
        return str(ipaddress.ip_network(given.strip(), strict=False))
    except ValueError:
        raise UsageError(
            worded("{given!r} is no IP address or network.", given=given[:60]), hint="Write 10.0.0.0/8 or 200.1.2.3."
        ) from None


def _is_in(address: str | None, networks: Iterable[str]) -> bool:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in ipaddress.ip_network(network) for network in networks)
