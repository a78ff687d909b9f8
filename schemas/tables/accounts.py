"""The database itself, and the accounts at the provider."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from schemas.tables.base import Moment, metadata

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
    Column("balance_low_at", Moment),  # since when saldo has been less than what waits to be sent
    Column("account_words_at", Moment),  # latest fecha of a result that spoke of the account (credit, contract)
    Column("passed_over_at", Moment),  # when a poll last went on without results that no answer would bring
    Column("odd_lines_at", Moment),  # when malformed or late lines came last
    Column("clock_ask_at", Moment),  # when the provider may be asked for its date again
    Column("inbox_at", Moment),  # begin of the last pull of replies
    Column("inbox_read_at", Moment),  # begin of the last pull that worked
    Column("inbox_whole_at", Moment),  # begin of the last pull of the whole inbox that worked
    Column("inbox_words", Text),  # why the last pull failed
    Column("replies_kept_from", Moment),  # older ones were dropped: a pull that brings them again brings nothing new
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

balance = Table(
    "balance",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("at", Moment, primary_key=True, server_default=text("clock_timestamp()")),
    Column("saldo", BigInteger),
    Column("envios", BigInteger),
    CheckConstraint("saldo IS NOT NULL OR envios IS NOT NULL"),
)
"""Samples of saldo and envios: corroborating evidence, never proof alone, for others may share the account."""
