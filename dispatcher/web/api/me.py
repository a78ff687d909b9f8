"""`/me`: whose key this is."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from dispatcher.access.scopes import Scope
from dispatcher.accounts import binding
from dispatcher.web.api.routing import CallerOf, RuntimeOf, api_router, needs

routes = api_router("Account")


class AccountRef(BaseModel):
    """The account at the provider that this installation sends for."""

    account_id: int
    provider_url: str


class Me(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    networks: list[str]
    created_at: datetime
    expires_at: datetime | None
    account: AccountRef | None
    """Null until the first campaign, or when another API key of the provider holds this database."""


@routes.get("/me", operation_id="get_me", summary="Who am I?", **needs(None))
def get_me(runtime: RuntimeOf, caller: CallerOf) -> Me:
    """The key that this call came with: its name, its scopes, its account."""
    with runtime.engine.connect() as connection:
        account = binding.find(connection, runtime.settings)
    return Me(
        id=caller.id,
        name=caller.name,
        scopes=sorted(Scope(scope) for scope in caller.scopes),
        networks=list(caller.networks),
        created_at=caller.created_at,
        expires_at=caller.expires_at,
        account=AccountRef(account_id=account.id, provider_url=runtime.settings.provider_url) if account else None,
    )
