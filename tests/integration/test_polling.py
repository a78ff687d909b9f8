"""Polls by fecha: every reading converges, and a cursor never passes what was not settled."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatcher import accounts, decisions, submit, upkeep
from dispatcher.brakes import ProviderClock
from dispatcher.doubts import Prober
from dispatcher.errors import AnswerError
from dispatcher.polling import Cycle, Poller, _since_cursors
from dispatcher.readings import detect, frame_of
from dispatcher.window import PROVIDER_ZONE
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.bench import Bench

Make = Callable[..., Bench]


def poll(bench: Bench) -> None:
    """One poll, as if its time had come."""
    bench.do("UPDATE account SET poll_lease_until = NULL")
    Poller(bench.runtime, bench.account).run(0)


def sent(bench: Bench, messages: int = 10, **spec: Any) -> int:
    """A campaign that the provider has taken."""
    campaign = bench.load(messages, **spec)
    while submit.pump(bench.runtime, bench.account.id):
        pass
    return campaign


@pytest.mark.parametrize("reading", ["since", "second", "day"])
def test_each_reading_is_found_and_every_result_comes(bench: Bench, simulator: SimulatorProcess, reading: str) -> None:
    simulator.set_option(fecha_reading=reading, mix={"-1": 0.2, "-10": 0.2}, trailing_crlf=True)
    campaign = sent(bench, 30)

    def done() -> bool:
        poll(bench)
        return set(bench.states(campaign)) == {"settled"}

    wait_until(done, 20)
    assert bench.account_row().reading == reading
    for line in simulator.ledger():
        found = bench.rows("SELECT result_text FROM message_status WHERE idinterno = :id", id=line["idinterno"])
        assert found[0].result_text == (
            line["verdict"] if line["verdict"] == "OK" else f"{line['destino']}: {line['verdict']}"
        )
    assert bench.state(campaign) == "completed"
    bench.check_sums(campaign)


@pytest.mark.parametrize("reading", ["since", "second", "day"])
def test_the_reading_is_found_from_a_line_settled_before(
    bench: Bench, simulator: SimulatorProcess, reading: str
) -> None:
    simulator.set_option(fecha_reading=reading)
    campaign = sent(bench, 1)
    line = next(iter(simulator.ledger()))
    probe = bench.runtime.provider.status_by_idinterno(line["idinterno"])
    bench.settler.settle(frame_of(probe))
    assert bench.statuses(campaign) == {"ok": 1}
    assert detect(bench.runtime, bench.account.id, bench.settler).reading == reading


def test_a_reading_that_the_operator_gave_is_not_questioned(make_bench: Make, simulator: SimulatorProcess) -> None:
    simulator.set_option(fecha_reading="day")
    bench = make_bench(fecha_reading="day")
    campaign = sent(bench, 3)
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 3}
    assert bench.account_row().reading is None


BROKEN = [
    {"kind": "error"},
    {"kind": "html"},
    {"kind": "reset"},
    {"kind": "close"},
    {"kind": "truncate"},
    {"kind": "sentence", "text": "bad_key"},
    {"kind": "garbage"},
]


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: str(fault["kind"]))
def test_an_answer_that_fails_moves_no_cursor(
    make_bench: Make, simulator: SimulatorProcess, fault: dict[str, Any]
) -> None:
    bench = make_bench(fecha_reading="since", chunk_size=10)
    sent(bench, 10)
    poll(bench)
    campaign = sent(bench, 10, template="Otro {n}")
    before = bench.account_row()
    assert before.cursors
    simulator.set_faults({**fault, "endpoint": "status_fecha"})
    poll(bench)
    after = bench.account_row()
    assert after.cursors == before.cursors
    assert (after.polled_at, after.poll_failures) == (None, 1)
    assert after.poll_words
    assert "SIMULADOR" not in after.poll_words
    simulator.clear_faults()
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 10}
    assert bench.account_row().poll_failures == 0


def test_the_cursor_moves_only_with_the_last_batch(
    make_bench: Make, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of many slices breaks off in the middle: what came is settled, and asked for again."""
    bench = make_bench(fecha_reading="since", chunk_size=50)
    campaign = sent(bench, 50)
    real = bench.runtime.provider.status_by_fecha

    class Breaking:
        """The provider's answer, cut after its first half."""

        def __init__(self, fecha: Any) -> None:
            self.fecha = fecha

        def __enter__(self) -> Any:
            with real(self.fecha) as slices:
                whole = b"".join(slices)
            half = whole.find(b"\n", len(whole) // 2) + 1

            def pieces() -> Any:
                yield whole[:half]
                raise AnswerError(reason="cut")

            return pieces()

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr("dispatcher.batches.BATCH_LINES", 5)
    monkeypatch.setattr(bench.runtime.provider, "status_by_fecha", Breaking)
    poll(bench)
    settled = bench.statuses(campaign).get("ok", 0)
    assert 25 <= settled < 50
    assert bench.account_row().cursors == []
    bench.check_sums(campaign)
    monkeypatch.setattr(bench.runtime.provider, "status_by_fecha", real)
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 50}
    bench.check_sums(campaign)


def test_the_cursor_moves_with_the_rows_or_not_at_all(make_bench: Make) -> None:
    bench = make_bench(fecha_reading="since")
    campaign = sent(bench, 3)
    bench.do("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
    bench.do(
        "CREATE TRIGGER fail BEFORE UPDATE OF cursors ON account FOR EACH ROW WHEN (NEW.cursors <> OLD.cursors) EXECUTE FUNCTION fail()"
    )
    with pytest.raises(Exception, match="no"):
        poll(bench)
    assert bench.statuses(campaign) == {"submitted": 3}
    assert bench.account_row().cursors == []


def test_a_fecha_from_the_future_does_not_carry_the_cursor_away(make_bench: Make, simulator: SimulatorProcess) -> None:
    bench = make_bench(fecha_reading="since", chunk_size=1)
    campaign = bench.load(2)
    bench.send()
    ahead = (bench.now() + timedelta(days=1)).strftime("%Y%m%d%H%M%S")
    simulator.inject({"idinterno": bench.reference(campaign, 1), "text": "OK", "fecha": ahead})
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 1, "pending": 1}
    assert bench.account_row().cursors[0].astimezone(PROVIDER_ZONE).replace(tzinfo=None) <= bench.now() + timedelta(
        seconds=5
    )
    submit.pump(bench.runtime, bench.account.id)
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 2}


def test_rows_that_show_up_late_are_found_by_the_overlap(make_bench: Make, simulator: SimulatorProcess) -> None:
    """A row may appear some seconds after its own fecha, when the cursor has passed it."""
    bench = make_bench(fecha_reading="since", chunk_size=10)
    campaign = bench.load(20)
    bench.send()
    bench.send()
    bench.do("UPDATE chunk SET first_post_at = first_post_at - interval '1 minute'")
    now = bench.now()
    stamp = "%Y%m%d%H%M%S"
    simulator.inject(*({"idinterno": bench.reference(campaign, s), "fecha": now.strftime(stamp)} for s in range(2, 21)))
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 19, "submitted": 1}
    simulator.inject(
        {"idinterno": bench.reference(campaign, 1), "fecha": (now - timedelta(seconds=20)).strftime(stamp)}
    )
    bench.do("UPDATE account SET cursors[2] = cursors[2] - interval '31 seconds'")
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 20}


STAMP = "%Y%m%d%H%M%S"


def crowd(simulator: SimulatorProcess, moment: datetime, rows: int = 60) -> None:
    """Another system's results of one second: more than `max_answer=1500` lets through."""
    simulator.inject(*({"idinterno": f"OTRO{n}", "text": "OK", "fecha": moment.strftime(STAMP)} for n in range(rows)))


def advance(bench: Bench, simulator: SimulatorProcess, seconds: float) -> None:
    """The provider's clock goes on."""
    simulator.set_clock(advance=seconds)
    accounts.measure_clock(bench.runtime, bench.account.id)


def test_results_that_no_answer_brings_are_passed_over_and_asked_for_by_idinterno(
    make_bench: Make, simulator: SimulatorProcess
) -> None:
    """4 MB is about 90,000 lines; here the limit is small instead. Nothing is lost, the idinternos bring the rest."""
    bench = make_bench(fecha_reading="since", chunk_size=10, probe_rate=200)
    campaign = sent(bench, 60)
    advance(bench, simulator, 20)
    late = sent(bench, 10, template="Otro {n}")
    advance(bench, simulator, 5)
    simulator.set_option(max_answer=1500)
    bench.do("UPDATE account SET polled_at = clock_timestamp() - interval '20 seconds'")
    poll(bench)
    row = bench.account_row()
    assert row.poll_failures == 0
    assert row.cursors[0] > bench.one("SELECT posted_at FROM chunk WHERE campaign_id = :id LIMIT 1", id=late)
    assert row.observed_ms < 18_000, "time was counted in which results were not read"
    assert row.passed_over_at is not None
    assert bench.statuses(late) == {"ok": 10}
    assert bench.statuses(campaign) == {"submitted": 60}
    prober = Prober(bench.runtime, bench.account.id, bench.settler)

    def done() -> bool:
        bench.do("UPDATE account SET probe_free_at = NULL")
        bench.do("UPDATE chunk SET probe_at = clock_timestamp() WHERE state = 'accepted'")
        prober.round()
        return set(bench.states(campaign)) == {"settled"}

    wait_until(done, 20)
    assert bench.statuses(campaign) == {"ok": 60}
    bench.check_sums(campaign)


@pytest.mark.parametrize(("seconds_ago", "turn"), [(60, 2), (600, 3)], ids=["deep", "full"])
def test_a_sweep_that_is_too_large_stops_no_poll(
    make_bench: Make, simulator: SimulatorProcess, seconds_ago: int, turn: int
) -> None:
    """One ignored line keeps the oldest POST waiting, and what came since is more than an answer holds."""
    bench = make_bench(fecha_reading="since", chunk_size=10)
    bench.load(1)
    bench.send()
    bench.do("UPDATE chunk SET first_post_at = first_post_at - interval '20 minutes'")
    poll(bench)
    crowd(simulator, bench.now() - timedelta(seconds=seconds_ago))
    simulator.set_option(max_answer=1500)
    for n in range(3):
        campaign = sent(bench, 5, template=f"Texto {n} {{n}}")
        bench.do("UPDATE account SET cursors[1] = clock_timestamp() - interval '5 seconds'")
        bench.do(f"UPDATE account SET cursors[{turn}] = clock_timestamp() - interval '301 seconds'")
        before = bench.account_row()
        poll(bench)
        row = bench.account_row()
        assert bench.statuses(campaign) == {"ok": 5}
        assert (row.poll_failures, row.passed_over_at) == (0, None)
        assert row.cursors[0] > before.cursors[0]
        assert row.cursors[turn - 1] >= before.polled_at, "the sweep would come again in the very next poll"
        assert row.observed_ms > before.observed_ms


def test_a_question_that_fails_once_passes_over_nothing(make_bench: Make, simulator: SimulatorProcess) -> None:
    bench = make_bench(fecha_reading="since", chunk_size=10)
    campaign = sent(bench, 10)
    advance(bench, simulator, 20)
    simulator.set_faults({"kind": "error", "endpoint": "status_fecha", "times": 1})
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 10}
    row = bench.account_row()
    assert (row.poll_failures, row.passed_over_at) == (0, None)


def test_a_second_that_is_too_large_is_passed_over(make_bench: Make, simulator: SimulatorProcess) -> None:
    simulator.set_option(fecha_reading="second")
    bench = make_bench(fecha_reading="second", chunk_size=10)
    campaign = bench.load(20)
    bench.send()
    crowd(simulator, bench.now())
    advance(bench, simulator, 10)
    submit.pump(bench.runtime, bench.account.id)
    advance(bench, simulator, 10)
    simulator.set_option(max_answer=1500)
    poll(bench)
    assert bench.statuses(campaign) == {"submitted": 10, "ok": 10}
    row = bench.account_row()
    assert row.poll_failures == 0
    assert row.passed_over_at is not None


def test_an_earlier_day_that_is_too_large_stops_no_other(make_bench: Make, simulator: SimulatorProcess) -> None:
    simulator.set_option(fecha_reading="day")
    bench = make_bench(fecha_reading="day", chunk_size=10)
    bench.load(1)
    bench.send()
    bench.do("UPDATE chunk SET first_post_at = first_post_at - interval '2 days'")
    crowd(simulator, bench.now() - timedelta(days=1))
    campaign = sent(bench, 5)
    simulator.set_option(max_answer=1500)
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 5}
    assert bench.account_row().poll_failures == 0


def test_a_day_that_is_too_large_is_a_poll_that_failed_and_earlier_days_are_read(
    make_bench: Make, simulator: SimulatorProcess
) -> None:
    simulator.set_option(fecha_reading="day")
    bench = make_bench(fecha_reading="day", chunk_size=10)
    campaign = bench.load(1)
    bench.send()
    bench.do("UPDATE chunk SET first_post_at = first_post_at - interval '2 days'")
    yesterday = (bench.now() - timedelta(days=1)).strftime(STAMP)
    simulator.inject({"idinterno": bench.reference(campaign, 1), "text": "OK", "fecha": yesterday})
    crowd(simulator, bench.now())
    simulator.set_option(max_answer=1500)
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 1}
    assert bench.account_row().poll_failures == 1


def test_what_was_passed_over_has_the_whole_horizon_again(make_bench: Make) -> None:
    """After an outage longer than the horizon nothing of what no poll has read is given up at once."""
    bench = make_bench(fecha_reading="since", chunk_size=10, result_horizon=3600)
    campaign = bench.load(1)
    bench.send()
    bench.do("UPDATE chunk SET posted_at = posted_at - interval '1 day'")
    bench.do("UPDATE account SET polled_at = clock_timestamp(), passed_over_at = clock_timestamp()")
    upkeep.tick(bench.runtime)
    assert bench.statuses(campaign) == {"submitted": 1}
    bench.do("UPDATE account SET passed_over_at = passed_over_at - interval '3601 seconds'")
    upkeep.tick(bench.runtime)
    assert bench.statuses(campaign) == {"unknown": 1}


def test_a_second_poller_stays_away(bench: Bench, simulator: SimulatorProcess) -> None:
    sent(bench, 3)
    bench.do("UPDATE account SET poll_lease_until = clock_timestamp() + interval '1 minute'")
    before = len(list(simulator.calls()))
    assert Poller(bench.runtime, bench.account).run(0) is False
    assert len(list(simulator.calls())) == before


def test_a_dead_pollers_lease_runs_out(make_bench: Make) -> None:
    bench = make_bench(fecha_reading="since")
    campaign = sent(bench, 3)
    bench.do("UPDATE account SET poll_lease_until = clock_timestamp() - interval '1 second'")
    Poller(bench.runtime, bench.account).run(0)
    assert bench.statuses(campaign) == {"ok": 3}
    assert bench.account_row().poll_lease_until is None


def test_with_nothing_to_wait_for_nothing_is_asked(bench: Bench, simulator: SimulatorProcess) -> None:
    bench.load(3)
    poll(bench)
    assert [call for call in simulator.calls() if call["endpoint"].startswith("status")] == []


def test_others_on_the_account_keep_their_unread_results(bench: Bench, simulator: SimulatorProcess) -> None:
    simulator.inject({"idinterno": "OTRO1", "text": "OK"})
    campaign = sent(bench, 3)
    poll(bench)
    poll(bench)
    assert bench.statuses(campaign) == {"ok": 3}
    provider = bench.runtime.provider
    assert [line.idinterno for line in provider.status_by_idinterno("OTRO1", only_unread=True)] == ["OTRO1"]
    assert bench.account_row().foreign_lines > 0


def test_what_no_pattern_knows_stays_visible(make_bench: Make, simulator: SimulatorProcess) -> None:
    bench = make_bench(fecha_reading="since", chunk_size=10)
    simulator.set_option(mix={"el cartero llamó dos veces": 1.0})
    campaign = sent(bench, 3)
    poll(bench)
    assert bench.message(campaign, 1).result_code == -99
    assert "el cartero llamó dos veces" in bench.message(campaign, 1).result_text
    assert bench.one("SELECT n FROM unmapped_sentence WHERE sentence = 'el cartero llamó dos veces'") == 3


def test_what_was_settled_before_a_restore_is_settled_again_by_the_same_process(
    bench: Bench, simulator: SimulatorProcess
) -> None:
    campaign = sent(bench)
    poller = Poller(bench.runtime, bench.account)

    def done() -> bool:
        poller.run(0)
        return bench.statuses(campaign) == {"ok": 10}

    wait_until(done, 20)
    # As a dump from before the results has it.
    for table in ("chunk", "campaign"):
        bench.do(f"ALTER TABLE {table} DISABLE TRIGGER refuse_move")
    bench.do("UPDATE message SET result_code = NULL, result_text = NULL, processed_at = NULL")
    bench.do("DELETE FROM chunk_result")
    bench.do("UPDATE chunk SET state = 'accepted', resulted = 0, settled_at = NULL")
    bench.do("UPDATE campaign SET state = 'running', completed_at = NULL")
    bench.do("UPDATE account SET cursors = '{}'")
    decisions.restored(bench.engine)
    wait_until(done, 20)
    bench.check_sums(campaign)


def test_deep_polls_of_a_clock_that_was_stepped_back_come_again() -> None:
    now = datetime.now(UTC)
    clock = ProviderClock(0, 1000, now)
    hour = timedelta(hours=1)
    cycle = Cycle(now - hour, clock, now, [now, now + hour, now + hour])
    cursor, deep_at, full_at = _since_cursors(cycle)
    assert cursor == now
    assert max(deep_at, full_at) < now - hour
