"""Replies by what was done about them: the new ones are found among many that are done."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text

from dispatcher.replies import handling
from dispatcher.replies.handling import Wanted
from dispatcher.runtime import Runtime
from tests.integration.people.test_history import steps
from tests.integration.stepper import Stepper


def test_a_new_reply_among_thousands_that_are_done_is_found_by_its_index(make_runtime: Callable[..., Runtime]) -> None:
    stepper = Stepper(make_runtime())
    stepper.load(1)
    stepper.sql(
        "INSERT INTO reply (account_id, provider_id, origen, texto, plain, received_at, source, kind, done_at, done_by,"
        " answered_at, answered_by) SELECT a.id, n, '1144445555', 'x', 'x', now() - n * interval '1 minute', 'pull',"
        " 'reply', CASE WHEN n < 19999 THEN now() END, CASE WHEN n < 19999 THEN 'user x' END,"
        " CASE WHEN n = 19999 THEN now() END, CASE WHEN n = 19999 THEN 'user x' END"
        " FROM account a, generate_series(1, 20000) n"
    )
    with stepper.runtime.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE reply")
        found = {
            state: [each.provider_id for each in handling.listing(connection, 3, Wanted(state=state))]  # type: ignore[arg-type]
            for state in ("new", "answered", "done")
        }
        chosen = (
            handling._replies().where(handling.in_state("new")).order_by(handling.reply.c.received_at.desc()).limit(51)
        )
        written = chosen.compile(connection, compile_kwargs={"literal_binds": True})
        plan = connection.execute(text(f"EXPLAIN (FORMAT JSON) {written}")).scalar_one()
    assert found == {"new": [20000], "answered": [19999], "done": [1, 2, 3]}
    assert "reply_new" in {step.get("Index Name") for step in steps(plan[0]["Plan"])}
