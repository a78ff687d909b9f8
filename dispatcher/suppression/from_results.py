"""What results put on the lists: -3 and -14 opt a person out, -1 and -2 say that a number cannot be reached."""

from datetime import datetime

from sqlalchemy import Connection, Select, Text, cast, func, literal, select

from dispatcher.suppression import do_not_send, optouts
from schemas import tables


def _staged(codes: frozenset[int]) -> Select[str, int, datetime]:
    """The number, code and moment of the staged lines that have one of `codes`."""
    line, message = tables.settle_line, tables.message
    of_line = (message.c.campaign_id == line.c.campaign_id) & (message.c.seq == line.c.seq)
    return (
        select(message.c.destino, line.c.code, line.c.fecha.label("at"))
        .select_from(line.join(message, of_line))
        .where(line.c.code.in_(sorted(codes)))
    )


_OPT_OUT_STAGED = optouts.adding(
    _staged(optouts.OPT_OUT_CODES).add_columns(
        literal("result").label("source"),
        (cast(tables.settle_line.c.code, Text) + func.coalesce(" " + tables.settle_line.c.text, "")).label("reason"),
    )
)
_DO_NOT_SEND_STAGED = do_not_send.adding(_staged(do_not_send.UNDELIVERABLE_CODES))


def apply_suppressions(connection: Connection, codes: set[int]) -> None:
    """Put the numbers of the staged result lines on the lists, in the transaction that settles them.

    `codes` are the result codes of those lines.
    """
    if codes & optouts.OPT_OUT_CODES:
        optouts.tell(connection, connection.execute(_OPT_OUT_STAGED).all())
    if codes & do_not_send.UNDELIVERABLE_CODES:
        connection.execute(_DO_NOT_SEND_STAGED)


def apply_suppression(connection: Connection, number: str, code: int | None, words: str, at: datetime) -> None:
    """Put the number of a single message on a list, if its result calls for it."""
    if code in optouts.OPT_OUT_CODES:
        optouts.add(connection, number, source="result", reason=f"{code} {words}", at=at)
    elif code in do_not_send.UNDELIVERABLE_CODES:
        do_not_send.add(connection, number, code, at)
