"""Settling the provider's answers, next to UPDATEs of the same rows of the same table in batches of the same size."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text

from dispatcher.db.transactions import pin_key_lookups
from dispatcher.provider.frames import parse_slice
from dispatcher.provider.http import SLICE
from dispatcher.provider.slices import line_slices
from dispatcher.results.settle import Settler
from dispatcher.results.settle_pipeline import BATCH_LINES, Batches
from ops.bench.lists import write_list
from ops.bench.stack import Stack, stack


@dataclass(frozen=True)
class Outcome:
    """Seconds for `messages` results: ours, and the raw UPDATEs."""

    messages: int
    settled: float
    raw: float


def measure(messages: int) -> Outcome:
    """Settle one campaign from its answers, and a second one, equally long, by plain statements."""
    with stack("settle") as running:
        path = write_list(running.home / "clientes.csv", messages)
        ours, theirs = running.load(path).campaign_id, running.load(path).campaign_id
        assert ours is not None
        assert theirs is not None
        _as_if_posted(running)
        answer = _answer(running, ours)
        began = time.monotonic()
        _settle(running, answer)
        settled = time.monotonic() - began
        raw = sum(_update(running, theirs, first, messages) for first in range(1, messages + 1, BATCH_LINES))
        done = running.scalar("SELECT count(*) FROM message WHERE result_code = 0")
        if done != 2 * messages:
            raise RuntimeError(f"{done} of {2 * messages} messages have a result")
    return Outcome(messages, settled, raw)


def _as_if_posted(stack: Stack) -> None:
    """Every chunk accepted an hour ago."""
    with stack.runtime.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE chunk SET state = 'accepted', attempt = 1, posted_at = now(), accepted_at = now(), "
                "first_post_at = now() - interval '1 hour', probe_at = now() + interval '1 hour'"
            )
        )


def _answer(stack: Stack, campaign_id: int) -> bytes:
    """What the provider says when every line is OK, with a second for every 50,000 lines."""
    with stack.runtime.engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT string_agg(idinterno || chr(9) || to_char(timezone('America/Argentina/Buenos_Aires', now()) "
                "+ make_interval(secs => seq / 50000), 'YYYYMMDDHH24MISS') || chr(9) || 'OK', chr(13) || chr(10)) "
                "FROM (SELECT * FROM message_status WHERE campaign_id = :id ORDER BY seq) s"
            ),
            {"id": campaign_id},
        ).scalar_one()
    return str(rows).encode("latin-1") + b"\r\n"


def _settle(stack: Stack, answer: bytes) -> None:
    """As a poll does it: slices as they come from the wire, a transaction for every batch of lines."""
    with stack.runtime.engine.connect() as connection:
        account = connection.execute(text("SELECT id FROM account")).scalar_one()
    settler = Settler(stack.runtime.engine, account)
    unseen = settler.seen.unseen()
    with Batches(settler) as batches:
        for piece in line_slices(_chunks(answer), framed=True):
            batches.put(parse_slice(piece, unseen).frame)
        last = batches.rest()
    settler.settle(last, skip_seen=False)


def _chunks(answer: bytes) -> Iterator[bytes]:
    for start in range(0, len(answer), SLICE):
        yield answer[start : start + SLICE]


def _update(stack: Stack, campaign_id: int, first: int, messages: int) -> float:
    """Seconds for one batch by key, its rows staged the same way; making them up does not count."""
    last = min(first + BATCH_LINES - 1, messages)
    rows = b"".join(b"%d,%d\n" % (campaign_id, seq) for seq in range(first, last + 1))
    began = time.monotonic()
    with stack.runtime.engine.begin() as connection:
        pin_key_lookups(connection)
        connection.exec_driver_sql("CREATE TEMP TABLE batch (campaign_id bigint, seq int) ON COMMIT DROP")
        raw = connection.connection.driver_connection
        assert raw is not None
        with raw.cursor() as cursor, cursor.copy("COPY batch FROM STDIN (FORMAT csv)") as copy:
            copy.write(rows)
        connection.exec_driver_sql(
            "UPDATE message m SET result_code = 0, processed_at = now() FROM batch b "
            "WHERE m.campaign_id = b.campaign_id AND m.seq = b.seq"
        )
    return time.monotonic() - began
