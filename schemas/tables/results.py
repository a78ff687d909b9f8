"""What the provider answered beyond the first result of a message."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from schemas.tables.base import GUIDE_CODE, Moment, metadata

result_line = Table(
    "result_line",
    metadata,
    Column("campaign_id", BigInteger, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("generation", SmallInteger, primary_key=True),
    Column("fecha", Moment, primary_key=True),
    Column("text", Text, primary_key=True),
    Column("code", SmallInteger, nullable=False),
    Column("seen_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint(GUIDE_CODE),
)
"""Result lines beyond the one that is kept in `message`: each distinct (idinterno, fecha, text) once."""

result_delay = Table(
    "result_delay",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("hour", Moment, primary_key=True),
    Column("longest_ms", BigInteger, nullable=False),
    CheckConstraint("longest_ms >= 0"),
)
"""The longest time from POST to result, by the hour in which the result came: how long absence must wait."""

unmapped_sentence = Table(
    "unmapped_sentence",
    metadata,
    Column("sentence", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("first_seen", Moment, nullable=False, server_default=text("now()")),
    Column("last_seen", Moment, nullable=False, server_default=text("now()")),
)
"""Answers whose sentence no pattern knew: kept visible."""

settle_line = Table(
    "settle_line",
    MetaData(),  # no migration makes it: a transaction that settles results makes its own
    Column("campaign_id", BigInteger),
    Column("seq", Integer),
    Column("generation", SmallInteger),
    Column("root_no", Integer),
    Column("code", SmallInteger),
    Column("fecha", Moment),
    Column("text", Text),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DELETE ROWS",
)
"""Staged result lines: what the statements that settle a batch read."""
