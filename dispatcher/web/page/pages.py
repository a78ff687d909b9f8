"""The pages, and the files that they load."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from dispatcher.i18n.words import speaking
from dispatcher.web.page import (
    campaign,
    campaign_actions,
    campaigns,
    doubts,
    downloads,
    failures,
    home,
    messages,
    optouts,
    people,
    replies,
    sign_in,
    system,
    users_page,
    webhooks_page,
)
from dispatcher.web.page.prepare import check, columns, message, summary, upload, when
from dispatcher.web.page.routing import language
from dispatcher.web.page.show import go

ROUTERS: tuple[APIRouter, ...] = (
    sign_in.routes,
    home.routes,
    upload.routes,
    columns.routes,
    message.routes,
    check.routes,
    when.routes,
    summary.routes,
    campaigns.routes,
    campaign.routes,
    campaign_actions.routes,
    messages.routes,
    doubts.routes,
    downloads.routes,
    replies.routes,
    people.routes,
    optouts.routes,
    system.routes,
    users_page.routes,
    webhooks_page.routes,
)

_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "idiomorph-ext.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def install(app: FastAPI) -> None:
    """Add every page to the application."""
    for routes in ROUTERS:
        app.include_router(routes)

    @app.get("/static/{version}/{name}", include_in_schema=False)
    async def static(version: str, name: str) -> Response:
        """A file of the page; its address changes with its content, so that a browser may keep it for good."""
        if name not in _STATIC:
            raise HTTPException(404)
        content = files("dispatcher.web.page").joinpath("static", name).read_bytes()
        kept = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(content, media_type=_STATIC[name], headers=kept)

    _show_what_is_not_there(app)


def _page_above(path: str) -> str:
    """The page that a form is on, by the address that it is sent to."""
    while path := path.rpartition("/")[0]:
        asked = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
        if any(route.matches(asked)[0] is Match.FULL for routes in ROUTERS for route in routes.routes):
            return path
    return "/"


def _show_what_is_not_there(app: FastAPI) -> None:
    """A browser at an address of no route, or of a form, sees a page; services get their problem as before."""
    as_problem = app.exception_handlers[HTTPException]

    async def handler(request: Request, error: Exception) -> Response:
        wants_a_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
        status = getattr(error, "status_code", 0)
        if wants_a_page and status in (404, 405):
            request.state.visitor = request.state.form = None
            with speaking(language(request)):
                if status == 405 and request.method == "GET":  # such as after another language was chosen there
                    return go(request, _page_above(request.url.path))
                return failures.not_found(request)
        answer: Response = await as_problem(request, error)  # type: ignore[misc]
        return answer

    app.add_exception_handler(HTTPException, handler)
