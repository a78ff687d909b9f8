"""Every state, its transitions, and what causes each; `docs/state_machine.md` draws them."""

from dataclasses import dataclass
from enum import StrEnum


class CampaignState(StrEnum):
    """Where a campaign stands."""

    LOADING = "loading"
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class ChunkState(StrEnum):
    """Where a chunk (the lines of one bulk POST, or the one of a unit call) stands."""

    DUE = "due"
    SENDING = "sending"
    ACCEPTED = "accepted"
    IN_DOUBT = "in_doubt"
    HELD = "held"
    SPLIT = "split"
    SETTLED = "settled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class MessageStatus(StrEnum):
    """What `message_status.status` shows; the first four are derived from the chunk."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    IN_DOUBT = "in_doubt"
    HELD = "held"
    OK = "ok"
    SIMULATED = "simulated"
    REJECTED = "rejected"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class DeliveryState(StrEnum):
    """Where a delivery of a webhook (one event on its way to one endpoint) stands."""

    DUE = "due"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed move and what causes it."""

    source: str
    target: str
    cause: str


CAMPAIGN_TRANSITIONS = (
    Transition("loading", "scheduled", "the whole file is in; opened in one step"),
    Transition("loading", "draft", "the whole file is in; it waits to be released"),
    Transition("draft", "scheduled", "released: campaign send"),
    Transition("draft", "cancelled", "cancel"),
    Transition("loading", "completed", "no row of the file was good"),
    Transition("scheduled", "running", "its first chunk is claimed"),
    Transition("scheduled", "paused", "pause"),
    Transition("running", "paused", "pause"),
    Transition("paused", "running", "resume"),
    Transition("paused", "scheduled", "resume, before anything was claimed"),
    Transition("scheduled", "cancelled", "cancel"),
    Transition("running", "cancelled", "cancel"),
    Transition("paused", "cancelled", "cancel"),
    Transition("scheduled", "completed", "every message is final"),
    Transition("running", "completed", "every message is final"),
    Transition("paused", "completed", "every message is final"),
)

CHUNK_TRANSITIONS = (
    Transition("due", "sending", "claimed: committed before the POST"),
    Transition("due", "settled", "nothing left to send: every line has a result or is suppressed"),
    Transition("due", "cancelled", "the campaign was cancelled"),
    Transition("due", "expired", "the deadline passed"),
    Transition("sending", "accepted", "the provider answered OK"),
    Transition("sending", "settled", "OK, and every result was already in"),
    Transition("sending", "due", "proven not delivered"),
    Transition("sending", "in_doubt", "unknown outcome, or the lease ran out"),
    Transition("in_doubt", "accepted", "a late OK, or results that show it was taken"),
    Transition("in_doubt", "settled", "every line has its result"),
    Transition("in_doubt", "split", "the lines found absent moved to a child chunk"),
    Transition("in_doubt", "held", "no resend is allowed or left, or no evidence came in time"),
    Transition("held", "settled", "every line has its result after all"),
    Transition("held", "split", "the operator says: unsent"),
    Transition("held", "accepted", "the operator says: sent; or a late OK"),
    Transition("held", "due", "never posted; the operator says: unsent"),
    Transition("in_doubt", "due", "late proof that nothing was delivered"),
    Transition("due", "held", "the database was restored"),
    Transition("sending", "held", "the database was restored"),
    Transition("due", "accepted", "a late OK for the POST before the resend"),
    Transition("accepted", "settled", "every line has its result, or the result horizon passed"),
)

DELIVERY_TRANSITIONS = (
    Transition("due", "sending", "claimed: committed before the call"),
    Transition("sending", "delivered", "the endpoint answered 2xx"),
    Transition("sending", "due", "it did not, or the worker is gone: again, later"),
    Transition("sending", "failed", "it did not, at the last attempt"),
    Transition("due", "delivered", "a late 2xx of a worker that was taken to be gone"),
    Transition("failed", "due", "the endpoint failed until it was disabled, and is enabled again"),
    Transition("failed", "delivered", "a late 2xx of a worker that was taken to be gone"),
)

FINAL_CHUNK_STATES = frozenset({"settled", "split", "cancelled", "expired"})

STATUS_OF_CHUNK_STATE = {
    "due": MessageStatus.PENDING,
    "sending": MessageStatus.SUBMITTED,
    "accepted": MessageStatus.SUBMITTED,
    "in_doubt": MessageStatus.IN_DOUBT,
    "held": MessageStatus.HELD,
    "split": MessageStatus.UNKNOWN,
    "settled": MessageStatus.UNKNOWN,
    "cancelled": MessageStatus.CANCELLED,
    "expired": MessageStatus.EXPIRED,
}
"""The status of a message that has neither a result nor a suppression, by its chunk's state."""
