"""The do-not-send list: numbers that the provider cannot reach get nothing for a while."""

from collections.abc import Callable

import pytest

from dispatcher.runtime import Runtime
from dispatcher.suppression import do_not_send
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=2))


def test_fixed_and_failing_numbers_are_not_sent_to_until_that_expires(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(mix={"-1": 0.5, "-2": 0.5})
    stepper.finish(stepper.load(4))
    simulator.set_option(mix={})
    listed = stepper.sql("SELECT code, expires_at - since AS left FROM undeliverable")
    assert {row.code for row in listed} <= {-1, -2}
    assert [row.left.days for row in listed] == [90] * 4
    assert stepper.sql("SELECT * FROM optout") == []
    waiting = stepper.load(4, template="Otra {nombre}")
    assert stepper.finish(waiting).left_out == {"undeliverable_at_load": 4}
    stepper.sql(
        "UPDATE undeliverable SET since = since - interval '91 days', expires_at = expires_at - interval '91 days'"
    )
    assert stepper.finish(stepper.load(4, template="Tercera {nombre}")).counts == {"ok": 4}


def test_a_number_taken_off_the_do_not_send_list_stays_off_it(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(mix={"-1": 1.0})
    stepper.finish(stepper.load(2))
    with stepper.runtime.engine.begin() as connection:
        assert do_not_send.remove(connection, "1120000000")
        assert not do_not_send.remove(connection, "1120000009")
    stepper.sql("UPDATE account SET poll_at = now(), cursors = '{}'")
    stepper.poll()
    with stepper.runtime.engine.connect() as connection:
        assert [u.number for u in do_not_send.listing(connection, 10)] == ["1120000001"]
