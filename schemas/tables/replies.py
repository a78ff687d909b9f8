"""What people wrote back."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from schemas.tables.base import Moment, metadata

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
    Column("answered_at", Moment),
    Column("answered_by", Text),
    Column("done_at", Moment),  # nothing is left to do about it
    Column("done_by", Text),
    CheckConstraint("(answered_at IS NULL) = (answered_by IS NULL)"),
    CheckConstraint("(campaign_id IS NULL) = (seq IS NULL)"),
    CheckConstraint("(done_at IS NULL) = (done_by IS NULL)"),
    CheckConstraint("kind IN ('optout', 'review', 'reply')"),
    CheckConstraint("provider_id IS NOT NULL OR pushed_at IS NOT NULL"),
    CheckConstraint("repeated_at IS NULL OR provider_id IS NULL"),
    CheckConstraint("source IN ('pull', 'soap', 'push')"),
    UniqueConstraint("account_id", "provider_id"),
    Index("reply_by_number", "origen", "received_at"),
    Index("reply_by_time", "received_at", "id"),
    Index("reply_of_campaign", "campaign_id", "seq", postgresql_where=text("(campaign_id IS NOT NULL)")),
    Index(
        "reply_provisional",
        "account_id",
        "received_at",
        postgresql_where=text("((provider_id IS NULL) AND (repeated_at IS NULL))"),
    ),
    Index(
        "reply_to_review",
        "received_at",
        postgresql_where=text(
            "((kind = 'review') AND (done_at IS NULL) AND (answered_at IS NULL) AND (repeated_at IS NULL))"
        ),
    ),
    Index(
        "reply_new",
        "received_at",
        "id",
        postgresql_where=text("((done_at IS NULL) AND (answered_at IS NULL) AND (repeated_at IS NULL))"),
    ),
    Index("reply_to_match", "account_id", "origen", "received_at"),
)
"""Every reply once. Without provider_id it came by PUSH and waits for the pulled reply that it is one with."""
