"""Loading a CSV, next to a raw COPY of the same rows into a table of the same shape and constraints."""

import time
from dataclasses import dataclass

from sqlalchemy import text

from ops.bench.lists import write_list
from ops.bench.stack import Stack, stack

_COLUMNS = "campaign_id, seq, chunk_no, line, destino, texto, external_id, suppressed"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """Seconds for `messages` rows: from the CSV to a campaign that may run, and by COPY alone."""

    messages: int
    loaded: float
    raw: float


def measure(messages: int) -> Outcome:
    """Load a list, then COPY what came of it: numbers read, texts rendered, ids given."""
    with stack("load") as running:
        path = write_list(running.home / "clientes.csv", messages)
        running.load(write_list(running.home / "warm.csv", 1000))
        began = time.monotonic()
        loaded = running.load(path)
        seconds = time.monotonic() - began
        if loaded.messages != messages:
            raise RuntimeError(f"{loaded.messages} of {messages} rows were loaded")
        assert loaded.campaign_id is not None
        return Outcome(messages, seconds, _copy(running, loaded.campaign_id))


def _copy(stack: Stack, campaign_id: int) -> float:
    """Seconds to COPY the campaign's rows, as COPY itself has written them, in one transaction."""
    with stack.runtime.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE raw_message (LIKE message INCLUDING ALL) WITH (fillfactor = 50, autovacuum_enabled = off)"
            )
        )
    with stack.runtime.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        with raw.cursor() as cursor:
            chosen = f"SELECT {_COLUMNS} FROM message WHERE campaign_id = {campaign_id} ORDER BY seq"
            with cursor.copy(f"COPY ({chosen}) TO STDOUT (FORMAT csv)") as out:
                rows = b"".join(bytes(part) for part in out)
            raw.commit()
            began = time.monotonic()
            with cursor.copy(f"COPY raw_message ({_COLUMNS}) FROM STDIN (FORMAT csv)") as copy:
                for start in range(0, len(rows), _PIECE):
                    copy.write(rows[start : start + _PIECE])
            raw.commit()
            return time.monotonic() - began
