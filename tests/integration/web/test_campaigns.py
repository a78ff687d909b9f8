"""Campaigns over the API: handed in once, followed, held back, released, stopped."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dispatcher.access.scopes import Scope
from dispatcher.campaigns import request_loading
from dispatcher.runtime import Runtime
from dispatcher.uploads import store
from dispatcher.web import web_app
from dispatcher.web.api import document
from dispatcher.web.api.routing import MAX_BODY
from tests.integration.campaigns.test_request_intake import NEVER_STORABLE
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, make_key, serving, serving_api
from tests.integration.web.test_problems import check_problem

BODY: dict[str, Any] = {
    "template": "Hola {nombre}",
    "recipients": [{"telefono": "1144445555", "nombre": "Ana"}, {"telefono": "12", "nombre": "Corto"}],
}


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as api:
        yield api


def created(api: Api, once: str = "k1", **changes: Any) -> int:
    answer = api.post("/campaigns", {**BODY, **changes}, once=once)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["campaign_id"])


def campaigns_in(runtime: Runtime) -> int:
    return int(Stepper(runtime).sql("SELECT count(*) AS n FROM campaign")[0].n)


def test_a_campaign_is_handed_in_and_shown(api: Api) -> None:
    answer = api.post("/campaigns", {**BODY, "tags": {"team": "cobros"}}, once="k1")
    assert answer.status_code == 201
    number = answer.json()["campaign_id"]
    made = {"campaign_id": number, "state": "scheduled", "messages": 1, "invalid": 1, "draft": False}
    assert answer.json() == {**made, "warnings": []}
    assert answer.headers["Location"] == f"/api/v1/campaigns/{number}"
    shown = api.get(f"/campaigns/{number}").json()
    assert (shown["messages"], shown["invalid"], shown["counts"], shown["name"]) == (1, 1, {"pending": 1}, "k1")
    assert (shown["progress"], shown["tags"]) == (0.0, {"team": "cobros"})
    assert shown["created_by"].startswith("key ")
    assert shown["ends_about"]


def test_ten_calls_at_once_make_one_campaign_and_each_learns_which(api: Api, runtime: Runtime) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: api.post("/campaigns", BODY, once="k1"), range(10)))
    assert {answer.status_code for answer in answers} <= {201, 202}
    assert len({answer.json()["campaign_id"] for answer in answers if answer.status_code == 201}) == 1
    assert campaigns_in(runtime) == 1


def test_another_body_under_the_key_is_refused_and_the_same_one_is_not(api: Api, runtime: Runtime) -> None:
    number = created(api)
    check_problem(api.post("/campaigns", {**BODY, "template": "Chau {nombre}"}, once="k1"), "idempotency_key_reused")
    check_problem(api.post("/campaigns", {**BODY, "draft": True}, once="k1"), "idempotency_key_reused")
    assert created(api) == number
    assert campaigns_in(runtime) == 1


def test_a_key_for_doing_it_once_is_required_and_must_be_one(api: Api) -> None:
    check_problem(api.post("/campaigns", BODY), "idempotency_key_missing")
    for bad in ("x" * 201, "\xf1", ""):
        answer = api.post("/campaigns", BODY, headers={"Idempotency-Key": bad.encode("latin-1")})
        check_problem(answer, "idempotency_key_invalid")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"recipients": []}, "/recipients"),
        ({"recipients": None}, ""),
        ({"recipients": "x"}, "/recipients"),
        ({"recipients": [{}, 5]}, "/recipients/1"),
        ({"plantilla": "x"}, "/plantilla"),
        ({"template": None}, "/template"),
        ({"template": ""}, "/template"),
        ({"template": "x" * 3_000}, "/template"),
        ({"priority": "urgent"}, "/priority"),
        ({"canary": 0}, "/canary"),
        ({"tags": {"a": 5}}, "/tags/a"),
        ({"html": "x\x00"}, "/html"),
    ],
)
def test_a_bad_field_is_named_and_uses_no_key_up(
    api: Api, runtime: Runtime, change: dict[str, Any], pointer: str
) -> None:
    answer = api.post("/campaigns", {**BODY, **change}, once="k1")
    check_problem(answer, "invalid_fields")
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]
    assert campaigns_in(runtime) == 0
    created(api)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"template": "Hola {apellido}"}, "apellido"),
        ({"start": "mañana"}, "mañana"),
        ({"recipients": [{"telefono": "1144445555", "nombre": "\ud800"}]}, "stored"),
    ],
)
def test_what_cannot_become_a_campaign_is_refused_with_the_reason(
    api: Api, runtime: Runtime, change: dict[str, Any], word: str
) -> None:
    answer = api.post("/campaigns", {**BODY, **change}, once="k1")
    check_problem(answer, "refused")
    assert word in answer.json()["detail"]
    created(api)


@pytest.mark.parametrize("fields", NEVER_STORABLE, ids=lambda fields: ascii(next(iter(fields))))
def test_what_can_never_be_stored_is_the_callers_mistake(api: Api, fields: dict[str, Any]) -> None:
    body = {name: value for name, value in {**BODY, **fields}.items() if name != "idempotency_key"}
    data = json.dumps(body)
    answer = api.call(
        "POST", "/campaigns", data=data, headers={"Idempotency-Key": "k1", "Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    created(api)


def test_what_is_no_json_object_is_refused(api: Api) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    for body in (b"{", b"\xff", b"[" * 100_000, b"NaN]"):
        check_problem(api.call("POST", "/campaigns", data=body, headers=headers), "bad_json")
    for body in (b"", b"[]", b'"x"'):
        check_problem(api.call("POST", "/campaigns", data=body, headers=headers), "invalid_fields")
    check_problem(api.call("POST", "/campaigns", data="x", headers={"Idempotency-Key": "k1"}), "unsupported_media_type")
    large = b" " * (MAX_BODY + 1)
    check_problem(api.call("POST", "/campaigns", data=large, headers=headers), "body_too_large")


def test_what_is_no_campaign_is_not_found(api: Api) -> None:
    for number in ("1", "0", "-1", "x", "٣", str(2**63), "1" * 500):
        for path in ("", "/messages", "/doubts", "/events", "/audit", "/invalid"):
            check_problem(api.get(f"/campaigns/{number}{path}"), "not_found")
        check_problem(api.post(f"/campaigns/{number}/pause"), "not_found")


def test_a_draft_sends_nothing_until_it_is_released(api: Api, runtime: Runtime) -> None:
    number = created(api, draft=True)
    assert api.get(f"/campaigns/{number}").json()["state"] == "draft"
    stepper = Stepper(runtime)
    stepper.submit()
    assert stepper.sql("SELECT state FROM chunk")[0].state == "due"
    sent = api.post(f"/campaigns/{number}/send")
    assert (sent.status_code, sent.json()["state"]) == (200, "scheduled")
    assert api.post(f"/campaigns/{number}/send").json()["state"] == "scheduled"
    assert [event["action"] for event in api.get(f"/campaigns/{number}/events").json()["data"]] == [
        "campaign.create",
        "campaign.send",
    ]


def test_a_draft_needs_no_scope_to_send_and_the_rest_does(runtime: Runtime) -> None:
    with serving_api(runtime, [Scope.CAMPAIGNS_WRITE, Scope.CAMPAIGNS_READ]) as api:
        answer = api.post("/campaigns", BODY, once="k1")
        check_problem(answer, "scope_missing")
        assert answer.json()["scope"] == "campaigns:send"
        number = created(api, draft=True)
        check_problem(api.post(f"/campaigns/{number}/send"), "scope_missing")
        assert api.post(f"/campaigns/{number}/cancel").json()["state"] == "cancelled"


def test_a_campaign_is_paused_resumed_and_cancelled_and_who_did_it_is_known(api: Api) -> None:
    number = created(api)
    assert [api.post(f"/campaigns/{number}/{verb}").json()["state"] for verb in ("pause", "resume", "cancel")] == [
        "paused",
        "scheduled",
        "cancelled",
    ]
    answer = api.post(f"/campaigns/{number}/resume")
    check_problem(answer, "wrong_state")
    assert (answer.json()["state"], "paused" in answer.json()["detail"]) == ("cancelled", True)
    events = api.get(f"/campaigns/{number}/events").json()["data"]
    assert [event["action"] for event in events] == [
        "campaign.create",
        "campaign.pause",
        "campaign.resume",
        "campaign.cancel",
    ]
    assert all(event["actor"].startswith("key ") for event in events)


def test_campaigns_are_listed_in_pages_that_new_ones_do_not_disturb(api: Api) -> None:
    numbers = [created(api, f"k{n}", again=True, tags={"n": str(n)}) for n in range(5)]
    first = api.get("/campaigns", params={"limit": 2}).json()
    created(api, "later", again=True)
    second = api.get("/campaigns", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    third = api.get("/campaigns", params={"limit": 2, "cursor": second["next_cursor"]}).json()
    seen = [each["campaign_id"] for page in (first, second, third) for each in page["data"]]
    assert seen == numbers[::-1]
    assert third["next_cursor"] is None
    assert [each["campaign_id"] for each in api.get("/campaigns", params={"tag": "n:3"}).json()["data"]] == [numbers[3]]
    assert len(api.get("/campaigns", params={"tag": "n"}).json()["data"]) == 5
    assert api.get("/campaigns", params={"state": "paused"}).json() == {"data": [], "next_cursor": None}
    for bad in ("x", "WyJhIl0", "W10", "MQ", "ñ", "W251bGxd"):
        check_problem(api.get("/campaigns", params={"cursor": bad}), "bad_cursor")
    check_problem(api.get("/campaigns", params={"limit": 1001}), "invalid_fields")
    for bad in ("0.5", "5", "2026-01-01", "2026-01-01T00:00:00"):
        check_problem(api.get("/campaigns", params={"created_after": bad}), "invalid_fields")
    later = {"created_after": "2026-01-01T00:00:00-03:00"}
    assert len(api.get("/campaigns", params=later).json()["data"]) == 6


def test_what_has_not_begun_may_change(api: Api, runtime: Runtime) -> None:
    number = created(api, draft=True)
    change = {
        "name": "Otro",
        "start": "2030-01-04 09:00:00",
        "expires": "2030-01-05 09:00:00",
        "priority": "high",
        "tags": {},
    }
    shown = api.call("PATCH", f"/campaigns/{number}", json=change).json()
    assert (shown["name"], shown["priority"], shown["start_at"][:10]) == ("Otro", "high", "2030-01-04")
    shown = api.call("PATCH", f"/campaigns/{number}", json={"rate": 600}).json()
    assert shown["rate"] == 600
    assert api.call("PATCH", f"/campaigns/{number}", json={"name": "Otro"}).json()["rate"] == 600
    assert api.call("PATCH", f"/campaigns/{number}", json={"rate": None}).json()["rate"] is None
    check_problem(api.call("PATCH", f"/campaigns/{number}", json={"rate": 0}), "invalid_fields")
    shown = api.call("PATCH", f"/campaigns/{number}", json={"start": None}).json()
    assert (shown["start_at"], shown["expires_at"][:10], shown["name"]) == (None, "2030-01-05", "Otro")
    check_problem(api.call("PATCH", f"/campaigns/{number}", json={"name": "a\x00b"}), "invalid_fields")
    check_problem(api.call("PATCH", f"/campaigns/{number}", json={"start": "2030-01-06 09:00:00"}), "refused")
    check_problem(api.call("PATCH", f"/campaigns/{number}", json={"state": "running"}), "invalid_fields")
    assert api.call("PATCH", f"/campaigns/{number}", json={"template": "Chau {nombre}"}).status_code == 200
    assert api.get(f"/campaigns/{number}/messages").json()["data"][0]["text"].startswith("Chau ")
    check_problem(api.call("PATCH", f"/campaigns/{number}", json={"template": "Chau {otro}"}), "refused")
    check_problem(api.call("PATCH", f"/campaigns/{number}", json={"template": "€" * 500}), "refused")
    Stepper(runtime).sql("UPDATE campaign SET started_at = now(), state = 'running' RETURNING id")
    check_problem(api.call("PATCH", f"/campaigns/{number}", json={"name": "x"}), "wrong_state")
    check_problem(api.call("PATCH", f"/campaigns/{number}", json={"template": "x"}), "wrong_state")


def test_messages_come_in_pages_and_as_one_stream(api: Api) -> None:
    people = [{"telefono": f"11444{n:05}", "nombre": "=Paz", "id": str(n)} for n in range(25)]
    number = created(api, recipients=people, id_column="id")
    path = f"/campaigns/{number}/messages"
    first = api.get(path, params={"limit": 20}).json()
    rest = api.get(path, params={"limit": 20, "cursor": first["next_cursor"]}).json()
    rows = first["data"] + rest["data"]
    assert [row["seq"] for row in rows] == list(range(1, 26))
    assert rows[0] | {"idinterno": "", "chunk_no": 1} == {
        "campaign_id": number, "seq": 1, "external_id": "0", "number": "1144400000", "text": "Hola =Paz", "idinterno": "",
        "status": "pending", "result_code": None, "result_text": None, "chunk_no": 1, "submitted_at": None, "processed_at": None,
    }  # fmt: skip
    streamed = api.get(path, headers={"Accept": "application/x-ndjson"})
    assert streamed.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in streamed.text.splitlines()] == rows
    as_csv = api.get(path, headers={"Accept": "text/csv"})
    assert [row["number"] for row in csv.DictReader(io.StringIO(as_csv.text))] == [row["number"] for row in rows]
    assert [row["seq"] for row in api.get(path, params={"number": "1144400007"}).json()["data"]] == [8]
    assert [row["seq"] for row in api.get(path, params={"external_id": "9"}).json()["data"]] == [10]
    assert api.get(path, params={"status": "ok"}).json()["data"] == []
    check_problem(api.get(path, params={"code": 7}), "invalid_fields")


def test_invalid_rows_come_back_as_they_were_and_can_be_loaded_again(api: Api) -> None:
    number = created(api)
    (row,) = api.get(f"/campaigns/{number}/invalid").json()["data"]
    assert (row["line"], row["columns"]) == (2, {"telefono": "12", "nombre": "Corto"})
    assert row["reason"]
    text = api.get(f"/campaigns/{number}/invalid", headers={"Accept": "text/csv"}).content.decode("utf-8-sig")
    assert text.splitlines()[0].startswith("nombre;telefono;motivo;")
    assert text.splitlines()[1].startswith("Corto;12;")


def test_an_upload_is_loaded_by_a_worker_and_can_be_followed(api: Api, runtime: Runtime) -> None:
    settings = runtime.settings
    with runtime.engine.begin() as connection:
        data = b"telefono;nombre\n1144445555;Ana\n1144446666;Eva\n"
        upload = store.store(connection, settings, iter([data]), name="gente.csv", media_type="text/csv")
    body = {"template": "Hola {nombre}", "upload_id": upload.public_id}
    answer = api.post("/campaigns", body, once="k1")
    number = answer.json()["campaign_id"]
    assert (answer.status_code, answer.json()["state"]) == (202, "loading")
    assert answer.headers["Location"] == f"/api/v1/campaigns/{number}"
    assert api.get(f"/campaigns/{number}").json()["state"] == "loading"
    request_loading.load_request(runtime.engine, settings, "k1")
    shown = api.get(f"/campaigns/{number}").json()
    assert (shown["state"], shown["messages"], shown["created_by"][:4]) == ("scheduled", 2, "key ")
    assert api.post("/campaigns", body, once="k1").json()["campaign_id"] == number
    check_problem(api.post("/campaigns", {**body, "upload_id": "up_" + "0" * 32}, once="k2"), "refused")


def test_the_audit_of_the_sums_balances_and_nothing_is_in_doubt(api: Api) -> None:
    number = created(api)
    audit = api.get(f"/campaigns/{number}/audit").json()
    assert (audit["balanced"], audit["rows"], audit["complaints"]) == (True, 2, [])
    assert api.get(f"/campaigns/{number}/doubts").json() == {"data": [], "next_cursor": None}
    check_problem(api.post(f"/campaigns/{number}/resolve", {"chunk_no": 1, "as": "sent"}), "conflict")
    check_problem(api.post(f"/campaigns/{number}/resolve", {"chunk_no": 1, "as": "perhaps"}), "invalid_fields")


def test_without_the_providers_key_the_caller_learns_what_is_missing(make_runtime: Callable[..., Runtime]) -> None:
    with serving_api(make_runtime(apikey="")) as api:
        answer = api.post("/campaigns", BODY, once="k1")
        check_problem(answer, "refused")
        assert "DISPATCHER_APIKEY" in answer.json()["detail"]


def test_a_call_under_a_key_is_answered_as_the_first_one_was(api: Api, runtime: Runtime) -> None:
    number = created(api)
    first = api.post(f"/campaigns/{number}/pause", once="p1")
    api.post(f"/campaigns/{number}/resume")
    again = api.post(f"/campaigns/{number}/pause", once="p1")
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (200, first.json(), "true")
    assert api.get(f"/campaigns/{number}").json()["state"] == "scheduled"
    other = created(api, "k2", again=True)
    check_problem(api.post(f"/campaigns/{other}/pause", once="p1"), "idempotency_key_reused")
    check_problem(api.post("/campaigns/99/pause", once="p2"), "not_found")
    assert api.post(f"/campaigns/{other}/pause", once="p2").status_code == 200
    Stepper(runtime).sql(
        "UPDATE api_replay SET status = NULL, answer = NULL WHERE idempotency_key = 'p1' RETURNING status"
    )
    running = api.post(f"/campaigns/{number}/pause", once="p1")
    assert (running.status_code, running.headers["Location"]) == (202, f"/api/v1/campaigns/{number}/pause")


def test_every_route_needs_its_scope_and_no_other(runtime: Runtime) -> None:
    app = web_app.create_app(runtime)
    rules = [
        (verb.upper(), path, operation.get("x-scope"))
        for path, verbs in app_document(app)["paths"].items()
        for verb, operation in verbs.items()
    ]
    assert len(rules) > 15
    with serving(runtime, web_app.create_app) as url:
        callers = {scope: Api(url, make_key(runtime, [scope])) for scope in Scope}
        for method, path, scope in rules:
            for held, caller in callers.items():
                asked = path.removeprefix("/api/v1").replace("{campaign_id}", "999")
                answer = caller.call(method, asked, headers={"Idempotency-Key": "k"})
                lacks = answer.status_code == 403
                assert lacks == (scope not in (None, held)), (method, path, held, answer.text)
                if lacks:
                    assert answer.json()["scope"] == scope


def app_document(app: Any) -> dict[str, Any]:
    return document.make(app)
