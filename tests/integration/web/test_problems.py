"""Every refusal has one shape, whatever refused it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from sqlalchemy import make_url

from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from dispatcher.web.api.problem_table import KINDS
from tests.integration.web.serving import Api, make_key, serving, serving_api
from tests.integration.web.test_push_app import GOOD


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as api:
        yield api


def check_problem(answer: requests.Response, code: str) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    assert problem["status"] == answer.status_code == KINDS[code].status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == f"urn:request:{answer.headers['X-Request-Id']}"
    return problem


def test_what_is_not_there_or_cannot_be_done_there(api: Api) -> None:
    check_problem(api.get("/nothing"), "not_found")
    check_problem(requests.get(f"{api.base}/nothing", timeout=10), "not_found")
    answer = api.call("DELETE", "/me")
    check_problem(answer, "method_not_allowed")
    assert answer.headers["Allow"] == "GET"
    assert api.call("DELETE", "/campaigns").headers["Allow"] == "GET, POST"
    assert api.call("OPTIONS", "/campaigns/7").headers["Allow"] == "GET, PATCH"


def test_the_methods_of_an_address_are_those_of_the_route_without_parameters(api: Api) -> None:
    assert api.call("OPTIONS", "/optouts/imports").headers["Allow"] == "POST"
    assert api.call("OPTIONS", "/optouts/1144445555").headers["Allow"] == "PUT, DELETE"
    assert requests.post(f"{api.base}/healthz", timeout=10).headers["Allow"] == "GET"


def test_a_file_of_a_kind_that_is_not_taken_is_refused_by_name(api: Api) -> None:
    for path in ("/uploads", "/optouts/imports"):
        answer = api.call("POST", path, data=b"x", headers={"Content-Type": "multipart/form-data"})
        check_problem(answer, "unsupported_media_type")
        assert "text/csv" in answer.headers["Accept"]


def test_a_moment_is_no_number(api: Api) -> None:
    check_problem(api.get("/replies", params={"since": "0.5"}), "invalid_fields")
    check_problem(api.get("/campaigns", params={"created_after": "0.5"}), "invalid_fields")


def test_both_spellings_of_an_address_answer(api: Api) -> None:
    for path in ("/me", "/me/"):
        answer = api.get(path, allow_redirects=False)
        assert answer.status_code == 200


def test_an_answer_carries_the_callers_request_id_or_one_of_ours(api: Api) -> None:
    assert api.get("/me", headers={"X-Request-Id": "order-17"}).headers["X-Request-Id"] == "order-17"
    drawn = {api.get("/me", headers={"X-Request-Id": bad}).headers["X-Request-Id"] for bad in ("", "a b", "x" * 129)}
    assert {len(each) for each in drawn} == {32}
    assert len(drawn) == 3


def test_a_database_that_is_away_is_503_with_a_time_to_wait(
    make_runtime: Callable[..., Runtime], runtime: Runtime
) -> None:
    key = make_key(runtime)
    gone = make_runtime(database_url="postgresql://nobody@127.0.0.1:1/none")
    with serving(gone, web_app.create_app) as url:
        answer = Api(url, key).get("/me", headers={"Accept-Language": "es"})
        check_problem(answer, "database_unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert "base de datos" in answer.json()["title"]
        assert requests.get(f"{url}/healthz", timeout=10).status_code == 503
        assert requests.get(f"{url}/readyz", timeout=10).status_code == 503


def test_a_database_that_refuses_us_is_for_whoever_runs_it_to_mend(
    make_runtime: Callable[..., Runtime], runtime: Runtime, database_url: str
) -> None:
    key = make_key(runtime)
    refused = make_runtime(database_url=make_url(database_url).set(database="gone").render_as_string(False))
    with serving(refused, web_app.create_app) as url:
        answer = Api(url, key).get("/me")
        check_problem(answer, "database_refused")
        assert answer.headers["Retry-After"] == "60"
    with serving(refused) as url:
        answer = requests.post(f"{url}/push/smsmasivos", data=GOOD, timeout=10)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "whoever runs it" in answer.text


def test_the_push_listener_serves_nothing_else(runtime: Runtime) -> None:
    with serving(runtime) as url:
        for path in ("/api/v1/me", "/api/v1/openapi.json", "/api/v1/docs", "/readyz", "/", "/campaigns/1"):
            assert requests.get(url + path, timeout=10).status_code == 404, path
        assert requests.get(url + "/healthz", timeout=10).status_code == 200


def test_the_documentation_needs_no_other_host(api: Api) -> None:
    page = requests.get(f"{api.base}/api/v1/docs", timeout=10)
    assert page.status_code == 200
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f'"/api/v1/docs/{asset}"' in page.text
        assert requests.get(f"{api.base}/api/v1/docs/{asset}", timeout=10).status_code == 200
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text
    document = requests.get(f"{api.base}/api/v1/openapi.json", timeout=10).json()
    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/api/v1/me"]["get"]["operationId"] == "get_me"
