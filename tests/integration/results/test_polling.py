"""Polls by fecha: every reading converges, and no cursor passes what was not settled."""

from typing import Any

import pytest

from dispatcher.campaigns import operator_actions
from dispatcher.errors import AnswerError
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.results.fecha_reading import detect, frame_of
from dispatcher.results.polling import Poller
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness
from tests.integration.results.poll_steps import Make, poll, sent


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


def test_after_a_failover_lines_that_were_settled_before_are_settled_again(
    core: CoreHarness, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new primary has lost the commit, and this process remembers the lines as settled."""
    campaign = core.load(10)
    sending_pump.pump(core.runtime, core.account.id)
    poller = Poller(core.runtime, core.account)
    wait_until(lambda: poller.run(0) is not None and core.statuses(campaign) == {"ok": 10})
    core.do("UPDATE message SET result_code = NULL, processed_at = NULL, result_text = NULL")
    core.do("DELETE FROM chunk_result")
    core.do("UPDATE chunk SET resulted = 0")
    core.do("UPDATE account SET poll_at = clock_timestamp(), poll_lease_until = NULL, cursors = '{}'")
    core.do("ALTER TABLE campaign DISABLE TRIGGER refuse_move")
    core.do("UPDATE campaign SET state = 'running', completed_at = NULL")
    core.do("ALTER TABLE campaign ENABLE TRIGGER refuse_move")
    monkeypatch.setattr(poller, "_cluster", lambda: (1, 2))
    core.do("UPDATE account SET poll_lease_until = NULL")
    wait_until(lambda: poller.run(0) is not None and core.statuses(campaign) == {"ok": 10})
