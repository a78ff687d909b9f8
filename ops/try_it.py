"""`dispatcher up --simulated`: everything that `up` runs, in a home of its own, against the simulated provider.

Nothing of it can reach a phone: the configured key, URL, database and broker are not even read. The home is emptied at
each start. A sample list, as messy as real ones, can be downloaded from the page.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import platformdirs

from dispatcher import config
from dispatcher.cli.output import Output
from dispatcher.db import migrations
from dispatcher.i18n.words import worded
from dispatcher.runtime import Runtime
from ops import demo, supervisor, up_lock
from ops.alone import alone
from ops.embedded import Embedded
from ops.simulator.process import SimulatorProcess

_KEPT = ("WEB_HOST", "WEB_PORT", "PUSH_HOST", "PUSH_PORT", "FLOWER_PORT", "LANGUAGE", "TRUSTED_HOPS", "APPROVAL")
"""Settings that also hold here: where it listens, and how it speaks."""


def home() -> Path:
    """The folder of its own: `try` in DISPATCHER_HOME when that is set, else one of the user's."""
    given = os.environ.get(f"{config.PREFIX}HOME")
    return Path(given).expanduser().resolve() / "try" if given else Path(platformdirs.user_data_dir("dispatcher-try"))


def run(output: Output) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit code of `up`."""
    where = home()
    kept = {f"{config.PREFIX}{name}": os.environ.get(f"{config.PREFIX}{name}") for name in _KEPT}
    with ExitStack() as stack:
        stack.enter_context(alone(where, "It runs already.", "Stop that one with Ctrl-C first."))
        output.note("Starting Postgres, Valkey and the simulated provider …")
        demo.empty(where)
        stack.enter_context(demo.isolated(where))
        addresses = stack.enter_context(Embedded(where).using())
        simulator = stack.enter_context(SimulatorProcess())
        simulator.start(
            apikey=[demo.APIKEY], window="00:00-24:00", mix=demo.MIX, delay_min=2, delay_max=20, latency=0.2
        )
        assert addresses.database_url
        assert addresses.broker_url
        stack.enter_context(
            demo.isolated(
                where,
                DISPATCHER_DATABASE_URL=addresses.database_url,
                DISPATCHER_BROKER_URL=addresses.broker_url,
                DISPATCHER_PROVIDER_URL=simulator.url,
                DISPATCHER_APIKEY=demo.APIKEY,
                DISPATCHER_WINDOW="00:00-24:00",
                DISPATCHER_POLL_INTERVAL="3",
                **{name: value for name, value in kept.items() if value is not None},
            )
        )
        settings = config.load()
        stack.enter_context(up_lock.held(settings.home))
        runtime = Runtime(settings)
        try:
            migrations.require_schema(runtime.engine)
        finally:
            runtime.close()
        output.note(worded("The provider is simulated at {url}: nothing reaches a phone.", url=simulator.url))
        return supervisor.run(settings, output.note)
