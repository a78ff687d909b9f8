"""Campaigns: requests for them, their messages, and what was left out of them."""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from schemas.tables.base import GUIDE_CODE, Moment, metadata

campaign = Table(
    "campaign",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),  # or a number of it that a request reserved
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("prefix", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'loading'")),
    Column("reason", Text),
    Column("priority", Text, nullable=False, server_default=text("'normal'")),
    Column("on_doubt", Text, nullable=False, server_default=text("'resend'")),
    Column("intent", Text, nullable=False, server_default=text("'service'")),  # marketing honours no_llame
    Column("registry", Text),  # the no_llame_registry that its numbers were looked up in; null = there was none
    Column("test", Boolean, nullable=False, server_default=text("false")),
    Column("canary_chunks", Integer),  # only these roots may be claimed until the canary has passed
    Column("max_reject_rate", REAL),
    Column("rate", Integer),  # messages a minute at most; null = as the account may
    Column("rate_free_at", Moment),  # when its rate lets the next chunk go
    Column("start_at", Moment),  # FECHADESDE, by the provider's clock; null = at once
    Column("expires_at", Moment),
    # days on which nothing of it goes, as 2026-12-24, and `holidays`: those of Argentina
    Column("not_on", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("rows", Integer, nullable=False, server_default=text("0")),
    Column("messages", Integer, nullable=False, server_default=text("0")),
    Column("invalid", Integer, nullable=False, server_default=text("0")),  # rows that were no message
    # the account's turn at its last claim: round robin
    Column("turn", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("started_at", Moment),
    Column("completed_at", Moment),
    Column("opened_at", Moment),  # loaded, resumed, or past its canary
    # the canary or the reject rate paused it: resume overrules that
    Column("paused_by_watch", Boolean, nullable=False, server_default=text("false")),
    Column("watched_from", Moment),  # only what was posted later counts for the reject rate; null = all
    Column("html", Text),  # content behind the link in each text (guide, HTML): a unit call a message
    Column("upload_id", BigInteger, ForeignKey("upload.id")),  # the list that it was made from
    Column("created_by", Text),
    Column("tags", JSONB, nullable=False, server_default=text("'{}'")),
    Column("retry_of", BigInteger, ForeignKey("campaign.id")),  # whose rejected messages it sends again
    Column("keep_days", Integer),  # its rows go so many days after its end; null = as DISPATCHER_RETENTION says
    Column("dropped_at", Moment),  # when its rows went; its sums are in campaign_sum
    CheckConstraint("(state = 'completed') = (completed_at IS NOT NULL)", name="campaign_completed"),
    CheckConstraint("canary_chunks > 0"),
    CheckConstraint("keep_days > 0"),
    CheckConstraint("expires_at > start_at", name="campaign_deadline"),
    CheckConstraint("max_reject_rate BETWEEN 0 AND 1"),
    CheckConstraint("intent IN ('service', 'marketing')"),
    CheckConstraint("on_doubt IN ('resend', 'hold')"),
    CheckConstraint("priority IN ('high', 'normal', 'low')"),
    CheckConstraint("rate > 0"),
    CheckConstraint("rows = (messages + invalid) AND messages >= 0 AND invalid >= 0", name="campaign_rows"),
    CheckConstraint("state IN ('loading', 'draft', 'scheduled', 'running', 'paused', 'completed', 'cancelled')"),
    Index("campaign_retry", "retry_of", postgresql_where=text("(retry_of IS NOT NULL)")),
    Index("campaign_of_upload", "upload_id", postgresql_where=text("(upload_id IS NOT NULL)")),
    Index(
        "campaign_to_drop",
        "created_at",
        "id",
        postgresql_where=text("(dropped_at IS NULL AND state IN ('completed', 'cancelled'))"),
    ),
    Index("campaign_by_state", "state", "id"),
    Index("campaign_unfinished", "account_id", postgresql_where=text("(state IN ('scheduled', 'running', 'paused'))")),
    postgresql_with={"fillfactor": 50},
)

message = Table(
    "message",
    metadata,
    Column("campaign_id", BigInteger, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("chunk_no", Integer, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("generation", SmallInteger, nullable=False, server_default=text("0")),
    Column("result_code", SmallInteger),
    Column("processed_at", Moment),
    Column("destino", Text, nullable=False),
    Column("texto", Text, nullable=False),
    Column("external_id", Text),
    Column("result_text", Text),  # the provider's words; null = OK
    Column("suppressed", Text),
    CheckConstraint(
        "CASE WHEN result_code IS NULL THEN processed_at IS NULL ELSE processed_at IS NOT NULL AND "
        "suppressed IS NULL AND (result_code BETWEEN -12 AND 1 OR (result_code IN (-14, -99))) END",
        name="message_result",
    ),
    CheckConstraint("generation BETWEEN 0 AND 15"),
    CheckConstraint("length(texto) BETWEEN 1 AND 160"),
    CheckConstraint("seq > 0"),
    CheckConstraint(
        "suppressed IN ('optout_at_load', 'optout_at_claim', 'no_llame_at_load', 'no_llame_at_claim', "
        "'undeliverable_at_load', 'undeliverable_at_claim')"
    ),
    Index(
        "message_numbers",
        "destino",
        "external_id",
        postgresql_using="brin",
        postgresql_ops={"destino": "text_bloom_ops", "external_id": "text_bloom_ops"},
        postgresql_with={"pages_per_range": 64},
    ),
    postgresql_partition_by="RANGE (campaign_id)",
)
"""The messages, in partitions by ranges of campaigns: see `message_range` and `make_message_ranges` in the baseline."""

message_range = Table(
    "message_range",
    MetaData(),  # a view of the catalog
    Column("name", Text),
    Column("first_campaign", BigInteger),
    Column("end_campaign", BigInteger),  # the first one behind it
    Column("sealed", Boolean),  # written without free space: nothing of it changes any more
    Column("bytes", BigInteger),
    Column("rows", BigInteger),  # as the statistics have it
)
"""The partitions of `message`."""

campaign_sum = Table(
    "campaign_sum",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("campaign_id", BigInteger, ForeignKey("campaign.id"), nullable=False),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("day", Date),  # of Argentina, of the POST; null = never posted
    Column("state", Text),  # of chunks
    Column("code", SmallInteger),  # of results
    Column("chunks", Integer, nullable=False, server_default=text("0")),
    Column("messages", BigInteger, nullable=False, server_default=text("0")),
    Column("resulted", BigInteger, nullable=False, server_default=text("0")),
    Column("suppressed", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint(GUIDE_CODE),
    CheckConstraint("(state IS NULL) <> (code IS NULL)"),
    Index("campaign_sum_of_campaign", "campaign_id"),
    Index("campaign_sum_by_day", "account_id", "day"),
)
"""What stays of a campaign when its rows have gone."""

appended_message = Table(
    "appended_message",
    MetaData(),  # no migration makes it: a transaction that appends a list makes its own
    Column("campaign_id", BigInteger),
    Column("seq", Integer),
    Column("chunk_no", Integer),
    Column("line", BigInteger),
    Column("destino", Text),
    Column("texto", Text),
    Column("external_id", Text),
    Column("suppressed", Text),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
"""Staged messages of a list that is appended: they wait until the campaign is locked."""

campaign_list = Table(
    "campaign_list",
    metadata,
    Column("campaign_id", BigInteger, ForeignKey("campaign.id"), primary_key=True),
    Column("list_no", SmallInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("columns", JSONB, nullable=False),  # the headings, in order
    Column("separator", Text),  # of a CSV
    Column("options", JSONB, nullable=False),  # how its rows were read
    Column("fingerprint", Text),  # equal for lists that say the same to the same numbers
    Column("upload_id", BigInteger, ForeignKey("upload.id")),  # the list itself, where one is kept
    Column("loaded_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("list_no > 0"),
    Index("campaign_list_fingerprint", "fingerprint"),
    Index("campaign_list_of_upload", "upload_id", postgresql_where=text("(upload_id IS NOT NULL)")),
)
"""The lists of a campaign: the one that it was made from, and those that were appended."""

invalid_row = Table(
    "invalid_row",
    metadata,
    Column("campaign_id", BigInteger, ForeignKey("campaign.id"), primary_key=True),
    Column("list_no", SmallInteger, primary_key=True, server_default=text("1")),
    Column("line", BigInteger, primary_key=True),
    Column("raw", Text, nullable=False),
    Column("code", SmallInteger),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default="{}"),
    CheckConstraint(GUIDE_CODE),
)
"""Rows of the list that could not become a message, each with its line and why."""

left_out = Table(
    "left_out",
    metadata,
    Column("campaign_id", BigInteger, ForeignKey("campaign.id"), primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("n", Integer, nullable=False),
    CheckConstraint("n > 0"),
    CheckConstraint(
        "reason IN ('optout_at_load', 'optout_at_claim', 'no_llame_at_load', 'no_llame_at_claim', "
        "'undeliverable_at_load', 'undeliverable_at_claim')"
    ),
)
"""How many messages of a campaign were left out and why, kept with the suppression itself."""

campaign_request = Table(
    "campaign_request",
    metadata,
    Column("idempotency_key", Text, primary_key=True),
    Column("payload_hash", Text, nullable=False),
    Column("payload", JSONB),  # until it is loaded: what a restarted worker loads from
    Column("campaign_id", BigInteger, ForeignKey("campaign.id")),
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("holder", Text),  # the process that loads it
    Column("lease_until", Moment),  # when another may take over
    Column("upload_id", BigInteger, ForeignKey("upload.id")),  # its list, when that came as a file
    Column("file_awaited_since", Moment),  # the file has not been found on any host yet
    Column("looked_at", Moment),  # when a host looked for it last
    Column("looked_on", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # where hosts have looked
    Column("created_by", Text),
    Column("reserved_id", BigInteger),  # the number that its campaign will have
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("file_awaited_since IS NULL OR (state = 'received' AND upload_id IS NULL)"),
    CheckConstraint("(holder IS NULL) = (lease_until IS NULL)"),
    CheckConstraint("state = 'received' OR holder IS NULL"),
    CheckConstraint("(state = 'created') = (campaign_id IS NOT NULL)"),
    CheckConstraint("(state = 'received') <= (payload IS NOT NULL)"),
    CheckConstraint("length(idempotency_key) BETWEEN 1 AND 200"),
    CheckConstraint("state IN ('received', 'created', 'refused', 'failed')"),
    Index("campaign_request_reserved", "reserved_id", postgresql_where=text("(reserved_id IS NOT NULL)")),
    Index("campaign_request_of_campaign", "campaign_id", postgresql_where=text("(campaign_id IS NOT NULL)")),
    Index("campaign_request_without", "created_at", postgresql_where=text("(state IN ('refused', 'failed'))")),
    Index("campaign_request_of_upload", "upload_id", postgresql_where=text("(upload_id IS NOT NULL)")),
    Index("campaign_request_received", "created_at", postgresql_where=text("(state = 'received')")),
)
