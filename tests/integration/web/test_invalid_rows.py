"""The invalid rows of a campaign over the API: of every list, as pages and as one stream."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dispatcher.campaigns import invalid_rows
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, serving_api

AS_CSV = {"Accept": "text/csv"}
AS_LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as api:
        yield api


def hand_in(api: Api, once: str, rows: list[dict[str, Any]], **more: Any) -> int:
    body = {"template": "Hola {nombre}", "recipients": rows, "start": "2030-01-04 09:00:00", **more}
    answer = api.post("/campaigns", {key: value for key, value in body.items() if value is not None}, once=once)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["campaign_id"])


def two_lists(api: Api) -> int:
    number = hand_in(api, "k1", [{"telefono": "1144445551", "nombre": "Ana"}, {"telefono": "12", "nombre": "Uno"}])
    more = [{"telefono": "1144445552", "nombre": "Eva", "zona": "Sur"}, {"telefono": "13", "nombre": "=D", "zona": "N"}]
    assert hand_in(api, "k2", more, append_to=number, template=None, start=None) == number
    return number


def test_the_rows_of_every_list_come_in_one_file(api: Api) -> None:
    path = f"/campaigns/{two_lists(api)}/invalid"
    answer = api.get(path, headers=AS_CSV)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert sorted(rows[0]) == sorted(["telefono", "nombre", "zona", "motivo", "que_hacer", "linea"])
    assert [(row["telefono"], row["nombre"], row["zona"]) for row in rows] == [("12", "Uno", ""), ("13", "'=D", "N")]
    streamed = api.get(path, headers=AS_LINES)
    assert streamed.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in streamed.text.splitlines()] == api.get(path).json()["data"]


def test_a_campaign_without_a_list_of_its_own_has_an_empty_file(api: Api, runtime: Runtime) -> None:
    number = hand_in(api, "k1", [{"telefono": "1144445551", "nombre": "Ana"}])
    Stepper(runtime).sql("DELETE FROM campaign_list")  # as a retry, or one that is loading
    answer = api.get(f"/campaigns/{number}/invalid", headers=AS_CSV)
    assert (answer.status_code, answer.content.decode("utf-8-sig")) == (200, "motivo;que_hacer;linea\r\n")
    assert api.get(f"/campaigns/{number}/invalid", headers=AS_LINES).text == ""


def test_reasons_are_in_the_caller_s_language_in_each_form(api: Api) -> None:
    path = f"/campaigns/{two_lists(api)}/invalid"
    spanish = {"Accept-Language": "es"}
    words = api.get(path, headers=spanish).json()["data"][0]["detail"]
    assert "demasiado corto" in words
    assert "demasiado corto" in api.get(path, headers={**spanish, **AS_CSV}).text
    assert json.loads(api.get(path, headers={**spanish, **AS_LINES}).text.splitlines()[0])["detail"] == words
    assert "too short" in api.get(path, headers=AS_CSV).text


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_many_rows_come_in_parts(api: Api, runtime: Runtime, kind: Any) -> None:
    number = two_lists(api)
    Stepper(runtime).sql(
        "INSERT INTO invalid_row (campaign_id, list_no, line, raw, reason, detail, facts)"
        " SELECT campaign_id, list_no, line + n, raw, reason, detail, facts"
        " FROM invalid_row, generate_series(1, 5000) n WHERE list_no = 1"
    )
    parts = list(invalid_rows.stream(runtime.engine, number, kind))
    assert max(map(len, parts)) < 2_000_000
    assert len(parts) >= 3
    assert b"".join(parts).count(b"\n") == 5_002 + (kind == "csv")
