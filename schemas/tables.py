"""Every table as SQLAlchemy Core describes it: what statements are built from, and what a migration must arrive at.

A test compares the migrated database with these definitions, constraints and indexes included. Functions and views are
in the migrations alone.
"""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={  # the names that Postgres gives by itself
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)

Moment = DateTime(timezone=True)
_GUIDE_CODE = "code BETWEEN -12 AND 1 OR code IN (-14, -99)"


installation = Table(
    "installation",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("prefix", Text, nullable=False),
    Column("drawn_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("only_row"),
    CheckConstraint("prefix ~ '^[0-9A-F]{10}$'"),
)
"""One row: the random prefix of this database's idinternos."""

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider_url", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("clock_low_ms", BigInteger),
    Column("clock_high_ms", BigInteger),
    Column("clock_measured_at", Moment),
    Column("clock_host", Text),  # boot id of the measuring machine
    Column("clock_anchor_ms", BigInteger),  # its database clock less its boot clock: a step of the clock shows here
    Column("blocked_at", Moment),
    Column("blocked_words", Text),
    Column("blocked_cause", Text),  # an answer, or results that speak of the account
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", Moment),  # nothing is claimed before
    Column("rate_free_at", Moment),  # the limiter: when the next chunk may go
    # claims so far: the priority wheel's position
    Column("turn", BigInteger, nullable=False, server_default=text("0")),
    Column("reading", Text),
    Column("reading_found_at", Moment),
    Column("cursors", ARRAY(Moment), nullable=False, server_default=text("'{}'")),
    Column("poll_at", Moment, nullable=False, server_default=text("now()")),
    Column("poll_lease_until", Moment),
    Column("poll_turn", BigInteger, nullable=False, server_default=text("0")),
    Column("poll_misses", Integer, nullable=False, server_default=text("0")),
    Column("poll_failures", Integer, nullable=False, server_default=text("0")),
    Column("poll_words", Text),  # why the last poll failed
    Column("polled_at", Moment),  # begin of the last poll that worked
    # open-window time covered by polls that worked: the doubts' clock
    Column("observed_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("probe_free_at", Moment),
    Column("foreign_lines", BigInteger, nullable=False, server_default=text("0")),
    Column("malformed_lines", BigInteger, nullable=False, server_default=text("0")),
    Column("early_lines", BigInteger, nullable=False, server_default=text("0")),
    # results that only a question by idinterno brought
    Column("late_lines", BigInteger, nullable=False, server_default=text("0")),
    Column("balance_at", Moment),
    Column("account_words_at", Moment),  # latest fecha of a result that spoke of the account (credit, contract)
    Column("passed_over_at", Moment),  # when a poll last went on without results that no answer would bring
    Column("odd_lines_at", Moment),  # when malformed or late lines came last
    Column("clock_ask_at", Moment),  # when the provider may be asked for its date again
    Column("inbox_at", Moment),  # begin of the last pull of replies
    Column("inbox_read_at", Moment),  # begin of the last pull that worked
    Column("inbox_whole_at", Moment),  # begin of the last pull of the whole inbox that worked
    Column("inbox_words", Text),  # why the last pull failed
    Column("inbox_marking_at", Moment),  # begin of a marking whose answer is not stored: replies may be missing
    Column("inbox_whole_failures", Integer, nullable=False, server_default=text("0")),
    Column("inbox_whole_retry_at", Moment),  # no pull of the whole inbox begins before
    Column("stale_at", Moment),  # when a witness showed that the database is older than what was posted
    Column("stale_words", Text),  # what it showed
    Column("probe_lease_until", Moment),
    Column("probe_turn", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("blocked_cause IN ('answer', 'credit', 'contract')"),
    CheckConstraint("(blocked_at IS NULL) = (blocked_words IS NULL)"),
    CheckConstraint("(blocked_at IS NULL) = (blocked_cause IS NULL)"),
    CheckConstraint("(stale_at IS NULL) = (stale_words IS NULL)"),
    CheckConstraint("clock_low_ms <= clock_high_ms"),
    CheckConstraint("failures >= 0"),
    CheckConstraint("fingerprint ~ '^[0-9a-f]{16}$'"),
    CheckConstraint("reading IN ('since', 'second', 'day')"),
    UniqueConstraint("provider_url"),
)

campaign = Table(
    "campaign",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("prefix", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'loading'")),
    Column("reason", Text),
    Column("priority", Text, nullable=False, server_default=text("'normal'")),
    Column("on_doubt", Text, nullable=False, server_default=text("'resend'")),
    Column("test", Boolean, nullable=False, server_default=text("false")),
    Column("canary_chunks", Integer),  # only these roots may be claimed until the canary has passed
    Column("max_reject_rate", REAL),
    Column("start_at", Moment),  # FECHADESDE, by the provider's clock; null = at once
    Column("expires_at", Moment),
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
    CheckConstraint("(state = 'completed') = (completed_at IS NOT NULL)", name="campaign_completed"),
    CheckConstraint("canary_chunks > 0"),
    CheckConstraint("expires_at > start_at", name="campaign_deadline"),
    CheckConstraint("max_reject_rate BETWEEN 0 AND 1"),
    CheckConstraint("on_doubt IN ('resend', 'hold')"),
    CheckConstraint("priority IN ('high', 'normal', 'low')"),
    CheckConstraint("rows = (messages + invalid) AND messages >= 0 AND invalid >= 0", name="campaign_rows"),
    CheckConstraint("state IN ('loading', 'scheduled', 'running', 'paused', 'completed', 'cancelled')"),
    Index("campaign_unfinished", "account_id", postgresql_where=text("(state IN ('scheduled', 'running', 'paused'))")),
    postgresql_with={"fillfactor": 50},
)

chunk = Table(
    "chunk",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("campaign_id", BigInteger, ForeignKey("campaign.id"), nullable=False),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("chunk_no", Integer, nullable=False),
    # the chunk that the lines were loaded in: locking it locks the family
    Column("root_no", Integer, nullable=False),
    Column("parent_no", Integer),
    Column("first_seq", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("resulted", Integer, nullable=False, server_default=text("0")),
    Column("suppressed", Integer, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False, server_default=text("'due'")),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("resends", SmallInteger, nullable=False, server_default=text("0")),
    Column("lease_until", Moment),
    Column("first_post_at", Moment),  # provider's clock, lower bound: a result before it is not ours
    Column("posted_at", Moment),  # database's clock, last attempt
    Column("accepted_at", Moment),
    Column("doubt_since", Moment),
    Column("doubt_reason", Text),
    Column("doubt_observed_ms", BigInteger),  # account.observed_ms when the doubt began
    Column("probe_at", Moment),
    Column("probes", Integer, nullable=False, server_default=text("0")),
    Column("settled_at", Moment),
    # The campaign's last line: posted after the others, it is evidence for them.
    Column("goes_last", Boolean, nullable=False, server_default=text("false")),
    Column("traced_seq", Integer),  # the last of its lines that has a result of its own
    Column("resulted_at", Moment),  # provider's clock, the latest result of its lines
    # When a later line's result showed that the provider had worked past this doubt.
    Column("evidence_at", Moment),
    Column("evidence_observed_ms", BigInteger),  # account.observed_ms at that moment
    # How often the account was refused for these lines.
    Column("refusals", SmallInteger, nullable=False, server_default=text("0")),
    CheckConstraint("(parent_no IS NULL) = (root_no = chunk_no)"),
    CheckConstraint("(state NOT IN ('in_doubt', 'held')) OR doubt_since IS NOT NULL"),
    CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)"),
    CheckConstraint("(state = 'settled') <= (settled_at IS NOT NULL)"),
    CheckConstraint("attempt >= 0 AND resends >= 0 AND probes >= 0 AND refusals >= 0", name="chunk_attempts"),
    CheckConstraint("chunk_no > 0"),
    CheckConstraint("last_seq >= first_seq"),
    CheckConstraint("messages >= 0"),
    CheckConstraint("resulted >= 0 AND suppressed >= 0 AND (resulted + suppressed) <= messages"),
    CheckConstraint("state <> 'accepted' OR accepted_at IS NOT NULL", name="chunk_accepted"),
    CheckConstraint("state <> 'split' OR (resulted + suppressed) = messages"),
    CheckConstraint(
        "state IN ('due', 'sending', 'accepted', 'in_doubt', 'held', 'split', 'settled', 'cancelled', 'expired')"
    ),
    UniqueConstraint("campaign_id", "chunk_no"),
    Index(
        "chunk_awaiting_results",
        "account_id",
        "posted_at",
        postgresql_where=text("(state IN ('sending', 'accepted', 'in_doubt', 'held'))"),
    ),
    Index(
        "chunk_in_flight_or_doubt", "account_id", "state", postgresql_where=text("(state IN ('sending', 'in_doubt'))")
    ),
    Index(
        "chunk_in_progress",
        "campaign_id",
        "root_no",
        postgresql_where=text("(state IN ('sending', 'accepted', 'in_doubt', 'held'))"),
    ),
    Index("chunk_later_results", "account_id", "posted_at", postgresql_where=text("(resulted > 0)")),
    Index("chunk_to_claim", "campaign_id", "root_no", "chunk_no", postgresql_where=text("(state = 'due')")),
    Index("chunk_with_results", "campaign_id", "posted_at", postgresql_where=text("(resulted > 0)")),
    Index(
        "chunk_with_unknown",
        "account_id",
        "settled_at",
        postgresql_where=text("((state = 'settled') AND ((resulted + suppressed) < messages))"),
    ),
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
        "suppressed IN ('optout_at_load', 'optout_at_claim', 'undeliverable_at_load', 'undeliverable_at_claim')"
    ),
    postgresql_with={"fillfactor": 50, "autovacuum_vacuum_scale_factor": 0.4},
)

invalid_row = Table(
    "invalid_row",
    metadata,
    Column("campaign_id", BigInteger, ForeignKey("campaign.id"), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("raw", Text, nullable=False),
    Column("code", SmallInteger),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    CheckConstraint(_GUIDE_CODE),
)
"""Rows of the list that could not become a message, each with its line and why."""

chunk_result = Table(
    "chunk_result",
    metadata,
    Column("campaign_id", BigInteger, primary_key=True),
    Column("chunk_no", Integer, primary_key=True),
    Column("code", SmallInteger, primary_key=True),
    Column("n", Integer, nullable=False),
    CheckConstraint(_GUIDE_CODE),
    CheckConstraint("n >= 0"),
    postgresql_with={"fillfactor": 50},
)
"""Results per code, kept in the settling transaction: progress never counts messages."""

attempt = Table(
    "attempt",
    metadata,
    Column("chunk_id", BigInteger, ForeignKey("chunk.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("messages", Integer, nullable=False),
    Column("claimed_at", Moment, nullable=False, server_default=text("now()")),
    Column("provider_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("outcome", Text),
    Column("detail", Text),
    CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)"),
    CheckConstraint("outcome IN ('accepted', 'not_delivered', 'not_started', 'refused', 'in_doubt', 'lost')"),
    postgresql_with={"fillfactor": 70},
)
"""Every POST that was ever begun, and what came of it."""

result_line = Table(
    "result_line",
    metadata,
    Column("campaign_id", BigInteger, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("generation", SmallInteger, primary_key=True),
    Column("fecha", Moment, primary_key=True),
    Column("text", Text, primary_key=True),
    Column("code", SmallInteger, nullable=False),
    Column("seen_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint(_GUIDE_CODE),
)
"""Result lines beyond the one that stands in `message`: each distinct (idinterno, fecha, text) once."""

absence = Table(
    "absence",
    metadata,
    Column("campaign_id", BigInteger, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("chunk_no", Integer, nullable=False),
    Column("probed_at", Moment, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("campaign_id", "chunk_no", "seq"),
)
"""Lines of a doubtful chunk that the provider, asked by idinterno after the horizon, did not know."""

optout = Table(
    "optout",
    metadata,
    Column("destino", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("reason", Text),
    Column("since", Moment, nullable=False, server_default=text("now()")),
)

operator_action = Table(
    "operator_action",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False, server_default=text("now()")),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("campaign_id", BigInteger, ForeignKey("campaign.id")),
    Column("chunk_no", Integer),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint("action IN ('resolve', 'retry', 'restored', 'rekey', 'unblock')"),
)
"""What an operator decided where evidence could not."""

balance = Table(
    "balance",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("at", Moment, primary_key=True, server_default=text("clock_timestamp()")),
    Column("saldo", BigInteger),
    Column("envios", BigInteger),
    CheckConstraint("saldo IS NOT NULL OR envios IS NOT NULL"),
)
"""Readings of saldo and envios: corroborating evidence, never proof alone, for others may share the account."""

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
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("(holder IS NULL) = (lease_until IS NULL)"),
    CheckConstraint("state = 'received' OR holder IS NULL"),
    CheckConstraint("(state = 'created') = (campaign_id IS NOT NULL)"),
    CheckConstraint("(state = 'received') <= (payload IS NOT NULL)"),
    CheckConstraint("length(idempotency_key) BETWEEN 1 AND 200"),
    CheckConstraint("state IN ('received', 'created', 'refused', 'failed')"),
)

result_delay = Table(
    "result_delay",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("hour", Moment, primary_key=True),
    Column("longest_ms", BigInteger, nullable=False),
    CheckConstraint("longest_ms >= 0"),
)
"""The longest time from POST to result, by the hour in which the result came: how long absence must wait."""

unmapped_sentence = Table(
    "unmapped_sentence",
    metadata,
    Column("sentence", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("first_seen", Moment, nullable=False, server_default=text("now()")),
    Column("last_seen", Moment, nullable=False, server_default=text("now()")),
)
"""Answers whose sentence no pattern knew: kept visible."""

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Moment, nullable=False, server_default=text("now()")),
)

reply = Table(
    "reply",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("provider_id", BigInteger),  # ID SMS MASIVOS
    Column("origen", Text, nullable=False),  # national digits where they can be told, else as it came
    Column("texto", Text, nullable=False),
    Column("plain", Text, nullable=False),  # texto as PUSH and PULL agree on it
    Column("received_at", Moment, nullable=False),  # the provider's FECHA; of a PUSH the moment it came
    Column("idinterno", Text),
    Column("campaign_id", BigInteger),
    Column("seq", Integer),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("pushed_at", Moment),  # when the PUSH came that is one with this reply
    Column("repeated_at", Moment),  # found to be the repeat of a PUSH that was answered: not a reply
    Column("stored_at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    CheckConstraint("(campaign_id IS NULL) = (seq IS NULL)"),
    CheckConstraint("kind IN ('optout', 'review', 'reply')"),
    CheckConstraint("provider_id IS NOT NULL OR pushed_at IS NOT NULL"),
    CheckConstraint("repeated_at IS NULL OR provider_id IS NULL"),
    CheckConstraint("source IN ('pull', 'soap', 'push')"),
    UniqueConstraint("account_id", "provider_id"),
    Index("reply_of_campaign", "campaign_id", "seq", postgresql_where=text("(campaign_id IS NOT NULL)")),
    Index(
        "reply_provisional",
        "account_id",
        "received_at",
        postgresql_where=text("((provider_id IS NULL) AND (repeated_at IS NULL))"),
    ),
    Index("reply_to_match", "account_id", "origen", "received_at"),
)
"""Every reply once. Without provider_id it came by PUSH and waits for the pulled reply that it is one with."""

optout_event = Table(
    "optout_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("destino", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text),
    CheckConstraint("action IN ('add', 'remove')"),
    Index("optout_event_of_number", "destino", "at"),
)
"""Who opted out or in, when and by what: never changed, so that a list can be explained years later."""

undeliverable = Table(
    "undeliverable",
    metadata,
    Column("destino", Text, primary_key=True),
    Column("code", SmallInteger, nullable=False),
    Column("since", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    CheckConstraint("code IN (-1, -2)"),
    CheckConstraint("expires_at >= since"),
)
"""The do-not-send list: numbers that the provider said cannot receive (-1 fixed line, -2 too many failures)."""

left_out = Table(
    "left_out",
    metadata,
    Column("campaign_id", BigInteger, ForeignKey("campaign.id"), primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("n", Integer, nullable=False),
    CheckConstraint("n > 0"),
    CheckConstraint(
        "reason IN ('optout_at_load', 'optout_at_claim', 'undeliverable_at_load', 'undeliverable_at_claim')"
    ),
)
"""How many messages of a campaign were left out and why, kept with the suppression itself."""

single_message = Table(
    "single_message",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False),
    Column("idinterno", Text, nullable=False),
    Column("destino", Text, nullable=False),
    Column("texto", Text, nullable=False),
    Column("transport", Text, nullable=False),
    Column("test", Boolean, nullable=False, server_default=text("false")),
    Column("start_at", Moment),  # FECHADESDE
    Column("html", Text),
    Column("state", Text, nullable=False),
    Column("code", SmallInteger),
    Column("text", Text),  # the provider's words, or ours when we refused it
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("lease_until", Moment),
    Column("created_at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("finished_at", Moment),
    CheckConstraint("(state = 'sending') = (finished_at IS NULL)"),
    CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)"),
    CheckConstraint(_GUIDE_CODE),
    CheckConstraint("idinterno ~ '^[0-9A-Za-z]{1,50}$'"),
    CheckConstraint(
        "state IN ('sending', 'accepted', 'rejected', 'simulated', 'handed_over', 'unknown', 'refused', 'failed')"
    ),
    CheckConstraint("transport IN ('http', 'soap', 'smtp')"),
    Index("single_message_idinterno", "account_id", text("upper(idinterno)"), unique=True),
    Index("single_message_sending", "lease_until", postgresql_where=text("(state = 'sending')")),
    postgresql_with={"fillfactor": 70},
)
"""One message now: committed as `sending` before its call, and never called again by itself."""

migration_state = Table(
    "migration_state",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("holder", Text),  # who runs migrations now
    Column("lease_until", Moment),
    Column("revision", Text),  # the last one that was applied
    Column("contracted", Text),  # the newest contracting one up to it: a version that does not know it must not run
    CheckConstraint("(holder IS NULL) = (lease_until IS NULL)"),
    CheckConstraint("only_row"),
)
"""One row: who runs migrations, and which versions may run. Made by the upgrade itself, before any migration."""

settle_line = Table(
    "settle_line",
    MetaData(),  # no migration makes it: a transaction that settles results makes its own
    Column("campaign_id", BigInteger),
    Column("seq", Integer),
    Column("generation", SmallInteger),
    Column("root_no", Integer),
    Column("code", SmallInteger),
    Column("fecha", Moment),
    Column("text", Text),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DELETE ROWS",
)
"""Staged result lines: what the statements that settle a batch read."""
