"""Campaigns with HTML content: a unit call a message, with what a bulk chunk has to be sure of."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher import decisions, intake, readings, submit
from dispatcher.chunks import Claim
from dispatcher.database import query
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from ops.simulator.process import SimulatorProcess
from tests.integration.bench import Bench
from tests.integration.desk import Desk

MARK = "http://1rck.in/-000000"
TEMPLATE = f"Mira {{nombre}} {MARK}"
PAGE = "<h1>Ofertas de ma\u00f1ana \u20ac</h1>"


@pytest.fixture
def desk(make_runtime: Callable[..., Runtime]) -> Desk:
    return Desk(make_runtime(provider_timeout=2, in_doubt_horizon=0.5))


def load(desk: Desk, rows: int = 5, **spec: Any) -> int:
    return desk.load(rows, template=TEMPLATE, html=PAGE, **spec)


def ids(desk: Desk, campaign: int) -> list[str]:
    found = desk.sql("SELECT idinterno FROM message_status WHERE campaign_id = :id ORDER BY seq", id=campaign)
    return [row.idinterno for row in found]


def in_ledger(simulator: SimulatorProcess) -> Counter[str]:
    return Counter(line["idinterno"] for line in simulator.ledger())


def statuses(desk: Desk, campaign: int) -> dict[str, int]:
    found = desk.sql("SELECT status FROM message_status WHERE campaign_id = :id", id=campaign)
    return dict(Counter(row.status for row in found))


def test_each_message_is_one_unit_call_with_the_content_and_has_its_result_at_once(
    desk: Desk, simulator: SimulatorProcess
) -> None:
    campaign = load(desk)
    desk.submit()
    posts = list(simulator.posts())
    assert [post["transport"] for post in posts] == ["http"] * 5
    assert {post["html"] for post in posts} == {PAGE.replace("\u20ac", "&#8364;")}
    assert all(post["link"].startswith("http://1rck.in/-") for post in posts)
    assert in_ledger(simulator) == Counter(ids(desk, campaign))
    rows = desk.sql("SELECT * FROM message_status WHERE campaign_id = :id ORDER BY seq", id=campaign)
    assert [(row.status, row.result_code, row.result_text) for row in rows] == [("ok", 0, "OK")] * 5
    assert all(row.processed_at and row.submitted_at for row in rows)
    desk.tick()
    assert desk.show(campaign).state == "completed"


def test_a_refusal_has_the_guide_s_code_and_the_provider_s_words_and_the_list_takes_note(
    desk: Desk, simulator: SimulatorProcess
) -> None:
    simulator.set_option(baja=["1120000001"], mix={})
    campaign = load(desk, 3)
    desk.submit()
    row = desk.sql("SELECT * FROM message_status WHERE campaign_id = :id AND seq = 2", id=campaign)[0]
    assert (row.status, row.result_code) == ("rejected", -3)
    assert "BAJA" in row.result_text
    assert not row.result_text.startswith("-3"), "the words, as a status line has them"
    assert [r.destino for r in desk.sql("SELECT destino FROM optout")] == ["1120000001"]
    assert desk.show(campaign).result_codes == {0: 2, -3: 1}


def test_a_test_campaign_is_simulated(desk: Desk, simulator: SimulatorProcess) -> None:
    campaign = load(desk, 2, test=True)
    desk.submit()
    assert statuses(desk, campaign) == {"simulated": 2}
    assert simulator.sent()["ok"] == 0


@pytest.mark.parametrize("take", ["all", "none"])
def test_a_lost_answer_waits_for_the_operator_where_unit_calls_leave_no_trace(
    take: str, desk: Desk, simulator: SimulatorProcess
) -> None:
    simulator.set_faults({"kind": "close", "endpoint": "unit", "take": take, "times": 1})
    campaign = load(desk)
    desk.submit()
    assert statuses(desk, campaign) == {"in_doubt": 1, "ok": 4}, "the rest did not wait"
    settle_doubts(desk)
    assert statuses(desk, campaign) == {"held": 1, "ok": 4}
    assert max(in_ledger(simulator).values()) == 1, "not knowing is no absence where nothing is ever known"
    (held,) = desk.sql("SELECT * FROM chunk WHERE state = 'held'")
    assert "unit_calls_leave_no_trace" in held.doubt_reason
    decisions.resolve(desk.runtime.engine, campaign, held.chunk_no, "unsent")
    found = desk.finish(campaign)
    assert simulator.sent()["pairs_sent_twice"] == [], "the provider's own guard is the last line"
    assert found.counts == ({"ok": 5} if take == "none" else {"ok": 4, "rejected": 1})
    assert found.result_codes == ({0: 5} if take == "none" else {0: 4, -4: 1})


@pytest.mark.parametrize("take", ["all", "none"])
def test_a_lost_answer_is_resolved_by_evidence_where_the_provider_knows_unit_calls(
    take: str, desk: Desk, simulator: SimulatorProcess
) -> None:
    simulator.set_option(unit_status=True)
    simulator.set_faults({"kind": "close", "endpoint": "unit", "take": take, "times": 1})
    campaign = load(desk)
    found = desk.finish(campaign)
    assert found.counts == {"ok": 5}
    assert in_ledger(simulator) == Counter(ids(desk, campaign))
    resends = desk.sql("SELECT sum(resends)::int AS n FROM chunk")[0].n
    assert resends == (1 if take == "none" else 0)


def test_a_resend_that_meets_the_guard_takes_the_first_call_s_result(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_option(unit_status=True, results="first")
    simulator.set_faults({"kind": "close", "endpoint": "unit", "take": "all", "times": 1})
    campaign = load(desk, 2)
    desk.submit()
    (doubt,) = desk.sql("SELECT * FROM chunk WHERE state = 'in_doubt'")
    decisions.resolve(desk.runtime.engine, campaign, doubt.chunk_no, "unsent")
    desk.submit()
    assert statuses(desk, campaign) == {"ok": 2}
    kept = desk.sql("SELECT code FROM result_line WHERE campaign_id = :id", id=campaign)
    assert [line.code for line in kept] == [-4]
    assert simulator.sent()["pairs_sent_twice"] == []


def test_what_says_that_nothing_was_taken_leaves_the_rest_due(desk: Desk, simulator: SimulatorProcess) -> None:
    campaign = load(desk)
    assert desk.account
    simulator.set_option(credit=2)
    desk.submit()
    assert statuses(desk, campaign) == {"ok": 2, "pending": 3}
    assert "agotado" in str(desk.show(campaign).blocked)
    simulator.set_option(credit=100)
    desk.sql("UPDATE account SET retry_at = NULL")
    found = desk.finish(campaign)
    assert found.counts == {"ok": 5}
    assert found.blocked is None
    assert simulator.sent()["pairs_sent_twice"] == []


def test_a_refused_key_blocks_and_loses_nothing(desk: Desk, simulator: SimulatorProcess) -> None:
    campaign = load(desk, 3)
    simulator.set_option(apikey=["OTRA"])
    desk.submit()
    assert statuses(desk, campaign) == {"pending": 3}
    assert desk.show(campaign).blocked
    assert in_ledger(simulator).total() == 0


@pytest.mark.parametrize("what", ["pause", "optout", "deadline", "block"])
def test_what_changes_between_two_calls_stops_the_next(
    what: str, desk: Desk, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second message of three is preceded by a change that the claim must see."""
    changes = {
        "pause": "UPDATE campaign SET state = 'paused'",
        "optout": "INSERT INTO optout (destino, source) VALUES ('1120000001', 'operator')",
        "deadline": "UPDATE campaign SET expires_at = now() - interval '1 second'",
        "block": "UPDATE account SET blocked_at = now(), blocked_words = 'x', retry_at = now() + interval '1 hour'",
    }
    campaign = load(desk, 3)
    once = submit._submit

    def then_change(runtime: Runtime, claim: Claim) -> None:
        once(runtime, claim)
        if claim.chunk_no == 1:
            desk.sql(changes[what])

    monkeypatch.setattr(submit, "_submit", then_change)
    desk.submit()
    expected = {"optout": {"ok": 2, "suppressed": 1}}.get(what, {"ok": 1, "pending": 2})
    assert statuses(desk, campaign) == expected
    assert in_ledger(simulator).total() == expected["ok"]


def test_results_of_unit_calls_prove_nothing_about_a_bulk_doubt(desk: Desk, simulator: SimulatorProcess) -> None:
    """The provider answers unit calls at once, whatever its bulk queue does."""
    simulator.set_option(delay_min=3600)
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "none", "times": 1})
    bulk = desk.load(3, first=100)
    desk.submit()
    later = desk.load(3, first=200)
    load(desk, 2)
    desk.submit()
    settle_doubts(desk)
    assert statuses(desk, bulk) == {"in_doubt": 3}, "the bulk chunk after it has no result yet"
    assert statuses(desk, later) == {"submitted": 3}


def test_the_reading_of_fecha_is_never_found_with_a_unit_call_s_result(desk: Desk, simulator: SimulatorProcess) -> None:
    load(desk, 2)
    desk.submit()
    with desk.runtime.engine.connect() as connection:
        assert connection.execute(query("known_result"), {"account_id": desk.account.id}).first() is None
    found = readings.detect(desk.runtime, desk.account.id, desk.poller().settler)
    assert found.reading is None


def test_a_late_verdict_counts_after_the_lease_ran_out(
    desk: Desk, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = load(desk, 1)
    post = submit._post

    def stalled(*arguments: Any) -> Any:
        finish = post(*arguments)
        desk.sql("UPDATE chunk SET lease_until = clock_timestamp() - interval '1 second'")
        desk.tick()
        assert statuses(desk, campaign) == {"in_doubt": 1}
        return finish

    monkeypatch.setattr(submit, "_post", stalled)
    desk.submit()
    assert statuses(desk, campaign) == {"ok": 1}
    assert [row.outcome for row in desk.sql("SELECT outcome FROM attempt")] == ["accepted"]


@pytest.mark.parametrize(
    ("template", "html"),
    [
        ("Mira {nombre}", PAGE),
        (TEMPLATE, None),
        (TEMPLATE, "<p>" + "\u20ac" * 12_000),
    ],
    ids=["content without its mark", "mark without content", "more than a call carries"],
)
def test_content_that_cannot_go_out_is_refused_with_a_sentence(template: str, html: str | None, desk: Desk) -> None:
    with pytest.raises(UsageError) as caught:
        desk.load(1, template=template, html=html)
    assert caught.value.hint
    assert desk.sql("SELECT 1 FROM campaign") == []


def test_a_payload_s_content_is_checked_and_counts_as_a_part_of_it(desk: Desk) -> None:
    payload = {"template": TEMPLATE, "recipients": [{"telefono": "1144445555", "nombre": "Ana"}]}

    def outcome(**more: Any) -> tuple[str, str]:
        intake.receive(desk.runtime.engine, desk.runtime.settings, {**payload, **more})
        (row,) = desk.sql("SELECT * FROM campaign_request WHERE idempotency_key = :k", k=more["idempotency_key"])
        return row.state, row.error or ""

    assert outcome(idempotency_key="a", html=PAGE) == ("created", "")
    assert outcome(idempotency_key="a", html=PAGE) == ("created", "")
    state, error = outcome(idempotency_key="a", html=PAGE + "!")
    assert (state, "another payload" in error) == ("created", True)
    for bad, word in ((None, "--html"), ("<\x00>", "html"), ("", "html"), ("x" * 100_000, "html")):
        state, error = outcome(idempotency_key=f"bad {len(bad or '')}", html=bad)
        assert state == "refused"
        assert word in error
    assert len(desk.sql("SELECT 1 FROM campaign")) == 1


def test_sums_hold(make_bench: Callable[..., Bench], simulator: SimulatorProcess) -> None:
    bench = make_bench()
    bench.watch_moves()
    simulator.set_option(mix={"-10": 0.3, "-5": 0.2}, seed=3)
    campaign = bench.load(40, template=f"Mira {{n}} {MARK}", html=PAGE)
    while submit.pump(bench.runtime, bench.account.id):
        pass
    bench.check_sums(campaign)
    assert set(bench.states(campaign)) == {"settled"}
    assert len(bench.statuses(campaign)) == 2


def settle_doubts(desk: Desk, rounds: int = 12) -> None:
    """Polls that work for longer than the horizon, and the probes that may follow."""
    for _ in range(rounds):
        desk.sql("UPDATE account SET poll_at = now()")
        desk.poll()
        desk.probe()
        desk.tick()
        time.sleep(0.1)
