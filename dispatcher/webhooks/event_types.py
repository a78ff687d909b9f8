"""The events that an endpoint can be told of. Pure."""

from enum import StrEnum


class EventType(StrEnum):
    """One kind of event."""

    CAMPAIGN_CREATED = "campaign.created"
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_RESUMED = "campaign.resumed"
    CAMPAIGN_COMPLETED = "campaign.completed"
    CAMPAIGN_CANCELLED = "campaign.cancelled"
    CAMPAIGN_NEEDS_DECISION = "campaign.needs_decision"
    MESSAGE_RESULTS = "message.results"
    REPLY_RECEIVED = "reply.received"
    OPTOUT_CREATED = "optout.created"
    ACCOUNT_BLOCKED = "account.blocked"
    ACCOUNT_BALANCE_LOW = "account.balance_low"
    WEBHOOK_DISABLED = "webhook.disabled"
    PING = "ping"


MEANINGS = {
    EventType.CAMPAIGN_CREATED: "a campaign was loaded, as a draft or to be sent",
    EventType.CAMPAIGN_STARTED: "its first messages go out",
    EventType.CAMPAIGN_PAUSED: "somebody paused it, or its canary or reject rate did; `reason` says why",
    EventType.CAMPAIGN_RESUMED: "it goes on after a pause",
    EventType.CAMPAIGN_COMPLETED: "every message of it is final",
    EventType.CAMPAIGN_CANCELLED: "it was cancelled; what is in flight still gets its results",
    EventType.CAMPAIGN_NEEDS_DECISION: "something is held, or the canary or the reject rate stopped it",
    EventType.MESSAGE_RESULTS: "results of messages, in batches: ids, status, code, fecha",
    EventType.REPLY_RECEIVED: "somebody wrote back",
    EventType.OPTOUT_CREATED: "numbers opted out",
    EventType.ACCOUNT_BLOCKED: "the provider refuses the account, or the database is older than what was posted",
    EventType.ACCOUNT_BALANCE_LOW: "saldo is less than what waits to be sent",
    EventType.WEBHOOK_DISABLED: "an endpoint was disabled, by somebody, by its answer 410, or after five days",
    EventType.PING: "somebody tries the endpoint out; it needs no subscription",
}
