"""Results: each line settles its message once, errors give way to OK, and counters stay true."""

import random
from collections.abc import Callable
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from dispatcher.campaigns import summary
from dispatcher.db.statements import query
from dispatcher.domain import idinterno
from dispatcher.errors import InDoubt, NotDelivered
from dispatcher.results import settle as settling
from dispatcher.results.settle import Settler
from dispatcher.sending import claims
from tests.integration.core_harness import FIXED, IDENTICAL, CoreHarness


@pytest.fixture(autouse=True, params=["by key", "by range"])
def _either_plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of settling holds for the look-ups of small batches and for the range scan of large ones."""
    if request.param == "by range":
        monkeypatch.setattr(settling, "_FEW_LINES", 1)
        monkeypatch.setattr(settling, "_DENSE", 0)


def test_a_first_result_settles_its_message_and_the_last_its_chunk(core: CoreHarness) -> None:
    campaign = core.load(10)
    claim = core.send()
    lines = [
        (core.reference(campaign, seq).lower(), "OK" if seq > 1 else f"1120000000: {FIXED}") for seq in range(1, 11)
    ]
    outcome = core.settle(*lines[:9])
    assert (outcome.settled, outcome.changed, outcome.foreign, outcome.early) == (9, 0, 0, 0)
    assert core.chunk(claim).state == "accepted"
    core.check_sums(campaign)
    assert core.settle(lines[9]).settled == 1
    assert core.chunk(claim).state == "settled"
    assert core.state(campaign) == "completed"
    first = core.message(campaign, 1)
    assert (first.status, first.result_code, first.result_text) == ("rejected", -1, f"1120000000: {FIXED}")
    assert core.message(campaign, 2).result_text == "OK"
    core.check_sums(campaign)


def test_ok_overwrites_an_error_and_an_error_never_overwrites_ok(core: CoreHarness) -> None:
    campaign = core.load(2)
    core.send()
    one, two = core.reference(campaign, 1), core.reference(campaign, 2)
    core.settle((one, FIXED), (two, "OK"))
    outcome = core.settle((one, "OK", 5), (two, FIXED, 5))
    assert (outcome.settled, outcome.changed) == (0, 1)
    assert [core.message(campaign, seq).result_code for seq in (1, 2)] == [0, 0]
    core.check_sums(campaign)
    kept = core.rows("SELECT seq, text, code FROM result_line ORDER BY seq")
    assert [tuple(row) for row in kept] == [(1, FIXED, -1), (2, FIXED, -1)]


def test_a_simulated_result_is_as_final_as_ok(core: CoreHarness) -> None:
    campaign = core.load(1, test=True)
    core.send()
    reference = core.reference(campaign, 1)
    core.settle((reference, "probando sin enviar"))
    core.settle((reference, FIXED, 5))
    assert core.message(campaign, 1).status == "simulated"


def test_each_distinct_line_is_kept_once_however_often_it_comes(core: CoreHarness) -> None:
    campaign = core.load(1)
    core.send()
    reference = core.reference(campaign, 1)
    lines = [(reference, "OK"), (reference, FIXED), (reference, FIXED, 3), (reference, "OK", 4)]
    for _ in range(3):
        for settler in (core.settler, Settler(core.engine, core.account.id)):
            settler.settle(core.frame(*lines, *lines))
            settler.settle(core.frame(*reversed(lines)), skip_seen=False)
    # A distinct line is an idinterno with a fecha and a text; the clock may have moved on between two frames.
    kept = core.rows("SELECT fecha, text, count(*) AS n FROM result_line GROUP BY 1, 2")
    assert all(row.n == 1 for row in kept)
    assert core.message(campaign, 1).result_code == 0
    core.check_sums(campaign)


def test_foreign_lines_are_counted_and_ignored(core: CoreHarness) -> None:
    campaign = core.load(3)
    core.send()
    ours = core.reference(campaign, 1)
    other_prefix = "M0123456789" + ours[11:]
    beyond, nowhere = core.reference(campaign, 4), ours[:-1] + ("0" if ours[-1] != "0" else "1")
    prefix = core.one("SELECT prefix FROM installation")
    lines = [
        (x, "OK")
        for x in (ours, other_prefix, beyond, nowhere, "1144445555", "XXX", idinterno.encode(prefix, 999, 0, 1))
    ]
    outcome = core.settle(*lines)
    assert (outcome.settled, outcome.foreign) == (1, 6)
    assert core.account_row().foreign_lines == 6
    core.check_sums(campaign)


def test_another_accounts_campaign_is_foreign(core: CoreHarness) -> None:
    campaign = core.load(1)
    core.send()
    core.do("INSERT INTO account (provider_url, fingerprint) VALUES ('http://other', '0123456789abcdef')")
    other = core.one("SELECT id FROM account WHERE provider_url = 'http://other'")
    outcome = Settler(core.engine, other).settle(core.frame((core.reference(campaign, 1), "OK")))
    assert (outcome.settled, outcome.foreign) == (0, 1)
    assert core.message(campaign, 1).status == "submitted"


def test_a_line_from_before_the_first_post_is_counted_and_never_settles(core: CoreHarness) -> None:
    campaign = core.load(20)
    core.send()
    core.draw_new_prefix()
    outcome = core.settle((core.reference(campaign, 1), "OK", -3600), (core.reference(campaign, 11), "OK"))
    assert (outcome.settled, outcome.early) == (0, 2)
    assert core.account_row().early_lines == 2
    assert core.statuses(campaign) == {"submitted": 10, "pending": 10}


def test_a_fecha_cut_to_minutes_or_from_a_clock_that_lags_settles(core: CoreHarness) -> None:
    campaign = core.load(2)
    core.send()
    outcome = core.settle((core.reference(campaign, 1), "OK", -59), (core.reference(campaign, 2), "OK", -110))
    assert (outcome.settled, outcome.early) == (2, 0)


def test_a_result_for_a_chunk_still_sending_settles_and_the_answer_finds_it(core: CoreHarness) -> None:
    campaign = core.load(10)
    claim = core.claim()
    assert core.settle(*((core.reference(campaign, seq), "OK") for seq in range(1, 10))).settled == 9
    assert core.chunk(claim).state == "sending"
    core.settle((core.reference(campaign, 10), "OK"))
    assert core.chunk(claim).state == "sending"
    assert claims.finish_accepted(core.engine, claim) == "settled"
    core.check_sums(campaign)


@pytest.mark.parametrize("ending", ["doubt", "lease"])
def test_a_chunk_with_every_result_needs_no_answer(core: CoreHarness, ending: str) -> None:
    campaign = core.load(2)
    claim = core.claim()
    core.settle(*((core.reference(campaign, seq), "OK") for seq in (1, 2)))
    if ending == "doubt":
        assert claims.finish_in_doubt(core.engine, claim, InDoubt()) == "settled"
    else:
        core.expire_lease(claim)
    assert core.states(campaign) == ["settled"]
    core.check_sums(campaign)


def test_a_doubtful_chunk_settles_by_its_results(core: CoreHarness) -> None:
    campaign = core.load(2)
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    core.settle((core.reference(campaign, 1), "OK"))
    assert core.statuses(campaign) == {"ok": 1, "in_doubt": 1}
    core.settle((core.reference(campaign, 2), FIXED))
    assert core.states(campaign) == ["settled"]
    assert core.state(campaign) == "completed"


def test_a_line_with_a_result_is_not_posted_again_after_an_undelivered_answer(core: CoreHarness) -> None:
    campaign = core.load(3)
    claim = core.claim()
    core.settle((core.reference(campaign, 2), "OK"))
    claims.finish_undelivered(core.engine, claim, NotDelivered())
    core.do("UPDATE account SET retry_at = NULL")
    again = core.claim()
    assert again.lines == 2
    assert core.reference(campaign, 2).encode() not in again.bloque


def test_another_generation_never_settles(core: CoreHarness) -> None:
    campaign = core.load(2)
    core.send()
    core.do("UPDATE message SET generation = 1 WHERE seq = 1")
    assert core.settle((core.reference(campaign, 1, 0), FIXED), (core.reference(campaign, 2, 1), "OK")).settled == 0
    assert core.statuses(campaign) == {"submitted": 2}
    assert core.settle((core.reference(campaign, 1, 1), "OK", 1)).settled == 1
    core.check_sums(campaign)


@pytest.mark.parametrize("old", ["OK", FIXED])
def test_an_old_generation_in_the_same_answer_does_not_hide_the_new_one(core: CoreHarness, old: str) -> None:
    campaign = core.load(1)
    core.send()
    core.do("UPDATE message SET generation = 1")
    outcome = core.settle((core.reference(campaign, 1, 0), old), (core.reference(campaign, 1, 1), f"112: {FIXED}", 5))
    assert outcome.settled == 1
    assert core.message(campaign, 1).result_text == f"112: {FIXED}"
    core.check_sums(campaign)


def moved_to_a_child(core: CoreHarness) -> None:
    """Give the only chunk's lines to a child chunk that was posted too."""
    claim = core.claim()
    claims.finish_in_doubt(core.engine, claim, InDoubt())
    with core.engine.begin() as connection:
        for seq in range(1, claim.lines + 1):
            about = {"chunk_id": claim.chunk_id, "attempt": claim.attempt, "seq": seq}
            connection.execute(query("record_absence"), about)
        child = connection.execute(
            query("split_absent"), {"chunk_id": claim.chunk_id, "attempt": claim.attempt, "by_word": False}
        ).one()
    assert child.chunk_no == 2
    core.do("UPDATE account SET retry_at = NULL, failures = 0")
    core.send()


def test_identical_on_a_resent_line_waits_for_the_first_lines_result(core: CoreHarness) -> None:
    campaign = core.load(2)
    moved_to_a_child(core)
    one, two = core.reference(campaign, 1), core.reference(campaign, 2)
    assert core.settle((one, IDENTICAL), (two, IDENTICAL)).settled == 0
    assert core.statuses(campaign) == {"submitted": 2}
    assert core.settle((one, "OK", 1)).settled == 1
    assert core.settle((two, IDENTICAL), refusals_count=True, skip_seen=False).settled == 1
    assert [core.message(campaign, seq).result_code for seq in (1, 2)] == [0, -4]
    core.check_sums(campaign)


def test_identical_beside_the_first_lines_own_error_gives_way_to_it(core: CoreHarness) -> None:
    campaign = core.load(1)
    moved_to_a_child(core)
    reference = core.reference(campaign, 1)
    assert core.settle((reference, IDENTICAL), (reference, FIXED, 1)).settled == 1
    assert core.message(campaign, 1).result_code == -1
    core.check_sums(campaign)


def test_identical_on_a_line_that_went_out_once_counts_at_once(core: CoreHarness) -> None:
    campaign = core.load(1)
    core.send()
    assert core.settle((core.reference(campaign, 1), IDENTICAL)).settled == 1
    assert core.message(campaign, 1).result_code == -4


def test_a_late_result_settles_what_was_given_up(core: CoreHarness) -> None:
    campaign = core.load(2)
    core.send()
    core.do("UPDATE chunk SET state = 'settled', settled_at = now()")
    assert core.statuses(campaign) == {"unknown": 2}
    assert core.settle((core.reference(campaign, 1), "OK")).settled == 1
    assert core.statuses(campaign) == {"unknown": 1, "ok": 1}
    core.check_sums(campaign)


def test_progress_is_one_moment_even_while_results_come_in(core: CoreHarness) -> None:
    """Between the look at the chunks and the look at the codes a batch may settle."""
    campaign = core.load(10)
    core.send()
    done = []

    def settle_in_between(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if "FROM chunk WHERE campaign_id" in statement and not done:
            done.append(True)
            other = Thread(target=lambda: core.settle(*((core.reference(campaign, s), "OK") for s in range(1, 6))))
            other.start()
            other.join(10)

    event.listen(core.engine, "after_cursor_execute", settle_in_between)
    with core.engine.connect() as connection:
        shown = summary.show(connection, campaign)
    event.remove(core.engine, "after_cursor_execute", settle_in_between)
    assert done
    assert sum(shown.counts.values()) == shown.messages, shown.counts


TEXTS = st.sampled_from(
    ["OK", "OK", "ok ", f"1120000000: {FIXED}", IDENTICAL, "probando sin enviar", 'Otra cosa; "rara", con ñ', "0;OK"]
)
LINES = st.tuples(st.integers(1, 27), st.integers(0, 1), TEXTS, st.integers(-7200, 60))


@given(
    st.lists(st.lists(LINES, min_size=5, max_size=25), min_size=1, max_size=5),
    st.lists(st.sampled_from(["accept", "doubt", "undelivered", "lease"]), min_size=3, max_size=3),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counters_equal_counts_whatever_comes_in_whatever_order(
    core: CoreHarness, batches: list[list[tuple[int, int, str, int]]], endings: list[str], dice: random.Random
) -> None:
    core.do("UPDATE campaign SET state = 'cancelled' WHERE state IN ('scheduled', 'running')")
    core.do("UPDATE chunk SET state = 'cancelled' WHERE state = 'due'")
    core.do(
        "UPDATE chunk SET state = 'settled', settled_at = now(), lease_until = NULL WHERE state IN ('sending', 'accepted', 'in_doubt')"
    )
    campaign = core.load(25)
    core.draw_new_prefix()
    finishes: dict[str, Callable[..., object]] = {
        "accept": lambda claim: claims.finish_accepted(core.engine, claim),
        "doubt": lambda claim: claims.finish_in_doubt(core.engine, claim, InDoubt()),
        "undelivered": lambda claim: claims.finish_undelivered(core.engine, claim, NotDelivered()),
        "lease": core.expire_lease,
    }
    pending = list(endings)
    for batch in [*batches, []]:
        while pending and dice.random() < 0.8:
            core.do("UPDATE account SET retry_at = NULL, failures = 0")
            claim = core.try_claim()
            assert isinstance(claim, claims.Claim)
            finishes[pending.pop()](claim)
        lines = [(core.reference(campaign, seq, generation), words, float(at)) for seq, generation, words, at in batch]
        before = {
            r.seq: r.result_code
            for r in core.rows("SELECT seq, result_code FROM message WHERE campaign_id = :id", id=campaign)
        }
        core.settle(*lines)
        core.settle(*lines[::-1], skip_seen=False)
        after = {
            r.seq: r.result_code
            for r in core.rows("SELECT seq, result_code FROM message WHERE campaign_id = :id", id=campaign)
        }
        for seq, code in before.items():
            if code is not None and code != after[seq]:
                assert code not in (0, 1)
                assert after[seq] in (0, 1)
        core.check_sums(campaign)


def test_batches_of_many_chunks_in_any_order_do_not_lose_to_each_other(core: CoreHarness) -> None:
    campaign = core.load(200)
    for _ in range(20):
        core.send()
    lines = [(core.reference(campaign, seq), "OK") for seq in range(1, 201)]
    failures: list[BaseException] = []

    def settle(seed: int) -> None:
        mine = lines.copy()
        random.Random(seed).shuffle(mine)
        settler = Settler(core.engine, core.account.id)
        try:
            for at in range(0, 200, 50):
                settler.settle(core.frame(*mine[at : at + 50]))
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=settle, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert core.statuses(campaign) == {"ok": 200}
    assert set(core.states(campaign)) == {"settled"}
    core.check_sums(campaign)


def test_a_frame_without_lines_still_moves_what_it_was_asked_to(core: CoreHarness) -> None:
    seen = []
    core.settler.settle(core.frame(), also=lambda connection, outcome: seen.append(outcome.ours))
    assert seen == [0]


def test_the_newest_fecha_is_that_of_our_own_lines(core: CoreHarness) -> None:
    """A stranger's line from the future must not carry a cursor away."""
    campaign = core.load(1)
    core.send()
    frame = core.frame((core.reference(campaign, 1), "OK", 2), ("XXX", "OK", 50))
    assert core.settler.settle(frame).latest == frame["fecha"][0]
