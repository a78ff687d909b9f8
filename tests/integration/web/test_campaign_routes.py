"""Campaigns over real HTTP: one key one campaign, sentences for what is wrong, nothing without the token."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from dispatcher.runtime import Runtime
from dispatcher.web.campaign_routes import MAX_BYTES
from tests.integration.campaigns.test_request_intake import NEVER_STORABLE
from tests.integration.stepper import Stepper
from tests.integration.web.test_app import serving

TOKEN = "un-token-bien-largo-0001"
PAYLOAD: dict[str, Any] = {
    "idempotency_key": "k1",
    "template": "Hola {nombre}",
    "recipients": [{"telefono": "1144445555", "nombre": "Ana"}, {"telefono": "12", "nombre": "Corto"}],
}


class Client:
    """A caller with the token; what it answers is (status, JSON)."""

    def __init__(self, url: str) -> None:
        self.url = url

    def create(self, payload: Any, **headers: str) -> tuple[int, Any]:
        given = {"Authorization": f"Bearer {TOKEN}", **headers}
        answer = requests.post(f"{self.url}/campaigns", json=payload, headers=given, timeout=30)
        return answer.status_code, answer.json()

    def show(self, number: Any) -> tuple[int, Any]:
        answer = requests.get(
            f"{self.url}/campaigns/{number}", headers={"Authorization": f"bearer {TOKEN}"}, timeout=10
        )
        return answer.status_code, answer.json()


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime(api_token=TOKEN)


@pytest.fixture
def client(runtime: Runtime) -> Iterator[Client]:
    with serving(runtime) as url:
        yield Client(url)


def campaigns_in(runtime: Runtime) -> int:
    return int(Stepper(runtime).sql("SELECT count(*) AS n FROM campaign")[0].n)


def test_a_campaign_is_handed_in_and_shown(client: Client, runtime: Runtime) -> None:
    status, created = client.create(PAYLOAD)
    assert (status, created["state"], created["error"]) == (201, "created", None)
    status, shown = client.show(created["campaign_id"])
    assert status == 200
    assert (shown["campaign_id"], shown["messages"], shown["invalid"]) == (created["campaign_id"], 1, 1)
    assert shown["counts"] == {"pending": 1}
    assert shown["name"] == "k1"


def test_ten_calls_at_once_make_one_campaign_and_each_learns_which(client: Client, runtime: Runtime) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(client.create, [PAYLOAD] * 10))
    assert {status for status, _ in answers} <= {201, 202}
    assert len({answer["campaign_id"] for status, answer in answers if status == 201}) == 1
    assert client.create(PAYLOAD)[0] == 201
    assert campaigns_in(runtime) == 1


@pytest.mark.parametrize("fields", NEVER_STORABLE, ids=lambda fields: ascii(next(iter(fields))))
def test_what_can_never_be_stored_is_the_callers_mistake_and_not_to_be_sent_again(
    client: Client, fields: dict[str, Any]
) -> None:
    status, answer = client.create({**PAYLOAD, **fields})
    if "[[[[[[[[" in json.dumps(fields):  # not even looked at
        assert (status, answer) == (400, {"error": answer["error"]})
        assert "nested" in answer["error"]
    else:
        assert (status, answer["state"]) == (422, "refused")
    assert answer["error"]
    assert client.create(PAYLOAD)[0] == 201, "its key is free for a corrected payload"


def test_another_payload_under_the_key_is_refused(client: Client, runtime: Runtime) -> None:
    first = client.create(PAYLOAD)
    status, answer = client.create({**PAYLOAD, "template": "Chau {nombre}"})
    assert (status, answer["state"], answer["campaign_id"]) == (409, "other_payload", None)
    assert "idempotency_key" in answer["error"]
    assert client.create(PAYLOAD) == first
    assert campaigns_in(runtime) == 1


def test_the_key_may_stand_in_the_header(client: Client) -> None:
    bare = {name: value for name, value in PAYLOAD.items() if name != "idempotency_key"}
    first = client.create(bare, **{"Idempotency-Key": "k1"})
    assert first[0] == 201
    assert client.create(PAYLOAD) == first
    assert client.create(PAYLOAD, **{"Idempotency-Key": "k2"})[0] == 400


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"template": "Hola {apellido}"}, "apellido"),
        ({"start": "mañana"}, "mañana"),
        ({"recipients": []}, "recipients"),
        ({"recipients": None}, "recipients, file"),
        ({"plantilla": "x"}, "plantilla"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"recipients": None, "file": "../x.csv"}, "outside"),
        ({"template": "{a}"}, "have; it has 'nombre', 'telefono'. use one"),
        ({"recipients": [{"telefono": "1144445555", "nombre": "\ud800"}]}, "stored"),
    ],
)
def test_a_payload_that_cannot_be_one_is_refused_with_the_reason(
    client: Client, runtime: Runtime, change: dict[str, Any], word: str
) -> None:
    status, answer = client.create({**PAYLOAD, **change})
    assert (status, answer["state"]) == (422, "refused")
    assert word in answer["error"]
    assert campaigns_in(runtime) == 0
    # No campaign came of it, so a corrected payload may use the key.
    assert client.create(PAYLOAD)[0] == 201


def test_what_is_no_json_object_is_refused(client: Client) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    for body in (b"", b"{", b"\xff", b"[]", b"[" * 100_000, b'"x"'):
        answer = requests.post(f"{client.url}/campaigns", data=body, headers=headers, timeout=10)
        assert (answer.status_code, "JSON" in answer.json()["error"]) == (400, True)
    form = requests.post(
        f"{client.url}/campaigns", data={"template": "x"}, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
    )
    assert form.status_code == 415
    large = requests.post(f"{client.url}/campaigns", data=b" " * (MAX_BYTES + 1), headers=headers, timeout=60)
    assert large.status_code == 413


def test_a_campaign_that_is_none_is_not_found(client: Client) -> None:
    for number in ("1", "0", "-1", "x", "٣", str(2**63), "1" * 500):
        status, answer = client.show(number)
        assert (status, "no" in answer["error"]) == (404, True)


def test_without_the_token_nothing_is_told_nor_taken(client: Client, runtime: Runtime) -> None:
    client.create(PAYLOAD)
    for header in ("", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN[:-1]}", "Bearer ñ"):
        headers = {"Authorization": header.encode(), "Content-Type": "application/json"}
        other = json.dumps({**PAYLOAD, "idempotency_key": "k2"})
        answers = [
            requests.post(f"{client.url}/campaigns", data=other, headers=headers, timeout=10),
            requests.get(f"{client.url}/campaigns/1", headers=headers, timeout=10),
        ]
        assert [answer.status_code for answer in answers] == [401, 401]
        assert answers[0].headers["WWW-Authenticate"] == "Bearer"
        assert all(set(answer.json()) == {"error"} for answer in answers)
    assert campaigns_in(runtime) == 1


def test_what_is_not_there_is_told_in_the_same_form(client: Client) -> None:
    answers = [
        requests.get(f"{client.url}/campaign", timeout=10),
        requests.get(f"{client.url}/campaigns", timeout=10),
        requests.delete(f"{client.url}/campaigns/1", timeout=10),
    ]
    assert [answer.status_code for answer in answers] == [404, 405, 405]
    assert all(set(answer.json()) == {"error"} for answer in answers)
    assert answers[1].headers["Allow"] == "POST"


def test_where_no_token_is_set_campaigns_are_switched_off(make_runtime: Callable[..., Runtime]) -> None:
    with serving(make_runtime()) as url:
        status, answer = Client(url).create(PAYLOAD)
        assert status == 403
        assert "DISPATCHER_API_TOKEN" in answer["error"]
        assert Client(url).show(1)[0] == 403


def test_without_the_providers_key_or_the_database_the_caller_learns_what_is_missing(
    make_runtime: Callable[..., Runtime], database_url: str
) -> None:
    with serving(make_runtime(apikey="", api_token=TOKEN)) as url:
        status, answer = Client(url).create(PAYLOAD)
        assert status == 422
        assert "DISPATCHER_APIKEY" in answer["error"]
    gone = make_runtime(database_url=database_url.replace("/t", "/not_there_"), api_token=TOKEN)
    with serving(gone) as url:
        status, answer = Client(url).create(PAYLOAD)
        assert status == 503
        assert "same key" in answer["error"]
        assert Client(url).show(1)[0] == 503
