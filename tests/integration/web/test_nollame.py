"""The No Llame registry over the API, and campaigns that say what they are for."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dispatcher.campaigns import request_loading
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, serving_api
from tests.integration.web.test_uploads import upload

ANA, BETO = "1144445555", "1144446666"
BODY: dict[str, Any] = {
    "template": "Oferta, {nombre}",
    "recipients": [{"telefono": ANA, "nombre": "Ana"}, {"telefono": BETO, "nombre": "Beto"}],
    "intent": "marketing",
}


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as api:
        yield api


def replace(api: Api, numbers: str, **query: str) -> Any:
    headers = {"Content-Type": "text/csv"}
    return api.call("POST", "/nollame/imports", data=numbers.encode(), params=query, headers=headers)


def test_the_registry_is_replaced_and_shown(api: Api) -> None:
    nothing = api.get("/nollame").json()
    assert (nothing["registry"], len(nothing["warnings"])) == (None, 1)
    done = replace(api, f"telefono\n{ANA}\n12\n{BETO}\n", taken="2026-01-31")
    assert done.status_code == 200, done.text
    assert (done.json()["numbers"], done.json()["added"], done.json()["invalid"]) == (2, 2, 1)
    known = api.get("/nollame").json()
    assert (known["registry"]["numbers"], known["registry"]["old"]) == (2, True)
    assert known["registry"]["taken_at"].startswith("2026-01-31")
    assert "days old" in known["warnings"][0]
    assert "days old" in done.json()["remarks"][0]
    for bad in ({"taken": "2999-01-01"}, {"taken": "mañana"}):
        assert replace(api, ANA, **bad).status_code in (400, 422)
    many = "\n".join(str(1_144_440_000 + n) for n in range(9))
    assert replace(api, many).json()["removed"] == 2
    small = replace(api, ANA)
    assert (small.status_code, small.json()["code"]) == (422, "refused")
    assert replace(api, ANA, force="true").json()["before"] == 9
    assert api.get(f"/people/{ANA}").json()["no_llame"] is True
    assert api.get(f"/people/{BETO}").json()["no_llame"] is False


def test_a_campaign_of_marketing_leaves_the_registry_out_and_warns(api: Api, runtime: Runtime) -> None:
    answer = api.post("/campaigns", BODY, once="k1")
    assert answer.status_code == 201, answer.text
    assert "There is no No Llame registry" in answer.json()["warnings"][0]
    shown = api.get(f"/campaigns/{answer.json()['campaign_id']}").json()
    assert (shown["intent"], shown["left_out"]) == ("marketing", {})
    assert "There is no No Llame registry" in " ".join(shown["warnings"])

    replace(api, ANA, taken="2026-01-31")
    check = api.post("/checks", BODY).json()
    assert check["left_out"] == {"no_llame_at_load": 1}
    assert "days old" in " ".join(check["remarks"])
    answer = api.post("/campaigns", {**BODY, "template": "Otra, {nombre}"}, once="k2").json()
    shown = api.get(f"/campaigns/{answer['campaign_id']}").json()
    assert shown["left_out"] == {"no_llame_at_load": 1}
    assert "days old" in answer["warnings"][0]
    assert "days old" in " ".join(shown["warnings"])

    replace(api, ANA, force="true")
    assert "No Llame" not in " ".join(api.get(f"/campaigns/{answer['campaign_id']}").json()["warnings"])
    service = api.post("/campaigns", {**BODY, "template": "Turno, {nombre}", "intent": "service"}, once="k3").json()
    shown = api.get(f"/campaigns/{service['campaign_id']}").json()
    assert (shown["intent"], shown["left_out"], service["warnings"]) == ("service", {}, [])


def test_a_campaign_that_is_still_being_loaded_says_what_it_is_for(api: Api, runtime: Runtime) -> None:
    number = upload(api).json()["upload_id"]
    body = {"template": "Oferta, {nombre}", "upload_id": number, "intent": "marketing"}
    answer = api.post("/campaigns", body, once="k1")
    assert (answer.status_code, len(answer.json()["warnings"])) == (202, 1)
    assert api.get(answer.headers["Location"].removeprefix("/api/v1")).json()["intent"] == "marketing"
    request_loading.load_request(runtime.engine, runtime.settings, "k1")
    assert Stepper(runtime).sql("SELECT intent FROM campaign")[0].intent == "marketing"


def test_an_intent_that_nobody_knows_is_refused(api: Api) -> None:
    answer = api.post("/campaigns", {**BODY, "intent": "spam"}, once="k1")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/intent"


def test_one_message_of_marketing_is_refused_for_a_number_of_the_registry(api: Api) -> None:
    replace(api, ANA)
    body = {"number": ANA, "text": "Oferta. Empresa SA", "intent": "marketing"}
    refused = api.post("/messages", body, once="m1").json()
    assert (refused["status"], refused["result_code"]) == ("refused", -14)
    sent = api.post("/messages", {**body, "text": "Turno. Empresa SA", "intent": "service"}, once="m2").json()
    assert sent["status"] == "accepted"
