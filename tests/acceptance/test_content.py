"""Campaigns with HTML content through real processes: handed in both ways, and killed between and within calls."""

from collections import Counter
from pathlib import Path

import pytest
from celery import Celery

from tests.acceptance.stage import Stage
from tests.acceptance.test_campaign import write_list

MARK = "http://1rck.in/-000000"
PAGE = "<h1>Ofertas</h1>"


def test_content_goes_out_from_the_command_line_and_from_a_task(stage: Stage, broker_url: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE, encoding="utf-8")
    recipients = write_list(tmp_path / "lista.csv", 20)
    stage.cluster.start()
    bad = stage.cluster.cli("campaign", "create", str(recipients), "--template", "Hola", "--html", str(page), code=2)
    assert MARK in bad["hint"]
    template = f"Hola {{nombre}}: {MARK}"
    create = ("campaign", "create", str(recipients), "--template", template, "--html", str(page))
    assert stage.cluster.cli(*create, "--dry-run")["messages"] == 20
    campaign = stage.cluster.cli(*create)["campaign_id"]
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
    stage.finish(campaign)
    stage.wait_for(lambda: stage.sql("SELECT 1 FROM campaign_request WHERE state = 'created'"), 30, "created")
    stage.finish(stage.value("SELECT campaign_id FROM campaign_request"))
    posts = list(stage.simulator.posts())
    assert Counter(post["transport"] for post in posts) == {"http": 30}
    assert {post["html"] for post in posts} == {PAGE}
    assert max(Counter(line["idinterno"] for line in stage.simulator.ledger()).values()) == 1


@pytest.mark.parametrize("take", ["all", "none"])
def test_kill_9_within_a_unit_call_and_between_calls_ends_with_every_line_once(take: str, stage: Stage) -> None:
    stage.simulator.set_option(unit_status=True, latency=0.02)
    campaign = stage.load(60, template=f"Aviso {{n}} {MARK}", html=PAGE)
    stage.cluster.start()
    for taken in (5, 25):
        stage.wait_taken(taken)
        stage.cluster.kill("worker")
        stage.let_leases_expire()
        stage.cluster.worker()
    stage.hold(take, "after" if take == "all" else "before", endpoint="unit", times=2)
    stage.wait_held(2)
    stage.cluster.kill("worker")
    stage.let_go()
    stage.let_leases_expire()
    stage.cluster.worker()
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)
    lost = [attempt for attempt in stage.attempts(campaign) if attempt[2] == "lost"]
    assert len(lost) >= 2


def test_kill_9_within_a_unit_call_leaves_one_line_to_the_operator_where_nothing_can_be_proven(stage: Stage) -> None:
    campaign = stage.load(20, template=f"Aviso {{n}} {MARK}", html=PAGE)
    stage.hold("all", "after", endpoint="unit", times=1)
    stage.cluster.start()
    stage.wait_held()
    stage.cluster.kill("worker")
    stage.let_go()
    stage.let_leases_expire()
    stage.cluster.worker()
    stage.wait_for(lambda: stage.show(campaign).held, 45, "held")
    stage.wait_for(lambda: stage.show(campaign).counts == {"ok": 19, "held": 1}, 30, "the rest is sent")
    assert max(Counter(line["idinterno"] for line in stage.simulator.ledger()).values()) == 1
