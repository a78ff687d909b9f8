"""What runs, what migrates, and what an operator decided."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Identity, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from schemas.tables.base import Moment, metadata

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

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Moment, nullable=False, server_default=text("now()")),
)

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
