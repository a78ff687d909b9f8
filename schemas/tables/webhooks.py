"""Endpoints of other services, the events that they are told of, and what became of each."""

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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from schemas.tables.base import Moment, metadata

webhook = Table(
    "webhook",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'active'")),
    Column("secret", Text, nullable=False),  # signing needs it as it is
    Column("former_secret", Text),  # signs too, until former_until
    Column("former_until", Moment),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("created_by", Text, nullable=False),
    Column("disabled_at", Moment),
    Column("disabled_why", Text),
    Column("failures", Integer, nullable=False, server_default=text("0")),  # in a row
    Column("failing_since", Moment),
    Column("succeeded_at", Moment),
    Column("retry_at", Moment),  # nothing is delivered before
    Column("listens_until", Moment),  # a terminal that listens takes its deliveries itself
    CheckConstraint("(disabled_at IS NULL) = (disabled_why IS NULL)"),
    CheckConstraint("(failures = 0) = (failing_since IS NULL)"),
    CheckConstraint("(former_secret IS NULL) = (former_until IS NULL)"),
    CheckConstraint("(state = 'disabled') = (disabled_why IS NOT NULL)"),
    CheckConstraint("cardinality(events) > 0"),
    CheckConstraint("disabled_why IN ('operator', 'gone', 'failures')"),
    CheckConstraint("public_id ~ '^wh_[0-9a-f]{24}$'"),
    CheckConstraint("state IN ('active', 'disabled', 'deleted')"),
    UniqueConstraint("public_id"),
    postgresql_with={"fillfactor": 50},
)
"""Endpoints of other services that are told of events. A deleted one stays until its deliveries are gone."""

webhook_event = Table(
    "webhook_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False),  # the same at every attempt, and at every endpoint
    Column("type", Text, nullable=False),
    Column("at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("campaign_id", BigInteger),
    Column("data", JSONB, nullable=False),  # without numbers and texts of people
    Column("body", Text),  # as it is sent, written before the first attempt
    CheckConstraint("type ~ '^[a-z_]+([.][a-z_]+)?$'"),
)
"""What happened, written in the transaction of what it tells of. No row of a campaign is referred to by key: an event
must not lock it."""

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("webhook_id", BigInteger, nullable=False),
    Column("event_id", BigInteger, ForeignKey("webhook_event.id"), nullable=False),
    Column("campaign_id", BigInteger),
    Column("state", Text, nullable=False, server_default=text("'due'")),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("next_at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("tried_at", Moment),
    Column("finished_at", Moment),
    Column("lease_until", Moment),
    Column("status", Integer),  # of HTTP, of the last attempt
    Column("answer", Text),  # the first characters of it
    Column("error", Text),  # why there was none, or why it is no success
    CheckConstraint("(state IN ('delivered', 'failed')) = (finished_at IS NOT NULL)"),
    CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)"),
    CheckConstraint("state IN ('due', 'sending', 'delivered', 'failed')"),
    Index(
        "webhook_delivery_in_order",
        "webhook_id",
        "campaign_id",
        "id",
        postgresql_where=text("(state IN ('due', 'sending') AND (campaign_id IS NOT NULL))"),
    ),
    Index("webhook_delivery_of_event", "event_id", "webhook_id"),
    Index("webhook_delivery_of_webhook", "webhook_id", "id"),
    Index("webhook_delivery_sending", "webhook_id", postgresql_where=text("(state = 'sending')")),
    Index("webhook_delivery_to_claim", "webhook_id", "next_at", "id", postgresql_where=text("(state = 'due')")),
    postgresql_with={"fillfactor": 70},
)
"""One event on its way to one endpoint. No endpoint is referred to by key: what an event tells of must not wait for a
change of the endpoint, and must not fail with it."""
