"""Campaigns with HTML content through real processes: handed in both ways, and killed between and within calls."""

from collections import Counter
from pathlib import Path

import pytest
from celery import Celery

from tests.acceptance.live_system import LiveSystem
from tests.acceptance.test_campaign import write_list

MARK = "http://1rck.in/-000000"
PAGE = "<h1>Ofertas</h1>"


def test_content_goes_out_from_the_command_line_and_from_a_task(
    live: LiveSystem, broker_url: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE, encoding="utf-8")
    recipients = write_list(tmp_path / "lista.csv", 20)
    live.cluster.start()
    bad = live.cluster.cli("campaign", "create", str(recipients), "--template", "Hola", "--html", str(page), code=2)
    assert MARK in bad["hint"]
    template = f"Hola {{nombre}}: {MARK}"
    create = ("campaign", "create", str(recipients), "--template", template, "--html", str(page))
    assert live.cluster.cli(*create, "--dry-run")["messages"] == 20
    campaign = live.cluster.cli(*create)["campaign_id"]
    service = Celery("service", broker=broker_url)
    payload = {
        "idempotency_key": "html",
        "template": f"Chau {{nombre}}: {MARK}",
        "html": PAGE,
        "recipients": [{"telefono": f"11{40_000_000 + n}", "nombre": f"N{n}"} for n in range(10)],
    }
    for _ in range(3):
        service.send_task("dispatcher.create_campaign", args=[payload], queue="control")
    service.close()
    live.finish(campaign)
    live.wait_for(lambda: live.sql("SELECT 1 FROM campaign_request WHERE state = 'created'"), 30, "created")
    live.finish(live.value("SELECT campaign_id FROM campaign_request"))
    posts = list(live.simulator.posts())
    assert Counter(post["transport"] for post in posts) == {"http": 30}
    assert {post["html"] for post in posts} == {PAGE}
    assert max(Counter(line["idinterno"] for line in live.simulator.ledger()).values()) == 1


@pytest.mark.parametrize("take", ["all", "none"])
def test_kill_9_within_a_unit_call_and_between_calls_ends_with_every_line_once(take: str, live: LiveSystem) -> None:
    live.simulator.set_option(unit_status=True, latency=0.02)
    campaign = live.load(60, template=f"Aviso {{n}} {MARK}", html=PAGE)
    live.cluster.start()
    for taken in (5, 25):
        live.wait_taken(taken)
        live.cluster.kill("worker")
        live.let_leases_expire()
        live.cluster.worker()
    live.hold(take, "after" if take == "all" else "before", endpoint="unit", times=2)
    live.wait_held(2)
    live.cluster.kill("worker")
    live.let_go()
    live.let_leases_expire()
    live.cluster.worker()
    live.finish(campaign)
    live.assert_every_line_once(campaign)
    lost = [attempt for attempt in live.attempts(campaign) if attempt[2] == "lost"]
    assert len(lost) >= 2


def test_kill_9_within_a_unit_call_leaves_one_line_to_the_operator_where_nothing_can_be_proven(
    live: LiveSystem,
) -> None:
    campaign = live.load(20, template=f"Aviso {{n}} {MARK}", html=PAGE)
    live.hold("all", "after", endpoint="unit", times=1)
    live.cluster.start()
    live.wait_held()
    live.cluster.kill("worker")
    live.let_go()
    live.let_leases_expire()
    live.cluster.worker()
    live.wait_for(lambda: live.show(campaign).held, 45, "held")
    live.wait_for(lambda: live.show(campaign).counts == {"ok": 19, "held": 1}, 30, "the rest is sent")
    assert max(Counter(line["idinterno"] for line in live.simulator.ledger()).values()) == 1
