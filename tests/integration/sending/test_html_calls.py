"""Campaigns with HTML content: a unit call a message, with what a bulk chunk has to be sure of."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.campaigns import operator_actions, request_intake
from dispatcher.db.statements import query
from dispatcher.errors import UsageError
from dispatcher.results import fecha_reading
from dispatcher.runtime import Runtime
from dispatcher.sending import pump as sending_pump
from dispatcher.sending.claims import Claim
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness
from tests.integration.stepper import Stepper

MARK = "http://1rck.in/-000000"
TEMPLATE = f"Mira {{nombre}} {MARK}"
PAGE = "<h1>Ofertas de ma\u00f1ana \u20ac</h1>"


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(provider_timeout=2, in_doubt_horizon=0.5))


def load(stepper: Stepper, rows: int = 5, **spec: Any) -> int:
    return stepper.load(rows, template=TEMPLATE, html=PAGE, **spec)


def ids(stepper: Stepper, campaign: int) -> list[str]:
    found = stepper.sql("SELECT idinterno FROM message_status WHERE campaign_id = :id ORDER BY seq", id=campaign)
    return [row.idinterno for row in found]


def in_ledger(simulator: SimulatorProcess) -> Counter[str]:
    return Counter(line["idinterno"] for line in simulator.ledger())


def statuses(stepper: Stepper, campaign: int) -> dict[str, int]:
    found = stepper.sql("SELECT status FROM message_status WHERE campaign_id = :id", id=campaign)
    return dict(Counter(row.status for row in found))


def test_each_message_is_one_unit_call_with_the_content_and_has_its_result_at_once(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    campaign = load(stepper)
    stepper.submit()
    posts = list(simulator.posts())
    assert [post["transport"] for post in posts] == ["http"] * 5
    assert {post["html"] for post in posts} == {PAGE.replace("\u20ac", "&#8364;")}
    assert all(post["link"].startswith("http://1rck.in/-") for post in posts)
    assert in_ledger(simulator) == Counter(ids(stepper, campaign))
    rows = stepper.sql("SELECT * FROM message_status WHERE campaign_id = :id ORDER BY seq", id=campaign)
    assert [(row.status, row.result_code, row.result_text) for row in rows] == [("ok", 0, "OK")] * 5
    assert all(row.processed_at and row.submitted_at for row in rows)
    stepper.tick()
    assert stepper.show(campaign).state == "completed"


def test_a_refusal_has_the_guide_s_code_and_the_provider_s_words_and_the_list_takes_note(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(baja=["1120000001"], mix={})
    campaign = load(stepper, 3)
    stepper.submit()
    row = stepper.sql("SELECT * FROM message_status WHERE campaign_id = :id AND seq = 2", id=campaign)[0]
    assert (row.status, row.result_code) == ("rejected", -3)
    assert "BAJA" in row.result_text
    assert not row.result_text.startswith("-3"), "the words, as a status line has them"
    assert [r.destino for r in stepper.sql("SELECT destino FROM optout")] == ["1120000001"]
    assert stepper.show(campaign).result_codes == {0: 2, -3: 1}


def test_a_test_campaign_is_simulated(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign = load(stepper, 2, test=True)
    stepper.submit()
    assert statuses(stepper, campaign) == {"simulated": 2}
    assert simulator.sent()["ok"] == 0


@pytest.mark.parametrize("take", ["all", "none"])
def test_a_lost_answer_waits_for_the_operator_where_unit_calls_leave_no_trace(
    take: str, stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_faults({"kind": "close", "endpoint": "unit", "take": take, "times": 1})
    campaign = load(stepper)
    stepper.submit()
    assert statuses(stepper, campaign) == {"in_doubt": 1, "ok": 4}, "the rest did not wait"
    settle_doubts(stepper)
    assert statuses(stepper, campaign) == {"held": 1, "ok": 4}
    assert max(in_ledger(simulator).values()) == 1, "not knowing is no absence where nothing is ever known"
    (held,) = stepper.sql("SELECT * FROM chunk WHERE state = 'held'")
    assert "unit_calls_leave_no_trace" in held.doubt_reason
    operator_actions.resolve(stepper.runtime.engine, campaign, held.chunk_no, "unsent")
    found = stepper.finish(campaign)
    assert simulator.sent()["pairs_sent_twice"] == [], "the provider's own guard is the last line"
    assert found.counts == ({"ok": 5} if take == "none" else {"ok": 4, "rejected": 1})
    assert found.result_codes == ({0: 5} if take == "none" else {0: 4, -4: 1})


@pytest.mark.parametrize("take", ["all", "none"])
def test_a_lost_answer_is_resolved_by_evidence_where_the_provider_knows_unit_calls(
    take: str, stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(unit_status=True)
    simulator.set_faults({"kind": "close", "endpoint": "unit", "take": take, "times": 1})
    campaign = load(stepper)
    found = stepper.finish(campaign)
    assert found.counts == {"ok": 5}
    assert in_ledger(simulator) == Counter(ids(stepper, campaign))
    resends = stepper.sql("SELECT sum(resends)::int AS n FROM chunk")[0].n
    assert resends == (1 if take == "none" else 0)


def test_a_resend_that_meets_the_guard_takes_the_first_call_s_result(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(unit_status=True, results="first")
    simulator.set_faults({"kind": "close", "endpoint": "unit", "take": "all", "times": 1})
    campaign = load(stepper, 2)
    stepper.submit()
    (doubt,) = stepper.sql("SELECT * FROM chunk WHERE state = 'in_doubt'")
    operator_actions.resolve(stepper.runtime.engine, campaign, doubt.chunk_no, "unsent")
    stepper.submit()
    assert statuses(stepper, campaign) == {"ok": 2}
    kept = stepper.sql("SELECT code FROM result_line WHERE campaign_id = :id", id=campaign)
    assert [line.code for line in kept] == [-4]
    assert simulator.sent()["pairs_sent_twice"] == []


def test_what_says_that_nothing_was_taken_leaves_the_rest_due(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign = load(stepper)
    assert stepper.account
    simulator.set_option(credit=2)
    stepper.submit()
    assert statuses(stepper, campaign) == {"ok": 2, "pending": 3}
    assert "agotado" in str(stepper.show(campaign).blocked)
    simulator.set_option(credit=100)
    stepper.sql("UPDATE account SET retry_at = NULL")
    found = stepper.finish(campaign)
    assert found.counts == {"ok": 5}
    assert found.blocked is None
    assert simulator.sent()["pairs_sent_twice"] == []


def test_a_refused_key_blocks_and_loses_nothing(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign = load(stepper, 3)
    simulator.set_option(apikey=["OTRA"])
    stepper.submit()
    assert statuses(stepper, campaign) == {"pending": 3}
    assert stepper.show(campaign).blocked
    assert in_ledger(simulator).total() == 0


@pytest.mark.parametrize("what", ["pause", "optout", "deadline", "block"])
def test_what_changes_between_two_calls_stops_the_next(
    what: str, stepper: Stepper, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second message of three is preceded by a change that the claim must see."""
    changes = {
        "pause": "UPDATE campaign SET state = 'paused'",
        "optout": "INSERT INTO optout (destino, source) VALUES ('1120000001', 'operator')",
        "deadline": "UPDATE campaign SET expires_at = now() - interval '1 second'",
        "block": "UPDATE account SET blocked_at = now(), blocked_words = 'x', blocked_cause = 'answer', retry_at = now() + interval '1 hour'",
    }
    campaign = load(stepper, 3)
    once = sending_pump._submit

    def then_change(runtime: Runtime, claim: Claim) -> None:
        once(runtime, claim)
        if claim.chunk_no == 1:
            stepper.sql(changes[what])

    monkeypatch.setattr(sending_pump, "_submit", then_change)
    stepper.submit()
    expected = {"optout": {"ok": 2, "suppressed": 1}}.get(what, {"ok": 1, "pending": 2})
    assert statuses(stepper, campaign) == expected
    assert in_ledger(simulator).total() == expected["ok"]


def test_results_of_unit_calls_prove_nothing_about_a_bulk_doubt(stepper: Stepper, simulator: SimulatorProcess) -> None:
    """The provider answers unit calls at once, whatever its bulk queue does."""
    simulator.set_option(delay_min=3600)
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "none", "times": 1})
    bulk = stepper.load(3, first=100)
    stepper.submit()
    later = stepper.load(3, first=200)
    load(stepper, 2)
    stepper.submit()
    settle_doubts(stepper, within=3)
    assert statuses(stepper, bulk) == {"in_doubt": 3}, "the bulk chunk after it has no result yet"
    assert statuses(stepper, later) == {"submitted": 3}


def test_the_reading_of_fecha_is_never_found_with_a_unit_call_s_result(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    load(stepper, 2)
    stepper.submit()
    with stepper.runtime.engine.connect() as connection:
        assert connection.execute(query("known_result"), {"account_id": stepper.account.id}).first() is None
    found = fecha_reading.detect(stepper.runtime, stepper.account.id, stepper.poller().settler)
    assert found.reading is None


def test_a_late_verdict_counts_after_the_lease_ran_out(
    stepper: Stepper, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = load(stepper, 1)
    post = sending_pump._post

    def stalled(*arguments: Any) -> Any:
        finish = post(*arguments)
        stepper.sql("UPDATE chunk SET lease_until = clock_timestamp() - interval '1 second'")
        stepper.tick()
        assert statuses(stepper, campaign) == {"in_doubt": 1}
        return finish

    monkeypatch.setattr(sending_pump, "_post", stalled)
    stepper.submit()
    assert statuses(stepper, campaign) == {"ok": 1}
    assert [row.outcome for row in stepper.sql("SELECT outcome FROM attempt")] == ["accepted"]


@pytest.mark.parametrize(
    ("template", "html"),
    [
        ("Mira {nombre}", PAGE),
        (TEMPLATE, None),
        (TEMPLATE, "<p>" + "\u20ac" * 12_000),
    ],
    ids=["content without its mark", "mark without content", "more than a call carries"],
)
def test_content_that_cannot_go_out_is_refused_with_a_sentence(
    template: str, html: str | None, stepper: Stepper
) -> None:
    with pytest.raises(UsageError) as caught:
        stepper.load(1, template=template, html=html)
    assert caught.value.hint
    assert stepper.sql("SELECT 1 FROM campaign") == []


def test_a_payload_s_content_is_checked_and_counts_as_a_part_of_it(stepper: Stepper) -> None:
    payload = {"template": TEMPLATE, "recipients": [{"telefono": "1144445555", "nombre": "Ana"}]}

    def outcome(**more: Any) -> tuple[str, str]:
        request_intake.receive(stepper.runtime.engine, stepper.runtime.settings, {**payload, **more})
        (row,) = stepper.sql("SELECT * FROM campaign_request WHERE idempotency_key = :k", k=more["idempotency_key"])
        return row.state, row.error or ""

    assert outcome(idempotency_key="a", html=PAGE) == ("created", "")
    assert outcome(idempotency_key="a", html=PAGE) == ("created", "")
    state, error = outcome(idempotency_key="a", html=PAGE + "!")
    assert (state, "another payload" in error) == ("created", True)
    for bad, word in ((None, "--html"), ("<\x00>", "html"), ("", "html"), ("x" * 100_000, "html")):
        state, error = outcome(idempotency_key=f"bad {len(bad or '')}", html=bad)
        assert state == "refused"
        assert word in error
    assert len(stepper.sql("SELECT 1 FROM campaign")) == 1


def test_sums_hold(make_core: Callable[..., CoreHarness], simulator: SimulatorProcess) -> None:
    core = make_core()
    core.watch_moves()
    simulator.set_option(mix={"-10": 0.3, "-5": 0.2}, seed=3)
    campaign = core.load(40, template=f"Mira {{n}} {MARK}", html=PAGE)
    while sending_pump.pump(core.runtime, core.account.id):
        pass
    core.check_sums(campaign)
    assert set(core.states(campaign)) == {"settled"}
    assert len(core.statuses(campaign)) == 2


def settle_doubts(stepper: Stepper, within: float = 30) -> None:
    """Polls that work for longer than the wait, and the probes that may follow, until every doubt is decided.

    The wait is twice the longest time from POST to result, so two seconds with a fecha of whole seconds.
    """
    ends = time.monotonic() + within
    while time.monotonic() < ends and stepper.sql("SELECT 1 FROM chunk WHERE state = 'in_doubt'"):
        stepper.sql("UPDATE account SET poll_at = now()")
        stepper.poll()
        stepper.probe()
        stepper.tick()
        time.sleep(0.1)
