"""The tasks: each takes an id, calls `dispatcher`, and hints what should follow. None holds logic or SQL.

A task is a hint: losing it, or running it twice, changes nothing. `create_campaign` and `send_message` alone carry a
payload, so they are kept until it is stored (`payloads.py`); each run after the first finds its record and repeats
nothing.

What brings polars along is imported by the task that needs it, so that the other workers do without.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError

from dispatcher import runtime
from dispatcher.accounts import account_info, binding, provider_clock
from dispatcher.campaigns import list_checks, request_intake, request_loading
from dispatcher.maintenance import retention
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.replies import pull
from dispatcher.sending import pump as sending_pump
from dispatcher.single_messages import send
from dispatcher.webhooks import delivering
from workers.app import app
from workers.payloads import PayloadTask, the_payload
from workers.schedule import EXPIRY

if TYPE_CHECKING:
    from dispatcher.results.polling import Poller

log = logging.getLogger(__name__)


class _Pollers(threading.local):
    """Each thread's own: a poller remembers what it has seen, and a runtime belongs to one thread."""

    def __init__(self) -> None:
        self.of: dict[int, Poller] = {}


_pollers = _Pollers()


def _hint(name: str, *arguments: Any) -> None:
    """Send a task; when the broker is away, the next tick finds the same work."""
    try:
        app.send_task(name, args=arguments, expires=EXPIRY)
    except OperationalError:
        log.warning("hint_lost task=%s", name)


# Once a second: its events would drown everything else in Flower.
@app.task(name="dispatcher.tick", send_events=False)
def tick() -> None:
    """Look after everything that is due, overdue or over."""
    hints = maintenance_tick.tick(runtime.current())
    for key in hints.requests:
        _hint("dispatcher.load_request", key)
    for check_id in hints.checks:
        _hint("dispatcher.check_list", check_id)
    for webhook_id in hints.webhooks:
        _hint("dispatcher.deliver", webhook_id)
    if hints.keep:
        _hint("dispatcher.keep")
    if hints.account_id is None:
        return
    if hints.clock:
        _hint("dispatcher.measure_clock", hints.account_id)
    if hints.balance:
        _hint("dispatcher.read_balance", hints.account_id)
    for _ in range(hints.submits):
        _hint("dispatcher.submit", hints.account_id)
    if hints.poll:
        _hint("dispatcher.poll", hints.account_id)
    if hints.probe:
        _hint("dispatcher.probe", hints.account_id)
    if hints.inbox:
        _hint("dispatcher.pull_inbox", hints.account_id)


@app.task(name="dispatcher.submit")
def submit_due(account_id: int) -> None:
    """Submit due chunks for a few seconds, and go on with a task of its own when there is more."""
    if sending_pump.pump(runtime.current(), account_id):
        _hint("dispatcher.submit", account_id)


@app.task(name="dispatcher.poll")
def poll(account_id: int) -> None:
    """Poll for results while they come."""
    poller = _poller(account_id)
    if poller and poller.run():
        _hint("dispatcher.poll", account_id)


@app.task(name="dispatcher.probe")
def probe(account_id: int) -> None:
    """Ask one round of questions by idinterno."""
    from dispatcher.results.probing import Prober

    poller = _poller(account_id)
    if poller:
        Prober(poller.runtime, account_id, poller.settler).round()


@app.task(name="dispatcher.measure_clock")
def measure_clock(account_id: int) -> None:
    """Take the provider's clock."""
    current = runtime.current()
    if _poller(account_id):
        provider_clock.refresh(current, account_id)


@app.task(name="dispatcher.read_balance")
def read_balance(account_id: int) -> None:
    """Record saldo and envíos."""
    if _poller(account_id):
        account_info.record_balance(runtime.current(), account_id)


@app.task(name="dispatcher.pull_inbox")
def pull_inbox(account_id: int) -> None:
    """Fetch replies, when it is time."""
    if _poller(account_id):
        pull.pull_due(runtime.current())


@app.task(name="dispatcher.keep")
def keep() -> None:
    """Make ranges of messages ahead, drop what has been kept for as long as it should, seal what is over."""
    current = runtime.current()
    retention.run(current.engine, current.settings)


@app.task(name="dispatcher.load_request")
def load_request(key: str) -> None:
    """Load a payload whose worker died."""
    current = runtime.current()
    request_loading.load_request(current.engine, current.settings, key)


@app.task(name="dispatcher.check_list")
def check_list(check_id: str) -> None:
    """Check an uploaded list, as a dry run does."""
    current = runtime.current()
    list_checks.run(current.engine, current.settings, check_id)


@app.task(name="dispatcher.deliver")
def deliver(webhook_id: int) -> None:
    """Deliver what is due to an endpoint for a few seconds, and go on with a task of its own when there is more."""
    if delivering.deliver(runtime.current(), webhook_id):
        _hint("dispatcher.deliver", webhook_id)


@app.task(bind=True, base=PayloadTask, name="dispatcher.create_campaign")
def create_campaign(self: PayloadTask, *arguments: Any, **named: Any) -> int | None:
    """Take a campaign in and load it; its one argument is a `schemas.payload.CampaignPayload`."""
    current = runtime.current()
    payload, wrong = the_payload(arguments, named)
    if wrong is not None:
        self.until_stored(lambda: request_intake.refuse(current.engine, payload, wrong))
        return None
    outcome = self.until_stored(lambda: request_intake.receive(current.engine, current.settings, payload))
    _hint("dispatcher.tick")
    return outcome.campaign_id if outcome else None


@app.task(bind=True, base=PayloadTask, name="dispatcher.send_message")
def send_message(self: PayloadTask, *arguments: Any, **named: Any) -> None:
    """Send one message now; its one argument is a `schemas.single.SingleMessage`.

    Its outcome is a row of `single_message`. A task that comes twice is the same message: without an idinterno it gets
    one from the task's own id.
    """
    current, own_id = runtime.current(), str(self.request.id or "")
    payload, wrong = the_payload(arguments, named)
    if wrong is not None:
        self.until_stored(lambda: send.refuse(current, payload, own_id, wrong))
        return
    self.until_stored(lambda: send.receive(current, payload, own_id, redelivered=self.again))


def _poller(account_id: int) -> Poller | None:
    """This thread's poller of the configured account; None when the id is not that account's."""
    current = runtime.current()
    with current.engine.connect() as connection:
        account = binding.find(connection, current.settings)
    if account is None or account.id != account_id:
        return None
    from dispatcher.results.polling import Poller

    known = _pollers.of.get(account_id)
    if known is None or known.runtime is not current:
        known = _pollers.of[account_id] = Poller(current, account)
    return known
