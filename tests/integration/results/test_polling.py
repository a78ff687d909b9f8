"""Polls by fecha: every reading converges, and a cursor never passes what was not settled."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatcher.accounts import provider_clock
from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.campaigns import operator_actions
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import AnswerError
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.results.fecha_reading import detect, frame_of
from dispatcher.results.polling import Cycle, Poller, _since_cursors
from dispatcher.results.probing import Prober
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness

Make = Callable[..., CoreHarness]


def poll(core: CoreHarness) -> None:
    """One poll, as if its time had come."""
    core.do("UPDATE account SET poll_lease_until = NULL")
    Poller(core.runtime, core.account).run(0)


def sent(core: CoreHarness, messages: int = 10, **spec: Any) -> int:
    """A campaign that the provider has taken."""
    campaign = core.load(messages, **spec)
    while sending_pump.pump(core.runtime, core.account.id):
        pass
    return campaign


@pytest.mark.parametrize("reading", ["since", "second", "day"])
def test_each_reading_is_found_and_every_result_comes(
    core: CoreHarness, simulator: SimulatorProcess, reading: str
) -> None:
    simulator.set_option(fecha_reading=reading, mix={"-1": 0.2, "-10": 0.2}, trailing_crlf=True)
    campaign = sent(core, 30)

    def done() -> bool:
        poll(core)
        return set(core.states(campaign)) == {"settled"}

    wait_until(done, 20)
    assert core.account_row().reading == reading
    for line in simulator.ledger():
        found = core.rows("SELECT result_text FROM message_status WHERE idinterno = :id", id=line["idinterno"])
        assert found[0].result_text == (
            line["verdict"] if line["verdict"] == "OK" else f"{line['destino']}: {line['verdict']}"
        )
    assert core.state(campaign) == "completed"
    core.check_sums(campaign)


@pytest.mark.parametrize("reading", ["since", "second", "day"])
def test_the_reading_is_found_from_a_line_settled_before(
    core: CoreHarness, simulator: SimulatorProcess, reading: str
) -> None:
    simulator.set_option(fecha_reading=reading)
    campaign = sent(core, 1)
    line = next(iter(simulator.ledger()))
    probe = core.runtime.provider.status_by_idinterno(line["idinterno"])
    core.settler.settle(frame_of(probe))
    assert core.statuses(campaign) == {"ok": 1}
    assert detect(core.runtime, core.account.id, core.settler).reading == reading


def test_a_reading_that_the_operator_gave_is_not_questioned(make_core: Make, simulator: SimulatorProcess) -> None:
    simulator.set_option(fecha_reading="day")
    core = make_core(fecha_reading="day")
    campaign = sent(core, 3)
    poll(core)
    assert core.statuses(campaign) == {"ok": 3}
    assert core.account_row().reading is None


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
    make_core: Make, simulator: SimulatorProcess, fault: dict[str, Any]
) -> None:
    core = make_core(fecha_reading="since", chunk_size=10)
    sent(core, 10)
    poll(core)
    campaign = sent(core, 10, template="Otro {n}")
    before = core.account_row()
    assert before.cursors
    simulator.set_faults({**fault, "endpoint": "status_fecha"})
    poll(core)
    after = core.account_row()
    assert after.cursors == before.cursors
    assert (after.polled_at, after.poll_failures) == (None, 1)
    assert after.poll_words
    assert "SIMULADOR" not in after.poll_words
    simulator.clear_faults()
    poll(core)
    assert core.statuses(campaign) == {"ok": 10}
    assert core.account_row().poll_failures == 0


def test_the_cursor_moves_only_with_the_last_batch(
    make_core: Make, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of many slices breaks off in the middle: what came is settled, and asked for again."""
    core = make_core(fecha_reading="since", chunk_size=50)
    campaign = sent(core, 50)
    real = core.runtime.provider.status_by_fecha

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

    monkeypatch.setattr("dispatcher.results.settle_pipeline.BATCH_LINES", 5)
    monkeypatch.setattr(core.runtime.provider, "status_by_fecha", Breaking)
    poll(core)
    settled = core.statuses(campaign).get("ok", 0)
    assert 25 <= settled < 50
    assert core.account_row().cursors == []
    core.check_sums(campaign)
    monkeypatch.setattr(core.runtime.provider, "status_by_fecha", real)
    poll(core)
    assert core.statuses(campaign) == {"ok": 50}
    core.check_sums(campaign)


def test_the_cursor_moves_with_the_rows_or_not_at_all(make_core: Make) -> None:
    core = make_core(fecha_reading="since")
    campaign = sent(core, 3)
    core.do("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
    core.do(
        "CREATE TRIGGER fail BEFORE UPDATE OF cursors ON account FOR EACH ROW WHEN (NEW.cursors <> OLD.cursors) EXECUTE FUNCTION fail()"
    )
    with pytest.raises(Exception, match="no"):
        poll(core)
    assert core.statuses(campaign) == {"submitted": 3}
    assert core.account_row().cursors == []


def test_a_fecha_from_the_future_does_not_carry_the_cursor_away(make_core: Make, simulator: SimulatorProcess) -> None:
    core = make_core(fecha_reading="since", chunk_size=1)
    campaign = core.load(2)
    core.send()
    ahead = (core.now() + timedelta(days=1)).strftime("%Y%m%d%H%M%S")
    simulator.inject({"idinterno": core.reference(campaign, 1), "text": "OK", "fecha": ahead})
    poll(core)
    assert core.statuses(campaign) == {"ok": 1, "pending": 1}
    assert core.account_row().cursors[0].astimezone(PROVIDER_ZONE).replace(tzinfo=None) <= core.now() + timedelta(
        seconds=5
    )
    sending_pump.pump(core.runtime, core.account.id)
    poll(core)
    assert core.statuses(campaign) == {"ok": 2}


def test_rows_that_show_up_late_are_found_by_the_overlap(make_core: Make, simulator: SimulatorProcess) -> None:
    """A row may appear some seconds after its own fecha, when the cursor has passed it."""
    core = make_core(fecha_reading="since", chunk_size=10)
    campaign = core.load(20)
    core.send()
    core.send()
    core.do("UPDATE chunk SET first_post_at = first_post_at - interval '1 minute'")
    now = core.now()
    stamp = "%Y%m%d%H%M%S"
    simulator.inject(*({"idinterno": core.reference(campaign, s), "fecha": now.strftime(stamp)} for s in range(2, 21)))
    poll(core)
    assert core.statuses(campaign) == {"ok": 19, "submitted": 1}
    simulator.inject({"idinterno": core.reference(campaign, 1), "fecha": (now - timedelta(seconds=20)).strftime(stamp)})
    core.do("UPDATE account SET cursors[2] = cursors[2] - interval '31 seconds'")
    poll(core)
    assert core.statuses(campaign) == {"ok": 20}


STAMP = "%Y%m%d%H%M%S"


def crowd(simulator: SimulatorProcess, moment: datetime, rows: int = 60) -> None:
    """Another system's results of one second: more than `max_answer=1500` lets through."""
    simulator.inject(*({"idinterno": f"OTRO{n}", "text": "OK", "fecha": moment.strftime(STAMP)} for n in range(rows)))


def advance(core: CoreHarness, simulator: SimulatorProcess, seconds: float) -> None:
    """The provider's clock goes on."""
    simulator.set_clock(advance=seconds)
    provider_clock.measure(core.runtime, core.account.id)


def test_results_that_no_answer_brings_are_passed_over_and_asked_for_by_idinterno(
    make_core: Make, simulator: SimulatorProcess
) -> None:
    """4 MB is about 90,000 lines; here the limit is small instead. Nothing is lost, the idinternos bring the rest."""
    core = make_core(fecha_reading="since", chunk_size=10, probe_rate=200)
    campaign = sent(core, 60)
    advance(core, simulator, 20)
    late = sent(core, 10, template="Otro {n}")
    advance(core, simulator, 5)
    simulator.set_option(max_answer=1500)
    core.do("UPDATE account SET polled_at = clock_timestamp() - interval '20 seconds'")
    poll(core)
    row = core.account_row()
    assert row.poll_failures == 0
    assert row.cursors[0] > core.one("SELECT posted_at FROM chunk WHERE campaign_id = :id LIMIT 1", id=late)
    assert row.observed_ms < 18_000, "time was counted in which results were not read"
    assert row.passed_over_at is not None
    assert core.statuses(late) == {"ok": 10}
    assert core.statuses(campaign) == {"submitted": 60}
    prober = Prober(core.runtime, core.account.id, core.settler)

    def done() -> bool:
        core.do("UPDATE account SET probe_free_at = NULL")
        core.do("UPDATE chunk SET probe_at = clock_timestamp() WHERE state = 'accepted'")
        prober.round()
        return set(core.states(campaign)) == {"settled"}

    wait_until(done, 20)
    assert core.statuses(campaign) == {"ok": 60}
    core.check_sums(campaign)


@pytest.mark.parametrize(("seconds_ago", "turn"), [(60, 2), (600, 3)], ids=["deep", "full"])
def test_a_sweep_that_is_too_large_stops_no_poll(
    make_core: Make, simulator: SimulatorProcess, seconds_ago: int, turn: int
) -> None:
    """One ignored line keeps the oldest POST waiting, and what came since is more than an answer holds."""
    core = make_core(fecha_reading="since", chunk_size=10)
    core.load(1)
    core.send()
    core.do("UPDATE chunk SET first_post_at = first_post_at - interval '20 minutes'")
    poll(core)
    crowd(simulator, core.now() - timedelta(seconds=seconds_ago))
    simulator.set_option(max_answer=1500)
    for n in range(3):
        campaign = sent(core, 5, template=f"Texto {n} {{n}}")
        core.do("UPDATE account SET cursors[1] = clock_timestamp() - interval '5 seconds'")
        core.do(f"UPDATE account SET cursors[{turn}] = clock_timestamp() - interval '301 seconds'")
        before = core.account_row()
        poll(core)
        row = core.account_row()
        assert core.statuses(campaign) == {"ok": 5}
        assert (row.poll_failures, row.passed_over_at) == (0, None)
        assert row.cursors[0] > before.cursors[0]
        assert row.cursors[turn - 1] >= before.polled_at, "the sweep would come again in the very next poll"
        assert row.observed_ms > before.observed_ms


def test_a_question_that_fails_once_passes_over_nothing(make_core: Make, simulator: SimulatorProcess) -> None:
    core = make_core(fecha_reading="since", chunk_size=10)
    campaign = sent(core, 10)
    advance(core, simulator, 20)
    simulator.set_faults({"kind": "error", "endpoint": "status_fecha", "times": 1})
    poll(core)
    assert core.statuses(campaign) == {"ok": 10}
    row = core.account_row()
    assert (row.poll_failures, row.passed_over_at) == (0, None)


def test_a_second_that_is_too_large_is_passed_over(make_core: Make, simulator: SimulatorProcess) -> None:
    simulator.set_option(fecha_reading="second")
    core = make_core(fecha_reading="second", chunk_size=10)
    campaign = core.load(20)
    core.send()
    crowd(simulator, core.now())
    advance(core, simulator, 10)
    sending_pump.pump(core.runtime, core.account.id)
    advance(core, simulator, 10)
    simulator.set_option(max_answer=1500)
    poll(core)
    assert core.statuses(campaign) == {"submitted": 10, "ok": 10}
    row = core.account_row()
    assert row.poll_failures == 0
    assert row.passed_over_at is not None


def test_an_earlier_day_that_is_too_large_stops_no_other(make_core: Make, simulator: SimulatorProcess) -> None:
    simulator.set_option(fecha_reading="day")
    core = make_core(fecha_reading="day", chunk_size=10)
    core.load(1)
    core.send()
    core.do("UPDATE chunk SET first_post_at = first_post_at - interval '2 days'")
    crowd(simulator, core.now() - timedelta(days=1))
    campaign = sent(core, 5)
    simulator.set_option(max_answer=1500)
    poll(core)
    assert core.statuses(campaign) == {"ok": 5}
    assert core.account_row().poll_failures == 0


def test_a_day_that_is_too_large_is_a_poll_that_failed_and_earlier_days_are_read(
    make_core: Make, simulator: SimulatorProcess
) -> None:
    simulator.set_option(fecha_reading="day")
    core = make_core(fecha_reading="day", chunk_size=10)
    campaign = core.load(1)
    core.send()
    core.do("UPDATE chunk SET first_post_at = first_post_at - interval '2 days'")
    yesterday = (core.now() - timedelta(days=1)).strftime(STAMP)
    simulator.inject({"idinterno": core.reference(campaign, 1), "text": "OK", "fecha": yesterday})
    crowd(simulator, core.now())
    simulator.set_option(max_answer=1500)
    poll(core)
    assert core.statuses(campaign) == {"ok": 1}
    assert core.account_row().poll_failures == 1


def test_what_was_passed_over_has_the_whole_horizon_again(make_core: Make) -> None:
    """After an outage longer than the horizon nothing of what no poll has read is given up at once."""
    core = make_core(fecha_reading="since", chunk_size=10, result_horizon=3600)
    campaign = core.load(1)
    core.send()
    core.do("UPDATE chunk SET posted_at = posted_at - interval '1 day'")
    core.do("UPDATE account SET polled_at = clock_timestamp(), passed_over_at = clock_timestamp()")
    maintenance_tick.tick(core.runtime)
    assert core.statuses(campaign) == {"submitted": 1}
    core.do("UPDATE account SET passed_over_at = passed_over_at - interval '3601 seconds'")
    maintenance_tick.tick(core.runtime)
    assert core.statuses(campaign) == {"unknown": 1}


def test_a_second_poller_stays_away(core: CoreHarness, simulator: SimulatorProcess) -> None:
    sent(core, 3)
    core.do("UPDATE account SET poll_lease_until = clock_timestamp() + interval '1 minute'")
    before = len(list(simulator.calls()))
    assert Poller(core.runtime, core.account).run(0) is False
    assert len(list(simulator.calls())) == before


def test_a_dead_pollers_lease_runs_out(make_core: Make) -> None:
    core = make_core(fecha_reading="since")
    campaign = sent(core, 3)
    core.do("UPDATE account SET poll_lease_until = clock_timestamp() - interval '1 second'")
    Poller(core.runtime, core.account).run(0)
    assert core.statuses(campaign) == {"ok": 3}
    assert core.account_row().poll_lease_until is None


def test_with_nothing_to_wait_for_nothing_is_asked(core: CoreHarness, simulator: SimulatorProcess) -> None:
    core.load(3)
    poll(core)
    assert [call for call in simulator.calls() if call["endpoint"].startswith("status")] == []


def test_others_on_the_account_keep_their_unread_results(core: CoreHarness, simulator: SimulatorProcess) -> None:
    simulator.inject({"idinterno": "OTRO1", "text": "OK"})
    campaign = sent(core, 3)
    poll(core)
    poll(core)
    assert core.statuses(campaign) == {"ok": 3}
    provider = core.runtime.provider
    assert [line.idinterno for line in provider.status_by_idinterno("OTRO1", only_unread=True)] == ["OTRO1"]
    assert core.account_row().foreign_lines > 0


def test_what_no_pattern_knows_stays_visible(make_core: Make, simulator: SimulatorProcess) -> None:
    core = make_core(fecha_reading="since", chunk_size=10)
    simulator.set_option(mix={"el cartero llamó dos veces": 1.0})
    campaign = sent(core, 3)
    poll(core)
    assert core.message(campaign, 1).result_code == -99
    assert "el cartero llamó dos veces" in core.message(campaign, 1).result_text
    assert core.one("SELECT n FROM unmapped_sentence WHERE sentence = 'el cartero llamó dos veces'") == 3


def test_what_was_settled_before_a_restore_is_settled_again_by_the_same_process(
    core: CoreHarness, simulator: SimulatorProcess
) -> None:
    campaign = sent(core)
    poller = Poller(core.runtime, core.account)

    def done() -> bool:
        poller.run(0)
        return core.statuses(campaign) == {"ok": 10}

    wait_until(done, 20)
    # As a dump from before the results has it.
    for table in ("chunk", "campaign"):
        core.do(f"ALTER TABLE {table} DISABLE TRIGGER refuse_move")
    core.do("UPDATE message SET result_code = NULL, result_text = NULL, processed_at = NULL")
    core.do("DELETE FROM chunk_result")
    core.do("UPDATE chunk SET state = 'accepted', resulted = 0, settled_at = NULL")
    core.do("UPDATE campaign SET state = 'running', completed_at = NULL")
    core.do("UPDATE account SET cursors = '{}'")
    operator_actions.restored(core.engine)
    wait_until(done, 20)
    core.check_sums(campaign)


def test_deep_polls_of_a_clock_that_was_stepped_back_come_again() -> None:
    now = datetime.now(UTC)
    clock = ProviderClock(0, 1000, now)
    hour = timedelta(hours=1)
    cycle = Cycle(now - hour, clock, now, [now, now + hour, now + hour])
    cursor, deep_at, full_at = _since_cursors(cycle)
    assert cursor == now
    assert max(deep_at, full_at) < now - hour
