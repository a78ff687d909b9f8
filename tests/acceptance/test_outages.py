"""The provider fails in every way it can: nothing is lost, nothing is sent twice, and its ledger says so."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from ops.simulator import sentences
from tests.acceptance.live_system import LiveSystem
from tests.conftest import APIKEY

BROKEN_ANSWERS: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"kind": "reset"}, {"kind": "error"}, {"kind": "html"}, {"kind": "redirect"}),
    ({"kind": "close"}, {"kind": "garbage"}, {"kind": "hang"}, {"kind": "truncate"}),
)


@pytest.mark.parametrize(
    "take", [pytest.param("all", marks=pytest.mark.slow), "half", pytest.param("none", marks=pytest.mark.slow)]
)
def test_a_post_whose_answer_was_lost_is_in_doubt_and_ends_with_every_line_once_when_the_provider_took(
    take: str, live: LiveSystem
) -> None:
    live.cluster.start()
    for faults in BROKEN_ANSWERS:
        posts = live.simulator.stats()["posts"]
        live.simulator.set_faults(
            *({**fault, "take": take, "after": n, "times": 1} for n, fault in enumerate(faults)), replace=True
        )
        campaign = live.load(40, chunk_size=10)
        live.finish(campaign)
        live.assert_every_line_once(campaign)
        first = [outcome for _, attempt, outcome in live.attempts(campaign)][:4]
        assert first == ["in_doubt"] * 4, live.describe()
        resent = {"all": 0, "half": 4, "none": 4}[take]
        last_line = 1
        assert live.simulator.stats()["posts"] == posts + 4 + last_line + resent
    assert live.simulator.sent()["taken_twice"] == {}


def test_a_refused_connection_proves_that_nothing_was_taken_and_the_account_backs_off(live: LiveSystem) -> None:
    live.cluster.start()
    live.finish(live.load(1))
    live.simulator.set_faults({"kind": "refused"})
    campaign = live.load(40, chunk_size=10)
    live.wait_for(lambda: live.value("SELECT failures FROM account") >= 2, 20, "two steps of backoff")
    assert live.show(campaign).doubts == 0
    live.simulator.clear_faults()
    live.finish(campaign)
    live.assert_every_line_once(campaign)
    attempts = live.sql(
        "SELECT extract(epoch FROM claimed_at) AS begun, extract(epoch FROM finished_at) AS ended, outcome "
        "FROM attempt WHERE outcome = 'not_delivered' ORDER BY claimed_at"
    )
    # POSTs that failed together are one step; the next begins a step later, and each is twice as long.
    waits = [b.begun - a.ended for a, b in pairwise(attempts) if b.begun > a.ended + type(a.ended)("0.5")]
    assert len(waits) >= 1
    for wait, expected in zip(waits, (1, 2, 4), strict=False):
        assert float(wait) >= expected - 0.1
    assert live.value("SELECT failures FROM account") == 0


def test_a_refused_key_blocks_the_account_in_the_provider_s_words_and_ends_by_itself(live: LiveSystem) -> None:
    live.simulator.set_option(apikey=["ANOTHER"])
    campaign = live.load(40, chunk_size=10)
    live.cluster.start()
    blocked = live.wait_for(lambda: live.show(campaign).blocked, 20, "the account is blocked")
    assert blocked == sentences.BAD_KEY
    found = live.cluster.cli("campaign", "show", str(campaign))
    assert (found["blocked"], found["counts"]) == (sentences.BAD_KEY, {"pending": 40})
    assert live.simulator.stats()["taken"] == 0
    live.simulator.set_option(apikey=[APIKEY])
    live.finish(campaign)
    live.assert_every_line_once(campaign)
    assert live.show(campaign).blocked is None
    assert {outcome for _, _, outcome in live.attempts(campaign)} == {"refused", "accepted"}


@pytest.mark.slow
def test_a_sentence_about_credit_leaves_its_chunk_in_doubt_and_the_others_due(live: LiveSystem) -> None:
    live.simulator.set_faults({"kind": "sentence", "text": "credit", "take": "half", "times": 1})
    campaign = live.load(40, chunk_size=10)
    live.cluster.environment["DISPATCHER_CONCURRENCY"] = "1"
    live.cluster.start()
    assert "agotado" in live.wait_for(lambda: live.show(campaign).blocked, 20, "the account is blocked")
    assert live.value("SELECT count(*) FROM chunk WHERE state = 'due'") == 4, "three chunks, and the last line alone"
    live.finish(campaign)
    live.assert_every_line_once(campaign)


@pytest.mark.parametrize("whole_calls", [True, False], ids=["calls are refused", "lines are refused"])
def test_saldo_that_runs_out_in_the_middle_blocks_and_after_a_top_up_everybody_has_one_message(
    whole_calls: bool, live: LiveSystem
) -> None:
    """The guide leaves open whether a call without credit is refused or its lines are; either way 25 of 60 go out."""
    live.simulator.set_option(credit=25, refuse_calls=whole_calls)
    campaign = live.load(60, chunk_size=10)
    # One call every two seconds, so that results come between them.
    live.cluster.environment |= {"DISPATCHER_CONCURRENCY": "1", "DISPATCHER_RATE": "300"}
    live.cluster.start()
    blocked = live.wait_for(lambda: live.show(campaign).blocked, 30, "the account is blocked")
    assert "se han agotado los 25 SMS contratados" in blocked
    live.wait_for(lambda: live.simulator.sent()["ok"] == 25, 20, "the credit is used up")
    assert live.cluster.cli("account")["saldo"] == 0
    shown = live.cluster.cli("campaign", "show", str(campaign))
    assert sum(shown["counts"].values()) == 60
    assert shown["counts"].get("pending", 0) > 0, "what is due waits"
    live.simulator.set_option(credit=1000)
    found = live.finish(campaign, 90)
    assert found.blocked is None
    assert found.counts == {"ok": 60}, "nobody's message failed for want of credit"
    went_out = Counter(line["destino"] for line in live.simulator.ledger() if line["verdict"] == sentences.OK)
    assert went_out == Counter(dict.fromkeys((f"11{20_000_000 + n}" for n in range(60)), 1))
    assert live.simulator.sent()["sent_twice"] == {}
    assert live.cluster.cli("campaign", "audit", str(campaign))["balanced"]


@pytest.mark.slow
def test_a_provider_that_swallows_connections_is_survived(live: LiveSystem) -> None:
    live.cluster.start()
    live.finish(live.load(1))
    live.simulator.set_faults({"kind": "blackhole"})
    campaign = live.load(20, chunk_size=10)
    live.wait_for(lambda: live.attempts(campaign), 15, "a POST was begun")
    live.wait_for(lambda: all(outcome for _, _, outcome in live.attempts(campaign)), 15, "it ended")
    live.simulator.clear_faults()
    live.finish(campaign)
    live.assert_every_line_once(campaign)


@pytest.mark.slow
def test_results_late_repeated_shuffled_and_of_other_systems_settle_each_line_once(live: LiveSystem) -> None:
    live.simulator.set_option(delay_min=0.5, delay_max=3, fecha_lag=1, shuffle_rows=True)
    live.simulator.set_faults({"kind": "repeat", "copies": 3}, {"kind": "error", "endpoint": "status", "times": 2})
    live.simulator.inject({"idinterno": "M0000000000AG1X"}, {"idinterno": "1144445555", "text": "algo raro"})
    campaign = live.load(200, chunk_size=20)
    live.cluster.start()
    live.finish(campaign)
    live.assert_every_line_once(campaign)
    assert live.value("SELECT sum(n) FROM chunk_result") == 200
