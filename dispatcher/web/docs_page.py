"""The readable documentation of the API; its assets come from the wheel of `fastapi-swagger`, never from a CDN."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

PREFIX = "/api/v1/docs"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


def router(openapi_url: str) -> APIRouter:
    """The page, and what it loads."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(PREFIX)
    async def page() -> HTMLResponse:
        made = get_swagger_ui_html(
            openapi_url=openapi_url,
            title="SMS dispatcher: API",
            swagger_js_url=f"{PREFIX}/swagger-ui-bundle.js",
            swagger_css_url=f"{PREFIX}/swagger-ui.css",
            swagger_favicon_url=f"{PREFIX}/favicon-32x32.png",
        )
        made.headers["Content-Security-Policy"] = _POLICY
        return made

    @routes.get(PREFIX + "/{name}")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise HTTPException(404)
        content = files("fastapi_swagger.resources").joinpath(name).read_bytes()
        return Response(content, media_type=_ASSETS[name], headers={"Cache-Control": "max-age=86400"})

    return routes
