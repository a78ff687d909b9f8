"""Single messages, replies and opt-outs over the API."""

from collections.abc import Callable, Iterator

import pytest

from dispatcher.access.scopes import Scope
from dispatcher.accounts import binding
from dispatcher.replies.store import ReplyStore
from dispatcher.runtime import Runtime
from dispatcher.single_messages import send
from dispatcher.web import web_app
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, make_key, serving, serving_api
from tests.integration.web.test_problems import check_problem

MESSAGE = {"number": "11 4444-5555", "text": "Su turno es a las 15. Empresa SA"}


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as api:
        yield api


def reply(runtime: Runtime, text: str, number: str = "1144445555") -> None:
    with runtime.engine.begin() as connection:
        account = binding.find(connection, runtime.settings) or binding.bind(connection, runtime.settings)
    ReplyStore(runtime, account.id).pushed(number, text, None)


def test_a_message_goes_out_once_however_often_it_is_asked_for(api: Api, simulator: SimulatorProcess) -> None:
    first = api.post("/messages", MESSAGE, once="turno-815")
    assert first.status_code == 200, first.text
    found = first.json()
    assert (found["status"], found["number"]) == ("accepted", "1144445555")
    again = api.post("/messages", MESSAGE, once="turno-815")
    assert (again.status_code, again.json()) == (200, found)
    check_problem(api.post("/messages", {**MESSAGE, "text": "Otra"}, once="turno-815"), "idempotency_key_reused")
    check_problem(api.post("/messages", MESSAGE), "idempotency_key_missing")
    assert [line["texto"] for line in simulator.ledger()] == [MESSAGE["text"]]


def test_a_call_whose_process_died_after_sending_is_not_sent_again(
    api: Api, runtime: Runtime, simulator: SimulatorProcess
) -> None:
    assert api.post("/messages", MESSAGE, once="k").status_code == 200
    Stepper(runtime).sql("UPDATE api_replay SET status = NULL, headers = '{}', answer = NULL, lease_until = now()")
    assert api.post("/messages", MESSAGE, once="k").json()["status"] == "accepted"
    assert len(list(simulator.ledger())) == 1


def test_a_message_s_life_is_shown(api: Api, runtime: Runtime) -> None:
    idinterno = api.post("/messages", MESSAGE, once="k").json()["idinterno"]
    found = api.get(f"/messages/{idinterno.lower()}").json()
    assert (found["kind"], found["status"], found["number"]) == ("single", "accepted", "1144445555")
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["accepted"]
    check_problem(api.get("/messages/NADIE"), "not_found")
    check_problem(api.get("/messages/a%20b"), "not_found")


def test_a_campaign_s_message_is_shown_with_its_attempt_and_its_line(api: Api, runtime: Runtime) -> None:
    stepper = Stepper(runtime)
    campaign = stepper.load(3)
    stepper.finish(campaign)
    (row,) = stepper.sql("SELECT idinterno FROM message_status WHERE seq = 2")
    found = api.get(f"/messages/{row.idinterno}").json()
    assert (found["kind"], found["campaign_id"], found["seq"], found["status"]) == ("campaign", campaign, 2, "ok")
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["accepted"]
    assert [line["code"] for line in found["result_lines"]] == [0]
    strange = row.idinterno[:1] + "0" * 10 + row.idinterno[11:]
    check_problem(api.get(f"/messages/{strange}"), "not_found")


def test_what_is_queued_is_handed_to_the_broker_with_a_name_of_its_own(runtime: Runtime) -> None:
    queued: list[dict[str, object]] = []
    hints = web_app.NO_HINTS._replace(send_message=queued.append)
    with serving(runtime, lambda given: web_app.create_app(given, hints)) as base:
        api = Api(base, make_key(runtime))
        answer = api.post("/messages", {**MESSAGE, "async": True}, once="k")
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "queued"
        assert answer.headers["Location"] == f"/api/v1/messages/{answer.json()['idinterno']}"
        assert [(each["number"], each["idinterno"]) for each in queued] == [
            (MESSAGE["number"], answer.json()["idinterno"])
        ]
        send.receive(runtime, queued[0], "task")
        assert api.get(answer.headers["Location"].removeprefix("/api/v1")).json()["status"] == "accepted"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"text": "x"}, "/number"),
        ({"number": "1144445555"}, "/text"),
        ({"number": 5, "text": "x"}, "/number"),
        ({"number": None, "text": "x"}, "/number"),
        ({"number": "1" * 101, "text": "x"}, "/number"),
        ({**MESSAGE, "surprise": 1}, "/surprise"),
        ({**MESSAGE, "idinterno": "a b"}, "/idinterno"),
        ({**MESSAGE, "async": "perhaps"}, "/async"),
    ],
)
def test_a_bad_field_is_named(api: Api, body: dict[str, object], pointer: str) -> None:
    answer = api.post("/messages", body, once="k")
    check_problem(answer, "invalid_fields")
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


def test_replies_are_listed_answered_and_done(api: Api, runtime: Runtime, simulator: SimulatorProcess) -> None:
    for text in ("¿A qué hora?", "baja", "gracias"):
        reply(runtime, text)
    listed = api.get("/replies?limit=2").json()
    assert [each["text"] for each in listed["data"]] == ["gracias", "baja"]
    rest = api.get(f"/replies?limit=2&cursor={listed['next_cursor']}").json()
    assert ([each["text"] for each in rest["data"]], rest["next_cursor"]) == (["¿A qué hora?"], None)
    asked = rest["data"][0]
    assert (asked["state"], asked["kind"]) == ("new", "reply")
    assert [each["kind"] for each in api.get("/replies?kind=optout").json()["data"]] == ["optout"]
    assert api.get("/replies?number=15-4444-5556&since=2020-01-01T00:00:00Z").status_code == 422
    assert len(api.get("/replies?number=011 4444-5555").json()["data"]) == 3

    simulator.set_option(window="00:00-24:00")
    check_problem(api.post("/replies/999999/answer", {"text": "x"}, once="a"), "not_found")
    sent = api.post(f"/replies/{asked['reply_id']}/done", {})
    assert (sent.status_code, sent.json()["state"]) == (200, "done"), sent.text
    assert sent.json()["done_by"].startswith("key ")
    assert api.post(f"/replies/{asked['reply_id']}/done", {}).json() == sent.json()
    assert [each["text"] for each in api.get("/replies?state=new").json()["data"]] == ["gracias", "baja"]


def test_an_answer_goes_out_once_and_says_who_gave_it(api: Api, runtime: Runtime, simulator: SimulatorProcess) -> None:
    reply(runtime, "¿A qué hora?")
    number = api.get("/replies").json()["data"][0]["reply_id"]
    for _ in range(2):
        sent = api.post(f"/replies/{number}/answer", {"text": "A las 15. Empresa SA"}, once="r1")
        assert (sent.status_code, sent.json()["status"]) == (200, "accepted"), sent.text
    assert [line["texto"] for line in simulator.ledger()] == ["A las 15. Empresa SA"]
    found = api.get("/replies").json()["data"][0]
    assert (found["state"], found["answered_by"].split()[0]) == ("answered", "key")
    lacks = Api(api.base, make_key(runtime, [Scope.MESSAGES_SEND]))
    check_problem(lacks.post(f"/replies/{number}/answer", {"text": "x"}, once="r2"), "scope_missing")


def test_opt_outs_are_added_listed_removed(api: Api, runtime: Runtime) -> None:
    added = api.call("PUT", "/optouts/011 4444-5555", json={"reason": "carta"})
    assert (added.status_code, added.json()["number"], added.json()["reason"]) == (200, "1144445555", "carta")
    assert api.call("PUT", "/optouts/1144445555").json() == added.json(), "it stays as it is"
    assert api.call("PUT", "/optouts/1144446666").json()["reason"].startswith("by key ")
    first = api.get("/optouts?limit=1").json()
    second = api.get(f"/optouts?limit=1&cursor={first['next_cursor']}").json()
    assert [page["data"][0]["number"] for page in (first, second)] == ["1144446666", "1144445555"]
    assert second["next_cursor"] is None
    assert api.call("DELETE", "/optouts/1144445555?reason=lo+pidio").status_code == 204
    check_problem(api.call("DELETE", "/optouts/1144445555"), "not_found")
    check_problem(api.call("PUT", "/optouts/123"), "refused")
    actions = [row.action for row in Stepper(runtime).sql("SELECT action FROM audit_entry ORDER BY id")]
    assert [action for action in actions if action.startswith("optout")] == ["optout.add"] * 2 + ["optout.remove"]


def test_a_file_of_numbers_is_imported(api: Api) -> None:
    body = "telefono\n1144445555\n1144446666\n12\n"
    answer = api.call("POST", "/optouts/imports?reason=No+Llame", data=body, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["added"], found["known"], found["invalid"]) == (2, 0, 1)
    assert found["invalid_rows"][0]["line"] == 4
    assert {each["reason"] for each in api.get("/optouts").json()["data"]} == {"No Llame"}
