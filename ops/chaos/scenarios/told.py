"""Webhooks while their worker dies, while the endpoint is away, and with two workers at once."""

from dispatcher.webhooks import endpoints
from dispatcher.webhooks.event_types import EventType
from ops.chaos.endpoint import Endpoint
from ops.chaos.run import Run

_EVENTS = (
    EventType.CAMPAIGN_CREATED,
    EventType.CAMPAIGN_STARTED,
    EventType.MESSAGE_RESULTS,
    EventType.CAMPAIGN_COMPLETED,
)
_AT_ONCE = 4
_OPEN = "SELECT count(*) FROM webhook_delivery WHERE state <> 'delivered'"
_HOUR = 3600.0
_STEP = 300.0


def worker_killed(run: Run) -> None:
    """The worker is killed three times while it delivers to a slow endpoint."""
    there = _endpoint(run, slow=0.3)
    run.enter(there.listening())
    _load(run)
    run.processes.start()
    for number in range(3):
        run.wait(lambda wanted=4 * number + 2: there.begun >= wanted, "deliveries are under way", 60)  # type: ignore[misc]
        run.processes.kill("worker")
        run.processes.worker()
        _pass(run, 60)  # a call whose worker is gone is made again after its lease
    run.healed()
    _check(run, there)


def endpoint_away(run: Run) -> None:
    """The endpoint refuses connections for an hour, in steps of five minutes, and a worker dies meanwhile."""
    there = _endpoint(run)
    _load(run)
    run.processes.start()
    run.wait(lambda: run.value("SELECT max(attempt) FROM webhook_delivery"), "it was tried", 60)
    for step in range(round(_HOUR / _STEP)):
        if step == 4:
            run.processes.kill("worker")
            run.processes.worker()
        _pass(run, _STEP)
        run.pass_time(2)  # ticks that may call
    run.expect(run.value("SELECT state FROM webhook") == "active", "an hour away disabled the endpoint")
    run.expect(run.value("SELECT max(attempt) FROM webhook_delivery") >= 4, "it was not tried again and again")
    run.enter(there.listening())
    minutes = 0.0
    while run.value(_OPEN) and minutes < 120:
        _pass(run, _STEP)
        minutes += _STEP / 60
        run.pass_time(2)
    run.measured(f"all is told {minutes:.0f} minutes after it is back")
    run.healed()
    _check(run, there)


def two_workers(run: Run) -> None:
    """Two workers and two beats deliver at once."""
    there = _endpoint(run, slow=0.05)
    run.enter(there.listening())
    _load(run)
    run.processes.start()
    run.processes.worker("another")
    run.processes.beat("another-beat")
    run.healed()
    _check(run, there)
    run.expect(len(there.taken) == len({call.event_id for call in there.taken}), "an event came twice without a fault")


def _endpoint(run: Run, slow: float = 0.0) -> Endpoint:
    there = Endpoint(slow=slow)
    with run.runtime.engine.begin() as connection:
        endpoints.create(connection, run.runtime.settings, there.url, _EVENTS)
    return there


def _load(run: Run) -> None:
    for first in (0, 5000):
        run.load(rows=1000, first=first)


def _pass(run: Run, seconds: float) -> None:
    """As if so many seconds had passed for the endpoint."""
    run.sql(
        "UPDATE webhook_delivery SET next_at = next_at - make_interval(secs => :s),"
        " lease_until = lease_until - make_interval(secs => :s) WHERE state IN ('due', 'sending')",
        s=seconds,
    )
    run.sql("UPDATE webhook SET retry_at = retry_at - make_interval(secs => :s)", s=seconds)


def _check(run: Run, there: Endpoint) -> None:
    """Every event at least once, in order per campaign, every result told of, and never too many calls at once."""
    run.wait(lambda: run.finished() and run.value(_OPEN) == 0, "every event is delivered", 120)
    order = {row.public_id: row.id for row in run.sql("SELECT id, public_id FROM webhook_event")}
    came = list(dict.fromkeys(call.event_id for call in there.taken))
    run.expect(set(came) == set(order), f"{len(set(order) - set(came))} events did not arrive")
    for campaign_id in run.inputs:
        mine = {call.event_id: call for call in there.taken if call.data.get("campaign_id") == campaign_id}
        first = list(mine)
        run.expect(first == sorted(first, key=order.__getitem__), f"events of campaign {campaign_id} out of order")
        kinds = [call.type for call in mine.values()]
        run.expect(kinds[:1] == [EventType.CAMPAIGN_CREATED], f"campaign {campaign_id} begins with {kinds[:1]}")
        run.expect(kinds[-1:] == [EventType.CAMPAIGN_COMPLETED], f"campaign {campaign_id} ends with {kinds[-1:]}")
        told = sum(call.data.get("count", 0) for call in mine.values())
        run.expect(told >= len(run.inputs[campaign_id]), f"{told} results of campaign {campaign_id} were told of")
    run.expect(there.most <= _AT_ONCE, f"{there.most} calls at once")
    run.measured(f"{len(order)} events, {len(there.taken)} arrivals")
