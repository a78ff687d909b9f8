"""A database that is older than what was posted stops before its next claim, by witnesses outside it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from dispatcher.campaigns import operator_actions
from dispatcher.domain import idinterno
from dispatcher.errors import NotDelivered
from dispatcher.sending import claims
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness


@pytest.fixture
def core(make_core: Callable[..., CoreHarness]) -> CoreHarness:
    """A core whose states may go back, as those of a restored database do."""
    return make_core(chunk_size=10)


def go_back(core: CoreHarness, campaign: int) -> None:
    """As a dump from before the last claim: the chunk is due, and the account's counter is one less."""
    core.do("DELETE FROM attempt WHERE chunk_id = (SELECT max(chunk_id) FROM attempt)")
    core.do(
        "UPDATE chunk SET state = 'due', attempt = 0, lease_until = NULL, posted_at = NULL, first_post_at = NULL, "
        "accepted_at = NULL WHERE campaign_id = :id AND chunk_no = 1",
        id=campaign,
    )
    core.do("UPDATE account SET turn = turn - 1")


def marks(core: CoreHarness) -> list[Path]:
    return sorted((core.settings.home / "run" / "posted").iterdir())


def test_a_claim_that_was_made_before_stops_the_account(core: CoreHarness, simulator: SimulatorProcess) -> None:
    campaign = core.load(10)
    sending_pump.pump(core.runtime, core.account.id)
    assert len(list(simulator.posts())) == 1
    go_back(core, campaign)
    sending_pump.pump(core.runtime, core.account.id)
    assert len(list(simulator.posts())) == 1, "nothing was posted again"
    row = core.account_row()
    assert "db restored" in row.stale_words
    assert core.states(campaign) == ["held"]
    sending_pump.pump(core.runtime, core.account.id)
    assert len(list(simulator.posts())) == 1


@pytest.mark.parametrize("lost", ["home", "broker"])
def test_either_witness_is_enough(core: CoreHarness, simulator: SimulatorProcess, lost: str, broker_url: str) -> None:
    campaign = core.load(10)
    sending_pump.pump(core.runtime, core.account.id)
    if lost == "home":
        for mark in marks(core):
            mark.unlink()
    else:
        redis.Redis(unix_socket_path=broker_url.removeprefix("redis+socket://")).flushall()
    go_back(core, campaign)
    sending_pump.pump(core.runtime, core.account.id)
    assert core.account_row().stale_at is not None
    assert len(list(simulator.posts())) == 1


def test_results_settle_what_was_sent_before_the_restore(core: CoreHarness) -> None:
    campaign = core.load(10)
    sending_pump.pump(core.runtime, core.account.id)
    go_back(core, campaign)
    sending_pump.pump(core.runtime, core.account.id)
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(1, 11)))
    assert core.statuses(campaign) == {"ok": 10}
    core.check_sums(campaign)


def test_after_db_restored_new_campaigns_go_out(core: CoreHarness, simulator: SimulatorProcess) -> None:
    campaign = core.load(10)
    sending_pump.pump(core.runtime, core.account.id)
    go_back(core, campaign)
    sending_pump.pump(core.runtime, core.account.id)
    operator_actions.restored(core.engine)
    assert core.account_row().stale_at is None
    core.load(5)
    sending_pump.pump(core.runtime, core.account.id)
    assert len(list(simulator.posts())) == 2


def test_a_result_of_a_line_that_was_never_posted_stops_the_account(core: CoreHarness) -> None:
    campaign = core.load(20)
    core.send()
    core.settle((core.reference(campaign, 11), "OK"))
    assert "never posted" in core.account_row().stale_words
    assert core.statuses(campaign) == {"submitted": 10, "held": 10}
    core.settle((core.reference(campaign, 11), "OK"))
    assert core.statuses(campaign) == {"submitted": 10, "held": 9, "ok": 1}, "read again, it settles its line"


@pytest.mark.parametrize("beyond", ["a campaign", "a line", "a generation"])
def test_a_result_of_what_the_database_does_not_have_stops_the_account(core: CoreHarness, beyond: str) -> None:
    campaign = core.load(10)
    core.send()
    line = {"a campaign": (campaign + 5, 1, 0), "a line": (campaign, 11, 0), "a generation": (campaign, 1, 1)}[beyond]
    prefix = core.one("SELECT prefix FROM installation")
    core.settle((idinterno.encode(prefix, line[0], line[2], line[1]), "OK"))
    assert core.account_row().stale_at is not None


@pytest.mark.parametrize("reference", ["1144445555", "PEDIDO77", "M0123456789ABC1G10", "x" * 50])
def test_lines_of_other_systems_accuse_nobody(core: CoreHarness, reference: str) -> None:
    core.load(10)
    core.send()
    core.settle((reference, "OK"))
    assert core.account_row().stale_at is None


def test_what_was_proven_undelivered_accuses_nobody(core: CoreHarness) -> None:
    campaign = core.load(10)
    claims.finish_undelivered(core.engine, core.claim(), NotDelivered())
    core.settle((core.reference(campaign, 1), "OK"))
    assert core.account_row().stale_at is None


def test_without_any_witness_nothing_is_posted(
    core: CoreHarness, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = core.load(10)
    monkeypatch.setattr(core.runtime.marks, "_to_file", lambda *_: None)
    monkeypatch.setattr(core.runtime.marks._broker, "_call", lambda *_: None)
    sending_pump.pump(core.runtime, core.account.id)
    assert list(simulator.posts()) == []
    assert core.statuses(campaign) == {"pending": 10}
    assert core.account_row().failures == 1


def test_claims_side_by_side_do_not_accuse_each_other(core: CoreHarness) -> None:
    """Both read the marks; the later claim writes its mark first."""
    core.load(20)
    prefix = core.one("SELECT prefix FROM installation")
    marks_of = core.runtime.marks
    read = marks_of.read(prefix, core.account.id)
    first, second = core.claim(), core.claim()
    for claim in (second, first):
        assert sending_pump._witnessed(core.runtime, claim, prefix, read)
    assert marks_of.read(prefix, core.account.id) == second.turn


def test_a_prefix_that_was_drawn_meanwhile_gives_the_claim_back(core: CoreHarness) -> None:
    campaign = core.load(10)
    claim = core.claim()
    assert not sending_pump._witnessed(core.runtime, claim, "0123456789", 99)
    assert core.account_row().stale_at is None
    assert core.statuses(campaign) == {"pending": 10}
