"""The workers as `dispatcher up` starts them: what waits in one queue holds up no other."""

import time

from celery import Celery

from ops import supervisor
from tests.acceptance.live_system import LiveSystem

PAGES = ["date", "saldo", "envios", "inbox", "status"]
SECONDS = 12
_AGE = "SELECT extract(epoch FROM clock_timestamp() - at) FROM heartbeat WHERE name = 'tick'"


def start_all(live: LiveSystem) -> None:
    """A worker of each queue, and beat."""
    settings = live.make_runtime().settings
    for queue in supervisor.QUEUES:
        live.cluster.spawn(queue, supervisor.worker(settings, queue))
    live.cluster.beat()


def make_all_due(live: LiveSystem) -> None:
    """What the tick hints at after minutes, now: every kind of question."""
    live.sql(
        "UPDATE account SET clock_measured_at = clock_measured_at - interval '2 minutes', clock_ask_at = NULL, "
        "balance_at = NULL, inbox_at = NULL, poll_at = clock_timestamp()"
    )


def test_a_provider_that_hangs_on_every_page_delays_neither_a_tick_nor_a_campaign(live: LiveSystem) -> None:
    live.cluster.environment["DISPATCHER_PROVIDER_TIMEOUT"] = "40"
    live.simulator.set_faults({"kind": "late", "seconds": 600})
    start_all(live)
    live.load(20, chunk_size=10)
    live.wait_for(
        lambda: live.simulator.stats()["taken"] == 20, 90, "five workers have started, and 20 lines are taken"
    )
    live.simulator.set_faults({"kind": "hold", "endpoint": PAGES})
    make_all_due(live)
    live.wait_for(
        lambda: {"date", "saldo", "inbox"} <= {held["endpoint"] for held in live.simulator.held(4, 1.0)}, 30, "all hang"
    )
    with Celery("asker", broker=live.runtime.settings.celery_broker_url) as asker:
        payload = {"idempotency_key": "k", "template": "Hola", "recipients": [{"telefono": "1120000001"}]}
        asker.send_task("dispatcher.create_campaign", args=[payload], queue="control", retry=False)
    created = "SELECT count(*) FROM campaign_request WHERE state = 'created'"
    live.wait_for(lambda: live.value(created) == 1, 5, "the campaign is created")
    ages: list[float] = []
    ends = time.monotonic() + SECONDS

    def watched() -> bool:
        # More of every kind, as the minutes would bring it.
        make_all_due(live)
        ages.append(float(live.value(_AGE)))
        return time.monotonic() > ends

    live.wait_for(watched, SECONDS + 10, "the ticks were watched")
    assert max(ages) < 5, (max(ages), live.describe())
