"""The upload store: the lists that campaigns are made from, and checks of lists."""

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from schemas.tables.base import Moment, metadata

upload = Table(
    "upload",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False),
    Column("name", Text, nullable=False),  # as the file was called
    Column("media_type", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_by", Text),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("expires_at", Moment, nullable=False),  # when its content may be dropped
    Column("dropped_at", Moment),  # when it was
    CheckConstraint("bytes >= 0"),
    CheckConstraint("public_id ~ '^up_[0-9a-f]{32}$'"),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'"),
    UniqueConstraint("public_id"),
    Index("upload_dropped", "dropped_at", postgresql_where=text("(dropped_at IS NOT NULL)")),
    Index("upload_to_drop", "expires_at", postgresql_where=text("(dropped_at IS NULL)")),
)
"""The lists that campaigns are made from, in the reach of every host. The row stays while a campaign refers to it."""

upload_part = Table(
    "upload_part",
    metadata,
    Column("upload_id", BigInteger, ForeignKey("upload.id"), primary_key=True),
    Column("part_no", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),  # STORAGE EXTERNAL, which the migration sets
    CheckConstraint("part_no >= 0"),
)
"""The bytes of a list, cut into parts of one size; the last one may be shorter."""

list_check = Table(
    "list_check",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False),
    Column("upload_id", Text),  # public_id of its list; null when that came in line
    Column("spec", JSONB, nullable=False),
    Column("language", Text, nullable=False),  # that its sentences are written in
    Column("progress", REAL, nullable=False, server_default=text("0")),  # share that has been read
    Column("report", JSONB),
    Column("error", Text),  # why there is no report
    Column("tries", SmallInteger, nullable=False, server_default=text("0")),
    Column("lease_until", Moment),
    Column("created_by", Text),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("expires_at", Moment, nullable=False),
    CheckConstraint("report IS NULL OR error IS NULL"),
    UniqueConstraint("public_id"),
    Index("list_check_expires", "expires_at"),
    Index("list_check_open", "id", postgresql_where=text("(report IS NULL AND error IS NULL)")),
)
"""Dry runs that were asked for; each runs until it has a report or an error."""
