"""Whoever guesses passwords: many at the same moment, from the addresses of one network, with forms made by hand."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from dispatcher.access import attempts, sign_in, users
from dispatcher.access.attempts import TooManyFailures
from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from schemas import tables
from tests.integration.web.page.visiting import Visitor, visiting

PASSWORD = "cuatro palabras sin apuro"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def ana(runtime: Runtime) -> None:
    made = users.create(runtime.engine, "ana", Role.SENDER)
    with runtime.engine.begin() as connection:
        users.set_password(connection, made, PASSWORD)


def test_of_many_guesses_at_the_same_moment_no_more_are_looked_at(runtime: Runtime) -> None:
    ana(runtime)
    with visiting(runtime, None) as visitor:

        def guess(n: int) -> int:
            return Visitor(visitor.base).post("/sign-in", {"name": "ana", "password": f"wrong {n}"}).status

        with ThreadPoolExecutor(16) as pool:
            answers = Counter(pool.map(guess, range(24)))
    assert answers[401] <= 10
    assert answers[429] >= 14


def test_few_passwords_are_looked_at_at_once(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    ana(runtime)
    looking, most, lock = [0], [0], threading.Lock()

    def verify(known: str, password: str) -> bool:
        with lock:
            looking[0] += 1
            most[0] = max(most[0], looking[0])
        time.sleep(0.05)  # the work of argon2
        with lock:
            looking[0] -= 1
        return False

    monkeypatch.setattr(sign_in, "_verify", verify)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: sign_in.by_password(runtime.engine, f"somebody {n}", "x", None), range(8)))
    assert most[0] == 2


def test_a_password_that_waits_for_too_long_is_not_looked_at_and_counts_for_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana(runtime)
    monkeypatch.setattr(attempts, "_PATIENCE", 0.05)
    with attempts.turn(), attempts.turn(), pytest.raises(TooManyFailures):
        sign_in.by_password(runtime.engine, "ana", PASSWORD, None)
    with runtime.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.sign_in_failure)).scalar() == 0
    assert sign_in.by_password(runtime.engine, "ana", PASSWORD, None) is not None


def test_the_right_password_counts_for_nothing(runtime: Runtime) -> None:
    ana(runtime)
    for _ in range(12):
        assert sign_in.by_password(runtime.engine, "ana", PASSWORD, "10.0.0.1") is not None


def test_the_addresses_of_one_network_are_one(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "_verify", lambda known, password: False)
    for n in range(30):
        sign_in.by_password(runtime.engine, f"somebody {n}", "x", f"2001:db8:0:1::{n:x}")
    with pytest.raises(TooManyFailures):
        sign_in.by_password(runtime.engine, "somebody else", "x", "2001:db8:0:1:ffff::1")
    assert sign_in.by_password(runtime.engine, "somebody else", "x", "2001:db8:0:2::1") is None


def test_a_form_with_an_odd_token_is_only_asked_once_more(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        assert visitor.post("/people/out", {"number": "1144445555", "csrf": "ñandú"}).status == 409
