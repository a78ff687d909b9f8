"""What an admin makes and changes: webhooks, keys that expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from dispatcher.access import keys
from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from dispatcher.webhooks import endpoints
from schemas import tables
from tests.integration.web.page.visiting import signed_in, visiting

URL = "http://127.0.0.1:9/hook"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime(webhook_allow="127.0.0.0/8")


def the_webhook(runtime: Runtime) -> endpoints.Webhook:
    with runtime.engine.connect() as connection:
        return endpoints.listing(connection, 10)[0]


def secret_of(runtime: Runtime) -> str:
    with runtime.engine.connect() as connection:
        return str(connection.execute(select(tables.webhook.c.secret)).scalar_one())


def test_a_webhook_is_made_changed_and_deleted(runtime: Runtime) -> None:
    with visiting(runtime, Role.ADMIN) as admin:
        made = admin.submit(admin.get("/webhooks"), "/webhooks", url=URL, event="reply.received")
        first = made.tree.xpath("//p[@role='status']/code")[0].text
        assert first == secret_of(runtime)
        path = f"/webhooks/{the_webhook(runtime).webhook_id}"
        assert first not in admin.get(path).answer.text
        changed = admin.submit(admin.get(path), "/change", url=f"{URL}/2", event="campaign.completed")
        assert changed.path == path
        assert (the_webhook(runtime).url, the_webhook(runtime).events) == (f"{URL}/2", ("campaign.completed",))
        rotated = admin.submit(admin.get(path), "/change", press="rotate")
        second = rotated.tree.xpath("//p[@role='status']/code")[0].text
        assert second == secret_of(runtime) != first
        assert admin.submit(admin.get(path), "/delete").path == "/webhooks"
        assert admin.get(path).status == 404


def test_an_address_that_cannot_be_called_comes_back_with_its_form(runtime: Runtime) -> None:
    with visiting(runtime, Role.ADMIN) as admin:
        for url in ("http://10.0.0.1/x", "javascript:alert(1)", "no address"):
            seen = admin.submit(admin.get("/webhooks"), "/webhooks", url=url, event="reply.received")
            assert seen.status == 422
            assert seen.tree.xpath("//input[@name='url']/@value") == [url]
            assert seen.tree.xpath("//input[@checked]/@value") == ["reply.received"]
            assert seen.tree.xpath("//*[@role='alert']")[0].text
        none = admin.submit(admin.get("/webhooks"), "/webhooks", url=URL)
        assert none.status == 422


def test_nobody_but_an_admin_makes_a_webhook(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as sender:
        csrf = sender.get("/me").tree.xpath("//input[@name='csrf']/@value")[0]
        typed = {"url": URL, "event": "reply.received", "csrf": csrf}
        assert sender.post("/webhooks", typed).status == 403
        assert sender.post("/webhooks/wh_1/change", typed).status == 403
        with runtime.engine.connect() as connection:
            assert endpoints.listing(connection, 10) == []
        admin = signed_in(runtime, sender.base, Role.ADMIN)
        assert admin.post("/webhooks/wh_none/change", {**typed, "csrf": ""}).status == 409


def test_a_key_may_expire_and_an_error_keeps_what_was_typed(runtime: Runtime) -> None:
    with visiting(runtime, Role.ADMIN) as admin:
        typed = {"name": "ERP", "scope": "campaigns:read", "networks": "10.0.0.0/8"}
        for day in ("2020-01-01", "2027-02-31"):
            seen = admin.submit(admin.get("/keys"), "/keys", **typed, expires=day)
            assert seen.status == 422
            assert seen.tree.xpath("//input[@name='name']/@value") == ["ERP"]
            assert seen.tree.xpath("//input[@name='networks']/@value") == ["10.0.0.0/8"]
            assert seen.tree.xpath("//input[@name='expires']/@value") == [day]
            assert seen.tree.xpath("//input[@checked]/@value") == ["campaigns:read"]
        made = admin.submit(admin.get("/keys"), "/keys", **typed, expires="2099-12-31")
        assert made.status == 200
        assert "2099-12-31 23:59" in made.text
    with runtime.engine.connect() as connection:
        assert keys.listing(connection)[0].expires_at == datetime(2100, 1, 1, 2, 59, 59, tzinfo=UTC)
