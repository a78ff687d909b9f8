"""Hints that come expired: a worker whose own clock is ahead ends, any other one goes on."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from celery.worker import state
from celery.worker.request import Request

from dispatcher.maintenance import host_clock
from workers import hints


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_watch", hints._Watch())
    monkeypatch.setattr(state, "should_stop", None)


def take(*ages: float, monkeypatch: pytest.MonkeyPatch, ahead: timedelta | None) -> None:
    """Take hints that expired so many seconds ago (not yet, if negative), on a machine whose clock is ahead by that."""
    monkeypatch.setattr(host_clock, "compare_now", lambda settings: ahead)
    for age in ages:
        request = hints.HintRequest.__new__(hints.HintRequest)
        Request.expires.fset(request, datetime.now(UTC) - timedelta(seconds=age))  # type: ignore[attr-defined]
        request._request_dict = {"id": "x"}
        request.id = "x"
        assert bool(request.maybe_expire()) is (age > 0)


def test_a_worker_whose_clock_is_ahead_ends_after_a_few_expired_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = timedelta(minutes=6)
    take(60, 60, monkeypatch=monkeypatch, ahead=ahead)
    assert state.should_stop is None
    take(60, monkeypatch=monkeypatch, ahead=ahead)
    assert state.should_stop == 1


def test_one_that_takes_a_good_hint_in_between_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    take(60, 60, -60, 60, 60, monkeypatch=monkeypatch, ahead=timedelta(minutes=6))
    assert state.should_stop is None


def test_hints_that_waited_for_a_worker_end_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    take(*[60] * 300, monkeypatch=monkeypatch, ahead=timedelta(seconds=2))
    assert state.should_stop is None
    assert [record.getMessage().split()[0] for record in caplog.records] == ["hints_expired"]


def test_a_database_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    take(60, 60, 60, monkeypatch=monkeypatch, ahead=None)
    assert state.should_stop is None
    take(60, 60, 60, monkeypatch=monkeypatch, ahead=timedelta(minutes=6))
    assert state.should_stop == 1
