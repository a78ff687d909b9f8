"""The home page: what runs, what comes, what needs a decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from dispatcher.access.roles import Role
from dispatcher.campaigns import lifecycle
from tests.integration.stepper import Stepper
from tests.integration.web.page.visiting import signed_in, visiting


@pytest.fixture
def stepper(make_runtime: Callable[..., object]) -> Stepper:
    return Stepper(make_runtime(chunk_size=10))  # type: ignore[arg-type]


def test_each_campaign_is_where_it_belongs(stepper: Stepper) -> None:
    runtime = stepper.runtime
    stepper.finish(stepper.load(10, name="Over"))
    running = stepper.load(20, first=100, name="Running")
    stepper.sql("UPDATE campaign SET state = 'running', started_at = now() WHERE id = :id", id=running)
    stepper.load(5, first=200, name="Coming", start="2099-01-01 09:00:00")
    stepper.load(5, first=300, name="Draft", draft=True)
    by_hand = stepper.load(5, first=400, name="By hand")
    lifecycle.pause(runtime.engine, by_hand, wait=0, reason="canary: the operator's own words")
    watched = stepper.load(5, first=500, name="Stopped")
    stepper.sql("UPDATE campaign SET state = 'paused', paused_by_watch = true WHERE id = :id", id=watched)
    held = stepper.load(5, first=600, name="Held ones")
    stepper.sql("UPDATE chunk SET state = 'held', doubt_since = now() WHERE campaign_id = :id", id=held)
    with visiting(runtime, Role.VIEWER) as viewer:
        seen = viewer.get("/")
        cards = {heading: card for card in seen.tree.xpath("//article") for heading in card.xpath("./h3/a/text()")}
        assert set(cards) == {"Running", "Coming", "Draft", "By hand", "Stopped", "Held ones"}
        assert "It begins on 2099-01-01 09:00" in cards["Coming"].text_content()
        assert "somebody must release it" in cards["Draft"].text_content()
        decide = seen.tree.xpath("//h2[text()='Needs a decision']/following-sibling::ul[1]/li")
        assert [" ".join(each.text_content().split()) for each in decide] == [
            "5 messages are held: Held ones",
            "Paused, since too many were rejected: Stopped",
        ]
        assert "New campaign" not in seen.text  # a viewer prepares nothing
        bars = seen.tree.xpath("//*[local-name()='svg'][@class='columns']//*[local-name()='title']/text()")
        assert "10 accepted by the phone company" in bars
        assert "New campaign" in signed_in(runtime, viewer.base, Role.OPERATOR).get("/").text


def test_a_reply_to_look_at_and_a_dead_worker_are_said(stepper: Stepper) -> None:
    stepper.finish(stepper.load(3))
    stepper.sql("UPDATE heartbeat SET at = now() - interval '5 minutes'")
    stepper.sql(
        "INSERT INTO reply (account_id, origen, texto, plain, received_at, kind, source, pushed_at) "
        "VALUES (:a, '1144445555', 'x', 'x', :at, 'review', 'push', :at)",
        a=stepper.account.id,
        at=datetime.now(UTC),
    )
    with visiting(stepper.runtime, Role.OPERATOR) as operator:
        seen = operator.get("/")
        assert "1 reply might be an opt-out" in seen.text
        assert "No worker has been seen for 5 minutes" in seen.text
