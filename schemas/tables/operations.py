"""What runs, what migrates, and who changed what."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from schemas.tables.base import Moment, metadata

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False, server_default=text("now()")),
    Column("actor_kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),  # a noun and a verb: campaign.pause
    Column("campaign_id", BigInteger, ForeignKey("campaign.id")),
    Column("chunk_no", Integer),
    Column("reason", Text),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint("action ~ '^[a-z_]+[.][a-z_]+$'"),
    CheckConstraint("actor_kind IN ('user', 'key', 'system')"),
    Index(
        "audit_of_released",
        "id",
        postgresql_where=text(
            "(action IN ('campaign.resolve', 'campaign.retry', 'database.restored', 'account.rekey', "
            "'account.unblock'))"
        ),
    ),
    Index("audit_of_campaign", "campaign_id", "id", postgresql_where=text("(campaign_id IS NOT NULL)")),
    Index(
        "audit_of_preparation",
        text("(detail ->> 'preparation')"),
        postgresql_where=text("(detail ->> 'preparation') IS NOT NULL"),
    ),
)
"""Who changed what, why and when: written in the transaction of the change."""

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Moment, nullable=False, server_default=text("now()")),
)

tally = Table(
    "tally",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("label", Text, nullable=False),  # a result code, or the outcome of a POST
    Column("n", BigInteger, nullable=False),
    CheckConstraint("kind IN ('result', 'attempt')"),
)
"""Counters for the metrics, as increments that nobody waits for; the tick folds them."""

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
