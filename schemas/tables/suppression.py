"""Numbers that get no messages."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from schemas.tables.base import Moment, metadata

optout = Table(
    "optout",
    metadata,
    Column("destino", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("reason", Text),
    Column("since", Moment, nullable=False, server_default=text("now()")),
    Index("optout_by_time", "since", "destino"),
)

optout_event = Table(
    "optout_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("destino", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text),
    CheckConstraint("action IN ('add', 'remove')"),
    Index("optout_event_of_number", "destino", "at"),
)
"""Who opted out or in, when and by what: never changed, so that a list can be explained years later."""

undeliverable = Table(
    "undeliverable",
    metadata,
    Column("destino", Text, primary_key=True),
    Column("code", SmallInteger, nullable=False),
    Column("since", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    CheckConstraint("code IN (-1, -2)"),
    CheckConstraint("expires_at >= since"),
)
"""The do-not-send list: numbers that the provider said cannot receive (-1 fixed line, -2 too many failures)."""

no_llame = Table("no_llame", metadata, Column("destino", Text, primary_key=True))
"""The No Llame registry (Ley 26.951): numbers that marketing must not reach."""

no_llame_registry = Table(
    "no_llame_registry",
    metadata,
    Column("only_one", Boolean, primary_key=True, server_default=text("true")),
    Column("numbers", Integer, nullable=False),
    Column("bitmap", LargeBinary, nullable=False),  # the same numbers: roaring, portable form, 64 bits
    Column("version", Text, nullable=False),  # drawn at each import
    Column("taken_at", Moment, nullable=False),  # when the file was taken from the registry
    Column("imported_at", Moment, nullable=False, server_default=text("now()")),
    Column("imported_by", Text, nullable=False),
    Column("source", Text, nullable=False),  # the file's name
    CheckConstraint("only_one"),
    CheckConstraint("numbers > 0"),
    CheckConstraint("taken_at <= imported_at"),
)
"""Where the registry stands; no row: none was imported. A load reads its numbers here, in milliseconds."""

erased_optout = Table(
    "erased_optout",
    metadata,
    Column("hmac", Text, primary_key=True),  # of the number, under a key that is outside the database
    Column("at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("hmac ~ '^[0-9a-f]{64}$'"),
)
"""Numbers of persons who had opted out and were erased: known again when they come, and otherwise unknown."""

erasure = Table(
    "erasure",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("destino", Text),  # until nothing about the person is open; then null
    Column("reason", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Moment, nullable=False, server_default=text("now()")),
    Column("opted_out", Boolean, nullable=False),  # before it was asked for
    Column("done_at", Moment),
    CheckConstraint("(destino IS NULL) = (done_at IS NOT NULL)"),
    Index("erasure_open", "id", postgresql_where=text("(done_at IS NULL)")),
)
"""Erasures of persons; one stays open while a message to the person is on its way or in doubt."""
