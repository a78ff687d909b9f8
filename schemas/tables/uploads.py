"""The upload store: the lists that campaigns are made from."""

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
    UniqueConstraint,
    text,
)

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
