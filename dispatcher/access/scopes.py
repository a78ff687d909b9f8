"""What a key may let its holder do. Pure."""

from enum import StrEnum


class Scope(StrEnum):
    """One right; a key has at least one."""

    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    CAMPAIGNS_SEND = "campaigns:send"
    MESSAGES_SEND = "messages:send"
    RESULTS_READ = "results:read"
    OPTOUTS_WRITE = "optouts:write"
    PEOPLE_ERASE = "people:erase"
    WEBHOOKS_MANAGE = "webhooks:manage"
    ACCOUNT_READ = "account:read"


MEANINGS = {
    Scope.CAMPAIGNS_READ: "list and show campaigns, checks and counts",
    Scope.CAMPAIGNS_WRITE: "upload and check lists, create drafts, pause and cancel",
    Scope.CAMPAIGNS_SEND: "create campaigns to be sent, release drafts, resume, retry, resolve",
    Scope.MESSAGES_SEND: "send single messages",
    Scope.RESULTS_READ: "read numbers and texts: messages, invalid rows, replies, exports",
    Scope.OPTOUTS_WRITE: "change the opt-out list",
    Scope.PEOPLE_ERASE: "erase a person",
    Scope.WEBHOOKS_MANAGE: "manage webhooks",
    Scope.ACCOUNT_READ: "read the account's balance, clock and metrics",
}
