"""`/account`: what the provider says of it, and whether it sends."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel

from dispatcher.access.scopes import Scope
from dispatcher.accounts import account_info, account_state
from dispatcher.runtime import Runtime
from dispatcher.web.api.routing import RuntimeOf, api_router, needs

routes = api_router("Account")


class Account(BaseModel):
    """The account at the provider; figures are null where its plan has none."""

    saldo: int | None
    """Messages left."""
    vencimiento: date | None
    """Last day of the package."""
    envios: int | None
    """Messages sent this month, by the provider's count."""
    clock: str | None
    """The provider's clock (-03)."""
    offset_seconds: float | None
    """The provider's clock less this machine's."""
    blocked: bool
    blocked_why: str | None
    blocked_since: datetime | None
    window: str
    window_open: bool
    """Whether messages may go out at this moment of the provider's clock."""
    used_this_month: int
    """Messages that this installation handed in since the month began in Argentina."""


@routes.get(
    "/account",
    operation_id="get_account",
    summary="The account at the provider",
    **needs(Scope.ACCOUNT_READ, "provider_unavailable", "refused"),
)
def get_account(runtime: RuntimeOf) -> Account:
    """Ask the provider for balance, expiry, messages sent and its clock; say whether the account sends now."""
    own = Runtime(runtime.settings)  # a session of the provider belongs to one thread
    try:
        info = account_info.fetch(own)
    finally:
        own.close()
    with runtime.engine.connect() as connection:
        state = account_state.state(connection, runtime.settings)
    return Account(
        saldo=info.saldo,
        vencimiento=info.vencimiento,
        envios=info.envios,
        clock=info.fecha.isoformat(sep=" ") if info.fecha else None,
        offset_seconds=info.offset_seconds,
        blocked=state.blocked_words is not None,
        blocked_why=state.blocked_words,
        blocked_since=state.blocked_at,
        window=runtime.settings.window,
        window_open=state.window_open,
        used_this_month=state.used_this_month,
    )
