"""Webhooks with real processes: a campaign is told of from its creation to its last result, whatever happens on the way."""

from tests.acceptance.live_system import LiveSystem
from tests.receivers import Receiver, receiver, status

PEOPLE = 300
QUEUES = "tick,submit,poll,control,urgent"


def make(live: LiveSystem, there: Receiver, *events: str) -> str:
    """An endpoint; its secret."""
    live.cluster.environment["DISPATCHER_WEBHOOK_ALLOW"] = "127.0.0.0/8"
    wanted = [word for event in events for word in ("--event", event)]
    return str(live.cluster.cli("webhook", "create", there.url, *wanted)["secret"])


def start(live: LiveSystem) -> None:
    """The workers and beat; that of webhooks apart, as everywhere."""
    live.cluster.worker(queues=QUEUES)
    live.cluster.worker("webhooks", queues="webhooks", options=("-P", "threads"))
    live.cluster.beat()


def create(live: LiveSystem) -> int:
    """A campaign, over the command line."""
    rows = "".join(f"11{20_000_000 + n},N{n}\n" for n in range(PEOPLE))
    arguments = ("campaign", "create", "-", "--template", "Hola {nombre}")
    return int(live.cluster.cli(*arguments, stdin=f"telefono,nombre\n{rows}".encode())["campaign_id"])


def told(there: Receiver, campaign: int) -> list[int]:
    """The messages whose results came, in the order in which they came."""
    mine = [call for call in there.calls if call.data.get("campaign_id") == campaign]
    events = {call.event_id: call for call in mine if call.type == "message.results"}
    return [each["seq"] for call in events.values() for each in call.data["messages"]] + [
        seq
        for call in events.values()
        if call.data["more"]
        for first, last in [call.data["more"].partition("first_seq=")[2].split("&last_seq=")]
        for seq in range(int(first), int(last) + 1)
    ]


def test_a_campaign_is_told_of_from_its_creation_to_its_last_result(live: LiveSystem) -> None:
    with receiver() as there:
        secret = make(
            live, there, *(f"campaign.{each}" for each in ("created", "started", "completed")), "message.results"
        )
        start(live)
        campaign = create(live)
        live.finish(campaign)
        live.wait_for(lambda: "campaign.completed" in there.types, 20, "the end is told")
        assert there.types[:2] == ["campaign.created", "campaign.started"]
        assert there.types[-1] == "campaign.completed"
        assert set(told(there, campaign)) == set(range(1, PEOPLE + 1))
        for call in there.calls:
            call.verify(secret)


def test_a_receiver_that_is_down_all_the_while_and_a_worker_that_is_killed_lose_nothing(live: LiveSystem) -> None:
    with receiver() as there:
        there.answer = status(503)
        make(live, there, "campaign.created", "message.results", "campaign.completed")
        start(live)
        campaign = create(live)
        live.finish(campaign)
        live.wait_for(lambda: there.calls, 20, "it was tried")
        live.cluster.kill("webhooks")
        there.calls.clear()
        there.answer = status(200)
        live.sql("UPDATE webhook_delivery SET next_at = clock_timestamp() WHERE state = 'due'")
        live.sql("UPDATE webhook_delivery SET lease_until = clock_timestamp() - interval '1 s' WHERE state = 'sending'")
        live.sql("UPDATE webhook SET retry_at = NULL")
        live.cluster.worker("webhooks", queues="webhooks", options=("-P", "threads"))
        live.wait_for(lambda: "campaign.completed" in there.types, 30, "the end is told")
        assert there.types[0] == "campaign.created"
        assert there.types[-1] == "campaign.completed"
        assert set(told(there, campaign)) == set(range(1, PEOPLE + 1))
