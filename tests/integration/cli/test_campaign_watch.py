"""`campaign watch`: what it shows, when it ends."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.cli import campaign_watch, progress_words
from dispatcher.cli.progress_words import Seen
from dispatcher.config import Settings
from dispatcher.domain.window import provider_local
from tests.integration.cli.commands import TEMPLATE, Run, answer
from tests.integration.core_harness import FIXED, CoreHarness


def test_a_watch_without_a_terminal_writes_lines(run: Run, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = str(answer(run("campaign", "create", good, *TEMPLATE, "--json"))["campaign_id"])
    monkeypatch.setattr(campaign_watch, "_LINE_EVERY", 0.0)
    seen = run("campaign", "watch", campaign, "--timeout", "0.6")
    assert seen.exit_code == 1
    assert seen.stderr.count("scheduled 0 %; 0 of 2 final") >= 2, seen.stderr
    quiet = run("campaign", "watch", campaign, "--timeout", "0.6", "--json")
    assert "final" not in quiet.stderr


def test_ctrl_c_ends_the_watching_and_says_that_the_campaign_goes_on(
    run: Run, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = str(answer(run("campaign", "create", good, *TEMPLATE, "--json"))["campaign_id"])

    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", pressed)
    seen = run("campaign", "watch", campaign)
    assert seen.exit_code != 0
    assert f"Campaign {campaign} goes on. To stop it: dispatcher campaign pause {campaign}" in " ".join(
        seen.stderr.split()
    )


def test_watch_exits_0_only_when_completed(run: Run, core: CoreHarness) -> None:
    campaign = core.load(1)
    assert answer(run("campaign", "watch", str(campaign), "--timeout", "0", "--json"), code=1)["state"] == "scheduled"
    core.send()
    core.settle((core.reference(campaign, 1), "OK"))
    assert answer(run("campaign", "watch", str(campaign), "--timeout", "5", "--json"))["state"] == "completed"
    other = core.load(1)
    answer(run("campaign", "cancel", str(other), "--json"))
    assert answer(run("campaign", "watch", str(other), "--timeout", "5", "--json"), code=1)["state"] == "cancelled"


def test_nobody_waits_for_workers_that_are_not_there(run: Run, core: CoreHarness, good: str) -> None:
    never = "No worker has been seen yet: nothing will be sent until `dispatcher up` runs."
    gone = "No worker has been seen for 3 minutes: nothing will be sent until `dispatcher up` runs."
    create = ("campaign", "create", good, *TEMPLATE)

    def said(*arguments: str) -> tuple[str, bool]:
        """What people read, and the flag."""
        plain = run(*arguments)
        return plain.stderr, json.loads(run(*arguments, "--json").stdout)["workers_seen"]

    number = str(answer(run(*create, "--json"))["campaign_id"])
    looks = [create, ("campaign", "show", number), ("campaign", "watch", number, "--timeout", "0")]
    for sentence, age in ((never, None), (gone, "190 seconds"), (None, "50 seconds")):
        if age:
            core.do("DELETE FROM heartbeat")
            core.do(f"INSERT INTO heartbeat (name, at) VALUES ('tick', clock_timestamp() - interval '{age}')")
        for look in looks:
            words, seen = said(*look)
            assert seen is (sentence is None), look
            assert " ".join(words.split()).count(sentence or "No worker") == (sentence is not None), (look, words)


def screen(core: CoreHarness, campaign: int) -> list[str]:
    """What a terminal shows of a campaign."""
    with core.engine.connect() as connection:
        return progress_words.lines(Seen.read(connection, core.settings, campaign))


def test_it_shows_progress_pace_end_and_rejects_within_60_columns(core: CoreHarness) -> None:
    campaign = core.load(40, rate=10)
    core.send()
    core.settle((core.reference(campaign, 1), "OK"), (core.reference(campaign, 2), FIXED))
    core.do("UPDATE campaign SET rate_free_at = now() + interval '1 minute'")
    seen = screen(core, campaign)
    assert seen[0].split()[0] == "running"
    assert seen[0].endswith("5 %")
    assert seen[1].startswith("2 of 40 final; 10 a minute; ends about ")  # as its rate allows
    assert seen[2] == "1 rejected"
    assert seen[3] == "The rate lets the next ones go in a moment."
    assert max(map(len, seen)) <= 60
    core.do("UPDATE campaign SET rate_free_at = NULL")
    assert len(screen(core, campaign)) == 3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE campaign SET state = 'paused', reason = 'paused by the operator'", "It is paused."),
        (
            "UPDATE account SET blocked_at = now(), blocked_cause = 'answer', blocked_words = 'IP no autorizada'",
            "The provider refuses the account.",
        ),
        ("UPDATE campaign SET start_at = now() + interval '2 days'", "It begins on "),
    ],
)
def test_it_says_why_it_waits(core: CoreHarness, change: str, why: str) -> None:
    campaign = core.load(2)
    core.do(change)
    seen = screen(core, campaign)
    assert any(each.startswith(why) for each in seen), seen
    assert max(map(len, seen)) <= 60


def test_a_closed_window_is_said_with_its_opening(core: CoreHarness, make_settings: Callable[..., Settings]) -> None:
    campaign = core.load(2)
    local = provider_local(datetime.now(UTC)) + timedelta(hours=2)
    closed = make_settings(window=f"{local:%H}:00-{local:%H}:30", window_guard=0)
    with core.engine.connect() as connection:
        seen = progress_words.line(Seen.read(connection, closed, campaign))
    assert "Outside the hours of sending: it goes on at " in seen
    assert f"{local:%H}:00" in seen


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_list_fits_the_terminal(run: Run, core: CoreHarness, width: int) -> None:
    campaign = core.load(20, name="Cobranzas de noviembre, segunda vuelta", rate=10)
    core.send()
    core.settle((core.reference(campaign, 1), "OK"), (core.reference(campaign, 2), FIXED))
    result = run("campaign", "list", COLUMNS=str(width))
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= width
    said = " ".join(result.stdout.split())
    for part in ("Cobranzas", "running", "10 %", "20", "rejected"):
        assert part in said, said
    listed = answer(run("campaign", "list", "--json"))["campaigns"][0]
    assert (listed["progress"], listed["rate_per_minute"] > 0, listed["ends_about"] is not None) == (0.1, True, True)


def test_the_list_is_watched_until_ctrl_c(run: Run, core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    core.load(2, name="Primera")
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt
        core.load(3, name="Segunda", again=True)

    monkeypatch.setattr("time.sleep", wait)
    seen = run("campaign", "list", "--watch")
    assert seen.exit_code == 0, seen.stderr
    assert "Segunda" in seen.stdout
    assert "--json" in answer(run("campaign", "list", "--watch", "--json"), code=2)["error"]
