"""What the doctor alarms on: chunks that could go and do not, results that are odd or missing."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from dispatcher import accounts, alarms, campaigns, chunks, results, submit, upkeep
from dispatcher.database import query
from dispatcher.doctor import Check, examine
from dispatcher.doubts import Prober
from dispatcher.errors import CredentialsRefused, DispatcherError, InDoubt, NotDelivered
from dispatcher.window import PROVIDER_ZONE
from tests.conftest import wait_until
from tests.integration.bench import Bench

HOUR_AGO = "clock_timestamp() - interval '1 hour'"


def waits_an_hour(bench: Bench, **spec: object) -> int:
    """A campaign that was loaded an hour ago; nothing was ever claimed."""
    campaign = bench.load(20, **spec)
    bench.do(f"UPDATE campaign SET created_at = {HOUR_AGO}, opened_at = {HOUR_AGO}")
    return campaign


def seconds(words: str) -> int:
    found = re.search(r"could have gone (\d+) s ago", words)
    assert found, words
    return int(found[1])


def due_fails(bench: Bench) -> int:
    """Seconds that the failing check tells."""
    with pytest.raises(DispatcherError, match="none was claimed since") as caught:
        alarms.due(bench.runtime)
    return seconds(str(caught.value))


def test_a_chunk_that_could_have_gone_long_ago_is_alarmed_on(bench: Bench) -> None:
    waits_an_hour(bench)
    assert 3590 < due_fails(bench) < 3700
    bench.do("UPDATE account SET clock_measured_at = clock_measured_at - interval '1 hour'")
    assert due_fails(bench), "without a worker nobody measures the clock"
    bench.do("UPDATE account SET clock_measured_at = NULL, clock_low_ms = NULL, clock_high_ms = NULL")
    assert due_fails(bench)
    accounts.measure_clock(bench.runtime, bench.account.id)
    bench.send()
    assert seconds(alarms.due(bench.runtime)) < 60
    bench.do("UPDATE chunk SET posted_at = posted_at - interval '6 minutes'")
    assert 360 <= due_fails(bench) < 420


def test_the_doctor_tells_it(bench: Bench) -> None:
    waits_an_hour(bench)
    checks = {check.name: check for check in examine(bench.settings)}
    assert not checks["due"].ok
    assert "2 chunks due" in checks["due"].detail
    assert "worker" in checks["due"].detail
    assert checks["results"] == Check("results", True, alarms.results(bench.runtime))


def test_nothing_due_is_no_alarm(bench: Bench) -> None:
    assert alarms.due(bench.runtime) == "0 chunks due"
    assert bench.account
    assert alarms.due(bench.runtime) == "0 chunks due"


def pause(bench: Bench, campaign: int) -> None:
    campaigns.pause(bench.engine, campaign, wait=0)


def resume(bench: Bench, campaign: int) -> None:
    pause(bench, campaign)
    campaigns.resume(bench.engine, campaign)


def starts_later(bench: Bench, campaign: int) -> None:
    bench.do("UPDATE campaign SET start_at = clock_timestamp() + interval '1 hour'")


def started_now(bench: Bench, campaign: int) -> None:
    bench.do("UPDATE campaign SET start_at = clock_timestamp() - interval '10 seconds'")


def is_over(bench: Bench, campaign: int) -> None:
    bench.do(f"UPDATE campaign SET expires_at = {HOUR_AGO}")


def is_blocked(bench: Bench, campaign: int) -> None:
    chunks.finish_undelivered(bench.engine, bench.claim(), CredentialsRefused(words="apikey incorrecta"))
    bench.do(f"UPDATE account SET retry_at = {HOUR_AGO}")
    bench.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")


def backs_off(bench: Bench, campaign: int) -> None:
    chunks.finish_undelivered(bench.engine, bench.claim(), NotDelivered())
    bench.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")
    bench.do("UPDATE account SET retry_at = clock_timestamp() + interval '5 minutes'")


def may_try_again_now(bench: Bench, campaign: int) -> None:
    backs_off(bench, campaign)
    bench.do("UPDATE account SET retry_at = clock_timestamp()")


def uses_every_slot(bench: Bench, campaign: int) -> None:
    bench.load(20)
    for _ in range(bench.settings.concurrency):
        bench.claim()
    bench.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")


def waits_for_its_canary(bench: Bench, campaign: int) -> None:
    bench.send()
    bench.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")
    bench.do("UPDATE campaign SET canary_chunks = 1")


def has_a_child_chunk_of_now(bench: Bench, campaign: int) -> None:
    chunks.finish_in_doubt(bench.engine, bench.claim(), InDoubt())
    bench.do("DROP TRIGGER refuse_move ON chunk")
    bench.do(
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
def test_a_chunk_that_could_not_go_is_no_alarm(bench: Bench, change: Callable[[Bench, int], None]) -> None:
    campaign = waits_an_hour(bench)
    assert due_fails(bench)
    change(bench, campaign)
    assert "due" in alarms.due(bench.runtime)


def test_a_rate_is_no_alarm_while_it_holds_back(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(chunk_size=10, rate=1)
    waits_an_hour(bench)
    bench.send()
    bench.do(f"UPDATE chunk SET posted_at = {HOUR_AGO}")
    assert "none may go now: rate" in alarms.due(bench.runtime)
    bench.do("UPDATE account SET rate_free_at = clock_timestamp() - interval '1 second'")
    assert seconds(alarms.due(bench.runtime)) <= 10
    bench.do(f"UPDATE account SET rate_free_at = {HOUR_AGO}")
    assert due_fails(bench) > 3590


@pytest.mark.parametrize(
    ("opened", "alarm"), [(timedelta(minutes=2), False), (timedelta(minutes=30), True), (timedelta(hours=2), None)]
)
def test_overnight_is_no_alarm(make_bench: Callable[..., Bench], opened: timedelta, alarm: bool | None) -> None:
    """A window of an hour that opened so long ago; None = it is closed again."""
    began = datetime.now(PROVIDER_ZONE) - opened
    window = f"{began:%H:%M}-{began + timedelta(hours=1):%H:%M}"
    bench = make_bench(chunk_size=10, window=window)
    waits_an_hour(bench)
    bench.do("UPDATE campaign SET opened_at = clock_timestamp() - interval '10 hours'")
    if alarm:
        assert 29 * 60 <= due_fails(bench) <= 32 * 60
    else:
        told = alarms.due(bench.runtime)
        assert seconds(told) < 300 if alarm is False else "the window is closed" in told


def test_a_file_that_took_an_hour_to_load_is_no_alarm(bench: Bench) -> None:
    bench.load(20)
    bench.do(f"UPDATE campaign SET created_at = {HOUR_AGO}")
    assert seconds(alarms.due(bench.runtime)) < 60


def test_a_passed_canary_starts_the_wait_anew(bench: Bench) -> None:
    waits_an_hour(bench, canary=10)
    claim = bench.send()
    bench.settle(*((bench.reference(claim.campaign_id, seq), "OK") for seq in range(1, 11)))
    bench.do(f"UPDATE chunk SET posted_at = {HOUR_AGO} WHERE posted_at IS NOT NULL")
    upkeep.tick(bench.runtime)
    assert bench.one("SELECT canary_chunks FROM campaign") is None
    assert seconds(alarms.due(bench.runtime)) < 60


# -- results ---------------------------------------------------------------------------------------------------


def results_fail(bench: Bench, match: str) -> None:
    with pytest.raises(DispatcherError, match=match):
        alarms.results(bench.runtime)


def a_day_later(bench: Bench) -> None:
    bench.do("UPDATE account SET odd_lines_at = odd_lines_at - interval '25 hours'")
    bench.do("UPDATE unmapped_sentence SET last_seen = last_seen - interval '25 hours'")
    bench.do("UPDATE chunk SET settled_at = settled_at - interval '25 hours'")


def test_lines_of_others_are_shown_and_no_failure(bench: Bench) -> None:
    assert alarms.results(bench.runtime) == "none yet"
    campaign = bench.load(3)
    assert "malformed lines 0, late 0, foreign 0, early 0" in alarms.results(bench.runtime)
    bench.send()
    bench.settle(("OTRO1", "OK"), ("OTRO2", "OK"), (bench.reference(campaign, 1), "OK", -86400.0))
    assert "foreign 2, early 1;" in alarms.results(bench.runtime)


def test_malformed_lines_fail_for_a_day_and_are_shown_ever_after(bench: Bench) -> None:
    assert bench.account
    with bench.engine.begin() as connection:
        connection.execute(query("count_malformed"), {"account_id": bench.account.id, "n": 7})
    results_fail(bench, "malformed lines 7, late 0 ")
    a_day_later(bench)
    assert "malformed lines 7, late 0 (last " in alarms.results(bench.runtime)


def test_results_that_the_polls_passed_over_fail_for_a_day(bench: Bench) -> None:
    campaign = bench.load(3)
    submit.pump(bench.runtime, bench.account.id)

    def settled() -> bool:
        bench.do("UPDATE account SET probe_free_at = NULL")
        bench.do("UPDATE chunk SET probe_at = clock_timestamp()")
        Prober(bench.runtime, bench.account.id, bench.settler).round()
        return bench.statuses(campaign) == {"ok": 3}

    wait_until(settled, 20)
    results_fail(bench, "malformed lines 0, late 3 ")
    a_day_later(bench)
    assert "late 3 (last " in alarms.results(bench.runtime)


def test_sentences_without_a_code_are_told_with_the_last_of_them(bench: Bench) -> None:
    assert bench.account
    with bench.engine.begin() as connection:
        results.count_unmapped(connection, {"el cartero llamó dos veces": 4})
    with bench.engine.begin() as connection:
        results.count_unmapped(connection, {"algo nuevo": 2})
    results_fail(bench, r"sentences without a code 6 \(last .*\): 'algo nuevo'")
    a_day_later(bench)
    assert "sentences without a code 6" in alarms.results(bench.runtime)


def test_messages_without_a_result_fail_for_a_day_or_until_it_comes(bench: Bench) -> None:
    campaign = bench.load(4)
    bench.send()
    bench.do("UPDATE chunk SET posted_at = clock_timestamp() - interval '2 days'")
    bench.do("UPDATE account SET polled_at = clock_timestamp()")
    upkeep.tick(bench.runtime)
    assert bench.statuses(campaign) == {"unknown": 4}
    bench.settle((bench.reference(campaign, 1), "OK"))
    results_fail(bench, "unknown messages of the last day 3")
    bench.settle(*((bench.reference(campaign, seq), "OK") for seq in (2, 3, 4)))
    assert "unknown messages of the last day 0" in alarms.results(bench.runtime)
    bench.do("UPDATE chunk SET resulted = 0")
    results_fail(bench, "unknown messages of the last day 4")
    a_day_later(bench)
    assert "unknown messages of the last day 0" in alarms.results(bench.runtime)
