"""Chunks: what is claimed and posted, every POST, and the counters of results."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from schemas.tables.base import GUIDE_CODE, Moment, metadata

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
    Index("chunk_split", "account_id", "settled_at", postgresql_where=text("(state = 'split')")),
    Index("chunk_with_results", "campaign_id", "posted_at", postgresql_where=text("(resulted > 0)")),
    Index(
        "chunk_with_unknown",
        "account_id",
        "settled_at",
        postgresql_where=text("((state = 'settled') AND ((resulted + suppressed) < messages))"),
    ),
    postgresql_with={"fillfactor": 50},
)

attempt = Table(
    "attempt",
    metadata,
    Column("chunk_id", BigInteger, ForeignKey("chunk.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("messages", Integer, nullable=False),
    Column("claimed_at", Moment, nullable=False, server_default=text("now()")),
    Column("provider_at", Moment, nullable=False),
    Column("lease_until", Moment, nullable=False),  # no outcome of its own worker comes after it
    Column("finished_at", Moment),
    Column("outcome", Text),
    Column("detail", Text),
    CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)"),
    CheckConstraint("outcome IN ('accepted', 'not_delivered', 'not_started', 'refused', 'in_doubt', 'lost')"),
    postgresql_with={"fillfactor": 70},
)
"""Every POST that was ever begun, and what came of it."""

chunk_result = Table(
    "chunk_result",
    metadata,
    Column("campaign_id", BigInteger, primary_key=True),
    Column("chunk_no", Integer, primary_key=True),
    Column("code", SmallInteger, primary_key=True),
    Column("n", Integer, nullable=False),
    CheckConstraint(GUIDE_CODE),
    CheckConstraint("n >= 0"),
    postgresql_with={"fillfactor": 50},
)
"""Results per code, kept in the settling transaction: progress never counts messages."""

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
