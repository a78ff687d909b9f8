"""What every request of the page passes before its function runs: language, session, role, form, CSRF.

A session that ended in the middle loses nothing that was typed: the form comes back after signing in.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from fastapi.routing import APIRoute

from dispatcher import audit_trail
from dispatcher.access import sign_in
from dispatcher.access.roles import Role
from dispatcher.access.users import User
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.home import spool
from dispatcher.i18n.words import LANGUAGES, Language, speaking
from dispatcher.replies import push
from dispatcher.runtime import Runtime
from dispatcher.web.page import forms
from dispatcher.web.page.forms import Form

log = logging.getLogger(__name__)

SESSION_COOKIE = "dispatcher_session"
LANGUAGE_COOKIE = "dispatcher_language"
_RULE = "x-page-rule"

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class NotSignedIn(Exception):
    """There is no session, or it is over."""


class Forbidden(Exception):
    """The user's role does not allow it."""

    def __init__(self, role: Role) -> None:
        """Take the role that it needs."""
        super().__init__(role)
        self.role = role


class ForeignForm(Exception):
    """A form that did not come from one of our pages."""


class StaleForm(Exception):
    """A form of another session of the same browser: it must be confirmed."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at the page."""

    user: User
    csrf: str
    token_sha256: str

    def may(self, role: str) -> bool:
        """Whether the user has this role, or one above it."""
        return self.user.role.includes(Role(role))


def needs(role: Role | None) -> dict[str, Any]:
    """Arguments for a route's decorator: the role that it needs; None = anybody, also without a session."""
    return {"openapi_extra": {_RULE: role}}


class PageRoute(APIRoute):
    """A route of the page."""

    def get_route_handler(self) -> _Handler:
        """FastAPI's own handler, behind our checks."""
        from dispatcher.web.page import failures

        handle = super().get_route_handler()
        role = cast("dict[str, Role | None]", self.openapi_extra)[_RULE]

        async def guarded(request: Request) -> Response:
            began = time.monotonic()
            request.state.visitor = request.state.form = None
            with speaking(language(request)):
                try:
                    answer = await _call(role, handle, request)
                except Exception as error:
                    answer = await run_in_threadpool(failures.answer, request, error)
                finally:
                    if request.state.form is not None:
                        request.state.form.close()
            took = (time.monotonic() - began) * 1000
            log.info("page route=%s status=%s ms=%.0f", self.name, answer.status_code, took)
            return answer

        return guarded


def page_router() -> APIRouter:
    """A router for one page."""
    return APIRouter(
        route_class=PageRoute, include_in_schema=False, redirect_slashes=False, default_response_class=Response
    )


async def _call(role: Role | None, handle: _Handler, request: Request) -> Response:
    if request.method == "POST":
        _require_own_origin(request)
        # What was typed is read first, so that it comes back when the database is away; a file later.
        request.state.form = await forms.read(request)
    try:
        visitor = await run_in_threadpool(_visitor, request)
    except DRIVER_ERRORS:
        await _keep_what_was_typed(request)
        raise
    request.state.visitor = visitor
    if visitor is None and role is not None:
        await _keep_what_was_typed(request)
    if forms.has_file(request) and role is not None and visitor is not None and visitor.user.role.includes(role):
        # From who may send one alone: nobody else fills the disk.
        settings = runtime_of(request).settings
        request.state.form = await forms.read_with_file(request, spool(settings.home), settings.upload_max)
    if role is not None:
        if visitor is None:
            raise NotSignedIn
        if not visitor.user.role.includes(role):
            raise Forbidden(role)
        if request.method == "POST" and not _same(request.state.form.text("csrf"), visitor.csrf):
            raise StaleForm
    with _acting(visitor):
        return await handle(request)


async def _keep_what_was_typed(request: Request) -> None:
    if forms.has_file(request):
        request.state.form = await forms.read_typed(request)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _acting(visitor: Visitor | None) -> Any:
    return audit_trail.acting_as(visitor.user.actor) if visitor is not None else nullcontext()


def _visitor(request: Request) -> Visitor | None:
    token = request.cookies.get(SESSION_COOKIE, "")
    if not 20 < len(token) < 100:
        return None
    with runtime_of(request).engine.connect() as connection:
        found = sign_in.session(connection, token)
    return Visitor(found.user, found.csrf, found.token_sha256) if found is not None else None


def _require_own_origin(request: Request) -> None:
    """Refuse a form that another site sends: a browser says where it comes from, and cannot be made to lie."""
    said = request.headers.get("origin")
    if said is None:
        said = request.headers.get("referer")
    if said is None:
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise ForeignForm
        return
    if urlsplit(said).netloc.lower() != host(request).lower():
        raise ForeignForm


def runtime_of(request: Request) -> Runtime:
    """The runtime of the listener."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def _forwarded(request: Request, name: str) -> str:
    """What our proxy says of the request that it passed on; empty when there is none in front."""
    if not runtime_of(request).settings.trusted_hops:
        return ""
    return request.headers.get(name, "").partition(",")[0].strip()


def host(request: Request) -> str:
    """The host that the browser asked for."""
    return _forwarded(request, "x-forwarded-host") or request.headers.get("host", "")


def is_https(request: Request) -> bool:
    """Whether the browser speaks HTTPS, with us or with our proxy."""
    return (_forwarded(request, "x-forwarded-proto") or request.url.scheme) == "https"


def prefix(request: Request) -> str:
    """The path under which our proxy shows us: empty, or such as /sms."""
    said = _forwarded(request, "x-forwarded-prefix").rstrip("/")
    return said if said.startswith("/") and not said.startswith("//") and said.isprintable() else ""


def address(request: Request) -> str | None:
    """Who asks: the address of the browser, behind our proxies."""
    peer = request.client.host if request.client else None
    found = push.caller(peer, request.headers.getlist("x-forwarded-for"), runtime_of(request).settings.trusted_hops)
    return str(found) if found is not None else None


def language(request: Request) -> Language:
    """The language that was chosen on the page, else that of the browser; Spanish when it speaks neither."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    for known in LANGUAGES:
        if chosen == known:
            return known
    for part in request.headers.get("accept-language", "")[:500].split(","):
        for known in LANGUAGES:
            if part.strip().lower()[:2] == known and "q=0" not in part.replace("q=0.", ""):
                return known
    return "es"


def _visitor_of(request: Request) -> Visitor | None:
    found: Visitor | None = request.state.visitor
    return found


def _form_of(request: Request) -> Form:
    found: Form = request.state.form
    return found


RuntimeOf = Annotated[Runtime, Depends(runtime_of)]
"""Parameter of a route that works on the database."""
VisitorOf = Annotated[Visitor, Depends(_visitor_of)]
"""Parameter of a route that wants to know who looks; None where anybody may come."""
FormOf = Annotated[Form, Depends(_form_of)]
"""Parameter of a route that takes a form."""
