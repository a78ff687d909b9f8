"""The resources of the API, each a router of its own file."""

from fastapi import APIRouter

from dispatcher.web.api import me

ROUTERS: tuple[APIRouter, ...] = (me.routes,)

PREFIX = "/api/v1"
