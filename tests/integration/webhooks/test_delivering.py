"""Deliveries: at least once, in order per campaign, whatever the receiver does."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from dispatcher.db.statements import query
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.webhooks import deliveries, delivering, endpoints, retries
from dispatcher.webhooks.deliveries import NotActive
from dispatcher.webhooks.event_types import EventType
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness
from tests.integration.webhooks.desk import Desk
from tests.receivers import Received, Receiver, receiver, status


def test_a_receiver_that_was_down_gets_everything_in_order_when_it_is_back(desk: Desk) -> None:
    with receiver() as gone:
        port = gone.port
    webhook, secret = desk.endpoint(gone.url)
    desk.tell(1, 2, 1, None, 2, 1)
    for _ in range(4):
        desk.deliver()
        desk.forward()
    waiting = desk.log(webhook)
    assert {each.state for each in waiting} == {"due"}
    assert waiting[2].attempts == 0, "of a campaign nothing goes before what came before it"
    assert str(waiting[0].error).startswith("no connection")
    with receiver(port) as back:
        desk.deliver()
        assert [call.data["place"] for call in back.calls if call.data.get("campaign_id") == 1] == [0, 2, 5]
        assert [call.data["place"] for call in back.calls if call.data.get("campaign_id") == 2] == [1, 4]
        assert len(back.calls) == 6
        for call in back.calls:
            call.verify(secret)
    assert desk.states(webhook) == ["delivered"] * 6
    assert desk.now(webhook).failures == 0


def test_the_id_and_the_body_stay_the_same_over_attempts(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url)
    desk.tell(7)
    there.answer = status(500)
    desk.deliver()
    there.answer = status(200)
    desk.forward()
    desk.deliver()
    first, second = there.calls
    assert (first.event_id, first.raw) == (second.event_id, second.raw)


def test_of_two_writers_of_a_body_both_get_the_first_ones(desk: Desk, there: Receiver) -> None:
    """Two endpoints' workers may write the body of one event at the same moment."""
    desk.endpoint(there.url)
    desk.tell(1)
    event = desk.core.one("SELECT id FROM webhook_event")
    for body in ("first", "second"):
        with desk.core.engine.begin() as connection:
            kept = connection.execute(query("keep_body"), {"event_id": event, "body": body}).scalar_one()
        assert kept == "first"


def test_attempts_follow_the_ladder_and_end(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    there.answer = status(503, b"later")
    desk.tell(1)
    waits = []
    for _ in range(retries.ATTEMPTS):
        desk.deliver()
        (row,) = desk.core.rows("SELECT next_at - tried_at AS wait, state FROM webhook_delivery")
        waits.append(row.wait.total_seconds())
        desk.forward()
    assert len(there.calls) == 10
    for asked, got in zip(retries.WAITS, waits, strict=False):
        assert asked <= got <= asked * 1.1 + 5
    (failed,) = desk.log(webhook)
    assert (failed.state, failed.status, failed.answer, failed.attempts) == ("failed", 503, "later", 10)
    there.answer = status(200)
    desk.tell(1)
    desk.deliver()
    assert desk.states(webhook) == ["failed", "delivered"], "the campaign's next events go on"


def test_a_failing_endpoint_gets_one_call_at_a_time_with_pauses(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    there.answer = status(500)
    desk.tell(*range(1, 21))
    desk.deliver()
    assert len(there.calls) == retries.FAILING
    there.answer = status(200)
    desk.core.do("UPDATE webhook SET retry_at = NULL")
    desk.deliver()
    assert desk.states(webhook) == ["delivered"] * 20, "one success wakes what waits"


def test_retry_after_is_heeded(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url)
    there.answer = status(429, Retry_After="3600")
    desk.tell(1, 2)
    desk.deliver()
    assert len(there.calls) == 1, "it asked for a pause"
    (row, _) = desk.core.rows("SELECT next_at - tried_at AS wait FROM webhook_delivery ORDER BY id")
    assert 3590 < row.wait.total_seconds() < 3610


def test_gone_disables_at_once_and_tells_the_others(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    there.answer = status(410)
    with receiver() as other:
        desk.endpoint(other.url, EventType.WEBHOOK_DISABLED)
        desk.tell(1)
        desk.deliver()
        desk.deliver()
        assert [call.data for call in other.calls] == [{"webhook_id": webhook.webhook_id, "why": "gone"}]
    assert (desk.now(webhook).state, desk.now(webhook).disabled_why) == ("disabled", "gone")
    (entry,) = desk.core.rows("SELECT * FROM audit_entry WHERE action = 'webhook.disable'")
    assert entry.detail["why"] == "gone"


def test_five_days_without_a_success_disable_and_nothing_is_lost(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url, EventType.CAMPAIGN_PAUSED)
    there.answer = status(500)
    desk.tell(1)
    desk.deliver()
    desk.core.do("UPDATE webhook SET failing_since = failing_since - interval '4 days 23 hours'")
    desk.forward()
    desk.deliver()
    assert desk.now(webhook).state == "active"
    desk.core.do("UPDATE webhook SET failing_since = failing_since - interval '1 hour'")
    desk.forward()
    desk.deliver()
    assert (desk.now(webhook).state, desk.now(webhook).disabled_why) == ("disabled", "failures")
    there.answer = status(200)
    desk.tell(1)
    desk.forward()
    desk.deliver()
    assert delivering.claim_next(desk.core.engine, webhook.number) is None, "an old hint changes nothing"
    assert len(there.calls) == 3, "a disabled one is not called"
    desk.do(endpoints.enable, webhook)
    desk.deliver()
    assert [call.data["place"] for call in there.calls[3:]] == [0, 0]
    assert desk.states(webhook) == ["delivered", "delivered"]
    assert desk.now(webhook).disabled_at is None


def test_what_was_given_up_before_an_endpoint_was_disabled_goes_out_when_it_is_enabled(
    desk: Desk, there: Receiver
) -> None:
    webhook, _ = desk.endpoint(there.url, EventType.CAMPAIGN_PAUSED)
    desk.tell(1)
    there.answer = status(400)
    for _ in range(retries.ATTEMPTS):
        desk.deliver()
        desk.forward()
    desk.core.do("UPDATE webhook SET succeeded_at = now(), failures = 0, failing_since = NULL")
    desk.tell(1)
    for _ in range(retries.ATTEMPTS):
        desk.deliver()
        desk.forward()
    desk.tell(1)
    assert desk.states(webhook) == ["failed", "failed", "due"]
    desk.do(endpoints.disable, webhook)
    desk.do(endpoints.enable, webhook)
    there.calls.clear()
    there.answer = status(200)
    desk.deliver()
    assert desk.states(webhook) == ["failed", "delivered", "delivered"], "the first one failed while others did not"
    assert len(there.calls) == 2


def test_a_redirect_is_not_followed(desk: Desk, there: Receiver) -> None:
    with receiver() as elsewhere:
        webhook, _ = desk.endpoint(there.url)
        there.answer = status(307, Location=elsewhere.url)
        desk.tell(1)
        desk.deliver()
        assert elsewhere.calls == []
    (row,) = desk.log(webhook)
    assert (row.state, row.status) == ("due", 307)
    assert row.error == "it answered 307, and redirects are not followed"


def test_of_fifty_megabytes_500_characters_are_kept_and_little_is_read(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    sent = []

    def flood(handler: BaseHTTPRequestHandler, _: Received) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(50 << 20))
        handler.end_headers()
        try:
            for _ in range(50):
                sent.append(handler.wfile.write(b"\x00x" * (1 << 19)))
        except OSError:
            return

    there.answer = flood
    desk.tell(1)
    desk.deliver()
    (row,) = desk.log(webhook)
    assert (row.state, row.answer) == ("delivered", " x" * 250)
    assert len(sent) < 50


def test_a_slow_receiver_is_given_ten_seconds(desk: Desk, there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    webhook, _ = desk.endpoint(there.url)
    over = threading.Event()
    there.answer = lambda handler, call: over.wait(60) and None  # type: ignore[assignment,return-value]
    monkeypatch.setattr(delivering.calls.post, "__kwdefaults__", {"seconds": 0.5})
    desk.tell(1)
    desk.deliver()
    over.set()
    (row,) = desk.log(webhook)
    assert (row.state, row.error) == ("due", "no answer within 0 s")


def test_a_worker_that_died_in_the_middle_is_followed_by_another(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    desk.tell(1, 1)
    claim = delivering.claim_next(desk.core.engine, webhook.number)
    assert claim is not None
    desk.deliver()
    assert there.calls == [], "nothing of the campaign overtakes a call under way"
    desk.core.do("UPDATE webhook_delivery SET lease_until = clock_timestamp() - interval '1 s' WHERE state = 'sending'")
    maintenance_tick.tick(desk.runtime)
    desk.deliver()
    assert [call.data["place"] for call in there.calls] == [0, 1]
    assert there.calls[0].event_id == claim.event_id


def test_a_late_success_of_a_slow_worker_counts(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    desk.tell(1)
    claim = delivering.claim_next(desk.core.engine, webhook.number)
    assert claim is not None
    desk.core.do("UPDATE webhook_delivery SET lease_until = clock_timestamp() - interval '1 s'")
    maintenance_tick.tick(desk.runtime)
    with desk.core.engine.begin() as connection:
        delivering.succeeded(connection, claim, delivering.Answer(200, "", None))
    desk.deliver()
    assert there.calls == []
    assert desk.states(webhook) == ["delivered"]


def test_four_calls_at_once_an_endpoint_and_no_more(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    desk.tell(*range(1, 31))
    claimed: list[object] = []
    begin = threading.Barrier(12)

    def claim() -> None:
        begin.wait()
        claimed.append(delivering.claim_next(desk.core.engine, webhook.number))

    threads = [threading.Thread(target=claim) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [each for each in claimed if isinstance(each, delivering.Claim)]
    assert len(won) == delivering.AT_ONCE
    assert len({each.delivery_id for each in won}) == len(won)


def test_while_a_secret_is_rotated_both_sign(desk: Desk, there: Receiver) -> None:
    webhook, old = desk.endpoint(there.url)
    _, new = desk.do(endpoints.rotate, webhook)
    desk.tell(1)
    desk.deliver()
    there.calls[0].verify(old)
    there.calls[0].verify(new)
    desk.core.do("UPDATE webhook SET former_until = clock_timestamp() - interval '1 s'")
    desk.tell(1)
    desk.deliver()
    there.calls[1].verify(new)
    with pytest.raises(Exception, match="signature"):
        there.calls[1].verify(old)


def test_one_delivery_is_replayed_under_the_same_id(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    desk.tell(1)
    desk.deliver()
    (first,) = desk.log(webhook)
    assert desk.do(deliveries.replay, webhook, first.delivery_id) == 1
    assert desk.do(deliveries.replay, webhook, first.delivery_id) == 0, "it waits already"
    desk.deliver()
    assert [call.event_id for call in there.calls] == [first.event_id] * 2
    assert desk.states(webhook) == ["delivered", "delivered"]


def test_a_span_is_replayed_in_order_all_of_it_or_what_was_missed(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url, EventType.CAMPAIGN_PAUSED)
    desk.tell(1, 1, 1)
    desk.deliver()
    desk.core.do("UPDATE webhook_delivery SET state = 'failed' WHERE id = (SELECT min(id) FROM webhook_delivery)")
    (began,) = desk.core.rows("SELECT min(at) AS at FROM webhook_event")
    assert desk.do(deliveries.replay_span, webhook, began.at, missed_only=True) == 1
    desk.deliver()
    assert [call.data["place"] for call in there.calls[3:]] == [0]
    assert desk.do(deliveries.replay_span, webhook, began.at, missed_only=False) == 3
    desk.deliver()
    assert [call.data["place"] for call in there.calls[4:]] == [0, 1, 2]


def test_a_ping_goes_to_one_endpoint_whatever_it_wants(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url, EventType.CAMPAIGN_PAUSED)
    desk.endpoint(there.url)
    ping = desk.do(deliveries.test, webhook)
    desk.deliver()
    assert [(call.type, call.data) for call in there.calls] == [("ping", {"webhook_id": webhook.webhook_id})]
    assert desk.do(deliveries.find, webhook, ping.delivery_id).state == "delivered"
    desk.do(endpoints.disable, webhook)
    with pytest.raises(NotActive):
        desk.do(deliveries.test, webhook)


def test_a_deleted_endpoint_is_called_no_more_and_what_is_told_meanwhile_does_not_fail(
    desk: Desk, there: Receiver
) -> None:
    webhook, _ = desk.endpoint(there.url)
    desk.tell(1)
    with desk.core.engine.begin() as telling:  # it has read the endpoints, and has not committed
        from dispatcher.webhooks import outbox

        outbox.tell(telling, EventType.CAMPAIGN_PAUSED, 2)
        desk.do(endpoints.delete, webhook)
    desk.deliver()
    assert there.calls == []
    with pytest.raises(endpoints.NoWebhook):
        desk.now(webhook)
    before = desk.core.one("SELECT count(*) FROM webhook_event")
    desk.tell(3)
    assert desk.core.one("SELECT count(*) FROM webhook_event") == before
    assert desk.core.one("SELECT count(*) FROM webhook WHERE secret <> ''") == 0
    for _ in range(3):
        deliveries.drop_old(desk.core.engine)
    assert desk.core.one("SELECT count(*) FROM webhook") == 0
    assert desk.core.one("SELECT count(*) FROM webhook_delivery") == 0


def test_events_are_dropped_after_thirty_days(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    desk.tell(1, 2)
    desk.deliver()
    desk.core.do("UPDATE webhook_event SET at = at - interval '30 days 1 minute' WHERE campaign_id = 1")
    assert deliveries.drop_old(desk.core.engine) == 1
    assert [each.campaign_id for each in desk.log(webhook)] == [2]


def test_workers_deliver_by_themselves_and_one_that_is_killed_loses_nothing(
    make_core: Callable[..., CoreHarness], cluster: object, there: Receiver
) -> None:
    from tests.processes import Cluster

    assert isinstance(cluster, Cluster)
    desk = Desk(make_core(webhook_allow="127.0.0.0/8"))
    cluster.environment["DISPATCHER_WEBHOOK_ALLOW"] = "127.0.0.0/8"
    webhook, _ = desk.endpoint(there.url)
    held = threading.Event()
    there.answer = lambda handler, call: held.wait(120) and None  # type: ignore[assignment,return-value]
    cluster.beat()
    cluster.worker("tick", queues="tick")
    cluster.worker("webhooks", queues="webhooks", options=("-P", "threads"))
    desk.tell(1, 1)
    wait_until(lambda: there.calls, 30)
    cluster.kill("webhooks")
    there.answer = status(200)
    held.set()
    desk.core.do("UPDATE webhook_delivery SET lease_until = clock_timestamp() - interval '1 s' WHERE state = 'sending'")
    cluster.worker("webhooks", queues="webhooks", options=("-P", "threads"))
    wait_until(lambda: desk.states(webhook) == ["delivered"] * 2, 30)
    assert [call.data["place"] for call in there.calls] == [0, 0, 1]
    assert there.calls[0].event_id == there.calls[1].event_id
