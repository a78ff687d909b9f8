"""Keys over real HTTP: what each opens, and what its holder is told when it does not."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.access import keys
from dispatcher.access.scopes import Scope
from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, make_key, serving


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def url(runtime: Runtime) -> Iterator[str]:
    with serving(runtime, web_app.create_app) as url:
        yield url


def refusal(url: str, key: str | None, **headers: str) -> tuple[int, str]:
    answer = Api(url, key).get("/me", headers=headers)
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_key_says_whose_it_is(url: str, runtime: Runtime) -> None:
    answer = Api(url, make_key(runtime, [Scope.CAMPAIGNS_READ, Scope.ACCOUNT_READ])).get("/me")
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["scopes"]) == ("test", ["account:read", "campaigns:read"])


def test_each_way_in_which_a_key_opens_nothing_has_its_own_code(
    url: str, runtime: Runtime, make_runtime: Callable[..., Runtime]
) -> None:
    good = make_key(runtime)
    assert refusal(url, None) == (401, "key_missing")
    assert refusal(url, "hunter2") == (401, "key_malformed")
    assert refusal(url, good[:-1] + ("A" if good[-1] != "A" else "B")) == (401, "key_unknown")
    assert refusal(url, "smsd_abcdefgh_" + "x" * 43) == (401, "key_unknown")
    soon = make_key(runtime, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert Api(url, soon).get("/me").status_code == 200
    Stepper(runtime).sql(
        "UPDATE api_key SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL RETURNING id"
    )
    assert refusal(url, soon) == (401, "key_expired")
    assert Api(url, good).get("/me").status_code == 200
    keys.revoke(runtime.engine, good)
    assert refusal(url, good) == (401, "key_revoked")


def test_a_key_may_be_bound_to_networks(url: str, runtime: Runtime) -> None:
    assert refusal(url, make_key(runtime, networks=["10.0.0.0/8"])) == (403, "key_network")
    assert Api(url, make_key(runtime, networks=["10.0.0.0/8", "127.0.0.1"])).get("/me").status_code == 200


def test_a_key_may_not_be_used_from_where_a_header_claims(url: str, runtime: Runtime) -> None:
    far = make_key(runtime, networks=["10.0.0.0/8"])
    assert refusal(url, far, **{"X-Forwarded-For": "10.1.1.1"}) == (403, "key_network")


def test_the_database_holds_no_secret_and_notes_the_last_use_to_the_minute(url: str, runtime: Runtime) -> None:
    key = make_key(runtime)
    for _ in range(2):
        Api(url, key).get("/me").raise_for_status()
    (row,) = Stepper(runtime).sql("SELECT *, api_key::text AS whole FROM api_key")
    assert key.rsplit("_", 1)[-1] not in row.whole
    assert row.id == key[5:13]
    assert row.last_used_at.second == 0
    assert timedelta(0) <= datetime.now(UTC) - row.last_used_at < timedelta(minutes=2)


def test_words_are_spanish_for_who_asks_for_it(url: str) -> None:
    said = {
        tongue: Api(url, None).get("/me", headers={"Accept-Language": tongue}).json()["title"]
        for tongue in ("es-AR", "en;q=0.5, es;q=0.4", "fr")
    }
    assert said == {"es-AR": "No se envió una clave", "en;q=0.5, es;q=0.4": "No key was sent", "fr": "No key was sent"}


def test_a_key_that_calls_too_often_waits_as_long_as_it_is_told(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime(api_rate=1)
    with serving(runtime, web_app.create_app) as url:
        key, other = make_key(runtime), make_key(runtime)
        answers = [Api(url, key).get("/me") for _ in range(8)]
        refused = [each for each in answers if each.status_code == 429]
        assert refused, [each.status_code for each in answers]
        assert refused[0].json()["code"] == "rate_limited"
        assert 1 <= int(refused[0].headers["Retry-After"]) <= 2
        assert Api(url, other).get("/me").status_code == 200


def test_a_broker_that_is_away_limits_nobody(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime(api_rate=1, broker_url="redis://127.0.0.1:1/0")
    with serving(runtime, web_app.create_app) as url:
        key = make_key(runtime)
        assert {Api(url, key).get("/me").status_code for _ in range(8)} == {200}
