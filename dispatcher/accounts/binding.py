"""The account: the provider's URL with a credential. Everything that is sent, asked or probed belongs to one."""

import logging
from typing import NamedTuple

from sqlalchemy import Connection, text

from dispatcher.config import Settings
from dispatcher.errors import UsageError

log = logging.getLogger(__name__)

_CLOCK_PAUSE = 5.0  # seconds between questions to a provider that does not answer
_LONGEST_WAIT = 600.0  # seconds, beyond one poll interval and one call, that no wait of an account ever takes


class Bound(NamedTuple):
    """The configured account as the database knows it."""

    id: int
    fingerprint: str


def find(connection: Connection, settings: Settings) -> Bound | None:
    """The account of the configured URL and credential; None when there is none, or when another key holds it."""
    if settings.fingerprint is None:
        return None
    row = connection.execute(
        text("SELECT id FROM account WHERE provider_url = :url AND fingerprint = :fingerprint"),
        {"url": settings.provider_url, "fingerprint": settings.fingerprint},
    ).first()
    return Bound(row.id, settings.fingerprint) if row else None


def bind(connection: Connection, settings: Settings) -> Bound:
    """The configured account, made on first use.

    Raises:
        UsageError: no credential is configured, or the database holds this provider under another one.
    """
    fingerprint = settings.require_credential()
    connection.execute(
        text(
            "INSERT INTO account (provider_url, fingerprint) VALUES (:url, :fingerprint) "
            "ON CONFLICT (provider_url) DO NOTHING"
        ),
        {"url": settings.provider_url, "fingerprint": fingerprint},
    )
    found = find(connection, settings)
    if found is None:
        raise UsageError(
            f"This database belongs to another API key of {settings.provider_url}: "
            "its campaigns must not go out under a key that is not theirs.",
            hint="If this is the same account with a new key, run `dispatcher account rekey`; "
            "otherwise restore the key, or use a database of its own.",
        )
    return found


def rekey(connection: Connection, settings: Settings) -> tuple[str | None, str]:
    """Hand the account at the configured URL over to the configured key.

    Returns:
        The fingerprint before (None = there was no account yet) and after.
    """
    fingerprint = settings.require_credential()
    old = connection.execute(
        text("SELECT fingerprint FROM account WHERE provider_url = :url FOR UPDATE"), {"url": settings.provider_url}
    ).scalar()
    if old is None:
        return None, bind(connection, settings).fingerprint
    connection.execute(
        text(
            "UPDATE account SET fingerprint = :new, blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL, "
            "failures = 0, retry_at = NULL WHERE provider_url = :url"
        ),
        {"new": fingerprint, "url": settings.provider_url},
    )
    return str(old), fingerprint
