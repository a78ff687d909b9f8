"""Opt-outs of persons who were erased: kept as a keyed hash, so that they are known again and can be told by nobody.

The key is a file of HOME, outside the database: who has the database alone cannot try all numbers. Hosts share it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, case, func, select
from sqlalchemy.dialects.postgresql import insert

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from schemas import tables

log = logging.getLogger(__name__)

_KEY_BYTES = 32
_MARK = "erasure.key"
"""Hashed like a number, which it is not, so that a key can be told to be the right one."""
_LOADS = 7111
_erased = tables.erased_optout


def key_file(home: Path) -> Path:
    """Where the key is."""
    return home / "erasure.key"


def key(home: Path, *, make: bool = False) -> bytes | None:
    """The key; drawn when it is to be made and is not there yet, readable by its owner alone. None: it is not whole."""
    path = key_file(home)
    if make and not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _draw(path)
    try:
        secret = path.read_bytes()
    except OSError:
        return None
    return secret if len(secret) >= _KEY_BYTES else None


def _draw(path: Path) -> None:
    """Write a new key whole or not at all, and never over another one."""
    descriptor, drawn = tempfile.mkstemp(dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):  # another process drew it at the same time
            os.link(drawn, path)
    finally:
        os.unlink(drawn)


def hashed(number: str, secret: bytes) -> str:
    """What the database keeps of a number."""
    return hmac.new(secret, number.encode(), hashlib.sha256).hexdigest()


class WrongErasureKey(UsageError):
    """This host does not have the key that the opt-outs of erased persons are kept under."""


def remember(connection: Connection, home: Path, number: str) -> None:
    """Keep that a number opted out, without the number.

    Raises:
        WrongErasureKey: others were kept under another key: two keys would each know half of them.
    """
    is_first = connection.execute(select(_erased.c.hmac).limit(1)).first() is None
    secret = key(home, make=is_first)
    if secret is None or not (is_first or _is_right(connection, secret)):
        raise WrongErasureKey(
            worded("{file} is not the key that erased opt-outs are kept under.", file=key_file(home)),
            hint=translated("Copy erasure.key from the host on which the first person was erased."),
        )
    kept = [{"hmac": hashed(each, secret)} for each in (_MARK, number)]
    connection.execute(insert(_erased).values(kept).on_conflict_do_nothing())


def _is_right(connection: Connection, secret: bytes) -> bool:
    """Whether the hashes were made with this key: each database has that of a mark, too."""
    mark = select(_erased.c.hmac).where(_erased.c.hmac == hashed(_MARK, secret))
    return connection.execute(mark).first() is not None


def key_at_hand(connection: Connection, home: Path) -> bytes | None:
    """The key, when somebody was erased; None, and a word in the log, when this host does not have it."""
    if connection.execute(select(_erased.c.hmac).limit(1)).first() is None:
        return None
    secret = key(home)
    if secret is not None and _is_right(connection, secret):
        return secret
    log.error("erasure_key_missing file=%s: erased persons who had opted out are not known again", key_file(home))
    return None


def hashes(connection: Connection) -> frozenset[str]:
    """All of them."""
    return frozenset(connection.execute(select(_erased.c.hmac)).scalars())


def among(numbers: Iterable[str], known: frozenset[str], secret: bytes) -> set[str]:
    """Those of the numbers that are erased opt-outs."""
    return {number for number in numbers if hashed(number, secret) in known}


def is_erased(connection: Connection, home: Path, number: str) -> bool:
    """Whether a person with this number had opted out and was erased."""
    secret = key_at_hand(connection, home)
    if secret is None:
        return False
    return (
        connection.execute(select(_erased.c.hmac).where(_erased.c.hmac == hashed(number, secret))).first() is not None
    )


def hold_up(connection: Connection) -> None:
    """Say that this transaction may write messages to anybody: erasures wait for its end, and it for none."""
    connection.execute(select(func.pg_advisory_xact_lock_shared(_LOADS)))


def none_loads(connection: Connection) -> bool:
    """Whether no transaction has messages that nobody else sees yet. Let go at once, so that no load waits."""
    taken = func.pg_try_advisory_lock(_LOADS)
    return bool(connection.execute(select(case((taken, func.pg_advisory_unlock(_LOADS)), else_=False))).scalar())
