"""Submitting due chunks from two processes, next to bare `requests` loops that post the same bodies."""

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import requests

from dispatcher import accounts, config, submit
from dispatcher.provider import form
from dispatcher.runtime import Runtime
from ops.bench.lists import write_list
from ops.bench.stack import APIKEY, Stack, stack

PROCESSES = 2
_SPAWN = multiprocessing.get_context("spawn")
_PATIENCE = 300.0


@dataclass(frozen=True)
class Outcome:
    """Seconds for `messages` in `chunks` POSTs: claimed, posted and written down, and posted alone."""

    messages: int
    chunks: int
    submitted: float
    raw: float


def measure(messages: int) -> Outcome:
    """Submit a loaded campaign, then post its bodies again to a simulator that has forgotten them."""
    with stack("submit") as running:
        running.load(write_list(running.home / "clientes.csv", messages))
        accounts.ensure_clock(running.runtime, running.scalar("SELECT id FROM account"))
        bodies = _bodies(running)
        submitted = _together([partial(_pump, dict(os.environ)) for _ in range(PROCESSES)])
        taken = running.simulator.stats()["taken"]
        if taken != messages:
            raise RuntimeError(f"the provider took {taken} of {messages} messages")
        running.simulator.reset()
        url = f"{running.settings.provider_url}/enviar_sms_bloque.asp"
        raw = _together([partial(_post, url, bodies[n::PROCESSES]) for n in range(PROCESSES)])
    return Outcome(messages, len(bodies), submitted, raw)


def _bodies(stack: Stack) -> list[bytes]:
    """What the chunks' POSTs carry."""
    query = (
        "SELECT string_agg(s.idinterno || chr(9) || s.destino || chr(9) || s.texto, chr(13) || chr(10) ORDER BY s.seq) "
        "FROM message_status s GROUP BY s.chunk_no ORDER BY s.chunk_no"
    )
    with stack.runtime.engine.connect() as connection:
        bloques = connection.exec_driver_sql(query).scalars().all()
    return [form.bulk_form(APIKEY, bloque.encode("latin-1"), "tab", False) for bloque in bloques]


def _pump(environment: dict[str, str]) -> Callable[[], None]:
    os.environ.update(environment)
    runtime = Runtime(config.load())
    with runtime.engine.connect() as connection:
        account = accounts.find(connection, runtime.settings)
    assert account is not None

    def work() -> None:
        while submit.pump(runtime, account.id):
            pass

    return work


def _post(url: str, bodies: list[bytes]) -> Callable[[], None]:
    session = requests.Session()
    session.trust_env = False
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def work() -> None:
        for body in bodies:
            answer = session.post(url, data=body, headers=headers, timeout=60)
            if answer.content.strip() != b"OK":
                raise RuntimeError(f"the simulator said {answer.status_code} {answer.content[:200]!r}")

    return work


def _together(prepared: list[partial[Callable[[], None]]]) -> float:
    """Seconds until the last of several processes has done its work; they start together, once all are prepared."""
    barrier = _SPAWN.Barrier(len(prepared) + 1)
    processes = [_SPAWN.Process(target=_run, args=(prepare, barrier)) for prepare in prepared]
    for process in processes:
        process.start()
    barrier.wait(_PATIENCE)
    began = time.monotonic()
    for process in processes:
        process.join(_PATIENCE)
        if process.exitcode != 0:
            raise RuntimeError(f"a process of the measurement ended with {process.exitcode}")
    return time.monotonic() - began


def _run(prepare: partial[Callable[[], None]], barrier: "multiprocessing.synchronize.Barrier") -> None:
    work = prepare()
    barrier.wait(_PATIENCE)
    work()
    # What Python takes to end is nobody's figure.
    os._exit(0)
