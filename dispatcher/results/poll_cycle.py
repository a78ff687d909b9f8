"""What every poll plan works with: one round's facts, one question and its answer, and the move of the cursors.

A cursor moves only in the transaction that settled the rows of its answer, or after it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, func
from sqlalchemy.dialects.postgresql import insert

from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.db.statements import query
from dispatcher.domain.window import fecha_digits
from dispatcher.errors import AnswerError
from dispatcher.provider.frames import parse_slice
from dispatcher.results.settle import Settled, Settler
from dispatcher.results.settle_pipeline import Batches
from dispatcher.runtime import Runtime
from schemas.tables import unmapped_sentence

log = logging.getLogger(__name__)

_NEW_SENTENCE = insert(unmapped_sentence)
_COUNT_UNMAPPED = _NEW_SENTENCE.on_conflict_do_update(
    index_elements=["sentence"],
    set_={"n": unmapped_sentence.c.n + _NEW_SENTENCE.excluded.n, "last_seen": func.now()},
)

NewCursors = Callable[[Settled], list[datetime]]
"""From what an answer settled to the cursors that follow from it."""


class Plan(Protocol):
    """How one reading of fecha is polled. One plan serves one round."""

    def round(self, cycle: "Cycle") -> int:
        """Ask what this round has to ask.

        Returns:
            How many messages got a result that they did not have.

        Raises:
            AnswerError: the poll as a whole failed.
        """
        ...


@dataclass
class Cycle:
    """One round of questions: what waits, when the round began, and where the cursors are."""

    since: datetime  # provider's clock: no wanted result is older
    clock: ProviderClock
    db_now: datetime
    cursors: list[datetime]
    begun: float = field(default_factory=time.monotonic)

    def later(self) -> "Cycle":
        """The same round, as of this moment."""
        took = time.monotonic() - self.begun
        return replace(self, db_now=self.db_now + timedelta(seconds=took), begun=self.begun + took)

    @property
    def earliest(self) -> datetime:
        """The earliest that the provider's clock may show."""
        return self.clock.bounds(self.db_now)[0]

    @property
    def latest(self) -> datetime:
        """The latest that the provider's clock may show."""
        return self.clock.bounds(self.db_now)[1]


@dataclass(frozen=True)
class Questions:
    """Asks about one fecha at a time and writes down what follows, for the holder of the account's poll lease.

    `turn` names the lease: once it has run out and another poller has taken over, nothing here moves a cursor.
    """

    runtime: Runtime
    account_id: int
    settler: Settler
    turn: int
    lease: float

    def ask(self, fecha: datetime, cycle: Cycle, cursors: NewCursors | None = None) -> Settled:
        """Ask for one fecha and settle the answer as it streams in; the last batch's commit moves the cursors.

        Raises:
            AnswerError: no usable answer; the lines that did come are settled.
        """
        unmapped: dict[str, int] = {}
        malformed = lines = 0
        unseen = self.settler.seen.unseen()
        with Batches(self.settler) as batches, self.runtime.provider.status_by_fecha(fecha_digits(fecha)) as slices:
            try:
                for piece in slices:
                    parsed = parse_slice(piece, unseen)
                    malformed += parsed.malformed
                    for sentence, n in parsed.unmapped.items():
                        unmapped[sentence] = unmapped.get(sentence, 0) + n
                    lines += parsed.frame.height + parsed.skipped
                    batches.put(parsed.frame)
            except AnswerError:
                # Each line that came is valid by itself, and perhaps no other answer brings it.
                self.settler.settle(batches.rest(), skip_seen=False)
                raise
            last, total = batches.rest(), batches.total
        if malformed and not lines:
            # Neither results nor PENDIENTE: not the provider's words, so no cursor may move.
            raise AnswerError("The answer to a poll holds no result line.", reason="no_result_line")

        def also(connection: Connection, batch: Settled) -> None:
            if cursors:
                total.see(batch.latest)
                self.move(connection, cycle, cursors(total))
            if malformed:
                connection.execute(query("count_malformed"), {"account_id": self.account_id, "n": malformed})
            if batch.settled:
                count_unmapped(connection, unmapped)

        total.add(self.settler.settle(last, skip_seen=False, also=also))
        return total

    def tolerate(self, error: AnswerError) -> None:
        """Log the failure of one question, so that another may be asked; raise it when another would fail too."""
        if not error.retryable:
            raise error
        log.warning("question_failed account=%s reason=%s", self.account_id, error.reason)

    def keep_lease(self, cursors: list[datetime] | None = None) -> None:
        """Keep the lease for another question of this poll; `cursors`, if given, are stored."""
        with self.runtime.engine.begin() as connection:
            connection.execute(
                query("poll_goes_on"),
                {"account_id": self.account_id, "poll_turn": self.turn, "cursors": cursors, "lease": self.lease},
            )

    def store(self, cycle: Cycle, cursors: list[datetime], read_from: datetime | None = None) -> None:
        """As `move`, in a transaction of its own."""
        with self.runtime.engine.begin() as connection:
            self.move(connection, cycle, cursors, read_from)

    def move(
        self, connection: Connection, cycle: Cycle, cursors: list[datetime], read_from: datetime | None = None
    ) -> None:
        """Move the cursors, and count the time since the last poll as observed when the window was open.

        `read_from` (the database's clock) says that results from before it were passed over.
        """
        connection.execute(
            query("poll_worked"),
            {
                "account_id": self.account_id,
                "poll_turn": self.turn,
                "cursors": cursors,
                "counts": self.runtime.settings.sending_window.allows(cycle.earliest),
                "cap_ms": self.runtime.settings.poll_gap_cap_ms,
                "begun_at": cycle.db_now,
                "read_from": read_from,
                "lease": self.lease,
            },
        )


def count_unmapped(connection: Connection, sentences: dict[str, int]) -> None:
    """Keep the sentences that no pattern knows, with how often they came."""
    for sentence, n in sorted(sentences.items()):
        connection.execute(_COUNT_UNMAPPED, {"sentence": sentence.replace("\x00", " ")[:500], "n": n})
        log.warning("unmapped_sentence n=%s text=%r", n, sentence[:120])
