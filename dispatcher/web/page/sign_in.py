"""Signing in, by a link or a password; signing out; the own password; the language."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access import sign_in, users
from dispatcher.access.attempts import TooManyFailures
from dispatcher.access.roles import Role
from dispatcher.errors import UsageError
from dispatcher.i18n.words import LANGUAGES, translated
from dispatcher.web.page import words
from dispatcher.web.page.forms import Form
from dispatcher.web.page.routing import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    FormOf,
    RuntimeOf,
    VisitorOf,
    address,
    is_https,
    needs,
    page_router,
    prefix,
)
from dispatcher.web.page.show import go, go_back, inside, show

routes = page_router()

_A_YEAR = 365 * 24 * 3600


@routes.get("/sign-in", **needs(None))
def ask(request: Request, visitor: VisitorOf, next: str = "") -> Response:
    """The form to sign in with."""
    if visitor is not None:
        return go_back(request, next)
    return show(request, "sign_in.html", kept=[], lost_file="", next=next, again=False, error="", name="")


@routes.post("/sign-in", **needs(None))
def sign_in_by_password(request: Request, runtime: RuntimeOf, form: FormOf) -> Response:
    """Let in who knows the password; a form that was interrupted comes back, to be sent."""
    kept = [(name.removeprefix("kept_"), value) for name, value in form.fields if name.startswith("kept_")]
    shown = {
        "kept": kept,
        "lost_file": "",
        "next": form.text("next"),
        "again": form.has("again"),
        "name": form.text("name"),
    }
    try:
        token = sign_in.by_password(runtime.engine, form.text("name"), form.raw("password"), address(request))
    except TooManyFailures:
        wait = translated("Too many wrong passwords. Try again in a quarter of an hour, or ask for a link.")
        return show(request, "sign_in.html", 429, error=wait, **shown)
    if token is None:
        return show(request, "sign_in.html", 401, error=translated("The name or the password is wrong."), **shown)
    if form.has("again"):
        return _with_session(request, _once_more(request, form, kept, token), token)
    return _with_session(request, go_back(request, form.text("next")), token)


def _once_more(request: Request, form: Form, kept: list[tuple[str, str]], token: str) -> Response:
    """The interrupted form with what was typed, for the session that has just begun."""
    csrf = sign_in.csrf_of(token)
    fields = [*kept, ("csrf", csrf)]
    return show(
        request,
        "again.html",
        kept=fields,
        lost_file="",
        action=inside(form.text("next")).partition("?")[0],
        why="session",
    )


@routes.get("/sign-in/{token}", **needs(None))
def ask_with_link(request: Request, runtime: RuntimeOf, token: str) -> Response:
    """A button: programs that look at links beforehand do not use this one up."""
    with runtime.engine.connect() as connection:
        good = sign_in.link_is_good(connection, token)
    return show(request, "link.html", 200 if good else 410, good=good, token=token)


@routes.post("/sign-in/{token}", **needs(None))
def sign_in_by_link(request: Request, runtime: RuntimeOf, token: str) -> Response:
    """Let in who has a link; whoever has no password yet is asked for one."""
    made = sign_in.by_link(runtime.engine, token)
    if made is None:
        return show(request, "link.html", 410, good=False, token=token)
    with runtime.engine.connect() as connection:
        begun = sign_in.session(connection, made)
    first_time = begun is not None and not begun.user.has_password
    return _with_session(request, go(request, "/me" if first_time else "/"), made)


@routes.post("/sign-out", **needs(Role.VIEWER))
def sign_out(request: Request, runtime: RuntimeOf, visitor: VisitorOf) -> Response:
    """End this session."""
    sign_in.end(runtime.engine, visitor.token_sha256)
    answer = go(request, "/sign-in")
    answer.delete_cookie(SESSION_COOKIE, path=f"{prefix(request)}/")
    return answer


@routes.get("/me", **needs(Role.VIEWER))
def show_me(request: Request) -> Response:
    """Who one is, and the form for the password."""
    return _me(request)


@routes.post("/me/password", **needs(Role.VIEWER))
def change_password(request: Request, runtime: RuntimeOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Choose a password; all other sessions end."""
    user = visitor.user
    if user.has_password:
        try:
            known = sign_in.knows_password(runtime.engine, user, form.raw("password"), address(request))
        except TooManyFailures:
            known = False
        if not known:
            return _me(request, 422, error=translated("The password is wrong."))
    try:
        with runtime.engine.begin() as connection:
            users.set_password(connection, user, form.raw("new_password"))
            users.end_sessions(connection, user.id, but=visitor.token_sha256)
    except UsageError as error:
        return _me(request, 422, error=str(error))
    return go(request, "/" if not user.has_password else "/me", done="password")


def _me(request: Request, status: int = 200, error: str = "") -> Response:
    done = translated("The password was saved.") if request.query_params.get("done") == "password" else ""
    return show(request, "me.html", status, error=error, done=done, role_word=words.role)


@routes.post("/language", **needs(None))
def choose_language(request: Request, form: FormOf) -> Response:
    """Remember the language in this browser, and go back."""
    answer = go_back(request, form.text("next"))
    if (chosen := form.text("language")) in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE,
            chosen,
            max_age=_A_YEAR,
            path=f"{prefix(request)}/",
            httponly=True,
            samesite="lax",
            secure=is_https(request),
        )
    return answer


def _with_session(request: Request, answer: Response, token: str) -> Response:
    answer.set_cookie(
        SESSION_COOKIE,
        token,
        path=f"{prefix(request)}/",
        httponly=True,
        samesite="lax",
        secure=is_https(request),
    )
    return answer
