"""The account: the provider's URL with a credential. Everything that is sent, asked or probed belongs to one."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from dispatcher import audit_trail
from dispatcher.accounts.blocking import UNBLOCKED
from dispatcher.config import Settings
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from schemas import tables


class Bound(NamedTuple):
    """The configured account as the database knows it."""

    id: int
    fingerprint: str


def find(connection: Connection, settings: Settings) -> Bound | None:
    """The account of the configured URL and credential; None when there is none, or when another key holds it."""
    if settings.fingerprint is None:
        return None
    account = tables.account
    wanted = (account.c.provider_url == settings.provider_url, account.c.fingerprint == settings.fingerprint)
    number = connection.execute(select(account.c.id).where(*wanted)).scalar()
    return None if number is None else Bound(number, settings.fingerprint)


def bind(connection: Connection, settings: Settings) -> Bound:
    """The configured account, made on first use.

    Raises:
        UsageError: no credential is configured, or the database holds this provider under another one.
    """
    fingerprint = settings.require_credential()
    made = insert(tables.account).values(provider_url=settings.provider_url, fingerprint=fingerprint)
    connection.execute(made.on_conflict_do_nothing(index_elements=["provider_url"]))
    found = find(connection, settings)
    if found is None:
        raise UsageError(
            worded(
                "This database belongs to another API key of {provider_url}: "
                "its campaigns must not go out under a key that is not theirs.",
                provider_url=settings.provider_url,
            ),
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
    account = tables.account
    ours = account.c.provider_url == settings.provider_url
    before = connection.execute(select(account.c.fingerprint).where(ours).with_for_update()).scalar()
    if before is None:
        return None, bind(connection, settings).fingerprint
    connection.execute(update(account).where(ours).values(fingerprint=fingerprint, **UNBLOCKED))
    audit_trail.record(connection, "account.rekey", detail={"before": str(before), "after": fingerprint})
    return str(before), fingerprint


def row(connection: Connection, account_id: int) -> Row[Any]:
    """The account's row, with the database's clock as `db_now`."""
    account = tables.account
    wanted = select(account, func.clock_timestamp().label("db_now")).where(account.c.id == account_id)
    return connection.execute(wanted).one()
