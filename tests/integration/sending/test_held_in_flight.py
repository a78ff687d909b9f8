"""A chunk that is held while its POST is under way: what the late outcome does, and what an operator may say meanwhile."""

from collections.abc import Callable

import pytest

from dispatcher.accounts import staleness
from dispatcher.campaigns import audit, operator_actions
from dispatcher.errors import InDoubt, NotDelivered, UsageError
from dispatcher.results import completion
from dispatcher.sending import claims
from dispatcher.sending.claims import Claim
from tests.integration.core_harness import CoreHarness


def restore(core: CoreHarness) -> None:
    operator_actions.restored(core.engine)


def stop_stale(core: CoreHarness) -> None:
    assert staleness.stop(core.engine, core.account.id, "a test says so")


def hold_at_horizon(core: CoreHarness) -> None:
    """As a worker that stalled for longer than its lease and the whole horizon."""
    core.do("UPDATE chunk SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'sending'")
    with core.engine.begin() as connection:
        claims.rescue(connection, core.settings, core.account.id)
    core.do("UPDATE chunk SET state = 'held', doubt_reason = doubt_reason || ' no evidence' WHERE state = 'in_doubt'")


HOLDS = pytest.mark.parametrize("hold", [restore, stop_stale, hold_at_horizon])


def audited(core: CoreHarness, campaign: int) -> audit.Audit:
    with core.engine.connect() as connection:
        return audit.audit(connection, campaign)


def end_lease(core: CoreHarness, claim: Claim) -> None:
    core.do(
        "UPDATE attempt SET lease_until = clock_timestamp() - interval '1 second' WHERE chunk_id = :id",
        id=claim.chunk_id,
    )


@HOLDS
def test_a_late_ok_counts_for_a_held_chunk(core: CoreHarness, hold: Callable[[CoreHarness], None]) -> None:
    campaign = core.load(3)
    claim = core.claim()
    hold(core)
    assert core.statuses(campaign) == {"held": 3}
    assert claims.finish_accepted(core.engine, claim) == "accepted"
    assert core.statuses(campaign) == {"submitted": 3}
    with pytest.raises(UsageError, match="neither in doubt nor held"):
        operator_actions.resolve(core.engine, campaign, 1, "unsent")
    assert core.chunk(claim).doubt_reason is None


@HOLDS
def test_a_late_ok_of_an_earlier_attempt_changes_nothing(
    core: CoreHarness, hold: Callable[[CoreHarness], None]
) -> None:
    campaign = core.load(3)
    first = core.claim()
    claims.finish_undelivered(core.engine, first, NotDelivered())
    core.do("UPDATE account SET retry_at = NULL")
    core.claim()
    hold(core)
    assert claims.finish_accepted(core.engine, first) is None
    assert core.statuses(campaign) == {"held": 3}


def test_what_was_proven_undelivered_stays_held_and_may_go_by_the_operators_word(core: CoreHarness) -> None:
    campaign = core.load(3)
    claim = core.claim()
    restore(core)
    assert claims.finish_undelivered(core.engine, claim, NotDelivered()) is None
    assert core.statuses(campaign) == {"held": 3}, "the life that was lost may have sent it"
    with core.engine.connect() as connection:
        (doubt,) = operator_actions.doubts(connection, campaign)
    assert doubt.outcome == "not_delivered"
    assert operator_actions.resolve(core.engine, campaign, 1, "unsent")["state"] == "split"


@pytest.mark.parametrize("verdict", ["sent", "unsent"])
def test_nobody_decides_while_a_post_is_under_way(core: CoreHarness, verdict: str) -> None:
    campaign = core.load(3)
    claim = core.claim()
    assert operator_actions.restored(core.engine)["in_flight"] == 1
    with core.engine.connect() as connection:
        (doubt,) = operator_actions.doubts(connection, campaign)
    assert doubt.outcome == "in_flight"
    with pytest.raises(UsageError, match="still under way"):
        operator_actions.resolve(core.engine, campaign, 1, verdict)  # type: ignore[arg-type]
    assert core.states(campaign) == ["held"]
    claims.finish_in_doubt(core.engine, claim, InDoubt())
    assert operator_actions.resolve(core.engine, campaign, 1, verdict)["messages"] == 3  # type: ignore[arg-type]


def test_the_end_of_the_lease_ends_the_flight(core: CoreHarness) -> None:
    campaign = core.load(3)
    claim = core.claim()
    end_lease(core, claim)
    assert operator_actions.restored(core.engine)["in_flight"] == 0
    with core.engine.connect() as connection:
        (doubt,) = operator_actions.doubts(connection, campaign)
    assert doubt.outcome == "open"
    assert operator_actions.resolve(core.engine, campaign, 1, "unsent")["state"] == "split"


def test_what_the_provider_took_is_not_sent_again_by_a_word(core: CoreHarness) -> None:
    """As a chunk that an earlier version left held after its OK."""
    campaign = core.load(3)
    claim = core.claim()
    restore(core)
    core.do("UPDATE attempt SET outcome = 'accepted', finished_at = clock_timestamp()")
    with pytest.raises(UsageError, match="answered OK"):
        operator_actions.resolve(core.engine, campaign, 1, "unsent")
    assert core.chunk(claim).state == "held"
    assert operator_actions.resolve(core.engine, campaign, 1, "sent")["state"] == "accepted"


@pytest.mark.parametrize("hold", [restore, stop_stale])
def test_a_hold_settles_what_has_every_result(core: CoreHarness, hold: Callable[[CoreHarness], None]) -> None:
    campaign = core.load(3)
    claim = core.claim()
    core.settle(*((core.reference(campaign, seq), "OK") for seq in (1, 2, 3)))
    assert core.chunk(claim).state == "sending"
    hold(core)
    assert core.states(campaign) == ["settled"]
    assert claims.finish_accepted(core.engine, claim) is None
    with core.engine.begin() as connection:
        completion.complete(connection, core.account.id)
    assert core.state(campaign) == "completed"
    core.check_sums(campaign)


def test_a_held_chunk_with_every_result_has_nothing_to_send_again(core: CoreHarness) -> None:
    """As a chunk that an earlier version left held with its results in."""
    campaign = core.load(3)
    claim = core.claim()
    end_lease(core, claim)
    restore(core)
    core.do("UPDATE message SET result_code = 0, processed_at = clock_timestamp()")
    core.do("UPDATE chunk SET resulted = 3")
    answer = operator_actions.resolve(core.engine, campaign, 1, "unsent")
    assert (answer["state"], answer["child"], answer["messages"]) == ("settled", None, 0)


def test_a_late_ok_takes_back_a_resend_that_has_not_begun(core: CoreHarness) -> None:
    """A worker that stalls for so long that its doubt was decided meanwhile."""
    campaign = core.load(3)
    claim = core.claim()
    core.expire_lease(claim)
    end_lease(core, claim)
    assert operator_actions.resolve(core.engine, campaign, 1, "unsent")["state"] == "split"
    assert core.statuses(campaign) == {"pending": 3}
    assert claims.finish_accepted(core.engine, claim) == "accepted"
    assert core.statuses(campaign) == {"submitted": 3}
    core.settle(*((core.reference(campaign, seq), "OK") for seq in (1, 2, 3)))
    assert core.statuses(campaign) == {"ok": 3}
    core.check_sums(campaign)


def test_the_audit_names_lines_that_the_provider_took_twice(core: CoreHarness) -> None:
    campaign = core.load(5)
    claim = core.claim()
    core.expire_lease(claim)
    core.settle((core.reference(campaign, 1), "OK"))
    operator_actions.resolve(core.engine, campaign, 1, "unsent")
    again = core.send()
    assert again.lines == 4
    assert audited(core, campaign).balanced
    claims.finish_accepted(core.engine, claim)  # too late: the others are sent again already
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(2, 6)))
    found = audited(core, campaign)
    assert not found.balanced
    assert any("4 lines" in words and "chunk 2" in words for words in found.complaints), found.complaints
    assert (found.sent_min, found.sent_max) == (5, 9)


def test_refusals_are_no_second_sending(core: CoreHarness) -> None:
    campaign = core.load(4)
    core.send()
    core.settle((core.reference(campaign, 1), "OK"), (core.reference(campaign, 2), "El número es inválido."))
    refused = [(core.reference(campaign, seq), "se han agotado los 100 SMS contratados") for seq in (3, 4)]
    core.settle(*refused)
    core.do("UPDATE account SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL, retry_at = NULL")
    core.send()
    core.settle(*((core.reference(campaign, seq, 1), "OK") for seq in (3, 4)))
    found = audited(core, campaign)
    assert found.balanced, found.complaints
    assert found.attempts == {"accepted": 2}
    assert (found.sent_min, found.sent_max) == (3, 3)
