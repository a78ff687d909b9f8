"""Campaigns that somebody prepares on the page, before they are loaded."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from schemas.tables.base import Moment, metadata

preparation = Table(
    "preparation",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "version", Integer, nullable=False, server_default=text("1")
    ),  # two people on one preparation: both are told
    Column("upload_id", Text, nullable=False),  # public_id of its list
    Column("inspection", JSONB, nullable=False),  # what the list looks like: columns and its first rows
    Column("spec", JSONB, nullable=False, server_default=text("'{}'")),  # what was filled in so far
    Column("check_id", Text),  # public_id of the check of the list and the spec as they are
    Column("request_key", Text),  # idempotency_key of the campaign that was made of it
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("created_by", Text, nullable=False),
    Column("changed_at", Moment, nullable=False, server_default=text("now()")),
    Column("changed_by", Text, nullable=False),
    CheckConstraint("id ~ '^[0-9a-f]{32}$'"),
    Index("preparation_changed", "changed_at"),
)
"""The forms of a campaign as far as they are filled in; anyone with the role continues."""
