"""`/people/{number}`: erasure over the API."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.access.scopes import Scope
from dispatcher.runtime import Runtime
from dispatcher.suppression import optouts
from tests.integration.web.serving import serving_api


def test_a_person_is_erased_by_who_may(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime()
    with runtime.engine.begin() as connection:
        optouts.add(connection, "1144445555", source="reply", reason="BAJA")
    with serving_api(runtime, [Scope.RESULTS_READ]) as reader:
        assert reader.call("DELETE", "/people/1144445555", params={"reason": "x"}).status_code == 403
    with serving_api(runtime, [Scope.PEOPLE_ERASE]) as api:
        assert api.call("DELETE", "/people/1144445555").status_code == 422  # no reason
        assert api.call("DELETE", "/people/abc", params={"reason": "x"}).status_code == 422
        done = api.call("DELETE", "/people/+54 9 11 4444-5555", params={"reason": "asked by letter"})
        assert done.status_code == 200
        assert done.json()["optouts"] == 1
        assert done.json()["open"] is False
    with runtime.engine.connect() as connection:
        assert optouts.find(connection, "1144445555") is None
