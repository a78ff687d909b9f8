"""The resources of the API, each a router of its own file."""

from fastapi import APIRouter

from dispatcher.web.api import (
    account,
    campaign_actions,
    campaign_results,
    campaigns,
    checks,
    me,
    messages,
    nollame,
    optouts,
    people,
    replies,
    uploads,
    webhooks,
)

ROUTERS: tuple[APIRouter, ...] = (
    me.routes,
    account.routes,
    uploads.routes,
    checks.routes,
    campaigns.routes,
    campaign_actions.routes,
    campaign_results.routes,
    messages.routes,
    replies.routes,
    optouts.routes,
    nollame.routes,
    people.routes,
    webhooks.routes,
)

PREFIX = "/api/v1"
