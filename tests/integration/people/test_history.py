"""Everything about one number, from the command line and over the API."""

from collections.abc import Callable, Iterator
from typing import Any

from dispatcher.access.scopes import Scope
from dispatcher.accounts import binding
from dispatcher.people import history
from dispatcher.replies.store import ReplyStore
from dispatcher.runtime import Runtime
from dispatcher.suppression import do_not_send
from tests.integration.stepper import Stepper
from tests.integration.web.serving import serving_api
from tests.integration.web.test_problems import check_problem


def test_a_person_s_messages_replies_and_optouts_come_newest_first(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime()
    stepper = Stepper(runtime)
    first, second = stepper.load(3), stepper.load(3)
    number = stepper.sql("SELECT destino FROM message WHERE seq = 2 LIMIT 1")[0].destino
    with serving_api(runtime) as api:
        single = api.post("/messages", {"number": number, "text": "Su turno es a las 15"}, once="k").json()
        with runtime.engine.begin() as connection:
            account = binding.bind(connection, runtime.settings)
        for text in ("A que hora?", "BAJA"):
            ReplyStore(runtime, account.id).pushed(number, text, None)
        with runtime.engine.begin() as connection:
            do_not_send.add(connection, number, -2, stepper.sql("SELECT now() AS at")[0].at)
        written = f"+54 9 {number[:2]} {number[2:6]}-{number[6:]}"
        found = api.get(f"/people/{written}").json()
    assert found["number"] == number
    assert [(m["kind"], m["campaign_id"]) for m in found["messages"]] == [
        ("single", None),
        ("campaign", second),
        ("campaign", first),
    ]
    assert found["messages"][0]["idinterno"] == single["idinterno"]
    assert [(r["text"], r["state"]) for r in found["replies"]] == [("BAJA", "new"), ("A que hora?", "new")]
    assert [(o["action"], o["source"]) for o in found["optouts"]] == [("add", "reply")]
    assert found["optout"]["source"] == "reply"
    assert found["undeliverable"]["code"] == -2


def test_a_number_nobody_knows_has_empty_lists_and_no_number_is_refused(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime()
    with serving_api(runtime) as api:
        found = api.get("/people/1144440000").json()
        assert (found["messages"], found["replies"], found["optouts"], found["optout"]) == ([], [], [], None)
        check_problem(api.get("/people/nadie"), "refused")
        assert api.get("/people/1%00").status_code == 422
        assert api.get("/people/" + "1" * 101).status_code == 404
        assert api.get("/people/1144440000?limit=0").status_code == 422
    with serving_api(runtime, [Scope.CAMPAIGNS_READ]) as api:
        assert api.get("/people/1144440000").status_code == 403


def test_an_indexed_list_is_not_read_whole_for_one_number(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime()
    stepper = Stepper(runtime)
    campaign = stepper.load(3)
    stepper.sql(
        "INSERT INTO message (campaign_id, seq, chunk_no, line, destino, texto) SELECT :c, n, 1, n, "
        "(1100000000 + n)::text, repeat('x', 100) FROM generate_series(1000, 100000) n",
        c=campaign,
    )
    stepper.sql("SELECT brin_summarize_new_values('message_1_destino_external_id_idx')")
    with runtime.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE message")
        found = history.find(connection, "1100077777", 10)
        plan = connection.exec_driver_sql(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM message_status WHERE destino = '1100077777'"
        ).scalar_one()
    assert [message.seq for message in found.messages] == [77777]
    scans = [step for step in steps(plan[0]["Plan"]) if step["Node Type"] == "Bitmap Heap Scan"]
    (scan,) = [step for step in scans if step["Relation Name"] == "message_1"]
    assert scan["Rows Removed by Index Recheck"] < 10_000


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from steps(below)
