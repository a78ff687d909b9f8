"""`campaign show`, `list`, `pause`, `resume`, `cancel`, `resolve`."""

import pytest

from tests.integration.cli.commands import Run, answer
from tests.integration.core_harness import CoreHarness


@pytest.mark.parametrize("command", ["show", "watch", "pause", "resume", "cancel", "results"])
def test_an_unknown_campaign_exits_2(run: Run, core: CoreHarness, command: str) -> None:
    assert core.account
    assert "no campaign 99" in answer(run("campaign", command, "99", "--json"), code=2)["error"]


def test_show_and_list_tell_the_state_and_the_sums(run: Run, core: CoreHarness) -> None:
    campaign = core.load(12)
    core.send()
    core.settle((core.reference(campaign, 1), "OK"), (core.reference(campaign, 2), "112: es un teléfono fijo"))
    shown = answer(run("campaign", "show", str(campaign), "--json"))
    expected = {"campaign_id": campaign, "state": "running", "blocked": None, "messages": 12, "invalid": 0, "held": 0}
    assert {key: shown[key] for key in expected} == expected
    assert shown["counts"] == {"ok": 1, "rejected": 1, "submitted": 8, "pending": 2}
    assert shown["result_codes"] == {"0": 1, "-1": 1}
    listed = answer(run("campaign", "list", "--json"))
    assert [found["campaign_id"] for found in listed["campaigns"]] == [campaign]
    assert run("campaign", "show", str(campaign)).exit_code == 0


def test_pause_resume_and_cancel_answer_with_state_and_flights(run: Run, core: CoreHarness) -> None:
    campaign = str(core.load(20))
    assert answer(run("campaign", "pause", campaign, "--json")) == {
        "campaign_id": int(campaign),
        "state": "paused",
        "in_flight": 0,
    }
    assert answer(run("campaign", "resume", campaign, "--json"))["state"] == "scheduled"
    core.claim()
    assert answer(run("campaign", "pause", campaign, "--wait", "0", "--json"))["in_flight"] == 1
    assert answer(run("campaign", "cancel", campaign, "--wait", "0", "--json"))["state"] == "cancelled"
    assert answer(run("campaign", "resume", campaign, "--json"), code=2)["error"]


def test_resolving_all_goes_on_behind_a_chunk_that_may_not_be_resolved_yet(run: Run, core: CoreHarness) -> None:
    campaign = core.load(10, last_line_alone=True)
    core.do("UPDATE chunk SET state = 'held', attempt = 1, doubt_since = now(), doubt_reason = 'timeout'")
    core.do(
        "INSERT INTO attempt (chunk_id, attempt, messages, provider_at, lease_until) "
        "SELECT id, 1, 10, now(), now() + interval '1 hour' FROM chunk WHERE chunk_no = 1"
    )
    found = answer(run("campaign", "resolve", str(campaign), "--all", "--as", "unsent", "--json"), 1)
    assert 1 not in [each["chunk_no"] for each in found["resolved"]] != []
    (refused,) = found["refused"]
    assert refused["chunk_no"] == 1
    assert "under way" in refused["why"]
