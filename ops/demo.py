"""The demo: a campaign from a spreadsheet to result codes, against the simulated provider.

It runs in a home of its own, emptied at each start, with servers of its own. The configured key, URL, database and
broker are not even read, so nothing of it can reach a phone, and nothing of it is left for `dispatcher up`.
"""

import csv
import fcntl
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs

from dispatcher import config
from dispatcher.campaigns.summary import Summary
from dispatcher.cli.campaign_views import say_codes
from dispatcher.cli.campaign_watch import Screen
from dispatcher.cli.output import Output
from dispatcher.cli.progress_words import Seen, line
from dispatcher.config import Settings
from dispatcher.errors import DispatcherError
from dispatcher.i18n.words import worded
from dispatcher.runtime import Runtime
from ops.alone import alone
from ops.commands import celery
from ops.embedded import Embedded
from ops.simulator.process import SimulatorProcess
from ops.supervisor import environment
from schemas.payload import CampaignSpec

APIKEY = "DEMO"
TEMPLATE = "Hola {nombre}, su saldo es ${saldo}. Empresa SA"
MIX = {"-1": 0.02, "-2": 0.01, "-3": 0.005, "-10": 0.01, "-5": 0.002}
_NAMES = ("José", "María", "Ana", "Juan", "Sofía", "Martín", "Lucía", "Nicolás", "Agustín", "Camila")
_COMPLETES_WITHIN = 240.0


def home() -> Path:
    """The demo's own folder: `demo` in DISPATCHER_HOME when that is set, else one of the user's.

    It has its own servers and database, so nothing in it is ever seen by what runs in DISPATCHER_HOME itself.
    """
    given = os.environ.get(f"{config.PREFIX}HOME")
    return Path(given).expanduser().resolve() / "demo" if given else Path(platformdirs.user_data_dir("dispatcher-demo"))


@contextmanager
def isolated(where: Path, **values: str) -> Iterator[None]:
    """An environment in which every DISPATCHER_ setting is `values` or its default, and no .env is read."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(config.PREFIX):
            del os.environ[name]
    os.environ.update({"DISPATCHER_NO_DOTENV": "1", "DISPATCHER_HOME": str(where), **values})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def empty(where: Path) -> None:
    """End what an interrupted run left, and begin from nothing."""
    _end_workers(where)
    servers = Embedded(where)
    if servers.state_file.exists():
        servers.stop()
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True, exist_ok=True)


def _end_workers(where: Path) -> None:
    """Kill the workers of a run that was killed itself: they hold the lock of the file that names them."""
    with suppress(FileNotFoundError), (where / "workers.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            for group in lock.read().split():
                with suppress(ProcessLookupError):
                    os.killpg(int(group), signal.SIGKILL)
            fcntl.flock(lock, fcntl.LOCK_EX)


def write_list(path: Path, rows: int) -> None:
    """A list as marketing sends it: numbers in several forms, accents, some duplicates, some bad rows."""
    pick = random.Random(rows)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(["cliente", "telefono", "nombre", "saldo"])
        for number in range(rows):
            subscriber = f"{20_000_000 + number:08d}"
            form = pick.choice(("11{}", "11{}", "+54 9 11 {}", "011 15 {}"))
            saldo = f"{pick.randrange(500, 90_000) / 100:.2f}".replace(".", ",")
            writer.writerow([f"C{number + 1:06d}", form.format(subscriber), pick.choice(_NAMES), saldo])
        for bad in (
            ["C-1", "15 2345-6789", "Sin Área", "1"],
            ["C-2", "1120000000", "Repetida", "1"],
            ["C-3", "", "", ""],
        ):
            writer.writerow(bad)


def run(messages: int, output: Output) -> dict[str, Any]:
    """Run the demo. Returns campaign_id, messages, counts, result_codes, seconds."""
    where = home()
    # Ctrl-C and SIGTERM alike unwind the stack below: nothing of the demo is left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(alone(where, "A demo is running already.", "Wait for it, or stop it with Ctrl-C."))
        output.note("Starting Postgres, Valkey, the simulated provider, workers and beat …")
        empty(where)
        stack.enter_context(isolated(where))
        servers = Embedded(where)
        addresses = stack.enter_context(servers.using())
        simulator = stack.enter_context(SimulatorProcess())
        simulator.start(apikey=[APIKEY], window="00:00-24:00", mix=MIX, delay_min=1, delay_max=4, latency=0.05)
        assert addresses.database_url
        assert addresses.broker_url
        stack.enter_context(
            isolated(
                where,
                DISPATCHER_DATABASE_URL=addresses.database_url,
                DISPATCHER_BROKER_URL=addresses.broker_url,
                DISPATCHER_PROVIDER_URL=simulator.url,
                DISPATCHER_APIKEY=APIKEY,
                DISPATCHER_WINDOW="00:00-24:00",
                DISPATCHER_POLL_INTERVAL="2",
            )
        )
        settings = config.load()
        stack.enter_context(_workers(settings))
        runtime = Runtime(settings)
        stack.callback(runtime.close)
        return _play(output, runtime, messages, began)


@contextmanager
def _workers(settings: Settings) -> Iterator[None]:
    """Worker and beat, as `dispatcher up` runs them, with their logs in the demo's home."""
    log = settings.home / "workers.log"
    with log.open("ab") as stream, (settings.home / "workers.lock").open("w") as lock:
        # Inherited by every process below: whoever finds the lock held knows that the groups named in it live.
        fcntl.flock(lock, fcntl.LOCK_EX)
        processes = [
            subprocess.Popen(
                command,
                env=environment(settings),
                stdout=stream,
                stderr=stream,
                process_group=0,
                pass_fds=(lock.fileno(),),
            )
            for command in (
                celery("worker", "-Q", "tick,submit,poll,control,urgent", "-n", "demo@%h", "-c", "4"),
                celery("beat"),
            )
        ]
        lock.write(" ".join(str(process.pid) for process in processes))
        lock.flush()
        try:
            yield
        finally:
            for process in processes:
                # The demo's home is emptied next time: nothing in it is worth a slow stop.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _play(output: Output, runtime: Runtime, messages: int, began: float) -> dict[str, Any]:
    from dispatcher.campaigns import loading  # polars comes with them, and starts threads
    from dispatcher.ingest import open_source

    path = runtime.settings.home / "clientes.csv"
    write_list(path, messages)
    output.note(
        worded(
            "The provider is simulated at {provider_url}, open 24 h (the real one: 08-22).",
            provider_url=runtime.settings.provider_url,
        )
    )
    output.say(f"$ dispatcher campaign create {path} --template '{TEMPLATE}'")
    start = time.monotonic()
    with open_source(path) as source, runtime.engine.begin() as connection:
        loaded = loading.load(
            connection, runtime.settings, CampaignSpec(template=TEMPLATE, id_column="cliente"), source
        )
    output.say(
        worded(
            "messages {messages:,}, invalid rows {invalid:,}, in {seconds:.1f} s: ",
            messages=loaded.messages,
            invalid=loaded.invalid,
            seconds=time.monotonic() - start,
        )
        + ", ".join(f"{reason} {n}" for reason, n in loaded.reasons.items())
    )
    assert loaded.campaign_id is not None
    done = _watch(output, runtime, loaded.campaign_id)
    seconds = time.monotonic() - start
    say_codes(output, done.result_codes)
    output.say(
        worded(
            "From the file to {final:,} result codes in {seconds:.1f} s, {all:.1f} s with set-up.",
            final=done.final,
            seconds=seconds,
            all=time.monotonic() - began,
        )
    )
    output.say(worded("The demo's data is in {home}; the next demo begins by emptying it.", home=runtime.settings.home))
    output.say(
        "Next: put DISPATCHER_APIKEY in .env, then `dispatcher doctor`, `dispatcher up`, and in another terminal"
    )
    output.say("dispatcher campaign create clientes.csv --template 'Hola {nombre}' --dry-run")
    return {
        "campaign_id": done.campaign_id,
        "messages": done.messages,
        "counts": done.counts,
        "result_codes": done.result_codes,
        "seconds": round(seconds, 3),
    }


def _watch(output: Output, runtime: Runtime, campaign_id: int) -> Summary:
    ends = time.monotonic() + _COMPLETES_WITHIN
    with Screen(output) as screen:
        while True:
            with runtime.engine.connect() as connection:
                seen = Seen.read(connection, runtime.settings, campaign_id)
            screen.show(seen)
            found = seen.shown
            if found.state == "completed":
                return found
            if time.monotonic() > ends:
                raise DispatcherError(
                    worded(
                        "The demo's campaign is still {state} after {seconds:.0f} s: {seen}",
                        state=found.state,
                        seconds=_COMPLETES_WITHIN,
                        seen=line(seen),
                    ),
                    hint=worded("The workers' log is {home}.", home=runtime.settings.home / "workers.log"),
                )
            time.sleep(0.2)
