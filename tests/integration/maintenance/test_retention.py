"""Retention: rows go when their time is over, sums stay, and nothing that is open goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dispatcher.campaigns import audit, export, kept_rows, list_results, loading, usage
from dispatcher.db import ranges
from dispatcher.db.statements import query
from dispatcher.domain.window import provider_local
from dispatcher.ingest import from_recipients
from dispatcher.maintenance import retention
from dispatcher.people import erasing
from dispatcher.provider.replies import Reply
from dispatcher.replies.store import ReplyStore
from dispatcher.runtime import Runtime
from schemas.payload import CampaignSpec
from tests.integration.db.test_ranges import age, fill_range
from tests.integration.stepper import Stepper

ROWS = ("message", "chunk", "chunk_result", "attempt", "result_line", "absence", "invalid_row", "campaign_list")


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=5, retention="90 days"))


def load(stepper: Stepper, n: int = 12, **spec: Any) -> int:
    text = stepper.sql("SELECT count(*) FROM campaign")[0][0]  # not the same twice to a number
    rows: list[dict[str, object]] = [{"telefono": f"11444400{i:02}"} for i in range(n)]
    with stepper.runtime.engine.begin() as connection:
        made = CampaignSpec(template=f"Hola {text}", again=True, **spec)
        rows.append({"telefono": "no es"})
        return loading.load(connection, stepper.runtime.settings, made, from_recipients(rows)).campaign_id


def run(stepper: Stepper) -> retention.Gone:
    return retention.run(stepper.runtime.engine, stepper.runtime.settings)


def left(stepper: Stepper, campaign: int) -> dict[str, int]:
    """How many rows of a campaign each table has."""
    key = {"attempt": "chunk_id IN (SELECT id FROM chunk WHERE campaign_id = :c)"}
    counts = {
        t: stepper.sql(f"SELECT count(*) FROM {t} WHERE {key.get(t, 'campaign_id = :c')}", c=campaign) for t in ROWS
    }
    return {table: rows[0][0] for table, rows in counts.items() if rows[0][0]}


def test_an_old_campaign_goes_and_its_sums_stay(stepper: Stepper) -> None:
    campaign = load(stepper)
    before = stepper.finish(campaign)
    assert left(stepper, campaign)["message"] == 12
    age(stepper, 91)
    aged = stepper.show(campaign)
    with stepper.runtime.engine.connect() as connection:
        foretold = retention.would_go(connection, stepper.runtime.settings)
    gone = run(stepper)
    assert (gone.campaigns, gone.messages) == (1, 12) == (foretold.campaigns, foretold.messages)
    assert left(stepper, campaign) == {}
    after = stepper.show(campaign)
    assert after.dropped_at is not None
    assert replace(after, dropped_at=None) == aged
    assert (after.counts, after.result_codes, after.invalid) == (before.counts, {0: 12}, 1)
    assert run(stepper).campaigns == 0


def test_what_is_asked_of_a_dropped_campaign_says_so_and_the_month_still_adds_up(
    stepper: Stepper, tmp_path: Path
) -> None:
    campaign = load(stepper, keep_days=7)
    stepper.finish(campaign)
    age(stepper, 8)
    engine, first = stepper.runtime.engine, provider_local(datetime.now(UTC) - timedelta(days=8)).date()
    with engine.connect() as connection:
        month = usage.by_campaign(connection, stepper.account.id, first.replace(day=1))
        days = {"account_id": stepper.account.id, "first_day": first}
        before = connection.execute(query("results_by_day"), days).all()
    assert month[0].handed_in == 12
    assert [tuple(row)[1:] for row in before] == [(0, 12)]
    assert run(stepper).campaigns == 1
    with engine.connect() as connection:
        assert usage.by_campaign(connection, stepper.account.id, first.replace(day=1)) == month
        assert connection.execute(query("results_by_day"), days).all() == before
    with (
        engine.connect() as connection,
        pytest.raises(kept_rows.RowsDropped, match=f"campaign {campaign} were dropped"),
    ):
        audit.audit(connection, campaign)
    with pytest.raises(kept_rows.RowsDropped):
        export.write_results(engine, campaign, "csv", tmp_path / "r.csv")
    with pytest.raises(kept_rows.RowsDropped):
        list_results.write(engine, stepper.runtime.settings, campaign, "csv", tmp_path / "l.csv")
    assert not (tmp_path / "r.csv").exists()


def test_what_is_younger_or_open_or_held_stays(stepper: Stepper) -> None:
    young, unsent, held = load(stepper), load(stepper), load(stepper)
    stepper.finish(young)
    stepper.finish(held)
    stepper.sql("UPDATE chunk SET state = 'held', doubt_since = now() WHERE campaign_id = :c AND chunk_no = 1", c=held)
    stepper.sql("UPDATE campaign SET state = 'cancelled', completed_at = NULL WHERE id = :c", c=held)
    stepper.sql("UPDATE campaign SET state = 'paused', completed_at = NULL WHERE id = :c", c=unsent)
    age(stepper, 89, young)
    age(stepper, 200, unsent)
    age(stepper, 200, held)
    assert run(stepper).campaigns == 0
    for campaign in (young, unsent, held):
        assert left(stepper, campaign)["message"] == 12


def test_a_campaign_may_have_a_shorter_time(stepper: Stepper) -> None:
    short, other = load(stepper, keep_days=10), load(stepper)
    stepper.finish(short)
    stepper.finish(other)
    age(stepper, 11)
    assert run(stepper).campaigns == 1
    assert left(stepper, short) == {}
    assert left(stepper, other)["message"] == 12


def one_due_and_one_soon(stepper: Stepper) -> tuple[int, int]:
    """Two campaigns of a full range, which are over since 95 and 85 of 90 days."""
    first, second = load(stepper), load(stepper)
    stepper.finish(first)
    stepper.finish(second)
    fill_range(stepper)
    age(stepper, 95, first)
    age(stepper, 85, second)
    return first, second


def test_a_range_goes_as_a_whole_once_all_of_it_is_old(stepper: Stepper) -> None:
    first, second = one_due_and_one_soon(stepper)
    gone = run(stepper)
    assert (gone.campaigns, gone.ranges) == (1, [])
    assert left(stepper, first) == {"message": 12}, "they wait for their range, which is due within the week"
    age(stepper, 6, second)
    assert run(stepper).ranges == ["message_1"]
    assert stepper.sql("SELECT name FROM message_range WHERE name = 'message_1'") == []
    third = load(stepper)
    assert stepper.finish(third).counts == {"ok": 12}


def test_rows_that_waited_in_vain_for_their_range_go_alone(stepper: Stepper) -> None:
    first, second = one_due_and_one_soon(stepper)
    run(stepper)
    stepper.sql("UPDATE campaign SET dropped_at = now() - interval '15 days' WHERE id = :c", c=first)
    run(stepper)
    assert left(stepper, first) == {}
    assert left(stepper, second)["message"] == 12


def test_rows_that_wait_for_their_range_are_erased_with_their_person(stepper: Stepper) -> None:
    first, _ = one_due_and_one_soon(stepper)
    run(stepper)
    found = erasing.erase(stepper.runtime.engine, stepper.runtime.settings, "1144440003", "asked")
    assert found.messages == 2
    assert stepper.sql("SELECT count(*) FROM message WHERE destino = '1144440003'") == [(0,)]
    assert left(stepper, first) == {"message": 12}


def test_never_keeps_all(make_runtime: Callable[..., Runtime]) -> None:
    stepper = Stepper(make_runtime(chunk_size=5, retention="never"))
    campaign = load(stepper)
    stepper.finish(campaign)
    age(stepper, 20_000)
    assert run(stepper).campaigns == 0
    assert left(stepper, campaign)["message"] == 12


STEPS = ["sum_up_campaign", "drop_messages", "ranges_to_drop", "drop_replies"]


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_dies_at_any_step_is_finished_by_the_next(
    stepper: Stepper, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    campaigns = [load(stepper), load(stepper, keep_days=60)]
    shown = [stepper.finish(campaign) for campaign in campaigns]
    age(stepper, 91)
    real = retention.query

    def dying(name: str) -> Any:
        if name == step:
            raise KeyboardInterrupt
        return real(name)

    monkeypatch.setattr(retention, "query", dying)
    with pytest.raises(KeyboardInterrupt):
        run(stepper)
    monkeypatch.undo()
    run(stepper)
    assert [left(stepper, campaign) for campaign in campaigns] == [{}, {}]
    assert [stepper.show(campaign).counts for campaign in campaigns] == [each.counts for each in shown]


def test_a_late_result_of_a_dropped_campaign_stops_nothing(stepper: Stepper) -> None:
    campaign = load(stepper)
    stepper.finish(campaign)
    age(stepper, 91)
    run(stepper)
    stepper.sql("UPDATE account SET cursors = '{}', poll_at = now()")
    other = load(stepper)
    assert stepper.finish(other).counts == {"ok": 12}  # a fresh poller reads the old lines again
    assert stepper.sql("SELECT stale_at FROM account") == [(None,)]
    assert stepper.show(campaign).counts == {"ok": 12}


def test_replies_go_and_a_pull_does_not_bring_them_back(stepper: Stepper) -> None:
    stepper.finish(load(stepper))
    store = ReplyStore(stepper.runtime, stepper.account.id)
    reply = Reply(
        id=7,
        origen="1144440001",
        texto="BAJA",
        fecha=datetime(2020, 1, 2, 10),
        idinterno=None,
    )
    review = replace(reply, id=8, texto="no quiero recibir mas")
    assert len(store.pulled([reply, review], "pull")) == 2
    stepper.sql("DELETE FROM optout")  # opted in again
    gone = run(stepper)
    assert gone.replies == 1
    assert stepper.sql("SELECT provider_id FROM reply") == [(8,)], "what nobody has reviewed stays"
    assert store.pulled([reply, review], "pull") == []
    assert stepper.sql("SELECT count(*) FROM optout") == [(0,)]


def test_a_range_that_somebody_reads_goes_another_time(stepper: Stepper) -> None:
    stepper.finish(load(stepper))
    fill_range(stepper)
    age(stepper, 91)
    with stepper.runtime.engine.begin() as reader:
        reader.execute(text("SELECT count(*) FROM message"))
        assert run(stepper).complete is False
    assert run(stepper).ranges == ["message_1"]


def test_a_round_that_left_nothing_over_is_told(stepper: Stepper) -> None:
    run(stepper)
    assert stepper.sql("SELECT name FROM heartbeat WHERE name = :n", n=retention.BEAT)
    assert stepper.sql("SELECT count(*) FROM message_range WHERE first_campaign > 1")[0][0] == ranges.AHEAD
