"""Opt-outs of persons who were erased: kept as a keyed hash, so that they are known again and can be told by nobody.

The key is a file of HOME, outside the database: who has the database alone cannot try all numbers. Hosts share it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from schemas import tables

log = logging.getLogger(__name__)

_KEY_BYTES = 32
_erased = tables.erased_optout


def key_file(home: Path) -> Path:
    """Where the key is."""
    return home / "erasure.key"


def key(home: Path, *, make: bool = False) -> bytes | None:
    """The key; drawn when it is to be made and is not there yet, readable by its owner alone."""
    path = key_file(home)
    if make and not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(secrets.token_bytes(_KEY_BYTES))
        except FileExistsError:  # another process drew it at the same time
            pass
    try:
        return path.read_bytes()
    except OSError:
        return None


def hashed(number: str, secret: bytes) -> str:
    """What the database keeps of a number."""
    return hmac.new(secret, number.encode(), hashlib.sha256).hexdigest()


def remember(connection: Connection, home: Path, number: str) -> None:
    """Keep that a number opted out, without the number."""
    secret = key(home, make=True)
    assert secret is not None
    connection.execute(insert(_erased).values(hmac=hashed(number, secret)).on_conflict_do_nothing())


def known(connection: Connection, home: Path) -> frozenset[str]:
    """All hashes; none when this host lacks the key, which is said once in the log."""
    found = frozenset(connection.execute(select(_erased.c.hmac)).scalars())
    if found and key(home) is None:
        log.error("erasure_key_missing file=%s: erased persons who had opted out are not known again", key_file(home))
        return frozenset()
    return found


def among(numbers: Iterable[str], hashes: frozenset[str], secret: bytes) -> set[str]:
    """Those of the numbers that are erased opt-outs."""
    return {number for number in numbers if hashed(number, secret) in hashes}


def is_erased(connection: Connection, home: Path, number: str) -> bool:
    """Whether a person with this number had opted out and was erased."""
    hashes = known(connection, home)
    secret = key(home) if hashes else None
    return secret is not None and hashed(number, secret) in hashes
