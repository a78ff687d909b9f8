"""Every field of every body and every parameter, given badly: the caller is told which, and nothing breaks."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from tests.integration.web.serving import Api, make_key, serving
from tests.integration.web.test_campaigns import app_document

PLACES = {
    "campaign_id": "1",
    "upload_id": "up_" + "0" * 32,
    "check_id": "chk_" + "0" * 32,
    "webhook_id": "wh_" + "0" * 24,
    "delivery_id": "1",
    "reply_id": "1",
    "number": "1144445555",
    "idinterno": "X1",
}
NESTED: Any = "x"
for _ in range(6):
    NESTED = {"a": NESTED}
VALUES: dict[str, Any] = {
    "null": None,
    "number": 7,
    "huge": 10**400,
    "minus": -(2**63) - 1,
    "fraction": 0.5,
    "boolean": True,
    "text": "no such thing",
    "empty": "",
    "blank": " ",
    "NUL": "a\0b",
    "surrogate": "\ud800",
    "bidi": "\u202e" * 50,
    "long": "x" * 200_000,
    "list": [],
    "many": [1] * 50_000,
    "object": {"a": {"b": 1}},
    "nested": NESTED,
}
TAKEN = {
    "/campaigns": {"template": "Hola", "recipients": [{"telefono": "1144445555"}], "draft": True, "again": True},
    "/checks": {"template": "Hola", "recipients": [{"telefono": "1144445555"}]},
    "/messages": {"number": "1144445555", "text": "Hola", "test": True},
}


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime(api_rate=100_000)


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving(runtime, web_app.create_app) as base:
        yield Api(base, make_key(runtime))


def operations(runtime: Runtime) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Method, path, operation and the schema of its JSON body, if it has one."""
    made = app_document(web_app.create_app(runtime))
    for path, verbs in made["paths"].items():
        for verb, operation in verbs.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            for each in [schema, *schema.get("anyOf", [])]:
                if "$ref" in each:
                    schema = made["components"]["schemas"][each["$ref"].rpartition("/")[2]]
            yield verb.upper(), path.removeprefix("/api/v1").format(**PLACES), operation, schema


def check(answer: Any, said: object) -> None:
    """Whatever was sent, the answer is no failure of ours, short, and in the one shape of refusals."""
    assert answer.status_code < 500, (said, answer.text[:300])
    assert len(answer.text) < 20_000, said
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json", said
        assert answer.json()["code"], said


@pytest.mark.slow
def test_every_field_of_every_body_may_hold_anything(api: Api, runtime: Runtime) -> None:
    tried = 0
    for method, path, _, schema in operations(runtime):
        for name in schema.get("properties", {}):
            for kind, value in VALUES.items():
                body = json.dumps({**TAKEN.get(path, {}), name: value})
                headers = {"Content-Type": "application/json", "Idempotency-Key": f"{path} {name} {kind}"}
                answer = api.call(method, path, data=body, headers=headers)
                check(answer, (method, path, name, kind))
                if answer.status_code == 422 and answer.json()["code"] == "invalid_fields":
                    pointers = [each["pointer"] for each in answer.json()["errors"]]
                    assert any(each == "" or each.startswith(f"/{name}") or each[1:] not in schema["properties"]
                               or each[1:] in schema.get("required", ["template"]) for each in pointers), (path, name, pointers)  # fmt: skip
                tried += 1
    assert tried > 500


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "7", '"x"', "{", '{"a":NaN}', '{"\\u0000":1}', "\ufeff{}", '{"a":1}' * 2, "[" * 5_000, "true"],
    ids=lambda body: body[:12],
)
def test_every_route_may_get_any_body(api: Api, runtime: Runtime, body: str) -> None:
    for method, path, _, _ in operations(runtime):
        for kind in ("application/json", "text/csv", "x", ""):
            headers = {"Content-Type": kind, "Idempotency-Key": f"{path} {kind} {len(body)}"}
            check(api.call(method, path, data=body.encode(), headers=headers), (method, path, kind))


def test_every_parameter_may_hold_anything(api: Api, runtime: Runtime) -> None:
    texts = [
        "",
        " ",
        "x",
        "\0",
        "-1",
        "1e9",
        "9" * 400,
        "%",
        "\u202e",
        "a" * 5_000,
        "٣",
        "2026-13-45",
        "0001-01-01T00:00:00Z",
    ]
    tried = 0
    for method, path, operation, _ in operations(runtime):
        for parameter in operation.get("parameters", []):
            for text in texts:
                if parameter["in"] == "query":
                    answer = api.call(method, path, params={parameter["name"]: text})
                elif parameter["in"] == "path":
                    holder = PLACES[parameter["name"]]
                    answer = api.call(method, path.replace(holder, quoted(text), 1))
                else:
                    continue
                check(answer, (method, path, parameter["name"], text[:20]))
                tried += 1
    assert tried > 300


def quoted(text: str) -> str:
    """A part of a path, quoted whole."""
    return quote(text, safe="") or "%20"
