"""With DISPATCHER_APPROVAL=two nothing goes out that a second person has not released."""

from collections.abc import Callable

import pytest

from dispatcher import audit_trail
from dispatcher.audit_trail import Actor
from dispatcher.campaigns import changing, lifecycle, request_intake
from dispatcher.campaigns.approval import OwnWork
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper
from tests.integration.web.serving import serving_api
from tests.integration.web.test_problems import check_problem

ANA, BEA, CARO = (Actor("user", name) for name in ("Ana", "Bea", "Caro"))


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(approval="two"))


def draft(stepper: Stepper, **spec: object) -> int:
    with audit_trail.acting_as(ANA):
        return stepper.load(3, draft=True, **spec)


def release(stepper: Stepper, campaign: int, actor: Actor) -> str:
    with audit_trail.acting_as(actor):
        return lifecycle.send(stepper.runtime.engine, stepper.runtime.settings, campaign).state


def test_who_prepared_a_campaign_does_not_release_it_and_another_one_does(stepper: Stepper) -> None:
    campaign = draft(stepper)
    with pytest.raises(OwnWork, match="somebody else"):
        release(stepper, campaign, ANA)
    assert stepper.show(campaign).state == "draft"
    assert not stepper.sql("SELECT FROM audit_entry WHERE action = 'campaign.send'")
    assert release(stepper, campaign, BEA) == "scheduled"


def test_who_changed_its_text_had_a_part_in_it_too(stepper: Stepper) -> None:
    campaign = draft(stepper)
    engine, settings = stepper.runtime.engine, stepper.runtime.settings
    with audit_trail.acting_as(BEA):
        changing.change(engine, settings, campaign, {"template": "Chau {nombre}"})
    with audit_trail.acting_as(CARO):
        changing.change(engine, settings, campaign, {"rate": 100})
    for actor in (ANA, BEA):
        with pytest.raises(OwnWork):
            release(stepper, campaign, actor)
    assert release(stepper, campaign, CARO) == "scheduled"


def test_nothing_is_taken_that_would_go_by_itself(stepper: Stepper) -> None:
    with pytest.raises(UsageError, match="only taken as a draft"):
        stepper.load(3)
    released = draft(stepper)
    release(stepper, released, BEA)
    payload = {"template": "Hola", "recipients": [{"telefono": "1144445555"}], "idempotency_key": "k"}
    engine, settings = stepper.runtime.engine, stepper.runtime.settings
    outcome = request_intake.receive(engine, settings, payload)
    assert (outcome.state, "only taken as a draft" in str(outcome.error)) == ("refused", True)
    more = {**payload, "append_to": released, "idempotency_key": "more"}
    del more["template"]
    outcome = request_intake.receive(engine, settings, more)
    assert (outcome.state, "no list is appended" in str(outcome.error)) == ("refused", True)
    assert stepper.show(released).messages == 3
    assert request_intake.receive(engine, settings, {**payload, "draft": True}).state == "created"


def test_a_key_does_not_release_what_it_made(stepper: Stepper) -> None:
    body = {"template": "Hola", "recipients": [{"telefono": "1144445555"}]}
    with serving_api(stepper.runtime) as api:
        check_problem(api.post("/campaigns", body, once="k"), "refused")
        campaign = api.post("/campaigns", {**body, "draft": True}, once="k").json()["campaign_id"]
        answer = api.post(f"/campaigns/{campaign}/send", once="s")
        check_problem(answer, "refused")
        assert "somebody else" in answer.json()["detail"]


def test_one_is_enough_by_default(make_runtime: Callable[..., Runtime]) -> None:
    stepper = Stepper(make_runtime())
    assert release(stepper, draft(stepper), ANA) == "scheduled"
