"""The ranges of `message`: made before they are needed, like the table itself, and sealed when nothing changes any more."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import psycopg
import pytest
from sqlalchemy import text

from dispatcher.db import ranges
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper

AGED = (
    ("campaign", ("created_at", "opened_at", "started_at", "completed_at")),
    (
        "chunk",
        ("posted_at", "first_post_at", "accepted_at", "settled_at", "resulted_at"),
    ),
)


def age(stepper: Stepper, days: int, campaign_id: int | None = None) -> None:
    """Make campaigns older."""
    for table, columns in AGED:
        earlier = ", ".join(f"{column} = {column} - make_interval(days => :days)" for column in columns)
        key = "id" if table == "campaign" else "campaign_id"
        stepper.sql(
            f"UPDATE {table} SET {earlier} WHERE CAST(:id AS bigint) IS NULL OR {key} = :id", days=days, id=campaign_id
        )


def fill_range(stepper: Stepper) -> None:
    """Go on with campaign numbers behind the first range."""
    end = stepper.sql("SELECT end_campaign FROM message_range ORDER BY first_campaign LIMIT 1")[0][0]
    stepper.sql("SELECT setval('campaign_id_seq', :end)", end=end)


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=500))


def names(stepper: Stepper) -> list[tuple[int, int]]:
    return [tuple(row) for row in stepper.sql("SELECT first_campaign, end_campaign FROM message_range ORDER BY 1")]


def test_ranges_are_made_ahead_without_gaps_and_as_wide_as_a_week(stepper: Stepper) -> None:
    stepper.sql("SELECT setval('campaign_id_seq', 1000)")
    assert ranges.make_ahead(stepper.runtime.engine) > 0
    found = names(stepper)
    assert all(end == begin for (_, end), (begin, _) in pairwise(found))
    assert [begin for begin, _ in found if begin > 1000][1:], "two ranges behind the newest campaign"
    assert found[-1][1] - found[-1][0] == 1000  # a thousand campaigns in the first week
    assert ranges.make_ahead(stepper.runtime.engine) == 0
    with stepper.runtime.engine.connect() as connection:
        assert ranges.ahead(connection) == ranges.AHEAD


def test_a_campaign_whose_range_nobody_made_makes_it(stepper: Stepper) -> None:
    stepper.sql("SELECT setval('campaign_id_seq', 5000)")
    campaign = stepper.load(3)
    assert campaign > 5000
    assert stepper.finish(campaign).counts == {"ok": 3}


def test_whoever_needs_a_range_does_not_wait_for_a_load_that_made_one(stepper: Stepper) -> None:
    stepper.sql("SELECT setval('campaign_id_seq', 5000)")
    with stepper.runtime.engine.begin() as first:
        ranges.require(first, 5001)
        with stepper.runtime.engine.begin() as second:
            second.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            ranges.require(second, 5_000_000)
        assert first.exec_driver_sql("SELECT count(*) FROM message_range WHERE end_campaign > 5000000").scalar_one()


def test_a_range_is_like_the_table(stepper: Stepper, database_url: str) -> None:
    ranges.make_ahead(stepper.runtime.engine)
    with psycopg.connect(database_url) as connection:
        checks = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c', 'p')"
        wanted = sorted(connection.execute(checks, ["message"]).fetchall())
        for (name,) in connection.execute("SELECT name FROM message_range").fetchall():
            assert sorted(connection.execute(checks, [name]).fetchall()) == wanted
            (options,) = (
                connection.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [name]).fetchone() or ()
            )
            assert "fillfactor=50" in options


def test_ranges_are_made_beside_a_load_that_is_not_committed(stepper: Stepper) -> None:
    with stepper.runtime.engine.begin() as loader:
        loader.execute(
            text("INSERT INTO message (campaign_id, seq, chunk_no, line, destino, texto) VALUES (1, 1, 1, 1, '1', 'x')")
        )
        stepper.sql("SELECT setval('campaign_id_seq', 300)")
        with stepper.runtime.engine.begin() as maker:
            maker.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            assert maker.exec_driver_sql("SELECT make_message_ranges(300, 2)").scalar_one() > 0
        loader.rollback()


class TestSealing:
    def test_gives_the_free_space_back_and_finds_a_number(self, stepper: Stepper) -> None:
        campaign = stepper.load(3_000)
        stepper.finish(campaign)
        (before,) = stepper.sql("SELECT bytes FROM message_range WHERE first_campaign = 1")[0]
        assert ranges.seal_one(stepper.runtime.engine) is None  # not full
        fill_range(stepper)
        assert ranges.seal_one(stepper.runtime.engine) is None  # not quiet
        age(stepper, 4)
        assert ranges.seal_one(stepper.runtime.engine) == "message_1"
        after, sealed = stepper.sql("SELECT bytes, sealed FROM message_range WHERE first_campaign = 1")[0]
        assert sealed
        assert after < 0.6 * before
        assert stepper.show(campaign).counts == {"ok": 3_000}
        plan = stepper.sql("EXPLAIN SELECT * FROM message WHERE destino = '1144440007'")
        assert any("message_1_destino" in line for (line,) in plan)
        assert ranges.seal_one(stepper.runtime.engine) is None  # once

    def test_waits_for_a_campaign_that_is_open(self, stepper: Stepper) -> None:
        campaign = stepper.load(10)
        fill_range(stepper)
        age(stepper, 40)
        assert ranges.seal_one(stepper.runtime.engine) is None
        stepper.sql("UPDATE account SET poll_at = now()")
        assert stepper.show(campaign).state == "scheduled"

    def test_a_late_result_still_settles_its_message(self, stepper: Stepper) -> None:
        campaign = stepper.load(10)
        stepper.finish(campaign)
        fill_range(stepper)
        age(stepper, 4)
        assert ranges.seal_one(stepper.runtime.engine)
        stepper.sql("UPDATE message SET result_code = NULL, processed_at = NULL WHERE seq = 3")
        stepper.sql("UPDATE message SET result_code = 0, processed_at = now() WHERE seq = 3")
        assert stepper.sql("SELECT count(*) FROM message WHERE result_code = 0")[0][0] == 10

    def test_does_not_stand_in_the_way_of_a_reader(self, stepper: Stepper) -> None:
        stepper.finish(stepper.load(10))
        fill_range(stepper)
        age(stepper, 4)
        with stepper.runtime.engine.begin() as reader:
            reader.execute(text("SELECT count(*) FROM message"))
            with pytest.raises(Exception, match="lock timeout"):
                ranges.seal_one(stepper.runtime.engine)
        assert stepper.sql("SELECT sealed FROM message_range WHERE first_campaign = 1")[0][0] is False
