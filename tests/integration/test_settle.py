"""Results: each line settles its message once, errors give way to OK, and counters stay true."""

import random
from collections.abc import Callable
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from dispatcher import campaigns, chunks, idinterno, results
from dispatcher.database import query
from dispatcher.errors import InDoubt, NotDelivered
from dispatcher.results import Settler
from tests.integration.bench import FIXED, IDENTICAL, Bench


@pytest.fixture(autouse=True, params=["by key", "by range"])
def _either_plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of settling holds for the look-ups of small batches and for the range scan of large ones."""
    if request.param == "by range":
        monkeypatch.setattr(results, "_FEW_LINES", 1)
        monkeypatch.setattr(results, "_DENSE", 0)


def test_a_first_result_settles_its_message_and_the_last_its_chunk(bench: Bench) -> None:
    campaign = bench.load(10)
    claim = bench.send()
    lines = [
        (bench.reference(campaign, seq).lower(), "OK" if seq > 1 else f"1120000000: {FIXED}") for seq in range(1, 11)
    ]
    outcome = bench.settle(*lines[:9])
    assert (outcome.settled, outcome.changed, outcome.foreign, outcome.early) == (9, 0, 0, 0)
    assert bench.chunk(claim).state == "accepted"
    bench.check_sums(campaign)
    assert bench.settle(lines[9]).settled == 1
    assert bench.chunk(claim).state == "settled"
    assert bench.state(campaign) == "completed"
    first = bench.message(campaign, 1)
    assert (first.status, first.result_code, first.result_text) == ("rejected", -1, f"1120000000: {FIXED}")
    assert bench.message(campaign, 2).result_text == "OK"
    bench.check_sums(campaign)


def test_ok_overwrites_an_error_and_an_error_never_overwrites_ok(bench: Bench) -> None:
    campaign = bench.load(2)
    bench.send()
    one, two = bench.reference(campaign, 1), bench.reference(campaign, 2)
    bench.settle((one, FIXED), (two, "OK"))
    outcome = bench.settle((one, "OK", 5), (two, FIXED, 5))
    assert (outcome.settled, outcome.changed) == (0, 1)
    assert [bench.message(campaign, seq).result_code for seq in (1, 2)] == [0, 0]
    bench.check_sums(campaign)
    kept = bench.rows("SELECT seq, text, code FROM result_line ORDER BY seq")
    assert [tuple(row) for row in kept] == [(1, FIXED, -1), (2, FIXED, -1)]


def test_a_simulated_result_is_as_final_as_ok(bench: Bench) -> None:
    campaign = bench.load(1, test=True)
    bench.send()
    reference = bench.reference(campaign, 1)
    bench.settle((reference, "probando sin enviar"))
    bench.settle((reference, FIXED, 5))
    assert bench.message(campaign, 1).status == "simulated"


def test_each_distinct_line_is_kept_once_however_often_it_comes(bench: Bench) -> None:
    campaign = bench.load(1)
    bench.send()
    reference = bench.reference(campaign, 1)
    lines = [(reference, "OK"), (reference, FIXED), (reference, FIXED, 3), (reference, "OK", 4)]
    for _ in range(3):
        for settler in (bench.settler, Settler(bench.engine, bench.account.id)):
            settler.settle(bench.frame(*lines, *lines))
            settler.settle(bench.frame(*reversed(lines)), skip_seen=False)
    # A distinct line is an idinterno with a fecha and a text; the clock may have moved on between two frames.
    kept = bench.rows("SELECT fecha, text, count(*) AS n FROM result_line GROUP BY 1, 2")
    assert all(row.n == 1 for row in kept)
    assert bench.message(campaign, 1).result_code == 0
    bench.check_sums(campaign)


def test_foreign_lines_are_counted_and_ignored(bench: Bench) -> None:
    campaign = bench.load(3)
    bench.send()
    ours = bench.reference(campaign, 1)
    other_prefix = "M0123456789" + ours[11:]
    beyond, nowhere = bench.reference(campaign, 4), ours[:-1] + ("0" if ours[-1] != "0" else "1")
    prefix = bench.one("SELECT prefix FROM installation")
    lines = [
        (x, "OK")
        for x in (ours, other_prefix, beyond, nowhere, "1144445555", "XXX", idinterno.encode(prefix, 999, 0, 1))
    ]
    outcome = bench.settle(*lines)
    assert (outcome.settled, outcome.foreign) == (1, 6)
    assert bench.account_row().foreign_lines == 6
    bench.check_sums(campaign)


def test_another_accounts_campaign_is_foreign(bench: Bench) -> None:
    campaign = bench.load(1)
    bench.send()
    bench.do("INSERT INTO account (provider_url, fingerprint) VALUES ('http://other', '0123456789abcdef')")
    other = bench.one("SELECT id FROM account WHERE provider_url = 'http://other'")
    outcome = Settler(bench.engine, other).settle(bench.frame((bench.reference(campaign, 1), "OK")))
    assert (outcome.settled, outcome.foreign) == (0, 1)
    assert bench.message(campaign, 1).status == "submitted"


def test_a_line_from_before_the_first_post_is_counted_and_never_settles(bench: Bench) -> None:
    campaign = bench.load(20)
    bench.send()
    outcome = bench.settle((bench.reference(campaign, 1), "OK", -3600), (bench.reference(campaign, 11), "OK"))
    assert (outcome.settled, outcome.early) == (0, 2)
    assert bench.account_row().early_lines == 2
    assert bench.statuses(campaign) == {"submitted": 10, "pending": 10}


def test_a_result_for_a_chunk_still_sending_settles_and_the_answer_finds_it(bench: Bench) -> None:
    campaign = bench.load(10)
    claim = bench.claim()
    assert bench.settle(*((bench.reference(campaign, seq), "OK") for seq in range(1, 10))).settled == 9
    assert bench.chunk(claim).state == "sending"
    bench.settle((bench.reference(campaign, 10), "OK"))
    assert bench.chunk(claim).state == "sending"
    assert chunks.finish_accepted(bench.engine, claim) == "settled"
    bench.check_sums(campaign)


@pytest.mark.parametrize("ending", ["doubt", "lease"])
def test_a_chunk_with_every_result_needs_no_answer(bench: Bench, ending: str) -> None:
    campaign = bench.load(2)
    claim = bench.claim()
    bench.settle(*((bench.reference(campaign, seq), "OK") for seq in (1, 2)))
    if ending == "doubt":
        assert chunks.finish_in_doubt(bench.engine, claim, InDoubt()) == "settled"
    else:
        bench.expire_lease(claim)
    assert bench.states(campaign) == ["settled"]
    bench.check_sums(campaign)


def test_a_doubtful_chunk_settles_by_its_results(bench: Bench) -> None:
    campaign = bench.load(2)
    chunks.finish_in_doubt(bench.engine, bench.claim(), InDoubt())
    bench.settle((bench.reference(campaign, 1), "OK"))
    assert bench.statuses(campaign) == {"ok": 1, "in_doubt": 1}
    bench.settle((bench.reference(campaign, 2), FIXED))
    assert bench.states(campaign) == ["settled"]
    assert bench.state(campaign) == "completed"


def test_a_line_with_a_result_is_not_posted_again_after_an_undelivered_answer(bench: Bench) -> None:
    campaign = bench.load(3)
    claim = bench.claim()
    bench.settle((bench.reference(campaign, 2), "OK"))
    chunks.finish_undelivered(bench.engine, claim, NotDelivered())
    bench.do("UPDATE account SET retry_at = NULL")
    again = bench.claim()
    assert again.lines == 2
    assert bench.reference(campaign, 2).encode() not in again.bloque


def test_another_generation_never_settles(bench: Bench) -> None:
    campaign = bench.load(2)
    bench.send()
    bench.do("UPDATE message SET generation = 1 WHERE seq = 1")
    assert bench.settle((bench.reference(campaign, 1, 0), FIXED), (bench.reference(campaign, 2, 1), "OK")).settled == 0
    assert bench.statuses(campaign) == {"submitted": 2}
    assert bench.settle((bench.reference(campaign, 1, 1), "OK", 1)).settled == 1
    bench.check_sums(campaign)


@pytest.mark.parametrize("old", ["OK", FIXED])
def test_an_old_generation_in_the_same_answer_does_not_hide_the_new_one(bench: Bench, old: str) -> None:
    campaign = bench.load(1)
    bench.send()
    bench.do("UPDATE message SET generation = 1")
    outcome = bench.settle(
        (bench.reference(campaign, 1, 0), old), (bench.reference(campaign, 1, 1), f"112: {FIXED}", 5)
    )
    assert outcome.settled == 1
    assert bench.message(campaign, 1).result_text == f"112: {FIXED}"
    bench.check_sums(campaign)


def moved_to_a_child(bench: Bench) -> None:
    """Give the only chunk's lines to a child chunk that was posted too."""
    claim = bench.claim()
    chunks.finish_in_doubt(bench.engine, claim, InDoubt())
    with bench.engine.begin() as connection:
        for seq in range(1, claim.lines + 1):
            about = {"chunk_id": claim.chunk_id, "attempt": claim.attempt, "seq": seq}
            connection.execute(query("record_absence"), about)
        child = connection.execute(query("split_absent"), {"chunk_id": claim.chunk_id, "attempt": claim.attempt}).one()
    assert child.chunk_no == 2
    bench.do("UPDATE account SET retry_at = NULL, failures = 0")
    bench.send()


def test_identical_on_a_resent_line_waits_for_the_first_lines_result(bench: Bench) -> None:
    campaign = bench.load(2)
    moved_to_a_child(bench)
    one, two = bench.reference(campaign, 1), bench.reference(campaign, 2)
    assert bench.settle((one, IDENTICAL), (two, IDENTICAL)).settled == 0
    assert bench.statuses(campaign) == {"submitted": 2}
    assert bench.settle((one, "OK", 1)).settled == 1
    assert bench.settle((two, IDENTICAL), refusals_count=True, skip_seen=False).settled == 1
    assert [bench.message(campaign, seq).result_code for seq in (1, 2)] == [0, -4]
    bench.check_sums(campaign)


def test_identical_beside_the_first_lines_own_error_gives_way_to_it(bench: Bench) -> None:
    campaign = bench.load(1)
    moved_to_a_child(bench)
    reference = bench.reference(campaign, 1)
    assert bench.settle((reference, IDENTICAL), (reference, FIXED, 1)).settled == 1
    assert bench.message(campaign, 1).result_code == -1
    bench.check_sums(campaign)


def test_identical_on_a_line_that_went_out_once_counts_at_once(bench: Bench) -> None:
    campaign = bench.load(1)
    bench.send()
    assert bench.settle((bench.reference(campaign, 1), IDENTICAL)).settled == 1
    assert bench.message(campaign, 1).result_code == -4


def test_a_late_result_settles_what_was_given_up(bench: Bench) -> None:
    campaign = bench.load(2)
    bench.send()
    bench.do("UPDATE chunk SET state = 'settled', settled_at = now()")
    assert bench.statuses(campaign) == {"unknown": 2}
    assert bench.settle((bench.reference(campaign, 1), "OK")).settled == 1
    assert bench.statuses(campaign) == {"unknown": 1, "ok": 1}
    bench.check_sums(campaign)


def test_progress_is_one_moment_even_while_results_come_in(bench: Bench) -> None:
    """Between the look at the chunks and the look at the codes a batch may settle."""
    campaign = bench.load(10)
    bench.send()
    done = []

    def settle_in_between(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if "FROM chunk WHERE campaign_id" in statement and not done:
            done.append(True)
            other = Thread(target=lambda: bench.settle(*((bench.reference(campaign, s), "OK") for s in range(1, 6))))
            other.start()
            other.join(10)

    event.listen(bench.engine, "after_cursor_execute", settle_in_between)
    with bench.engine.connect() as connection:
        shown = campaigns.show(connection, campaign)
    event.remove(bench.engine, "after_cursor_execute", settle_in_between)
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
    bench: Bench, batches: list[list[tuple[int, int, str, int]]], endings: list[str], dice: random.Random
) -> None:
    bench.do("UPDATE campaign SET state = 'cancelled' WHERE state IN ('scheduled', 'running')")
    bench.do("UPDATE chunk SET state = 'cancelled' WHERE state = 'due'")
    bench.do(
        "UPDATE chunk SET state = 'settled', settled_at = now(), lease_until = NULL WHERE state IN ('sending', 'accepted', 'in_doubt')"
    )
    campaign = bench.load(25)
    finishes: dict[str, Callable[..., object]] = {
        "accept": lambda claim: chunks.finish_accepted(bench.engine, claim),
        "doubt": lambda claim: chunks.finish_in_doubt(bench.engine, claim, InDoubt()),
        "undelivered": lambda claim: chunks.finish_undelivered(bench.engine, claim, NotDelivered()),
        "lease": bench.expire_lease,
    }
    pending = list(endings)
    for batch in [*batches, []]:
        while pending and dice.random() < 0.8:
            bench.do("UPDATE account SET retry_at = NULL, failures = 0")
            claim = bench.try_claim()
            assert isinstance(claim, chunks.Claim)
            finishes[pending.pop()](claim)
        lines = [(bench.reference(campaign, seq, generation), words, float(at)) for seq, generation, words, at in batch]
        before = {
            r.seq: r.result_code
            for r in bench.rows("SELECT seq, result_code FROM message WHERE campaign_id = :id", id=campaign)
        }
        bench.settle(*lines)
        bench.settle(*lines[::-1], skip_seen=False)
        after = {
            r.seq: r.result_code
            for r in bench.rows("SELECT seq, result_code FROM message WHERE campaign_id = :id", id=campaign)
        }
        for seq, code in before.items():
            if code is not None and code != after[seq]:
                assert code not in (0, 1)
                assert after[seq] in (0, 1)
        bench.check_sums(campaign)


def test_batches_of_many_chunks_in_any_order_do_not_lose_to_each_other(bench: Bench) -> None:
    campaign = bench.load(200)
    for _ in range(20):
        bench.send()
    lines = [(bench.reference(campaign, seq), "OK") for seq in range(1, 201)]
    failures: list[BaseException] = []

    def settle(seed: int) -> None:
        mine = lines.copy()
        random.Random(seed).shuffle(mine)
        settler = Settler(bench.engine, bench.account.id)
        try:
            for at in range(0, 200, 50):
                settler.settle(bench.frame(*mine[at : at + 50]))
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=settle, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert bench.statuses(campaign) == {"ok": 200}
    assert set(bench.states(campaign)) == {"settled"}
    bench.check_sums(campaign)


def test_a_frame_without_lines_still_moves_what_it_was_asked_to(bench: Bench) -> None:
    seen = []
    bench.settler.settle(bench.frame(), also=lambda connection, outcome: seen.append(outcome.ours))
    assert seen == [0]


def test_the_newest_fecha_is_that_of_our_own_lines(bench: Bench) -> None:
    """A stranger's line from the future must not carry a cursor away."""
    campaign = bench.load(1)
    bench.send()
    frame = bench.frame((bench.reference(campaign, 1), "OK", 2), ("XXX", "OK", 50))
    assert bench.settler.settle(frame).latest == frame["fecha"][0]
