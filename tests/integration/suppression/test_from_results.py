"""Results put numbers on the lists, and old results do not outweigh what came after them."""

from collections.abc import Callable
from datetime import UTC

import pytest
from sqlalchemy import text

from dispatcher.runtime import Runtime
from dispatcher.suppression import from_results
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=2))


def test_results_put_people_on_the_lists(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(baja=["1120000000"], no_call=["1120000001"])
    campaign = stepper.load(4)
    stepper.finish(campaign)
    listed = stepper.sql("SELECT destino, source FROM optout ORDER BY destino")
    assert [tuple(row) for row in listed] == [("1120000000", "result"), ("1120000001", "result")]
    events = stepper.sql("SELECT destino, action, source, reason FROM optout_event ORDER BY destino")
    assert [(e.action, e.source, e.reason[:2]) for e in events] == [("add", "result", "-3"), ("add", "result", "-1")]
    shown = stepper.finish(stepper.load(4, template="Otra {nombre}"))
    assert shown.left_out == {"optout_at_load": 2}
    assert shown.counts == {"ok": 2, "suppressed": 2}


def staged(stepper: Stepper, *lines: tuple[int, int, str]) -> None:
    """Apply the result lines (campaign, code, fecha) of message 1, in one batch."""
    with stepper.runtime.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TEMP TABLE settle_line (campaign_id bigint, seq int, code smallint, fecha timestamptz, text text) "
            "ON COMMIT DROP"
        )
        for campaign, code, fecha in lines:
            line = {"campaign": campaign, "code": code, "fecha": fecha}
            connection.execute(text("INSERT INTO settle_line VALUES (:campaign, 1, :code, :fecha, 'palabras')"), line)
        from_results.apply_suppressions(connection, {code for _, code, _ in lines})


def test_a_refusal_after_an_opt_in_counts_though_the_batch_has_an_earlier_one(stepper: Stepper) -> None:
    first, second = stepper.load(1), stepper.load(1, template="Otra {nombre}")
    stepper.sql(
        "INSERT INTO optout_event (at, destino, action, source) "
        "SELECT '2026-03-10 12:00:00-03', destino, 'remove', 'operator' FROM message WHERE campaign_id = :id",
        id=first,
    )
    staged(stepper, (first, -3, "2026-03-10 11:00:00-03"))
    assert stepper.sql("SELECT * FROM optout") == []
    staged(stepper, (first, -3, "2026-03-10 11:00:00-03"), (second, -14, "2026-03-10 13:00:00-03"))
    (out,) = stepper.sql("SELECT since, reason FROM optout")
    assert (out.since.astimezone(UTC).hour, out.reason) == (16, "-14 palabras")


def test_of_several_results_the_latest_says_how_long_a_number_is_not_sent_to(stepper: Stepper) -> None:
    first, second = stepper.load(1), stepper.load(1, template="Otra {nombre}")
    staged(stepper, (first, -1, "2026-03-10 11:00:00-03"), (second, -2, "2026-03-10 13:00:00-03"))
    staged(stepper, (first, -1, "2026-03-10 12:00:00-03"))
    (listed,) = stepper.sql("SELECT code, since FROM undeliverable")
    assert (listed.code, listed.since.astimezone(UTC).hour) == (-2, 16)
