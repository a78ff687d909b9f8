"""Results that speak of the account (no credit, contract over): their lines were not sent, and go when it is open again."""

from datetime import date
from typing import Any

import pytest

from dispatcher.accounts import account_info, blocking
from dispatcher.campaigns import lifecycle, operator_actions
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.results.polling import Poller
from dispatcher.sending import claims
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness

NO_CREDIT = "1144445555: se han agotado los 500 SMS contratados"
NO_CONTRACT = "1144445555: el contrato para enviar SMS ha expirado el 3 de MARZO"


def refuse(core: CoreHarness, campaign: int, *lines: int, words: str = NO_CREDIT, generation: int = 0) -> None:
    core.settle(*((core.reference(campaign, seq, generation), words) for seq in lines))


def ready(core: CoreHarness) -> None:
    core.do("UPDATE account SET retry_at = NULL")


def test_a_refused_line_is_due_again_under_the_next_generation(core: CoreHarness) -> None:
    campaign = core.load(10)
    core.send()
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(1, 5)))
    refuse(core, campaign, *range(5, 11))
    assert core.statuses(campaign) == {"ok": 4, "pending": 6}
    assert core.states(campaign) == ["settled", "due"]
    assert core.state(campaign) == "running"
    row = core.account_row()
    assert (row.blocked_cause, row.blocked_words) == ("credit", "se han agotado los 500 SMS contratados")
    refuse(core, campaign, *range(5, 11))  # the poll reads them again
    assert core.states(campaign) == ["settled", "due"]
    core.check_sums(campaign)


def test_while_blocked_by_results_one_line_is_tried_per_step(core: CoreHarness) -> None:
    campaign = core.load(10)
    core.send()
    refuse(core, campaign, *range(1, 11))
    assert isinstance(core.try_claim(), claims.Defer), "the backoff"
    ready(core)
    trial = core.claim()
    assert (trial.lines, trial.trial) == (1, True)
    assert trial.bloque.startswith(core.reference(campaign, 1, 1).encode())
    assert claims.finish_accepted(core.engine, trial) == "accepted"
    row = core.account_row()
    assert row.blocked_cause == "credit", "the provider answers OK to a bulk POST without credit too"
    assert row.retry_at is not None
    core.check_sums(campaign)


def test_a_real_ok_of_the_trial_opens_the_account(core: CoreHarness) -> None:
    campaign = core.load(10)
    core.send()
    refuse(core, campaign, *range(1, 11))
    core.settle((core.reference(campaign, 1), "OK"))
    assert core.account_row().blocked_cause == "credit", "that line was posted before the block"
    ready(core)
    trial = core.claim()
    claims.finish_accepted(core.engine, trial)
    core.settle((core.reference(campaign, 2, 1), "OK", 2))
    assert core.account_row().blocked_cause is None
    assert core.claim().lines == 8


def test_a_trial_from_a_chunk_that_was_never_posted_has_its_result(core: CoreHarness) -> None:
    campaign = core.load(20)
    core.send()
    refuse(core, campaign, *range(1, 11))
    ready(core)
    trial = core.claim()
    assert trial.root_no == 2, "its lines were refused least often"
    claims.finish_accepted(core.engine, trial)
    core.settle((core.reference(campaign, 11), "OK", 2))
    assert core.message(campaign, 11).status == "ok"
    row = core.account_row()
    assert (row.stale_at, row.blocked_cause) == (None, None)
    core.check_sums(campaign)


def test_an_ok_for_the_refused_generation_settles_the_line(core: CoreHarness) -> None:
    """The provider kept it after all, and sent it once there was credit."""
    campaign = core.load(2)
    core.send()
    refuse(core, campaign, 1, 2)
    core.settle((core.reference(campaign, 1), "OK", 5))
    assert core.statuses(campaign) == {"ok": 1, "pending": 1}
    ready(core)
    assert core.claim().bloque.startswith(core.reference(campaign, 2, 1).encode())
    core.check_sums(campaign)


@pytest.mark.parametrize(
    ("words", "figures", "opens"),
    [
        (NO_CREDIT, {"saldo": 5}, True),
        (NO_CREDIT, {"saldo": 0}, False),
        (NO_CREDIT, {"vencimiento": date(2999, 1, 1)}, False),
        (NO_CONTRACT, {"saldo": 5}, False),
        (NO_CONTRACT, {"vencimiento": date(2999, 1, 1)}, True),
        (NO_CONTRACT, {"vencimiento": date(2001, 1, 1)}, False),
    ],
)
def test_figures_open_the_account(
    core: CoreHarness, monkeypatch: pytest.MonkeyPatch, words: str, figures: dict[str, Any], opens: bool
) -> None:
    campaign = core.load(2)
    core.send()
    refuse(core, campaign, 1, 2, words=words)
    monkeypatch.setattr(core.runtime.provider, "saldo", lambda: figures.get("saldo"))
    monkeypatch.setattr(core.runtime.provider, "envios", lambda: None)
    monkeypatch.setattr(core.runtime.provider, "vencimiento", lambda: figures.get("vencimiento"))
    account_info.record_balance(core.runtime, core.account.id)
    assert (core.account_row().blocked_cause is None) == opens


def test_the_operator_opens_the_account(core: CoreHarness) -> None:
    campaign = core.load(2)
    core.send()
    refuse(core, campaign, 1, 2)
    with core.engine.begin() as connection:
        assert blocking.unblock(connection, core.account.id)
    assert core.claim().lines == 2


def test_after_five_refusals_a_line_is_held_and_the_operator_may_release_it(core: CoreHarness) -> None:
    campaign = core.load(1)
    for generation in range(5):
        core.do("UPDATE account SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL, retry_at = NULL")
        core.send()
        core.settle((core.reference(campaign, 1, generation), NO_CREDIT, generation))
    assert core.statuses(campaign) == {"held": 1}
    assert core.states(campaign)[-1] == "held"
    operator_actions.resolve(core.engine, campaign, len(core.states(campaign)), "unsent")
    assert core.statuses(campaign) == {"pending": 1}
    core.check_sums(campaign)


def test_one_block_is_told_once(core: CoreHarness, caplog: pytest.LogCaptureFixture) -> None:
    campaign = core.load(10)
    core.send()
    for seq in range(1, 6):
        core.settle((core.reference(campaign, seq), NO_CREDIT, seq))
    assert sum("account_blocked" in record.message for record in caplog.records) == 1


def test_what_was_refused_is_cancelled_and_expires_like_anything_due(core: CoreHarness) -> None:
    campaign = core.load(2)
    core.send()
    refuse(core, campaign, 1)
    lifecycle.cancel(core.engine, campaign, wait=0)
    assert core.statuses(campaign) == {"cancelled": 1, "submitted": 1}
    other = core.load(2)
    ready(core)
    core.do("UPDATE account SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL")
    core.send()
    core.do("UPDATE account SET account_words_at = NULL")
    refuse(core, other, 1, 2)
    core.do("UPDATE campaign SET expires_at = clock_timestamp() - interval '1 minute' WHERE id = :id", id=other)
    maintenance_tick.tick(core.runtime)
    assert core.statuses(other) == {"expired": 2}


def test_two_hundred_messages_with_credit_for_ten_all_arrive_once(
    core: CoreHarness, simulator: SimulatorProcess
) -> None:
    simulator.set_option(credit=10, refuse_calls=False, mix={}, delay_min=0, delay_max=0)
    campaign = core.load(200)

    def work(rounds: int) -> None:
        for _ in range(rounds):
            core.do(
                "UPDATE account SET retry_at = NULL, poll_at = clock_timestamp(), poll_lease_until = NULL, "
                "balance_at = NULL"
            )
            sending_pump.pump(core.runtime, core.account.id)
            Poller(core.runtime, core.account).run(0)
            account_info.record_balance(core.runtime, core.account.id)

    work(6)
    counts = core.statuses(campaign)
    assert counts["ok"] == 10
    assert counts.get("rejected", 0) == 0
    assert core.state(campaign) == "running"
    simulator.change_plan(top_up=1000)
    work(30)
    assert core.statuses(campaign) == {"ok": 200}
    assert max(counted["sent"] for counted in simulator.sends_by_pair().values()) == 1
    core.check_sums(campaign)
