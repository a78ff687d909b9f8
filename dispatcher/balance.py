"""Saldo and envíos over time (guide, "Consulta de saldo", "Consulta de mensajes enviados").

Readings around a POST corroborate what became of it; on an account that others share they prove nothing alone.
"""

import logging
from collections.abc import Callable

from sqlalchemy import text

from dispatcher.database import query
from dispatcher.errors import ProviderError
from dispatcher.runtime import Runtime

log = logging.getLogger(__name__)

_PAUSE = 10.0  # seconds


def read(runtime: Runtime, account_id: int) -> tuple[int | None, int | None]:
    """Read and record saldo and envíos; None for what the plan does not have, and when they were asked for just now."""
    with runtime.engine.begin() as connection:
        mine = connection.execute(query("begin_balance"), {"account_id": account_id, "wait": _PAUSE}).first()
    if mine is None:
        return None, None
    saldo, envios = _maybe(runtime.provider.saldo), _maybe(runtime.provider.envios)
    with runtime.engine.begin() as connection:
        if saldo is not None or envios is not None:
            connection.execute(
                text("INSERT INTO balance (account_id, saldo, envios) VALUES (:id, :saldo, :envios)"),
                {"id": account_id, "saldo": saldo, "envios": envios},
            )
            connection.execute(
                text("DELETE FROM balance WHERE account_id = :id AND at < now() - interval '90 days'"),
                {"id": account_id},
            )
    return saldo, envios


def _maybe(question: Callable[[], int]) -> int | None:
    try:
        return question()
    except ProviderError as error:
        log.info("no_balance reason=%s", error.reason)
        return None
