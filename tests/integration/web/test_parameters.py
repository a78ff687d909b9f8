"""Nothing that a caller says is passed over: unknown and repeated parameters, bodies that nobody reads, foreign cursors."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dispatcher.runtime import Runtime
from tests.integration.web.serving import Api, serving_api
from tests.integration.web.test_bad_input import operations
from tests.integration.web.test_problems import check_problem


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as made:
        yield made


def created(api: Api, once: str, people: int = 3) -> int:
    recipients = [{"telefono": f"11444{n:05}", "nombre": "Ana"} for n in range(people)]
    made = api.post("/campaigns", {"template": "Hola {nombre}", "recipients": recipients}, once=once)
    assert made.status_code == 201, made.text
    number: int = made.json()["campaign_id"]
    return number


def test_every_route_names_a_parameter_that_it_does_not_have(api: Api, runtime: Runtime) -> None:
    tried = 0
    for method, path, operation, _ in operations(runtime):
        known = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        answer = api.call(method, path, params={"stauts": "held"}, headers={"Idempotency-Key": "x"})
        (error,) = check_problem(answer, "invalid_fields")["errors"]
        assert (error["pointer"], error["code"]) == ("?stauts", "extra_forbidden"), (method, path)
        assert all(name in error["detail"] for name in known), (method, path, error)
        assert "held" not in answer.text
        tried += 1
    assert tried > 40


def test_a_parameter_that_is_there_twice_is_named(api: Api) -> None:
    answer = api.get("/campaigns?state=paused&state=running", headers={"Accept-Language": "es"})
    (error,) = check_problem(answer, "invalid_fields")["errors"]
    assert (error["pointer"], error["detail"]) == ("?state", "Se puede indicar una sola vez.")


def test_a_body_where_none_is_read_is_refused_before_anything_is_done(api: Api) -> None:
    number = created(api, "k1")
    for body in ({"reason": "by mistake"}, [], 7):
        answer = api.call("POST", f"/campaigns/{number}/cancel", json=body)
        assert "takes no body" in check_problem(answer, "bad_request")["detail"]
    assert api.get(f"/campaigns/{number}").json()["state"] == "scheduled"
    assert api.call("POST", f"/campaigns/{number}/pause", json={}).status_code == 200
    assert api.call("POST", f"/campaigns/{number}/cancel", data=b"").status_code == 200


def test_a_name_that_is_twice_in_an_object_is_refused(api: Api) -> None:
    body = (
        b'{"template": "Hola", "recipients": [{"telefono": "1144445555"}], "recipients": [{"telefono": "1144446666"}]}'
    )
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k1"}
    answer = api.call("POST", "/campaigns", data=body, headers=headers)
    assert check_problem(answer, "bad_json")["detail"].startswith("recipients is there twice")
    assert api.get("/campaigns").json()["data"] == []


def test_a_cursor_belongs_to_its_list_and_its_filters(api: Api) -> None:
    first, second = created(api, "k1"), created(api, "k2")
    path = f"/campaigns/{first}/messages"
    cursor = api.get(f"{path}?limit=1&status=pending").json()["next_cursor"]
    rest = api.get(f"{path}?limit=2&status=pending&cursor={cursor}").json()
    assert [row["seq"] for row in rest["data"]] == [2, 3]
    assert api.get(f"{path}/?cursor={cursor}&status=pending&limit=5").json() == rest
    for other in (
        path,
        f"{path}?status=held",
        f"{path}?status=pending&code=1",
        f"/campaigns/{second}/messages?status=pending",
    ):
        end = "&" if "?" in other else "?"
        check_problem(api.get(f"{other}{end}cursor={cursor}"), "bad_cursor")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("application/x-ndjson;q=0, application/json", "application/json"),
        ("application/json, text/csv;q=0.1", "application/json"),
        ("text/csv;q=0.9, application/x-ndjson; q=0.8", "text/csv; charset=utf-8"),
        ("*/*", "application/json"),
        ("TEXT/CSV;header=present", "text/csv; charset=utf-8"),
        ("application/x-ndjson;q=x", "application/x-ndjson"),
    ],
)
def test_messages_come_in_the_form_that_is_liked_best(api: Api, said: str, kind: str) -> None:
    answer = api.get(f"/campaigns/{created(api, 'k1')}/messages", headers={"Accept": said})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_compressed_body_is_named_as_such(api: Api) -> None:
    for path, kind in (("/campaigns", "application/json"), ("/uploads", "text/csv"), ("/optouts/imports", "text/csv")):
        headers = {"Content-Type": kind, "Content-Encoding": "gzip", "Idempotency-Key": "k"}
        answer = api.call("POST", path, data=gzip.compress(b"{}"), headers=headers)
        check_problem(answer, "compressed")
        assert answer.headers["Accept-Encoding"] == "identity"


def test_whoever_sends_the_same_while_the_first_still_runs_learns_where_it_will_be(api: Api) -> None:
    body = {"template": "Hola {nombre}", "recipients": [{"telefono": "1144445555", "nombre": "Ana"}] * 2_000}
    key = str(api.session.headers["Authorization"]).removeprefix("Bearer ")

    def send(_: int) -> str:
        answer = Api(api.base, key).post("/campaigns", body, once="race")
        while answer.status_code == 202:
            assert answer.headers["Location"].startswith("/api/v1/campaigns")
            time.sleep(float(answer.headers.get("Retry-After", "1")) / 10)
            answer = Api(api.base, key).post("/campaigns", body, once="race")
        assert answer.status_code == 201
        return answer.headers["Location"]

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(send, range(10)))) == 1
    assert len(api.get("/campaigns").json()["data"]) == 1
