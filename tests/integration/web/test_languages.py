"""What the API says in Spanish: the titles, the details and what is wrong with each field."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dispatcher.runtime import Runtime
from tests.integration.web.serving import Api, serving_api
from tests.integration.web.test_problems import check_problem

NOBODY = {"upload": "up_" + "0" * 32, "check": "chk_" + "0" * 32, "webhook": "wh_" + "0" * 24}


@pytest.fixture
def api(make_runtime: Callable[..., Runtime]) -> Iterator[Api]:
    with serving_api(make_runtime()) as api:
        yield api


REFUSED: list[tuple[str, str, Any]] = [
    ("GET", "/nothing", None),
    ("GET", "/campaigns/0", None),
    ("GET", "/campaigns/9", None),
    ("GET", f"/uploads/{NOBODY['upload']}", None),
    ("GET", f"/checks/{NOBODY['check']}", None),
    ("GET", f"/webhooks/{NOBODY['webhook']}", None),
    ("GET", "/messages/NOBODY", None),
    ("GET", "/people/12", None),
    ("GET", "/replies/9", None),
    ("DELETE", "/optouts/1144445555", None),
    ("PUT", "/optouts/12", None),
    ("POST", "/campaigns/9/resolve", {"chunk_no": 1, "as": "sent"}),
    ("GET", "/campaigns?cursor=x", None),
    ("PUT", "/campaigns", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REFUSED, ids=lambda value: str(value)[:30])
def test_a_refusal_has_no_english_in_spanish(api: Api, method: str, path: str, body: Any) -> None:
    english = api.call(method, path, json=body, headers={"Accept-Language": "en"}).json()
    spanish = api.call(method, path, json=body, headers={"Accept-Language": "es"}).json()
    assert english["code"] == spanish["code"]
    assert english["title"] != spanish["title"]
    for one, other in zip(english["detail"].split(". "), spanish["detail"].split(". "), strict=True):
        assert one != other


FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("/template", {}),
    ("/template", {"template": 5}),
    ("/template", {"template": "x" * 2_001}),
    ("/template", {"template": "x\ud800"}),
    ("/priority", {"template": "x", "priority": "z"}),
    ("/rate", {"template": "x", "rate": 0}),
    ("/rate", {"template": "x", "rate": 10**7}),
    ("/rate", {"template": "x", "rate": "many"}),
    ("/rate", {"template": "x", "rate": 1.5}),
    ("/draft", {"template": "x", "draft": "perhaps"}),
    ("/draft", {"template": "x", "draft": []}),
    ("/max_reject_rate", {"template": "x", "max_reject_rate": "x"}),
    ("/area", {"template": "x", "area": "abc"}),
    ("/tags", {"template": "x", "tags": []}),
    ("/tags/a", {"template": "x", "tags": {"a": 1}}),
    ("/recipients", {"template": "x", "recipients": []}),
    ("/recipients", {"template": "x", "recipients": 5}),
    ("/recipients", {"template": "x", "recipients": [{}] * 10_001}),
    ("/recipients/0", {"template": "x", "recipients": [5]}),
    ("/foo", {"template": "x", "foo": 1}),
    ("", {"template": "x"}),
]


@pytest.mark.parametrize(("pointer", "body"), FIELDS, ids=lambda value: str(value)[:40])
def test_a_bad_field_is_named_and_told_in_both_languages(api: Api, pointer: str, body: dict[str, Any]) -> None:
    whole = body if "recipients" in body or pointer == "" else {**body, "recipients": [{"telefono": "1144445555"}]}
    told = []
    for language in ("en", "es"):
        answer = api.post("/campaigns", whole, once="k", headers={"Accept-Language": language})
        check_problem(answer, "invalid_fields")
        (error,) = (each for each in answer.json()["errors"] if each["pointer"] == pointer)
        told.append(error["detail"])
    assert told[0] != told[1]


def test_a_bad_parameter_is_told_in_spanish(api: Api) -> None:
    answer = api.get("/campaigns", params={"limit": 0}, headers={"Accept-Language": "es"})
    assert answer.json()["errors"][0]["detail"] == "debe ser 1 o más"


def test_states_are_said_as_programs_know_them(api: Api) -> None:
    body = {"template": "Hola", "recipients": [{"telefono": "1144445555"}], "draft": True}
    number = api.post("/campaigns", body, once="k").json()["campaign_id"]
    assert api.post(f"/campaigns/{number}/cancel").json()["state"] == "cancelled"
    refused = api.post(f"/campaigns/{number}/send", headers={"Accept-Language": "es"}).json()
    assert refused["detail"].startswith("Está en cancelled; ")
    assert refused["state"] == "cancelled"


def test_a_code_means_the_same_however_it_is_asked_for(api: Api) -> None:
    for language, word in (("en", "company"), ("es", "compañía")):
        spoken = {"Accept-Language": language}
        body = {"number": "1144445555", "text": f"Hola {language}"}
        sent = api.post("/messages", body, once=language, headers=spoken).json()
        shown = api.get(f"/messages/{sent['idinterno']}", headers=spoken).json()
        assert sent["meaning"] == shown["meaning"]
        assert word in sent["meaning"]
