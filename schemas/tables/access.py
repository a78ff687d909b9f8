"""Keys of the API, and the answers that were given under an Idempotency-Key."""

from sqlalchemy import CheckConstraint, Column, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from schemas.tables.base import Moment, metadata

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("secret_sha256", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("networks", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # none = from anywhere
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),  # to the minute
    Column("revoked_at", Moment),
    CheckConstraint("cardinality(scopes) > 0"),
    CheckConstraint("id ~ '^[a-z0-9]{8}$'"),
    CheckConstraint("secret_sha256 ~ '^[0-9a-f]{64}$'"),
)
"""Who may call the API, and what for."""

api_replay = Table(
    "api_replay",
    metadata,
    Column("operation", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("body_sha256", Text, nullable=False),  # of method, path and body
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("lease_until", Moment, nullable=False),  # while it runs; another call may take over later
    Column("status", Integer),  # null = it runs
    Column("headers", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("answer", LargeBinary),
    CheckConstraint("(status IS NULL) = (answer IS NULL)"),
    CheckConstraint("length(idempotency_key) BETWEEN 1 AND 200"),
    CheckConstraint("status BETWEEN 200 AND 299"),
)
"""What a call under an Idempotency-Key answered; calls whose own row keeps the key are not here."""
