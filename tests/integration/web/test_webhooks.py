"""`/webhooks` over real HTTP."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatcher.access.scopes import Scope
from dispatcher.runtime import Runtime
from dispatcher.suppression import optouts
from dispatcher.webhooks import delivering, outbox
from dispatcher.webhooks.event_types import EventType
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, make_key, serving_api
from tests.receivers import Receiver, receiver, status

EVENTS = ["campaign.completed", "campaign.paused"]


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime(webhook_allow="127.0.0.0/8", chunk_size=10)


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime, [Scope.WEBHOOKS_MANAGE]) as api:
        yield api


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def made(api: Api, url: str = "https://crm.example.com/sms?t=1", **more: Any) -> dict[str, Any]:
    answer = api.post("/webhooks", {"url": url, "events": EVENTS, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def deliver(runtime: Runtime) -> None:
    with runtime.engine.connect() as connection:
        due = delivering.due(connection)
    own = Runtime(runtime.settings)
    for number, _ in due:
        delivering.deliver(own, number)
    own.close()


def pause(runtime: Runtime, campaign: int = 1) -> None:
    with runtime.engine.begin() as connection:
        outbox.tell(connection, EventType.CAMPAIGN_PAUSED, campaign)


def test_an_endpoint_is_made_and_its_secret_is_shown_once(api: Api) -> None:
    answer = api.post("/webhooks", {"url": "https://crm.example.com/sms", "events": EVENTS}, once="w1")
    assert answer.status_code == 201
    webhook = answer.json()
    assert webhook["secret"].startswith("whsec_")
    assert (webhook["url"], webhook["events"], webhook["state"]) == ("https://crm.example.com/sms", EVENTS, "active")
    assert answer.headers["Location"] == f"/api/v1/webhooks/{webhook['webhook_id']}"
    again = api.post("/webhooks", {"url": "https://crm.example.com/sms", "events": EVENTS}, once="w1")
    assert again.json() == webhook
    shown = api.get(f"/webhooks/{webhook['webhook_id']}").json()
    assert "secret" not in shown
    listed = api.get("/webhooks").json()
    assert listed == {"data": [shown], "next_cursor": None}


def test_endpoints_come_in_pages(api: Api) -> None:
    ids = [made(api)["webhook_id"] for _ in range(3)]
    first = api.get("/webhooks?limit=2").json()
    rest = api.get(f"/webhooks?limit=2&cursor={first['next_cursor']}").json()
    assert [each["webhook_id"] for each in first["data"] + rest["data"]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert code(api.get("/webhooks?cursor=x")) == (400, "bad_cursor")


@pytest.mark.parametrize(
    ("body", "expected", "pointer"),
    [
        ({}, "invalid_fields", "/url"),
        ({"url": "https://a.example"}, "invalid_fields", "/events"),
        ({"url": "https://a.example", "events": []}, "invalid_fields", "/events"),
        ({"url": "https://a.example", "events": ["campaign.eaten"]}, "invalid_fields", "/events/0"),
        ({"url": "https://a.example", "events": "ping"}, "invalid_fields", "/events"),
        ({"url": "https://a.example", "events": EVENTS, "secret": "x"}, "invalid_fields", "/secret"),
        ({"url": 7, "events": EVENTS}, "invalid_fields", "/url"),
        ({"url": None, "events": EVENTS}, "invalid_fields", "/url"),
        ({"url": "https://a.example/" + "x" * 3000, "events": EVENTS}, "invalid_fields", "/url"),
        ({"url": "http://a.example/\x00", "events": EVENTS}, "refused", None),
        ({"url": "https://10.0.0.1/", "events": EVENTS}, "refused", None),
        ({"url": "http://8.8.8.8/", "events": EVENTS}, "refused", None),
        ({"url": "https://user:pass@a.example/", "events": EVENTS}, "refused", None),
        ({"url": "file:///etc/passwd", "events": EVENTS}, "refused", None),
    ],
)
def test_bad_fields_are_named(api: Api, body: dict[str, Any], expected: str, pointer: str | None) -> None:
    answer = api.post("/webhooks", body)
    assert code(answer) == (422, expected)
    if pointer:
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_a_refusal_speaks_spanish(api: Api) -> None:
    answer = api.post("/webhooks", {"url": "https://10.0.0.1/", "events": EVENTS}, headers={"Accept-Language": "es"})
    assert answer.json()["detail"].startswith("La dirección del webhook no sirve: solo se llama a direcciones públicas")


def test_what_is_not_there_is_404(api: Api) -> None:
    nothing = "wh_" + "0" * 24
    for method, path, body in [
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/rotate", None),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
        ("GET", "/deliveries/1", None),
        ("POST", "/replay", {"delivery_id": 1}),
    ]:
        for name in (nothing, "wh_1", "7"):
            answer = api.call(method, f"/webhooks/{name}{path}", json=body)
            assert code(answer) == (404, "not_found"), (method, path, name)


def test_an_endpoint_is_changed_disabled_enabled_and_deleted(api: Api, runtime: Runtime, there: Receiver) -> None:
    webhook = made(api)
    path = f"/webhooks/{webhook['webhook_id']}"
    changed = api.call("PATCH", path, json={"url": there.url, "events": ["campaign.paused"]}).json()
    assert (changed["url"], changed["events"]) == (there.url, ["campaign.paused"])
    assert code(api.call("PATCH", path, json={"url": "https://10.0.0.1/"})) == (422, "refused")
    disabled = api.call("PATCH", path, json={"state": "disabled"}).json()
    assert (disabled["state"], disabled["disabled_why"]) == ("disabled", "operator")
    pause(runtime)
    deliver(runtime)
    assert there.calls == []
    assert code(api.post(f"{path}/test")) == (409, "wrong_state")
    assert api.call("PATCH", path, json={"state": "active"}).json()["state"] == "active"
    deliver(runtime)
    assert there.types == ["campaign.paused"]
    assert api.call("DELETE", path).status_code == 204
    assert code(api.get(path)) == (404, "not_found")
    actions = [row.action for row in Stepper(runtime).sql("SELECT action FROM audit_entry ORDER BY id")]
    assert actions[-5:] == [f"webhook.{verb}" for verb in ("create", "change", "disable", "enable", "delete")]
    who = {row.actor_kind for row in Stepper(runtime).sql("SELECT * FROM audit_entry WHERE action LIKE 'webhook.%'")}
    assert who == {"key"}
    whole = str(Stepper(runtime).sql("SELECT audit_entry::text FROM audit_entry"))
    assert webhook["secret"] not in whole
    assert "t=1" not in whole, "a query may hold a token"


def test_a_ping_can_be_followed(api: Api, runtime: Runtime, there: Receiver) -> None:
    webhook = made(api, there.url)
    answer = api.post(f"/webhooks/{webhook['webhook_id']}/test")
    assert (answer.status_code, answer.json()["type"], answer.json()["state"]) == (202, "ping", "due")
    deliver(runtime)
    followed = api.get(answer.headers["Location"].removeprefix("/api/v1")).json()
    assert (followed["state"], followed["status"], followed["answer"]) == ("delivered", 200, "thank you")
    there.calls[0].verify(webhook["secret"])


def test_a_rotated_secret_is_shown_once_and_signs_with_the_former_one(
    api: Api, runtime: Runtime, there: Receiver
) -> None:
    webhook = made(api, there.url)
    rotated = api.post(f"/webhooks/{webhook['webhook_id']}/rotate", once="r1").json()
    assert api.post(f"/webhooks/{webhook['webhook_id']}/rotate", once="r1").json() == rotated
    assert rotated["secret"] != webhook["secret"]
    assert rotated["former_secret_until"] is not None
    api.post(f"/webhooks/{webhook['webhook_id']}/test")
    deliver(runtime)
    for key in (webhook["secret"], rotated["secret"]):
        there.calls[0].verify(key)


def test_deliveries_are_listed_and_replayed(api: Api, runtime: Runtime, there: Receiver) -> None:
    webhook = made(api, there.url)
    path = f"/webhooks/{webhook['webhook_id']}"
    pause(runtime, 1)
    deliver(runtime)
    there.answer = status(500, b"oh")
    pause(runtime, 2)
    deliver(runtime)
    listed = api.get(f"{path}/deliveries").json()["data"]
    assert [(each["campaign_id"], each["state"], each["status"]) for each in listed] == [
        (2, "due", 500),
        (1, "delivered", 200),
    ]
    assert [each["campaign_id"] for each in api.get(f"{path}/deliveries?state=due").json()["data"]] == [2]
    page = api.get(f"{path}/deliveries?limit=1").json()
    assert api.get(f"{path}/deliveries?limit=1&cursor={page['next_cursor']}").json()["data"] == [listed[1]]
    there.answer = status(200)
    replayed = api.post(f"{path}/replay", {"delivery_id": listed[1]["delivery_id"]}, once="p1")
    assert (replayed.status_code, replayed.json()) == (202, {"deliveries": 1})
    deliver(runtime)
    assert api.post(f"{path}/replay", {"since": "2020-01-01T00:00:00Z", "missed_only": True}).json() == {
        "deliveries": 0
    }
    assert api.post(f"{path}/replay", {"since": "2020-01-01T00:00:00Z"}).json() == {"deliveries": 1}
    for wrong in ({}, {"delivery_id": 1, "since": "2020-01-01T00:00:00Z"}, {"delivery_id": 1, "missed_only": True},
                  {"since": "2020-01-01"}, {"until": "2020-01-01T00:00:00Z"}):  # fmt: skip
        assert code(api.post(f"{path}/replay", wrong)) == (422, "invalid_fields")
    other = made(api, there.url)
    assert code(api.post(f"/webhooks/{other['webhook_id']}/replay", {"delivery_id": listed[1]["delivery_id"]})) == (
        404,
        "not_found",
    )


def test_whoever_may_manage_webhooks_reads_no_numbers_by_them(api: Api, runtime: Runtime, there: Receiver) -> None:
    """What an event tells is ids and links; behind the links `results:read` is asked for."""
    with runtime.engine.begin() as connection:
        yesterday = datetime.now(UTC) - timedelta(days=1)
        optouts.add(connection, "1120000009", source="operator", at=yesterday)
    answer = api.post("/webhooks", {"url": there.url, "events": [str(kind) for kind in EventType]})
    assert answer.status_code == 201
    stepper = Stepper(runtime)
    stepper.load(5)
    from dispatcher.accounts import binding
    from dispatcher.replies.store import ReplyStore

    with runtime.engine.begin() as connection:
        account = binding.bind(connection, runtime.settings)
    ReplyStore(runtime, account.id).pushed("1120000001", "BAJA", None)
    deliver(runtime)
    assert sorted(there.types) == ["campaign.created", "optout.created", "reply.received"]
    assert not any(b"1120000001" in call.raw or b"BAJA" in call.raw for call in there.calls)
    links = {call.type: call.data["link"].removeprefix("/api/v1") for call in there.calls}
    reader = Api(api.base, make_key(runtime, [Scope.RESULTS_READ]))
    assert reader.get(links["reply.received"]).json()["number"] == "1120000001"
    assert [each["number"] for each in reader.get(links["optout.created"]).json()["data"]] == ["1120000001"]
    for link in (links["reply.received"], links["optout.created"]):
        assert code(api.get(link)) == (403, "scope_missing")


def test_the_link_for_the_rest_leads_to_the_rest(runtime: Runtime) -> None:
    campaign = Stepper(runtime).load(25)
    with serving_api(runtime) as api:
        data = api.get(f"/campaigns/{campaign}/messages?first_seq=5&last_seq=20&limit=10").json()
        assert [each["seq"] for each in data["data"]] == list(range(5, 15))
        path = f"/campaigns/{campaign}/messages?first_seq=5&last_seq=20"
        rest = api.get(f"{path}&cursor={data['next_cursor']}").json()
        assert [each["seq"] for each in rest["data"]] == list(range(15, 21))
        whole = api.get(path, headers={"Accept": "application/x-ndjson"})
        assert len(whole.text.splitlines()) == 16
