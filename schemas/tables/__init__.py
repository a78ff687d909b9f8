"""Every table as SQLAlchemy Core describes it: what statements are built from, and what a migration must arrive at.

One file a subject; all share one `metadata`. A test compares the migrated database with these definitions, constraints
and indexes included. Functions and views are in the migrations alone.
"""

from schemas.tables.access import api_key, api_replay, page_session, page_user, sign_in_failure, sign_in_link
from schemas.tables.accounts import account, balance, installation
from schemas.tables.base import Moment, metadata
from schemas.tables.campaigns import (
    appended_message,
    campaign,
    campaign_list,
    campaign_request,
    campaign_sum,
    invalid_row,
    left_out,
    message,
    message_range,
)
from schemas.tables.chunks import absence, attempt, chunk, chunk_result
from schemas.tables.operations import audit_entry, heartbeat, migration_state, tally
from schemas.tables.preparations import preparation
from schemas.tables.replies import reply
from schemas.tables.results import result_delay, result_line, settle_line, unmapped_sentence
from schemas.tables.single_messages import single_message
from schemas.tables.suppression import (
    erased_optout,
    erasure,
    no_llame,
    no_llame_registry,
    optout,
    optout_event,
    undeliverable,
)
from schemas.tables.uploads import list_check, upload, upload_part
from schemas.tables.webhooks import webhook, webhook_delivery, webhook_event

__all__ = [
    "Moment",
    "absence",
    "account",
    "api_key",
    "api_replay",
    "appended_message",
    "attempt",
    "audit_entry",
    "balance",
    "campaign",
    "campaign_list",
    "campaign_request",
    "campaign_sum",
    "chunk",
    "chunk_result",
    "erased_optout",
    "erasure",
    "heartbeat",
    "installation",
    "invalid_row",
    "left_out",
    "list_check",
    "message",
    "message_range",
    "metadata",
    "migration_state",
    "no_llame",
    "no_llame_registry",
    "optout",
    "optout_event",
    "page_session",
    "page_user",
    "preparation",
    "reply",
    "result_delay",
    "result_line",
    "settle_line",
    "sign_in_failure",
    "sign_in_link",
    "single_message",
    "tally",
    "undeliverable",
    "unmapped_sentence",
    "upload",
    "upload_part",
    "webhook",
    "webhook_delivery",
    "webhook_event",
]
