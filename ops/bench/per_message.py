"""One Celery task a message, over the same broker to the same simulator, at the length where that is still bearable."""

import sys
from dataclasses import dataclass

from ops.bench.lists import write_list
from ops.bench.meter import Meter, Usage
from ops.bench.stack import APIKEY, stack

_WRITTEN_WITHIN = 600.0


@dataclass(frozen=True)
class Outcome:
    """What `messages` took, from the first task published to the last message written."""

    messages: int
    usage: Usage


def measure(messages: int) -> Outcome:
    """Publish a task for each message of a loaded campaign; no results are asked for, which spares it the polls."""
    with stack("per-message") as running:
        campaign = running.load(write_list(running.home / "clientes.csv", messages)).campaign_id
        assert running.addresses.database_url
        assert running.addresses.broker_url
        environment = {
            "BENCH_DATABASE_URL": running.addresses.database_url,
            "BENCH_BROKER_URL": running.addresses.broker_url,
            "BENCH_PROVIDER_URL": running.settings.provider_url,
            "BENCH_APIKEY": APIKEY,
        }
        worker = [sys.executable, "-m", "celery", "-A", "ops.bench.sink:app", "worker", "-Q", "sink", "-c", "4"]
        publish = [sys.executable, "-c", _PUBLISH, str(campaign), str(messages)]
        with running.processes(environment, worker=[*worker, "-n", "sink@%h", "-l", "WARNING"]):
            running.wait(lambda: running.broker_clients() >= 2, 60, "the worker does not listen")
            with Meter(running.roots) as meter, running.processes(environment, publisher=publish):
                running.wait(lambda: running.scalar(_DONE) == messages, _WRITTEN_WITHIN, "not every message is written")
    return Outcome(messages, meter.usage)


_DONE = "SELECT count(*) FROM message WHERE result_code = 0"
_PUBLISH = """
import sys
from ops.bench.sink import app, send
campaign, messages = int(sys.argv[1]), int(sys.argv[2])
with app.producer_pool.acquire(block=True) as producer:
    for seq in range(1, messages + 1):
        send.apply_async((campaign, seq), producer=producer)
"""
