"""Who may come in: keys of the API with the answers to their calls, users of the page with their sessions."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
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
    Column("expires_at", Moment, nullable=False),  # when it is deleted
    Column("status", Integer),  # null = it runs
    Column("headers", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("answer", LargeBinary),
    CheckConstraint("(status IS NULL) = (answer IS NULL)"),
    CheckConstraint("length(idempotency_key) BETWEEN 1 AND 200"),
    CheckConstraint("status BETWEEN 200 AND 299"),
    Index("api_replay_expired", "expires_at"),
)
"""What a call under an Idempotency-Key answered; calls whose own row keeps the key are not here."""

page_user = Table(
    "page_user",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),  # argon2; null until a password was chosen
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("created_by", Text, nullable=False),
    Column("disabled_at", Moment),
    CheckConstraint("length(name) BETWEEN 1 AND 100"),
    CheckConstraint("role IN ('viewer', 'operator', 'sender', 'admin')"),
    Index("page_user_name", text("lower(name)"), unique=True),
)
"""Who may use the page."""

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("token_sha256", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("page_user.id"), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    CheckConstraint("token_sha256 ~ '^[0-9a-f]{64}$'"),
)
"""Links that let a user in, each once and for some minutes."""

page_session = Table(
    "page_session",
    metadata,
    Column("token_sha256", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("page_user.id"), nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("seen_at", Moment, nullable=False, server_default=text("now()")),  # kept to the minute
    Column("ended_at", Moment),
    CheckConstraint("token_sha256 ~ '^[0-9a-f]{64}$'"),
    Index("page_session_of_user", "user_id"),
)
"""Browsers that a user signed in with; one that was not seen for 12 hours is over."""

sign_in_failure = Table(
    "sign_in_failure",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False, server_default=text("now()")),
    Column("name_sha256", Text, nullable=False),  # somebody may type the password there
    Column("address", Text),
    Index("sign_in_failure_at", "at"),
)
"""Passwords that were wrong of late: whoever guesses has to wait."""
