"""Fills a template: who looks, in which language, under which path; every string from outside is shown as text."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dispatcher.campaigns import reason_words
from dispatcher.domain.display import shown
from dispatcher.domain.veil import veiled
from dispatcher.domain.window import provider_local
from dispatcher.i18n import terms
from dispatcher.i18n.words import counted, current, worded
from dispatcher.web.page import charts, sealed
from dispatcher.web.page.routing import is_https, prefix, runtime_of

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_SIMULATED_KEY = "DEMO"
"""The key of the simulator in `dispatcher up --simulated` and the demo."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def show(request: Request, name: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """A page made of the template `name`."""
    under = prefix(request)
    shared = {
        "visitor": request.state.visitor,
        "url": lambda path, **query: _url(under, path, query),
        "language": current(),
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "simulated": _is_simulated(request),
        "sealed": lambda text: sealed.seal(request, text),
        "outside": _as_is if sees_numbers(request) else _without_numbers,
    }
    text = _environment().get_template(name).render(**{**shared, **values})
    return HTMLResponse(text, status, secure(request))


def sees_numbers(request: Request) -> bool:
    """Whether who looks may see the numbers of people."""
    visitor = request.state.visitor
    return visitor is not None and visitor.may("operator")


def _as_is(words: str | None) -> str:
    return words or ""


def _without_numbers(words: str | None) -> str:
    return veiled(words or "")


def secure(request: Request) -> dict[str, str]:
    """The headers of every page."""
    more = {"Strict-Transport-Security": "max-age=31536000"} if is_https(request) else {}
    return {**_HEADERS, **more, "Content-Language": current(), "Vary": "Accept-Language, Cookie, HX-Request"}


def go(request: Request, path: str, **query: Any) -> Response:
    """Send the browser to another page of ours."""
    return RedirectResponse(_url(prefix(request), path, query), 303, secure(request))


def go_back(request: Request, to: str) -> Response:
    """Send the browser to where it came from, as a form says: one of our pages, or the home page."""
    return RedirectResponse(prefix(request) + inside(to), 303, secure(request))


def inside(to: str) -> str:
    """An address of ours as it came, else that of the home page: nobody is sent to another site by a link to us."""
    ours = (
        to.startswith("/") and not to.startswith(("//", "/\\")) and to.isascii() and to.isprintable() and " " not in to
    )
    return to[:2000] if ours and "\\" not in to else "/"


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def _url(under: str, path: str, query: dict[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return under + quote(path, safe="/%:") + (f"?{urlencode(given)}" if given else "")


def _is_simulated(request: Request) -> bool:
    """Whether this is what `dispatcher up --simulated` runs: a proxy of this machine might well reach phones."""
    settings = runtime_of(request).settings
    local = urlsplit(settings.provider_url).hostname == "127.0.0.1"
    return local and settings.apikey is not None and settings.apikey.get_secret_value() == _SIMULATED_KEY


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("dispatcher.web.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    made.globals |= {
        "_": worded,
        "counted": counted,
        "charts": charts,
        "asset": _asset,
        "meaning": terms.meaning,
        "status_word": terms.status,
        "state_word": terms.state_word,
    }
    made.filters |= {
        "who": reason_words.who,
        "why": reason_words.why,
        "number": number,
        "share": share,
        "moment": moment,
        "clock": clock,
        "day": day,
        "phone": phone,
        "lines": lines,
    }
    return made


def _plain(value: Any) -> Any:
    """Strings without what would hide or turn them; markup of ours, and numbers, as they are."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return "" if value is None else value
    return "\n".join(shown(line) for line in value.split("\n"))


def lines(text: str) -> str:
    """A text of several lines as one that shows where they end."""
    return text.replace("\r\n", "\n")


def number(value: float | None) -> str:
    """1234 as 1.234 in Spanish, 1,234 in English."""
    if value is None:
        return "–"
    written = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    return written.translate(str.maketrans(",.", ".,")) if current() == "es" else written


def share(part: float, whole: float) -> str:
    """A part of a whole in per cent, never 100 % or 0 % when it is only near."""
    if not whole:
        return "–"
    value = 100 * part / whole
    rounded = min(max(round(value, 1), 0.1), 99.9) if 0 < part < whole else round(value, 1)
    return f"{number(rounded)} %"


def moment(value: datetime | str | None) -> str:
    """A day and a time of Argentina: 01/12/2026 09:00, or 2026-12-01 09:00 in English."""
    if value is None:
        return "–"
    local = provider_local(datetime.fromisoformat(value) if isinstance(value, str) else value)
    return f"{local:%d/%m/%Y %H:%M}" if current() == "es" else f"{local:%Y-%m-%d %H:%M}"


def clock(value: datetime | None) -> str:
    """The time of day in Argentina, with seconds."""
    return "–" if value is None else f"{provider_local(value):%H:%M:%S}"


def day(value: date | None) -> str:
    """A date: 01/12/2026, or 2026-12-01 in English."""
    if value is None:
        return "–"
    return f"{value:%d/%m/%Y}" if current() == "es" else f"{value:%Y-%m-%d}"


def phone(digits: str) -> str:
    """National digits in groups that can be read aloud: 11 4444 5555."""
    if len(digits) != 10 or not digits.isascii() or not digits.isdigit():
        return digits
    area = 2 if digits.startswith("11") else 3
    return f"{digits[:area]} {digits[area:-4]} {digits[-4:]}"


@lru_cache(maxsize=64)
def _asset(name: str) -> str:
    """The path of a file of `static`, which changes with its content."""
    import hashlib

    content = files("dispatcher.web.page").joinpath("static", name).read_bytes()
    return f"/static/{hashlib.sha256(content).hexdigest()[:12]}/{name}"
