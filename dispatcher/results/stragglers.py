"""Accepted chunks that wait long for results: their lines are asked for by idinterno, a few at a time."""

from datetime import timedelta
from math import gcd
from typing import Any

from sqlalchemy import func, update

from dispatcher.db.statements import query
from dispatcher.domain import idinterno
from dispatcher.results.probe_turn import ProbeTurn
from schemas import tables

_CHUNKS_A_ROUND = 20
_READING_TRUSTED = timedelta(minutes=10)
"""A reading of fecha that was found less long ago than this is not doubted."""


def spread(turn: int, size: int) -> int:
    """A place in 0 … size-1 for each turn: far from the last ones, and every place once in `size` turns."""
    stride = max(1, round(size * 0.618))
    while gcd(stride, size) > 1:
        stride += 1
    return turn * stride % size


class Stragglers:
    """The accepted chunks of one account that still lack results."""

    def __init__(self, turn: ProbeTurn) -> None:
        """Take the turn to ask in; nothing is asked yet."""
        self._turn = turn
        self._engine = turn.runtime.engine

    def chase(self, left: int) -> bool:
        """Ask for one line of each accepted chunk that waits long, another one each time; one that answers for more."""
        with self._engine.connect() as connection:
            chunks = connection.execute(
                query("stragglers"), {"account_id": self._turn.account_id, "limit": min(left, _CHUNKS_A_ROUND)}
            ).all()
        for chunk in chunks:
            asked, settled = self._ask_for(chunk, max(1, left // len(chunks)))
            left -= asked
            if settled:
                self._count_late(settled)
                self._distrust_reading()
            with self._engine.begin() as connection:
                if settled:
                    connection.execute(query("probe_again"), {"chunk_id": chunk.id})
                else:
                    connection.execute(query("back_off_probe"), {"chunk_id": chunk.id, "base": 60})
        return bool(chunks)

    def _ask_for(self, chunk: Any, limit: int) -> tuple[int, int]:
        """Returns lines asked for, and lines settled: the polls had passed over those."""
        with self._engine.connect() as connection:
            lines = connection.execute(
                query("lines_without_result"),
                {
                    "campaign_id": chunk.campaign_id,
                    "chunk_no": chunk.chunk_no,
                    "first_seq": chunk.first_seq,
                    "last_seq": chunk.last_seq,
                    "start": chunk.first_seq + spread(chunk.probes, chunk.last_seq - chunk.first_seq + 1),
                    "limit": limit,
                },
            ).all()
        asked = settled = 0
        for line in lines:
            asked += 1
            reference = idinterno.encode(chunk.prefix, chunk.campaign_id, line.generation, line.seq)
            found = self._turn.ask(reference)
            if not found:
                break  # what the poll has not brought is most likely not processed: do not ask for its neighbours
            now = self._turn.settle(found, refusals_count=False)
            settled += now or self._turn.count_refusal(chunk.prefix, chunk.campaign_id, line)
        return asked, settled

    def _count_late(self, lines: int) -> None:
        with self._engine.begin() as connection:
            connection.execute(query("count_late"), {"account_id": self._turn.account_id, "n": lines})

    def _distrust_reading(self) -> None:
        """A line that only its idinterno brought makes the reading of fecha doubtful: find it out again."""
        if self._turn.settings.fecha_reading != "auto":
            return
        with self._engine.begin() as connection:
            connection.execute(
                update(tables.account)
                .where(
                    tables.account.c.id == self._turn.account_id,
                    tables.account.c.reading.is_not(None),
                    tables.account.c.poll_failures == 0,
                    tables.account.c.reading_found_at < func.clock_timestamp() - _READING_TRUSTED,
                )
                .values(reading=None)
            )
