"""What the doctor alarms on: chunks that could go and do not, results that are odd or missing."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from dispatcher.accounts import provider_clock
from dispatcher.campaigns import lifecycle
from dispatcher.db.statements import query
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import CredentialsRefused, DispatcherError, InDoubt, NotDelivered
from dispatcher.maintenance import alarms
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.maintenance.doctor import Check, examine
from dispatcher.results import poll_cycle
from dispatcher.results.probing import Prober
from dispatcher.sending import claims
from dispatcher.sending import pump as sending_pump
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness

HOUR_AGO = "clock_timestamp() - interval '1 hour'"


def waits_an_hour(core: CoreHarness, **spec: object) -> int:
    """A campaign that was loaded an hour ago; nothing was ever claimed."""
    campaign = core.load(20, **spec)
    core.do(f"UPDATE campaign SET created_at = {HOUR_AGO}, opened_at = {HOUR_AGO}")
    return campaign


def seconds(words: str) -> int:
    found = re.search(r"could have gone (\d+) s ago", words)
    assert found, words
    return int(found[1])


def due_fails(core: CoreHarness) -> int:
    """Seconds that the failing check tells."""
    with pytest.raises(DispatcherError, match="none was claimed since") as caught:
        alarms.due(core.runtime)
    return seconds(str(caught.value))


def test_a_chunk_that_could_have_gone_long_ago_is_alarmed_on(core: CoreHarness) -> None:
    waits_an_hour(core)
    assert 3590 < due_fails(core) < 3700
    core.do("UPDATE account SET clock_measured_at = clock_measured_at - interval '1 hour'")
    assert due_fails(core), "without a worker nobody measures the clock"
    core.do("UPDATE account SET clock_measured_at = NULL, clock_low_ms = NULL, clock_high_ms = NULL")
    assert due_fails(core)
    provider_clock.measure(core.runtime, core.account.id)
    core.send()
    assert seconds(alarms.due(core.runtime)) < 60
    core.do("UPDATE chunk SET posted_at = posted_at - interval '6 minutes'")
    assert 360 <= due_fails(core) < 420


def test_the_doctor_tells_it(core: CoreHarness) -> None:
    waits_an_hour(core)
    checks = {check.name: check for check in examine(core.settings)}
    assert not checks["due"].ok
    assert "2 chunks due" in checks["due"].detail
    assert "worker" in checks["due"].detail
    assert checks["results"] == Check("results", True, alarms.results(core.runtime))


def test_nothing_due_is_no_alarm(core: CoreHarness) -> None:
    assert alarms.due(core.runtime) == "0 chunks due"
    assert core.account
    assert alarms.due(core.runtime) == "0 chunks due"


def pause(core: CoreHarness, campaign: int) -> None:
    lifecycle.pause(core.engine, campaign, wait=0)


def resume(core: CoreHarness, campaign: int) -> None:
    pause(core, campaign)
    lifecycle.resume(core.engine, campaign)


def starts_later(core: CoreHarness, campaign: int) -> None:
    core.do("UPDATE campaign SET start_at = clock_timestamp() + interval '1 hour'")


def started_now(core: CoreHarness, campaign: int) -> None:
    core.do("UPDATE campaign SET start_at = clock_timestamp() - interval '10 seconds'")


def is_over(core: CoreHarness, campaign: int) -> None:
    core.do(f"UPDATE campaign SET expires_at = {HOUR_AGO}")


def is_blocked(core: CoreHarness, campaign: int) -> None:
    claims.finish_undelivered(core.engine, core.claim(), CredentialsRefused(words="apikey incorrecta"))
    core.do(f"UPDATE account SET retry_at = {HOUR_AGO}")
    core.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")


def backs_off(core: CoreHarness, campaign: int) -> None:
    claims.finish_undelivered(core.engine, core.claim(), NotDelivered())
    core.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")
    core.do("UPDATE account SET retry_at = clock_timestamp() + interval '5 minutes'")


def may_try_again_now(core: CoreHarness, campaign: int) -> None:
    backs_off(core, campaign)
    core.do("UPDATE account SET retry_at = clock_timestamp()")


def uses_every_slot(core: CoreHarness, campaign: int) -> None:
    core.load(20)
    for _ in range(core.settings.concurrency):
        core.claim()
    core.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")


def waits_for_its_canary(core: CoreHarness, campaign: int) -> None:
    core.send()
    core.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")
    core.do("UPDATE campaign SET canary_chunks = 1")


def has_a_child_chunk_of_now(core: CoreHarness, campaign: int) -> None:
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    core.do("DROP TRIGGER refuse_move ON chunk")
    core.do(
        f"UPDATE chunk SET posted_at = {HOUR_AGO}, state = 'split', messages = 0, settled_at = clock_timestamp() "
        "WHERE state = 'in_doubt'"
    )


@pytest.mark.parametrize(
    "change",
    [
        pause,
        resume,
        starts_later,
        started_now,
        is_over,
        is_blocked,
        backs_off,
        may_try_again_now,
        uses_every_slot,
        waits_for_its_canary,
        has_a_child_chunk_of_now,
    ],
    ids=lambda change: change.__name__,
)
def test_a_chunk_that_could_not_go_is_no_alarm(core: CoreHarness, change: Callable[[CoreHarness, int], None]) -> None:
    campaign = waits_an_hour(core)
    assert due_fails(core)
    change(core, campaign)
    assert "due" in alarms.due(core.runtime)


def test_a_rate_is_no_alarm_while_it_holds_back(make_core: Callable[..., CoreHarness]) -> None:
    core = make_core(chunk_size=10, rate=1)
    waits_an_hour(core)
    core.send()
    core.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")
    assert "none may go now: rate" in alarms.due(core.runtime)
    core.do("UPDATE account SET rate_free_at = clock_timestamp() - interval '1 second'")
    assert seconds(alarms.due(core.runtime)) <= 10
    core.do(f"UPDATE account SET rate_free_at = {HOUR_AGO}")
    assert due_fails(core) > 3590


@pytest.mark.parametrize(
    ("opened", "alarm"), [(timedelta(minutes=2), False), (timedelta(minutes=30), True), (timedelta(hours=2), None)]
)
def test_overnight_is_no_alarm(make_core: Callable[..., CoreHarness], opened: timedelta, alarm: bool | None) -> None:
    """A window of an hour that opened so long ago; None = it is closed again."""
    began = datetime.now(PROVIDER_ZONE) - opened
    window = f"{began:%H:%M}-{began + timedelta(hours=1):%H:%M}"
    core = make_core(chunk_size=10, window=window)
    waits_an_hour(core)
    core.do("UPDATE campaign SET opened_at = clock_timestamp() - interval '10 hours'")
    if alarm:
        assert 29 * 60 <= due_fails(core) <= 32 * 60
    else:
        told = alarms.due(core.runtime)
        assert seconds(told) < 300 if alarm is False else "the window is closed" in told


def test_a_file_that_took_an_hour_to_load_is_no_alarm(core: CoreHarness) -> None:
    core.load(20)
    core.do(f"UPDATE campaign SET created_at = {HOUR_AGO}")
    assert seconds(alarms.due(core.runtime)) < 60


def test_a_passed_canary_starts_the_wait_anew(core: CoreHarness) -> None:
    waits_an_hour(core, canary=10)
    claim = core.send()
    core.settle(*((core.reference(claim.campaign_id, seq), "OK") for seq in range(1, 11)))
    core.do(f"UPDATE chunk SET posted_at = {HOUR_AGO} WHERE posted_at IS NOT NULL")
    maintenance_tick.tick(core.runtime)
    assert core.one("SELECT canary_chunks FROM campaign") is None
    assert seconds(alarms.due(core.runtime)) < 60


# -- results ---------------------------------------------------------------------------------------------------


def results_fail(core: CoreHarness, match: str) -> None:
    with pytest.raises(DispatcherError, match=match):
        alarms.results(core.runtime)


def a_day_later(core: CoreHarness) -> None:
    core.do("UPDATE account SET odd_lines_at = odd_lines_at - interval '25 hours'")
    core.do("UPDATE unmapped_sentence SET last_seen = last_seen - interval '25 hours'")
    core.do("UPDATE chunk SET settled_at = settled_at - interval '25 hours'")


def test_lines_of_others_are_shown_and_no_failure(core: CoreHarness) -> None:
    assert alarms.results(core.runtime) == "none yet"
    campaign = core.load(3)
    assert "malformed lines 0, late 0, foreign 0, early 0" in alarms.results(core.runtime)
    core.send()
    core.settle(("OTRO1", "OK"), ("OTRO2", "OK"), (core.reference(campaign, 1), "OK", -86400.0))
    assert "foreign 2, early 1;" in alarms.results(core.runtime)


def test_malformed_lines_fail_for_a_day_and_are_shown_ever_after(core: CoreHarness) -> None:
    assert core.account
    with core.engine.begin() as connection:
        connection.execute(query("count_malformed"), {"account_id": core.account.id, "n": 7})
    results_fail(core, "malformed lines 7, late 0 ")
    a_day_later(core)
    assert "malformed lines 7, late 0 (last " in alarms.results(core.runtime)


def test_results_that_the_polls_passed_over_fail_for_a_day(core: CoreHarness) -> None:
    campaign = core.load(3)
    sending_pump.pump(core.runtime, core.account.id)

    def settled() -> bool:
        core.do("UPDATE account SET probe_free_at = NULL")
        core.do("UPDATE chunk SET probe_at = clock_timestamp()")
        Prober(core.runtime, core.account.id, core.settler).round()
        return core.statuses(campaign) == {"ok": 3}

    wait_until(settled, 20)
    results_fail(core, "malformed lines 0, late 3 ")
    a_day_later(core)
    assert "late 3 (last " in alarms.results(core.runtime)


def test_sentences_without_a_code_are_told_with_the_last_of_them(core: CoreHarness) -> None:
    assert core.account
    with core.engine.begin() as connection:
        poll_cycle.count_unmapped(connection, {"el cartero llamó dos veces": 4})
    with core.engine.begin() as connection:
        poll_cycle.count_unmapped(connection, {"algo nuevo": 2})
    results_fail(core, r"sentences without a code 6 \(last .*\): 'algo nuevo'")
    a_day_later(core)
    assert "sentences without a code 6" in alarms.results(core.runtime)


def test_messages_without_a_result_fail_for_a_day_or_until_it_comes(core: CoreHarness) -> None:
    campaign = core.load(4)
    core.send()
    core.do("UPDATE chunk SET posted_at = clock_timestamp() - interval '2 days'")
    core.do("UPDATE account SET polled_at = clock_timestamp()")
    maintenance_tick.tick(core.runtime)
    assert core.statuses(campaign) == {"unknown": 4}
    core.settle((core.reference(campaign, 1), "OK"))
    results_fail(core, "unknown messages of the last day 3")
    core.settle(*((core.reference(campaign, seq), "OK") for seq in (2, 3, 4)))
    assert "unknown messages of the last day 0" in alarms.results(core.runtime)
    core.do("UPDATE chunk SET resulted = 0")
    results_fail(core, "unknown messages of the last day 4")
    a_day_later(core)
    assert "unknown messages of the last day 0" in alarms.results(core.runtime)


def test_a_campaign_that_was_handed_in_and_is_not_loaded_is_alarmed_on(core: CoreHarness) -> None:
    assert alarms.requests(core.engine) == "waiting to be loaded: 0"
    core.do(
        "INSERT INTO campaign_request (idempotency_key, payload_hash, payload, state) VALUES ('k', '', '{}', 'received')"
    )
    assert alarms.requests(core.engine) == "waiting to be loaded: 1"
    core.do("UPDATE campaign_request SET created_at = now() - interval '3 minutes'")
    with pytest.raises(DispatcherError, match=r"not loaded yet: 1, the oldest for 18\d s"):
        alarms.requests(core.engine)
    core.do("UPDATE campaign_request SET holder = 'a', lease_until = now() + interval '30 seconds'")
    assert alarms.requests(core.engine) == "waiting to be loaded: 0", "one is being loaded"
