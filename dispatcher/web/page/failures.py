"""What somebody sees when a page cannot be shown: what happened, and what to do; nothing typed is lost."""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from dispatcher.campaigns.preparations import NoPreparation
from dispatcher.campaigns.summary import NoCampaign
from dispatcher.db.errors import DRIVER_ERRORS, translate
from dispatcher.errors import BrokerUnavailable, ListRefused, ProviderError, UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.replies.handling import NoReply
from dispatcher.web.page.forms import Form
from dispatcher.web.page.routing import Forbidden, ForeignForm, NotSignedIn, StaleForm, prefix
from dispatcher.web.page.show import go, is_fragment, secure, show
from dispatcher.webhooks.deliveries import NoDelivery
from dispatcher.webhooks.endpoints import NoWebhook

log = logging.getLogger(__name__)

_RETRY_SECONDS = 5
_OURS = ("csrf", "password", "new_password")
"""Fields that a form which comes back is not filled with."""


def answer(request: Request, error: Exception) -> Response:
    """The page that an error leads to."""
    if isinstance(error, NotSignedIn):
        return _sign_in(request)
    if isinstance(error, StaleForm):
        return _again(request, 409, "session")
    if isinstance(error, Forbidden):
        return _failed(request, 403, translated("Your role does not allow this."), _ask_for(error.role))
    if isinstance(error, ForeignForm):
        return _failed(
            request,
            403,
            translated("This form came from another site."),
            translated("Open the page here, and try again."),
        )
    if isinstance(error, (NoCampaign, NoPreparation, NoReply, NoWebhook, NoDelivery, RequestValidationError)):
        return not_found(request)
    if isinstance(error, DRIVER_ERRORS):
        return _database(request, error)
    if isinstance(error, HTTPException):
        return not_found(request) if error.status_code == 404 else _http(request, error)
    if isinstance(error, (UsageError, ListRefused)):
        return _failed(request, 422, str(error), without_commands(error.hint))
    log.error("page_failed kind=%s at=%s", type(error).__name__, _place(error))
    if isinstance(error, BrokerUnavailable):
        return _failed(
            request, 503, translated("The workers cannot be told just now."), translated("Try again in a minute.")
        )
    if isinstance(error, ProviderError):
        return _failed(
            request, 503, translated("The provider gave no usable answer."), translated("Try again in a minute.")
        )
    return _failed(
        request,
        500,
        translated("Something is wrong here."),
        translated("Try again; if it stays, tell whoever runs the dispatcher."),
    )


def _place(error: Exception) -> str:
    """Where it happened; a traceback could hold a number or a text."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def without_commands(hint: str | None) -> str:
    """What to do, unless it is a command: who reads a page has no terminal."""
    return hint if hint and "`" not in hint and "--" not in hint else ""


def for_a_page(words: str) -> str:
    """Sentences without those that name an option of a command."""
    sentences = re.split(r"(?<=[.!?:]) +", words)
    return " ".join(each for each in sentences if "`" not in each and "--" not in each)


def kept(request: Request) -> list[tuple[str, str]]:
    """The fields that were typed, for a form that brings them back."""
    form: Form | None = request.state.form
    return [(name, value) for name, value in (form.fields if form else []) if name not in _OURS]


def lost_file(request: Request) -> str:
    """The name of the file that came with the form, and must be chosen again."""
    form: Form | None = request.state.form
    if form is None:
        return ""
    return form.file.name if form.file is not None and form.file.size else form.lost_file


def _again(request: Request, status: int, why: str) -> Response:
    typed = {"kept": kept(request), "lost_file": lost_file(request)}
    return show(request, "again.html", status, action=request.url.path, why=why, **typed)


def not_found(request: Request) -> Response:
    """There is nothing at this address."""
    return _failed(
        request,
        404,
        translated("There is nothing here."),
        translated("Perhaps it was deleted, or the address is wrong."),
    )


def _ask_for(role: str) -> str:
    return worded("Ask an admin for the role {role}.", role=role)


def _sign_in(request: Request) -> Response:
    if is_fragment(request):
        if request.method == "POST":  # a preview: the page stays, with what was typed
            return Response(status_code=204, headers=secure(request))
        to = go(request, "/sign-in", next=_around(request)).headers["location"]
        return Response(headers={**secure(request), "HX-Redirect": to})
    if request.method == "POST":
        typed = {"kept": kept(request), "lost_file": lost_file(request)}
        return show(request, "sign_in.html", 401, next=request.url.path, again=True, error="", name="", **typed)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return go(request, "/sign-in", next=here if here != "/" else None)


def _around(request: Request) -> str | None:
    """The page that a part of it was asked for."""
    page = urlsplit(request.headers.get("hx-current-url", "")[:4_000])
    path = page.path.removeprefix(prefix(request)) + (f"?{page.query}" if page.query else "")
    return path if path not in ("", "/") else None


def _database(request: Request, error: Exception) -> Response:
    failure = translate(error)
    log.error("database_failed kind=%s sqlstate=%s", type(failure).__name__, failure.sqlstate)
    if is_fragment(request):
        return Response(status_code=503, headers=secure(request))
    retry = {"Retry-After": str(_RETRY_SECONDS)}
    if request.method == "POST":
        shown = _again(request, 503, "database")
    else:
        shown = show(request, "away.html", 503, seconds=_RETRY_SECONDS)
    shown.headers.update(retry)
    return shown


def _http(request: Request, error: HTTPException) -> Response:
    words = {
        408: translated("The form took too long to arrive."),
        413: translated("That is too large."),
    }.get(error.status_code, translated("The form could not be read."))
    return _failed(request, error.status_code, words, translated("Go back, and try again."))


def _failed(request: Request, status: int, words: str, hint: str) -> Response:
    return show(request, "failed.html", status, words=words, hint=hint)
