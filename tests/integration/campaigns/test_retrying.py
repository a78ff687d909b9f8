"""A retry is a new draft of what was rejected: texts as they were, nobody twice, nothing without a release."""

from collections.abc import Callable

import pytest

from dispatcher.campaigns import lifecycle, retrying
from dispatcher.errors import UsageError
from dispatcher.provider.message import LINK_MARK
from dispatcher.runtime import Runtime
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper
from tests.integration.web.serving import serving_api
from tests.integration.web.test_problems import check_problem


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=10, provider_timeout=1, in_doubt_horizon=0))


def rejected(stepper: Stepper, simulator: SimulatorProcess) -> tuple[int, int]:
    """A campaign with rejected messages, and how many they are."""
    simulator.set_option(mix={"-10": 0.5}, seed=3)
    campaign = stepper.load(20, template="Hola {nombre}, 10 % menos: %hoy%", literal=True)
    count = stepper.finish(campaign).result_codes[-10]
    simulator.set_option(mix={})
    stepper.sql("UPDATE account SET retry_at = NULL, blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL")
    return campaign, count


def test_the_rejected_messages_are_a_draft_that_is_sent_when_it_is_released(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    campaign, count = rejected(stepper, simulator)
    engine, settings = stepper.runtime.engine, stepper.runtime.settings
    posts = simulator.stats()["posts"]
    made = retrying.draft(engine, settings, campaign, codes=[-10])
    assert (made.messages, made.invalid) == (count, 0)
    stepper.submit()
    assert simulator.stats()["posts"] == posts
    before, after = (
        {
            (row.destino, row.texto)
            for row in stepper.sql(f"SELECT * FROM message WHERE campaign_id = {number} AND {which}")
        }
        for number, which in ((campaign, "result_code = -10"), (made.campaign_id, "true"))
    )
    assert before == after
    shown = stepper.show(made.campaign_id)
    assert (shown.state, shown.retry_of) == ("draft", campaign)
    lifecycle.send(engine, stepper.runtime.settings, made.campaign_id)
    assert stepper.finish(made.campaign_id).counts == {"ok": count}


def test_a_campaign_with_html_content_is_retried_with_it(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(mix={"-10": 0.5}, seed=3)
    html = "<p>Oferta</p>"
    campaign = stepper.load(8, template=f"Hola {{nombre}} {LINK_MARK}", html=html)
    count = stepper.finish(campaign).result_codes[-10]
    simulator.set_option(mix={})
    stepper.sql("UPDATE account SET retry_at = NULL, blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL")
    made = retrying.draft(stepper.runtime.engine, stepper.runtime.settings, campaign, codes=[-10])
    assert (made.messages, made.invalid) == (count, 0)
    (kept,) = stepper.sql("SELECT html FROM campaign WHERE id = :id", id=made.campaign_id)
    assert kept.html == html
    lifecycle.send(stepper.runtime.engine, stepper.runtime.settings, made.campaign_id)
    assert stepper.finish(made.campaign_id).counts == {"ok": count}
    sent = [line for line in simulator.ledger() if line["idinterno"].startswith("M")]
    assert all(LINK_MARK in line["texto"] for line in sent)


def test_a_second_retry_takes_nobody_that_is_in_the_first_unless_that_was_cancelled(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    campaign, count = rejected(stepper, simulator)
    engine, settings = stepper.runtime.engine, stepper.runtime.settings
    first = retrying.draft(engine, settings, campaign, codes=[-10])
    with pytest.raises(UsageError, match="in a retry already"):
        retrying.draft(engine, settings, campaign, codes=[-10])
    lifecycle.cancel(engine, first.campaign_id, wait=0)
    assert retrying.draft(engine, settings, campaign, codes=[-10]).messages == count


def test_people_who_opted_out_since_are_left_out(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign, count = rejected(stepper, simulator)
    stepper.sql(
        "INSERT INTO optout (destino, source) SELECT destino, 'operator' FROM message WHERE result_code = -10 LIMIT 1 RETURNING destino"
    )
    made = retrying.draft(stepper.runtime.engine, stepper.runtime.settings, campaign, codes=[-10])
    assert (made.sending, made.suppressed) == (count - 1, 1)
    with pytest.raises(UsageError, match="does not want"):
        retrying.draft(stepper.runtime.engine, stepper.runtime.settings, campaign, codes=[-3])


def test_a_retry_over_the_api_answers_with_the_draft(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign, count = rejected(stepper, simulator)
    with serving_api(stepper.runtime) as api:
        answer = api.post(f"/campaigns/{campaign}/retry", {"codes": [-10]}, once="r1")
        assert (answer.status_code, answer.json()["state"], answer.json()["messages"]) == (201, "draft", count)
        again = api.post(f"/campaigns/{campaign}/retry", {"codes": [-10]}, once="r1")
        assert again.json() == answer.json()
        check_problem(api.post(f"/campaigns/{campaign}/retry", {"codes": [-10]}), "conflict")
        check_problem(api.post(f"/campaigns/{campaign}/retry", {"codes": [0]}), "invalid_fields")
        assert api.get(f"/campaigns/{answer.json()['campaign_id']}").json()["retry_of"] == campaign
