"""Checks over the API: what a campaign would be, without one."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from dispatcher.access.scopes import Scope
from dispatcher.campaigns import dry_run, list_checks
from dispatcher.campaigns.list_checks import MAX_TRIES
from dispatcher.maintenance import tick
from dispatcher.runtime import Runtime
from dispatcher.suppression import optouts
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, make_key, serving_api
from tests.integration.web.test_problems import check_problem
from tests.integration.web.test_uploads import CSV, upload

TEMPLATE = "Hola {nombre}. Empresa SA"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as api:
        yield api


def asked(api: Api, body: bytes = CSV, **more: Any) -> str:
    """A check of an upload, which no worker has begun."""
    number = upload(api, body).json()["upload_id"]
    answer = api.post("/checks", {"upload_id": number, "template": TEMPLATE, **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/api/v1/checks/{answer.json()['check_id']}"
    assert answer.json()["state"] == "running"
    return str(answer.json()["check_id"])


def run(runtime: Runtime, check_id: str) -> None:
    list_checks.run(runtime.engine, runtime.settings, check_id)


def rewind(runtime: Runtime, check_id: str, **moments: str) -> None:
    """Set moments of a check's row to so long before now."""
    values = ", ".join(f"{name} = now() - interval '{ago}'" for name, ago in moments.items())
    Stepper(runtime).sql(f"UPDATE list_check SET {values} WHERE public_id = '{check_id}'")


def test_recipients_in_line_are_checked_at_once(api: Api, runtime: Runtime, simulator: SimulatorProcess) -> None:
    simulator.set_option(credit=50)
    with runtime.engine.begin() as connection:
        optouts.add(connection, "1155556666", source="operator", reason="asked")
    rows = [
        {"telefono": "1144445555", "nombre": "Zoë"},
        {"telefono": "1144445555", "nombre": "Zoë otra vez"},
        {"telefono": "1155556666", "nombre": "Baja"},
        {"telefono": "12", "nombre": "Corto"},
    ]
    answer = api.post("/checks", {"recipients": rows, "template": TEMPLATE})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["state"], found["progress"], found["error"]) == ("done", 1.0, None)
    assert (found["messages"], found["invalid"], found["cost"]) == (2, 2, 1)
    assert sorted(found["reasons"].values()) == [1, 1]
    assert sum(found["left_out"].values()) == 1
    assert found["samples"][0] == {"number": "1144445555", "text": "Hola Zoe. Empresa SA"}
    assert [row["line"] for row in found["invalid_rows"]] == [2, 4]
    assert "Corto" in found["invalid_rows"][1]["raw"]
    assert found["invalid_rows"][0]["detail"]
    assert found["changed_characters"] == {"ë": 2}
    assert found["characters_changed"] == 1  # of those that become messages
    assert found["different_texts"] == 1
    assert found["balance"] == 50
    assert datetime.fromisoformat(found["begins"]) <= datetime.fromisoformat(found["ends"])
    assert found["begins"].endswith("Z") or "+" in found["begins"]
    assert api.get(f"/checks/{found['check_id']}").json() == found
    assert Stepper(runtime).sql("SELECT count(*) AS n FROM campaign")[0].n == 0


def test_an_upload_is_checked_by_a_worker(api: Api, runtime: Runtime) -> None:
    check_id = asked(api)
    waiting = api.get(f"/checks/{check_id}")
    assert (waiting.json()["state"], waiting.headers["Retry-After"]) == ("running", "1")
    assert waiting.json()["messages"] is None
    run(runtime, check_id)
    found = api.get(f"/checks/{check_id}").json()
    assert (found["state"], found["messages"], found["invalid"]) == ("done", 1, 1)
    assert found["columns"]["number"] == ["telefono"]
    assert found["invalid_rows"][0]["line"] == 3


def test_its_sentences_are_in_the_language_of_who_asked(api: Api, runtime: Runtime) -> None:
    number = upload(api).json()["upload_id"]
    said = {}
    for language in ("es", "en"):
        body = {"upload_id": number, "template": TEMPLATE}
        made = api.post("/checks", body, headers={"Accept-Language": language}).json()
        run(runtime, made["check_id"])
        said[language] = api.get(f"/checks/{made['check_id']}").json()["invalid_rows"][0]["detail"]
    assert said["es"] != said["en"]


def test_a_list_that_makes_no_campaign_is_refused_with_the_reason(api: Api, runtime: Runtime) -> None:
    check_id = asked(api, b"quien;donde\nAna;Salta\n")
    run(runtime, check_id)
    found = api.get(f"/checks/{check_id}").json()
    assert (found["state"], found["messages"]) == ("refused", None)
    assert "number" in found["error"]
    check_problem(api.post("/checks", {"recipients": [{"quien": "Ana"}], "template": TEMPLATE}), "refused")
    check_problem(api.post("/checks", {"upload_id": "up_" + 32 * "0", "template": TEMPLATE}), "refused")


def test_the_progress_of_a_long_list_is_seen(api: Api, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"".join(b"11%08d;Ana\n" % (40_000_000 + n) for n in range(120_000))
    check_id = asked(api, b"telefono;nombre\n" + rows)
    monkeypatch.setattr(list_checks, "_PROGRESS_EVERY", 0.0)
    seen = []
    add = dry_run.Totals.add

    def look(self: dry_run.Totals, batch: Any) -> None:
        seen.append(api.get(f"/checks/{check_id}").json()["progress"])
        add(self, batch)

    monkeypatch.setattr(dry_run.Totals, "add", look)
    run(runtime, check_id)
    assert seen == sorted(seen)
    assert 0 < seen[-1] < 1
    assert api.get(f"/checks/{check_id}").json()["progress"] == 1


def test_a_check_whose_worker_died_begins_anew_and_not_without_end(
    api: Api, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_id = asked(api)
    assert tick.tick(runtime).checks == []  # its hint is on the way
    rewind(runtime, check_id, created_at="3 seconds")
    assert tick.tick(runtime).checks == [check_id]

    def die(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as dying:
        dying.setattr(dry_run, "run", die)
        for _ in range(MAX_TRIES):
            with pytest.raises(MemoryError):
                run(runtime, check_id)
            assert tick.tick(runtime).checks == []  # somebody else has it
            run(runtime, check_id)
            rewind(runtime, check_id, lease_until="1 second")
            assert tick.tick(runtime).checks == [check_id]
    run(runtime, check_id)
    found = api.get(f"/checks/{check_id}").json()
    assert (found["state"], found["error"]) == ("refused", "The check was cut off several times.")
    assert tick.tick(runtime).checks == []


def test_a_check_is_dropped_with_its_days(api: Api, runtime: Runtime) -> None:
    check_id = asked(api)
    rewind(runtime, check_id, expires_at="1 second")
    check_problem(api.get(f"/checks/{check_id}"), "not_found")
    tick.tick(runtime)
    assert Stepper(runtime).sql("SELECT count(*) AS n FROM list_check")[0].n == 0


def test_numbers_and_texts_need_a_scope_that_may_see_them(api: Api, runtime: Runtime) -> None:
    check_id = asked(api)
    run(runtime, check_id)
    for scope, sees in ((Scope.CAMPAIGNS_READ, False), (Scope.RESULTS_READ, True)):
        key = make_key(runtime, {Scope.CAMPAIGNS_READ, scope})
        found = Api(api.base, key).get(f"/checks/{check_id}")
        assert found.json()["invalid"] == 1
        assert (found.json()["samples"] is not None) is sees
        assert ("1144445555" in found.text) is sees


def test_what_no_json_column_holds_is_checked_all_the_same(api: Api, runtime: Runtime) -> None:
    check_id = asked(api, b"telefono;nombre\n12;a\x00b\n1144445555;Ana\n")
    run(runtime, check_id)
    assert api.get(f"/checks/{check_id}").json()["state"] == "done"
    check_problem(api.get("/checks/chk_zz"), "not_found")
