from __future__ import annotations

import pytest

from dispatcher.errors import UsageError
from dispatcher.provider.deadline import Deadline, now
from dispatcher.provider.http import HttpProvider


def test_a_deadline_counts_in_total_and_gives_time_back() -> None:
    clock = [100.0]
    deadline = Deadline(5, lambda: clock[0])
    clock[0] = 104.0
    assert deadline.require() == 1.0
    clock[0] = 106.0
    with pytest.raises(TimeoutError):
        deadline.require()
    deadline.extend(3)
    assert deadline.remaining() == 2.0


def test_the_clock_does_not_go_back() -> None:
    moments = [now() for _ in range(100)]
    assert moments == sorted(moments)


@pytest.mark.parametrize(
    "url",
    ["", "sms.example", "ftp://host", "http://", "http://u:p@host", "http://host?x=1", "http://host#x",
     "http://host:99999", "http://[::1"],
)  # fmt: skip
def test_a_url_that_cannot_work_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        HttpProvider(url, "K")
    assert caught.value.hint


def test_a_key_never_shows_in_a_repr() -> None:
    assert "S3CR3T" not in repr(HttpProvider("http://127.0.0.1/api/", "S3CR3T"))


@pytest.mark.parametrize(("key", "timeout"), [("clave\r\nx", 5.0), ("K", 0.0), ("K", -1.0)])
def test_settings_that_cannot_work_are_refused_at_once(key: str, timeout: float) -> None:
    with pytest.raises(UsageError):
        HttpProvider("http://127.0.0.1", key, timeout=timeout)
