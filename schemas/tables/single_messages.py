"""Messages outside any campaign."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    text,
)

from schemas.tables.base import GUIDE_CODE, Moment, metadata

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
    CheckConstraint(GUIDE_CODE),
    CheckConstraint("idinterno ~ '^[0-9A-Za-z]{1,50}$'"),
    CheckConstraint(
        "state IN ('sending', 'accepted', 'rejected', 'simulated', 'handed_over', 'unknown', 'refused', 'failed')"
    ),
    CheckConstraint("transport IN ('http', 'soap', 'smtp')"),
    Index("single_message_idinterno", "account_id", text("upper(idinterno)"), unique=True),
    Index("single_message_of_number", "destino", "created_at"),
    Index("single_message_sending", "lease_until", postgresql_where=text("(state = 'sending')")),
    postgresql_with={"fillfactor": 70},
)
"""One message now: committed as `sending` before its call, and never called again by itself."""
