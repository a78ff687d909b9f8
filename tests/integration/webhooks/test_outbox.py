"""Events: written with what they tell of, or not at all; one for each thing that happened, in order."""

from dispatcher.accounts import account_info, blocking, staleness
from dispatcher.campaigns import lifecycle, operator_actions, reject_watch
from dispatcher.errors import InDoubt
from dispatcher.results.probing import Prober
from dispatcher.sending import claims
from dispatcher.suppression import optouts
from dispatcher.webhooks import outbox
from dispatcher.webhooks.event_types import EventType
from tests.integration.core_harness import FIXED
from tests.integration.webhooks.desk import Desk
from tests.receivers import Receiver


def test_nothing_is_written_while_nobody_wants_it(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.REPLY_RECEIVED)
    desk.tell(1)
    assert desk.core.one("SELECT count(*) FROM webhook_event") == 0
    desk.tell(1, kind=EventType.REPLY_RECEIVED)
    assert desk.core.one("SELECT count(*) FROM webhook_event") == 1


def test_what_was_rolled_back_is_told_to_nobody(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url)
    with desk.core.engine.connect() as connection:
        outbox.tell(connection, EventType.CAMPAIGN_PAUSED, 1)
        connection.rollback()
    desk.tell(2)
    desk.deliver()
    assert [call.data["campaign_id"] for call in there.calls] == [2]


def test_one_event_is_written_once_however_many_endpoints_want_it(desk: Desk, there: Receiver) -> None:
    for _ in range(3):
        desk.endpoint(there.url)
    desk.tell(1)
    assert desk.core.one("SELECT count(*) FROM webhook_event") == 1
    desk.deliver()
    assert len(there.calls) == 3
    assert len({call.event_id for call in there.calls}) == 1


def test_the_life_of_a_campaign_is_told_in_order(desk: Desk, there: Receiver) -> None:
    webhook, secret = desk.endpoint(there.url)
    core = desk.core
    campaign = core.load(12, tags={"area": "cobros"})
    core.send()
    lifecycle.pause(core.engine, campaign, wait=0, reason="llueve")
    lifecycle.resume(core.engine, campaign)
    core.send()
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(1, 12)))
    core.settle((core.reference(campaign, 12), FIXED))
    desk.deliver()
    assert there.types == [
        *("campaign.created", "campaign.started", "campaign.paused", "campaign.resumed"),
        *("message.results", "message.results", "campaign.completed"),
    ]
    for call in there.calls:
        call.verify(secret)
        assert call.data["campaign_id"] == campaign
        assert call.headers["content-type"] == "application/json"
        assert "11200000" not in call.raw.decode(), "no number leaves"
    created, _, paused, _, results, last, completed = (call.data for call in there.calls)
    assert (created["state"], created["tags"]) == ("scheduled", {"area": "cobros"})
    assert (paused["state"], paused["reason"]) == ("paused", "llueve")
    assert [each["seq"] for each in results["messages"]] == list(range(1, 12))
    assert results["messages"][0]["idinterno"] == core.reference(campaign, 1)
    assert {each["status"] for each in results["messages"]} == {"ok"}
    assert results["more"] is None
    assert [(each["status"], each["code"]) for each in last["messages"]] == [("rejected", -1)]
    assert last["messages"][0]["fecha"].endswith("-03:00")
    assert completed["state"] == "completed"
    assert desk.states(webhook) == ["delivered"] * 7


def test_lines_that_are_read_again_are_not_told_again(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.MESSAGE_RESULTS)
    core = desk.core
    campaign = core.load(10)
    core.send()
    line = (core.reference(campaign, 1), "OK")
    core.settle(line)
    core.settle(line, skip_seen=False)
    desk.deliver()
    assert len(there.calls) == 1


def test_a_result_that_changes_is_told_again(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.MESSAGE_RESULTS)
    core = desk.core
    campaign = core.load(10)
    core.send()
    core.settle((core.reference(campaign, 1), FIXED))
    desk.deliver()
    core.settle((core.reference(campaign, 1), "OK", 2.0))
    desk.deliver()
    assert [call.data["messages"][0]["status"] for call in there.calls] == ["rejected", "ok"]


def test_a_large_batch_has_a_link_for_the_rest(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.MESSAGE_RESULTS)
    core = desk.core
    people = [{"telefono": f"11{20_000_000 + n}", "n": f"n{n}", "id": "é" * 200} for n in range(400)]
    campaign = core.load(recipients=people, id_column="id")
    core.do("UPDATE chunk SET state = 'accepted', posted_at = clock_timestamp() - interval '1 minute', "
            "first_post_at = clock_timestamp() - interval '1 minute', accepted_at = clock_timestamp()")  # fmt: skip
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(1, 401)))
    desk.deliver()
    (call,) = there.calls
    assert len(call.raw) <= 20_000
    shown = [each["seq"] for each in call.data["messages"]]
    assert shown == list(range(1, len(shown) + 1))
    assert call.data["count"] == 400
    assert call.data["more"] == f"/api/v1/campaigns/{campaign}/messages?first_seq={len(shown) + 1}&last_seq=400"


def test_a_rate_of_rejects_that_stops_a_campaign_asks_for_a_decision(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.CAMPAIGN_PAUSED, EventType.CAMPAIGN_NEEDS_DECISION)
    core = desk.core
    campaign = core.load(20, canary=10)
    core.send()
    core.settle(*((core.reference(campaign, seq), FIXED) for seq in range(1, 11)))
    with core.engine.begin() as connection:
        reject_watch.watch(connection, core.account.id)
    desk.deliver()
    assert there.types == ["campaign.paused", "campaign.needs_decision"]
    assert there.calls[1].data["why"].startswith("canary: 10 of 10")


def test_optouts_are_counted_and_linked(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.OPTOUT_CREATED)
    with desk.core.engine.begin() as connection:
        optouts.add(connection, "1144445555", source="operator")
        optouts.add(connection, "1144445555", source="operator")
        optouts.add_many(connection, ["1144445556", "1144445557"], source="import")
    desk.deliver()
    assert [(call.data["count"], call.data["source"]) for call in there.calls] == [(1, "operator"), (2, "import")]
    assert all(call.data["link"].startswith("/api/v1/optouts?since=") for call in there.calls)


def test_a_block_is_told_when_it_begins(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.ACCOUNT_BLOCKED)
    for _ in range(2):
        with desk.core.engine.begin() as connection:
            blocking.block(connection, desk.core.account.id, "1144445555: Su cuenta esta suspendida")
    desk.deliver()
    assert [call.data["why"] for call in there.calls] == ["Su cuenta esta suspendida"]


def test_a_cancelled_draft_is_told(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url)
    campaign = desk.core.load(3, draft=True)
    lifecycle.cancel(desk.core.engine, campaign, wait=0, reason="error")
    desk.deliver()
    assert [(call.type, call.data["state"]) for call in there.calls] == [
        ("campaign.created", "draft"),
        ("campaign.cancelled", "cancelled"),
    ]
    assert there.calls[1].data["reason"] == "error"


def test_what_is_held_asks_for_a_decision(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.CAMPAIGN_NEEDS_DECISION)
    core = desk.core
    campaign = core.load(4, on_doubt="hold")
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    core.do("UPDATE account SET observed_ms = observed_ms + 10000000, retry_at = NULL, probe_free_at = NULL")
    Prober(core.runtime, core.account.id, core.settler).round()
    assert core.states(campaign) == ["held"]
    desk.deliver()
    (call,) = there.calls
    assert (call.data["campaign_id"], call.data["why"]) == (campaign, "chunk 1 is held, on_doubt=hold")


def test_an_account_that_refuses_a_line_too_often_asks_for_a_decision(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.CAMPAIGN_NEEDS_DECISION, EventType.ACCOUNT_BLOCKED)
    core = desk.core
    campaign = core.load(1)
    for generation in range(5):
        core.do("UPDATE account SET retry_at = NULL")
        core.send()
        core.settle((core.reference(campaign, 1, generation), "se han agotado los 500 SMS contratados"))
    assert core.states(campaign)[-1] == "held"
    desk.deliver()
    assert sorted(there.types) == ["account.blocked", "campaign.needs_decision"]


def test_a_database_that_is_too_old_is_told_and_so_is_what_is_held(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.CAMPAIGN_NEEDS_DECISION, EventType.ACCOUNT_BLOCKED)
    campaign = desk.core.load(4)
    assert staleness.stop(desk.core.engine, desk.core.account.id, "a mark")
    desk.deliver()
    assert sorted(there.types) == ["account.blocked", "campaign.needs_decision"]
    other = desk.core.load(4)
    operator_actions.restored(desk.core.engine)
    desk.deliver()
    assert [call.data["campaign_id"] for call in there.calls if call.type == "campaign.needs_decision"] == [
        campaign,
        other,
    ]


def test_a_balance_that_gets_too_low_is_told_once_until_it_recovers(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url, EventType.ACCOUNT_BALANCE_LOW)
    core = desk.core
    core.load(20)
    for saldo in (19, 5, 20, 19):
        with core.engine.begin() as connection:
            account_info._watch(connection, core.account.id, saldo)
    desk.deliver()
    assert [(call.data["saldo"], call.data["waiting"]) for call in there.calls] == [(19, 20), (19, 20)]
