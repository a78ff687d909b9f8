"""What the provider says about the account: balance, expiry, messages sent, and its clock.

Guide: "Consulta de saldo", "Consulta de vencimiento del paquete", "Consulta de mensajes enviados" and "Consulta de la
fecha del servidor".
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, insert, update

from dispatcher.accounts import binding
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.domain.window import PROVIDER_ZONE, provider_local
from dispatcher.errors import AnswerError, ProviderError, UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider.http import HttpProvider
from dispatcher.runtime import Runtime
from dispatcher.webhooks import outbox
from dispatcher.webhooks.event_types import EventType
from schemas import tables

log = logging.getLogger(__name__)

T = TypeVar("T")

CAMPAIGN_TIMEOUT = 5.0
"""Total seconds for each question about a campaign: creating one must not wait for a slow provider."""
_BALANCE_PAUSE = 10.0  # seconds between two samples of the balance
_BALANCES_KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """What the provider says of the account; None where the plan has no such value, or where it was not asked for.

    `fecha` is naive provider time; `offset_seconds` is the provider's clock less this machine's.
    """

    saldo: int | None = None
    vencimiento: date | None = None
    envios: int | None = None
    fecha: datetime | None = None
    offset_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {
            "saldo": self.saldo,
            "vencimiento": self.vencimiento.isoformat() if self.vencimiento else None,
            "envios": self.envios,
            "fecha": self.fecha.isoformat(sep=" ") if self.fecha else None,
            "offset_seconds": self.offset_seconds,
        }


def fetch(runtime: Runtime) -> AccountInfo:
    """Ask the provider for every figure.

    Raises:
        AnswerError: the provider refuses the account, or gives no usable answer. A sentence such as «no posee un plan
            prepago» is an answer: None. A sentence for every figure is not, since each plan has some.
    """
    provider = runtime.provider
    before = datetime.now(UTC)
    fecha = provider.server_date().fecha
    after = datetime.now(UTC)
    # The answer has whole seconds: compare its middle with the middle of the question.
    offset = fecha.replace(tzinfo=PROVIDER_ZONE) + timedelta(seconds=0.5) - (before + (after - before) / 2)
    saldo, vencimiento = _unless_not_in_plan(provider.saldo), _unless_not_in_plan(provider.vencimiento)
    only_envios_left = saldo is None and vencimiento is None
    return AccountInfo(
        saldo=saldo,
        vencimiento=vencimiento,
        envios=provider.envios() if only_envios_left else _unless_not_in_plan(provider.envios),
        fecha=fecha,
        offset_seconds=round(offset.total_seconds(), 1),
    )


def fetch_for_campaign(settings: Settings, *, required: bool) -> AccountInfo | None:
    """Ask for saldo and vencimiento before a campaign is created, outside any transaction.

    Returns:
        None when no key is set, or when the provider gave no usable answer.

    Raises:
        UsageError: account info is required, and the provider gave no usable answer.
    """
    if settings.apikey is None:
        return None
    provider = HttpProvider(
        settings.provider_url,
        settings.require_apikey(),
        timeout=min(CAMPAIGN_TIMEOUT, settings.provider_timeout),
        ca_bundle=str(settings.ca_bundle) if settings.ca_bundle else None,
    )
    try:
        return AccountInfo(
            saldo=_unless_not_in_plan(provider.saldo), vencimiento=_unless_not_in_plan(provider.vencimiento)
        )
    except ProviderError as error:
        log.info("account_info_unknown reason=%s", error.reason)
        if required:
            raise UsageError(
                worded("The balance is required and cannot be read: {error}", error=error),
                hint=error.hint or "Try again later, or without --require-balance.",
            ) from None
        return None
    finally:
        provider.close()


def record_balance(runtime: Runtime, account_id: int) -> AccountInfo:
    """Read saldo and envíos and keep the reading; nothing is asked when another worker read them just now."""
    with runtime.engine.begin() as connection:
        mine = connection.execute(query("begin_balance"), {"account_id": account_id, "wait": _BALANCE_PAUSE}).first()
    if mine is None:
        return AccountInfo()
    with runtime.engine.connect() as connection:
        asked = binding.row(connection, account_id)
    info = AccountInfo(
        saldo=_if_answered(runtime.provider.saldo),
        envios=_if_answered(runtime.provider.envios),
        vencimiento=_if_answered(runtime.provider.vencimiento) if asked.blocked_cause == "contract" else None,
    )
    with runtime.engine.begin() as connection:
        if cause := _over(info, asked.db_now):
            ended = {"account_id": account_id, "cause": cause, "asked_at": asked.db_now}
            if connection.execute(query("end_block_by_figures"), ended).first():
                log.info("account_open account=%s cause=%s", account_id, cause)
        if info.saldo is not None or info.envios is not None:
            _keep(connection, account_id, info)
        if info.saldo is not None:
            _watch(connection, account_id, info.saldo)
    return info


def _keep(connection: Connection, account_id: int, info: AccountInfo) -> None:
    """Keep a reading, and forget the old ones."""
    balance = tables.balance
    connection.execute(insert(balance).values(account_id=account_id, saldo=info.saldo, envios=info.envios))
    old = balance.c.at < func.now() - _BALANCES_KEPT
    connection.execute(delete(balance).where(balance.c.account_id == account_id, old))


def _watch(connection: Connection, account_id: int, saldo: int) -> None:
    """Tell other services, once, when saldo gets less than what waits to be sent."""
    waiting = connection.execute(query("waiting_to_be_sent"), {"account_id": account_id}).scalar_one()
    account, is_low = tables.account, saldo < waiting
    known = account.c.balance_low_at.is_not(None) if is_low else account.c.balance_low_at.is_(None)
    turned = update(account).where(account.c.id == account_id, ~known)
    if connection.execute(turned.values(balance_low_at=func.now() if is_low else None)).rowcount and is_low:
        told = {"account_id": account_id, "saldo": saldo, "waiting": waiting}
        outbox.tell(connection, EventType.ACCOUNT_BALANCE_LOW, **told)


def _over(info: AccountInfo, now: datetime) -> str | None:
    """Which block by results this account info ends: there is credit again, or the contract has been extended."""
    if info.saldo is not None and info.saldo > 0:
        return "credit"
    if info.vencimiento is not None and info.vencimiento >= provider_local(now).date():
        return "contract"
    return None


def _unless_not_in_plan(question: Callable[[], T]) -> T | None:
    """The figure; None when the provider says in a sentence that the plan does not have it."""
    try:
        return question()
    except AnswerError as error:
        if error.reason == "sentence":
            return None
        raise


def _if_answered(question: Callable[[], T]) -> T | None:
    """The figure; None when there was no usable answer."""
    try:
        return question()
    except ProviderError as error:
        log.info("no_balance reason=%s", error.reason)
        return None
