"""What a person does with a campaign: release, pause, resume, cancel."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine

from dispatcher import audit_trail
from dispatcher.campaigns import approval
from dispatcher.campaigns.summary import show
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.errors import UsageError
from dispatcher.i18n.terms import state_word
from dispatcher.i18n.words import translated, worded
from dispatcher.webhooks import campaign_events
from dispatcher.webhooks.event_types import EventType


class WrongState(UsageError):
    """A campaign's state does not allow what was asked for."""

    def __init__(self, campaign_id: int, state: str, wanted: str, allowed: tuple[str, ...]) -> None:
        """Take its state, what it cannot become, and the states that would allow it."""
        super().__init__(
            worded(
                "Campaign {number} is {state}, so it cannot {wanted}.",
                number=campaign_id,
                state=state_word(state),
                wanted=translated(wanted),
            ),
            hint="`dispatcher campaign show` shows its state and why.",
        )
        self.state, self.allowed = state, allowed


@dataclass(frozen=True)
class Halted:
    """The answer of pause, resume and cancel."""

    campaign_id: int
    state: str
    in_flight: int  # bulk POSTs that were claimed before and have no outcome yet


def pause(engine: Engine, campaign_id: int, *, wait: float, reason: str | None = None) -> Halted:
    """Stop claiming. Returns once earlier claims have finished, but after `wait` seconds at the latest."""
    more = {"reason": reason, "by_watch": False}
    return _move(engine, _PAUSE, campaign_id, wait, more, reason)


def resume(engine: Engine, campaign_id: int) -> Halted:
    """Go on after a pause. If the canary or the reject rate paused it, only later results are judged from now on."""
    return _move(engine, _RESUME, campaign_id, 0, {}, None)


def send(engine: Engine, settings: Settings, campaign_id: int) -> Halted:
    """Release a draft: from now on it may run.

    Raises:
        OwnWork: two people must approve, and the one who acts prepared it.
    """

    def check(connection: Connection) -> None:
        approval.require_another(connection, settings, campaign_id)

    return _move(engine, _SEND, campaign_id, 0, {}, None, check)


def cancel(engine: Engine, campaign_id: int, *, wait: float, reason: str | None = None) -> Halted:
    """Stop a campaign for good. What is in flight still gets its results."""
    halted = _move(engine, _CANCEL, campaign_id, wait, {"reason": reason}, reason)
    # In its own transaction: nothing waits for chunks while it holds a campaign's lock.
    with engine.begin() as connection:
        connection.execute(query("cancel_due"), {"campaign_id": campaign_id})
    return halted


@dataclass(frozen=True)
class _Move:
    """A move that somebody asks for; in a state of `done` there is nothing left to do."""

    statement: str
    action: str
    words: str
    allowed: tuple[str, ...]
    done: tuple[str, ...]
    event: EventType | None = None


_PAUSE = _Move(
    "pause_campaign",
    "campaign.pause",
    "be paused",
    ("scheduled", "running"),
    ("paused",),
    EventType.CAMPAIGN_PAUSED,
)
_RESUME = _Move(
    "resume_campaign",
    "campaign.resume",
    "be resumed",
    ("paused",),
    ("running", "scheduled"),
    EventType.CAMPAIGN_RESUMED,
)
_SEND = _Move("send_campaign", "campaign.send", "be released", ("draft",), ("scheduled", "running", "completed"))
_CANCEL = _Move(
    "cancel_campaign",
    "campaign.cancel",
    "be cancelled",
    ("draft", "scheduled", "running", "paused"),
    ("cancelled",),
    EventType.CAMPAIGN_CANCELLED,
)


def _move(
    engine: Engine,
    move: _Move,
    campaign_id: int,
    wait: float,
    parameters: dict[str, Any],
    reason: str | None,
    check: Callable[[Connection], None] | None = None,
) -> Halted:
    with engine.begin() as connection:
        now = show(connection, campaign_id)
        moved = connection.execute(query(move.statement), {"campaign_id": campaign_id, **parameters}).first()
        if moved:
            if check is not None:
                check(connection)  # its row is locked: nobody changes it after this
            audit_trail.record(connection, move.action, campaign_id, reason=reason)
            if move.event is not None:
                campaign_events.moved(connection, move.event, [campaign_id])
    with engine.connect() as connection:
        now = show(connection, campaign_id)
    if not moved and now.state not in move.done:
        raise WrongState(campaign_id, now.state, move.words, move.allowed)
    ends = time.monotonic() + wait
    while now.in_flight and time.monotonic() < ends:
        time.sleep(0.1)
        with engine.connect() as connection:
            now = show(connection, campaign_id)
    return Halted(campaign_id, now.state, now.in_flight)
