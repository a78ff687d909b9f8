"""Users and API keys, for admins: made, changed, shut out, revoked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access import keys, users
from dispatcher.access.roles import Role
from dispatcher.access.scopes import MEANINGS, Scope
from dispatcher.domain.window import parse_moment
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from dispatcher.web.page import words
from dispatcher.web.page.failures import without_commands
from dispatcher.web.page.routing import FormOf, RuntimeOf, host, is_https, needs, page_router, prefix
from dispatcher.web.page.show import go, show

routes = page_router()


@routes.get("/users", **needs(Role.ADMIN))
def listing(request: Request, runtime: RuntimeOf) -> Response:
    """The users, and the form for another one."""
    return _users(request, runtime)


@routes.post("/users", **needs(Role.ADMIN))
def create(request: Request, runtime: RuntimeOf, form: FormOf) -> Response:
    """Make a user, and show the link that lets in once."""
    try:
        made = users.create(runtime.engine, form.text("name"), _role(form.text("role")))
    except UsageError as error:
        return _users(request, runtime, 422, error=f"{error} {without_commands(error.hint)}".strip())
    return _users(request, runtime, link=_link(request, runtime, made), of=made.name)


@routes.post("/users/{user_id:int}/{action}", **needs(Role.ADMIN))
def change(request: Request, runtime: RuntimeOf, form: FormOf, user_id: int, action: str) -> Response:
    """Another role, a link, shut out, let in again."""
    with runtime.engine.connect() as connection:
        user = users.get(connection, user_id) if user_id < 2**63 else None
    if user is None:
        return go(request, "/users")
    try:
        if action == "link":
            return _users(request, runtime, link=_link(request, runtime, user), of=user.name)
        if action == "role":
            users.change_role(runtime.engine, user.name, _role(form.text("role")))
        elif action == "disable":
            users.disable(runtime.engine, user.name)
        elif action == "enable":
            users.enable(runtime.engine, user.name)
    except UsageError as error:
        return _users(request, runtime, 422, error=f"{error} {without_commands(error.hint)}".strip())
    return go(request, "/users")


def _role(written: str) -> Role:
    return Role(written) if written in set(Role) else Role.VIEWER


def _link(request: Request, runtime: Runtime, user: users.User) -> str:
    """The link as the browser of the admin reaches this page."""
    scheme = "https" if is_https(request) else "http"
    return f"{scheme}://{host(request)}{prefix(request)}/sign-in/{users.make_link(runtime.engine, user)}"


def _users(
    request: Request, runtime: Runtime, status: int = 200, *, error: str = "", link: str = "", of: str = ""
) -> Response:
    with runtime.engine.connect() as connection:
        found = users.listing(connection)
    roles = [(str(role), words.role(role)) for role in Role]
    return show(request, "users.html", status, users=found, roles=roles, error=error, link=link, of=of)


@routes.get("/keys", **needs(Role.ADMIN))
def list_keys(request: Request, runtime: RuntimeOf) -> Response:
    """The keys of the API, and the form for another one."""
    return _keys(request, runtime)


@routes.post("/keys", **needs(Role.ADMIN))
def create_key(request: Request, runtime: RuntimeOf, form: FormOf) -> Response:
    """Make a key; it is shown this once."""
    scopes = [Scope(each) for each in form.all("scope") if each in set(Scope)]
    networks = form.text("networks").replace(",", " ").split()
    typed = {"name": form.text("name"), "networks": form.text("networks"), "expires": form.text("expires")[:10]}
    try:
        expires_at = parse_moment(f"{typed['expires']} 23:59:59", "expires") if typed["expires"] else None
        _, sent = keys.create(runtime.engine, typed["name"], scopes, networks=networks, expires_at=expires_at)
    except UsageError as error:
        words = f"{error} {without_commands(error.hint)}".strip()
        return _keys(request, runtime, 422, error=words, typed={**typed, "scopes": form.all("scope")})
    return _keys(request, runtime, made=sent)


@routes.post("/keys/{key_id}/revoke", **needs(Role.ADMIN))
def revoke_key(request: Request, runtime: RuntimeOf, key_id: str) -> Response:
    """End a key for good."""
    keys.revoke(runtime.engine, key_id)
    return go(request, "/keys")


_NOTHING_TYPED = {"name": "", "networks": "", "expires": "", "scopes": []}


def _keys(
    request: Request, runtime: Runtime, status: int = 200, *, error: str = "", made: str = "", typed: Any = None
) -> Response:
    with runtime.engine.connect() as connection:
        found = keys.listing(connection)
    scopes = [(str(scope), meaning) for scope, meaning in MEANINGS.items()]
    shown = {"typed": typed or _NOTHING_TYPED, "now": datetime.now(UTC)}
    return show(request, "keys.html", status, keys=found, scopes=scopes, error=error, made=made, **shown)
