"""Days off of a campaign and hours by weekday: nothing is claimed on a closed day, by any way that leads to a claim."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.accounts.send_guard import Held, send_guard
from dispatcher.campaigns import changing, progress, retrying, summary, waits
from dispatcher.db.statements import query
from dispatcher.domain import days_off
from dispatcher.domain.days_off import DaysOff
from dispatcher.domain.window import PROVIDER_ZONE, Window, provider_local
from dispatcher.errors import SendRefusedByGuard, UsageError
from dispatcher.maintenance import alarms
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.provider.deadline import now as boot_clock
from dispatcher.sending import admission, pump
from dispatcher.sending.claims import Claim, Defer
from tests.integration.core_harness import FIXED, CoreHarness

Make = Callable[..., CoreHarness]


def today() -> date:
    return provider_local(datetime.now(UTC)).date()


def near() -> list[str]:
    """Today and its neighbours: a test that runs over midnight means the same."""
    return [(today() + timedelta(days=n)).isoformat() for n in (-1, 0, 1)]


def why(found: object) -> str:
    assert isinstance(found, Defer), found
    return found.why


def span(core: CoreHarness) -> dict[str, object]:
    now = datetime.now(UTC)
    day = admission.today(core.settings, now, ProviderClock(0, 0, now))
    clock = {"earliest": day.earliest, "latest": day.latest}
    return {"account_id": core.account.id, "closed": day.closed, "day_began": day.began, **clock}


def test_on_a_day_off_nothing_of_the_campaign_is_claimed_and_others_go(core: CoreHarness) -> None:
    waiting = core.load(10, not_on=near(), priority="high")
    assert why(core.try_claim()) == "nothing is due"
    other = core.load(10, [{"telefono": f"11{30_000_000 + n}", "n": "x"} for n in range(10)], priority="low")
    assert core.claim().campaign_id == other
    assert core.state(waiting) == "scheduled"


def test_another_day_off_holds_nothing_up(core: CoreHarness) -> None:
    campaign = core.load(10, not_on=[(today() + timedelta(days=9)).isoformat()])
    assert core.claim().campaign_id == campaign


def test_a_holiday_is_a_day_off_of_who_asked_for_it(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days_off, "_holidays", lambda year: frozenset(map(date.fromisoformat, near())))
    core.load(10, not_on=["holidays"])
    assert why(core.try_claim()) == "nothing is due"
    other = core.load(10, [{"telefono": f"11{30_000_000 + n}", "n": "x"} for n in range(10)])
    assert core.claim().campaign_id == other


def test_what_waits_for_a_day_starts_no_pump_and_alarms_nobody(core: CoreHarness) -> None:
    campaign = core.load(10, not_on=near())
    assert maintenance_tick.tick(core.runtime).submits == 0
    for statement in ("claimable_since", "metrics_claimable"):
        with core.engine.connect() as connection:
            assert connection.execute(query(statement), span(core)).first() is None
    core.do("UPDATE campaign SET created_at = now() - interval '9 days', opened_at = now() - interval '9 days'")
    alarms.due(core.runtime)  # raises when something waits too long
    # The day after, it counts from midnight: it could not have gone before.
    core.do("UPDATE campaign SET not_on = ARRAY['2020-01-01'] WHERE id = :id", id=campaign)
    assert maintenance_tick.tick(core.runtime).submits > 0
    known = span(core)
    for statement in ("claimable_since", "metrics_claimable"):
        with core.engine.connect() as connection:
            since = connection.execute(query(statement), known).one().since
        assert abs(since - known["day_began"]) < timedelta(seconds=2)


def test_the_line_that_is_tried_while_the_account_is_blocked_keeps_its_days_off(core: CoreHarness) -> None:
    core.load(10, not_on=near())
    core.do("UPDATE account SET blocked_at = now(), blocked_words = 'sin saldo', blocked_cause = 'credit'")
    assert why(core.try_claim()) == "nothing is due"
    core.do("UPDATE campaign SET not_on = '{}'")
    assert isinstance(core.try_claim(), Claim)


def test_who_looks_is_told_why_it_waits_and_until_when(core: CoreHarness) -> None:
    campaign = core.load(10, not_on=near())
    with core.engine.connect() as connection:
        shown = summary.show(connection, campaign)
        wait = waits.wait(core.settings, shown)
        coming = progress.progress(connection, core.settings, shown)
    assert shown.not_on == near()
    assert wait is not None
    assert wait.why == "day"
    assert wait.until is not None
    assert provider_local(wait.until).date() == today() + timedelta(days=2)
    assert coming.ends_about is not None
    assert coming.ends_about >= wait.until


def test_a_day_off_may_be_added_and_taken_back_before_it_begins(core: CoreHarness) -> None:
    campaign = core.load(10)
    changing.change(core.engine, core.settings, campaign, {"not_on": near()})
    assert why(core.try_claim()) == "nothing is due"
    changing.change(core.engine, core.settings, campaign, {"name": "another"})
    assert why(core.try_claim()) == "nothing is due"
    changing.change(core.engine, core.settings, campaign, {"not_on": None})
    assert isinstance(core.try_claim(), Claim)


def test_a_retry_keeps_the_days_off(core: CoreHarness) -> None:
    campaign = core.load(1, not_on=["holidays", "2020-01-01"])
    core.send()
    core.settle((core.reference(campaign, 1), FIXED))
    core.do("DELETE FROM undeliverable")
    retried = retrying.draft(core.engine, core.settings, campaign, codes=[-1])
    not_on = core.one("SELECT not_on FROM campaign WHERE id = :id", id=retried.campaign_id)
    assert not_on == ["holidays", "2020-01-01"]


def test_the_account_sends_nothing_on_a_weekday_that_is_not_named(make_core: Make) -> None:
    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(today().weekday() + 3) % 7]
    core = make_core(window=f"{day} 08:00-22:00")
    campaign = core.load(10)
    assert why(core.try_claim()) == "the window is closed"
    with core.engine.connect() as connection:
        wait = waits.wait(core.settings, summary.show(connection, campaign))
    assert wait is not None
    assert wait.why == "window"


def test_a_campaign_that_could_send_on_no_day_before_its_end_is_refused(core: CoreHarness) -> None:
    soon = datetime.now(PROVIDER_ZONE) + timedelta(hours=1)
    with pytest.raises(UsageError, match="Nothing may go between its start and its end"):
        core.load(10, not_on=near(), expires=f"{soon:%Y-%m-%d %H:%M:%S}")
    with pytest.raises(UsageError, match="neither holidays nor a day"):
        core.load(10, not_on=["christmas"])
    assert core.one("SELECT count(*) FROM campaign") == 0


def test_a_post_that_connects_slowly_does_not_begin_on_a_day_off() -> None:
    """The claim was made before midnight, and the connection stood after it, or within the guard before it."""
    latest = datetime(2026, 12, 24, 23, 58, 50, tzinfo=PROVIDER_ZONE)
    window = Window.parse("00:00-24:00", guard=60)
    for passed, refused in ((0, False), (5, False), (11, True), (80, True)):
        since = boot_clock() - passed
        held = Held(latest, since, since + 1_000, None)
        send_guard(window, held, 10)()
        check = send_guard(window.without(DaysOff.parse(["holidays"])), held, 10)
        if refused:
            with pytest.raises(SendRefusedByGuard, match="window closed"):
                check()
        else:
            check()


def test_the_check_before_the_post_knows_the_days_off(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    core.load(10, not_on=["holidays", "2020-01-01"])
    windows: list[Window] = []

    def seen(window: Window, held: Held, timeout: float) -> Callable[[], None]:
        windows.append(window)
        return send_guard(window, held, timeout)

    monkeypatch.setattr(pump, "send_guard", seen)
    pump.pump(core.runtime, core.account.id)
    assert {window.days_off for window in windows} == {DaysOff.parse(["holidays", "2020-01-01"])}
