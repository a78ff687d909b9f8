"""Doubts, resolved by evidence: what has no trace after the horizon is probed, line by line.

Only lines proven absent are sent again, as one child chunk of the same idinternos, numbers and texts. A failed
probe is not absence. Lines with results settle wherever they show up; an accepted chunk that waits long is asked
for too, a line at a time.
"""

import logging
from math import gcd
from typing import Any

from sqlalchemy import text

from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.db.transactions import retry_deadlocks
from dispatcher.domain import idinterno
from dispatcher.errors import ProviderError
from dispatcher.provider.answers import ResultLine
from dispatcher.results.fecha_reading import frame_of
from dispatcher.results.settle import Settler
from dispatcher.runtime import Runtime

log = logging.getLogger(__name__)

_STRAGGLERS_A_ROUND = 20


def spread(turn: int, size: int) -> int:
    """A place in 0 … size-1 for each turn: far from the last ones, and every place once in `size` turns."""
    stride = max(1, round(size * 0.618))
    while gcd(stride, size) > 1:
        stride += 1
    return turn * stride % size


class Prober:
    """Asks for single lines by idinterno, at DISPATCHER_PROBE_RATE a second over all workers."""

    def __init__(self, runtime: Runtime, account_id: int, settler: Settler) -> None:
        """Make a prober; nothing is asked yet."""
        self.runtime = runtime
        self.account_id = account_id
        self.settler = settler

    @property
    def _settings(self) -> Settings:
        return self.runtime.settings

    def round(self) -> bool:
        """Ask one round of questions, a second's worth of the rate at least.

        Returns:
            Whether there is more to ask right now.
        """
        left = max(1, round(self._settings.probe_rate))
        with self.runtime.engine.begin() as connection:
            granted = connection.execute(
                query("take_probe_slots"),
                {"account_id": self.account_id, "n": left, "rate": self._settings.probe_rate},
            ).first()
        if not granted:
            return True
        with self.runtime.engine.connect() as connection:
            doubts = connection.execute(
                query("doubts_to_resolve"),
                {"account_id": self.account_id, "horizon_ms": round(self._settings.in_doubt_horizon * 1000)},
            ).all()
        try:
            for doubt in doubts:
                left = self._resolve(doubt, left)
                if left <= 0:
                    return True
            return self._chase_stragglers(left)
        except ProviderError as error:
            # Not absence, not evidence of anything: the same questions come again.
            log.warning("probe_failed account=%s reason=%s", self.account_id, error.reason)
            return False

    def _resolve(self, doubt: Any, left: int) -> int:
        """Probe a doubtful chunk's traceless lines, and decide when none is left. Returns probes left."""
        where = {
            "campaign_id": doubt.campaign_id,
            "chunk_no": doubt.chunk_no,
            "first_seq": doubt.first_seq,
            "last_seq": doubt.last_seq,
        }
        with self.runtime.engine.connect() as connection:
            lines = connection.execute(query("lines_to_probe"), {**where, "limit": left}).all()
        strange = unanswered = 0
        for line in lines:
            left -= 1
            reference = idinterno.encode(doubt.prefix, doubt.campaign_id, line.generation, line.seq)
            found = self.runtime.provider.status_by_idinterno(reference)
            if not found and doubt.by_unit and not self._knows_unit_calls(doubt):
                self._hold(doubt, ", unit_calls_leave_no_trace")
                return left - 1
            if not found:
                with self.runtime.engine.begin() as connection:
                    connection.execute(
                        query("record_absence"),
                        {"chunk_id": doubt.id, "attempt": doubt.attempt, "seq": line.seq},
                    )
            elif not self._settle_found(found, doubt.campaign_id, line.seq):
                asked_for = any(other.idinterno.strip().upper() == reference for other in found)
                strange, unanswered = strange + asked_for, unanswered + (not asked_for)
        if unanswered:  # lines about other messages say nothing of this one: a probe that failed, to be made again
            log.warning(
                "answered_for_others campaign=%s chunk=%s lines=%s", doubt.campaign_id, doubt.chunk_no, unanswered
            )
        elif strange:
            # The provider knows the line, yet its answer settles nothing (a fecha from before our POST, say).
            self._hold(doubt, ", trace_without_result")
        elif left > 0:
            left = self._settle_refusals(doubt, where, left)
            self._decide(doubt)
        return left

    def _knows_unit_calls(self, doubt: Any) -> bool:
        """Whether the provider, asked by idinterno, knows a unit message that it took for sure.

        The guide promises status for bulk alone. A provider that keeps to that knows no unit message, and then not
        knowing the doubtful one is no absence.
        """
        with self.runtime.engine.connect() as connection:
            taken = connection.execute(query("answered_line"), {"campaign_id": doubt.campaign_id}).first()
        if taken is None:
            return False
        reference = idinterno.encode(doubt.prefix, doubt.campaign_id, taken.generation, taken.seq)
        return bool(self.runtime.provider.status_by_idinterno(reference))

    def _settle_found(self, found: list[ResultLine], campaign_id: int, seq: int) -> bool:
        """Settle what a probe brought: all that the provider has of the line, so a -4 counts too.

        Returns:
            Whether the message has a result now, from here or from a poll that was quicker.
        """
        if self.settler.settle(frame_of(found), skip_seen=False, refusals_count=True).settled:
            return True
        with self.runtime.engine.connect() as connection:
            message = {"campaign_id": campaign_id, "seq": seq}
            return connection.execute(query("has_result"), message).first() is not None

    def _settle_refusals(self, doubt: Any, where: dict[str, Any], left: int) -> int:
        """-4 on a resent line: ask for the first line's result once more, then let it count."""
        with self.runtime.engine.connect() as connection:
            lines = connection.execute(query("refused_lines"), {**where, "limit": left}).all()
        for line in lines:
            left -= 1
            self.count_refusal(doubt.prefix, doubt.campaign_id, line)
        return left

    def count_refusal(self, prefix: str, campaign_id: int, line: Any) -> int:
        """Settle a line whose only trace is -4, after asking whether the first line has a result of its own.

        Returns:
            How many lines got a result.
        """
        reference = idinterno.encode(prefix, campaign_id, line.generation, line.seq)
        found = self.runtime.provider.status_by_idinterno(reference)
        return self.settler.settle(frame_of(found), skip_seen=False, refusals_count=True).settled if found else 0

    def _decide(self, doubt: Any) -> None:
        """Every traceless line was found absent: send those again, or hold them."""
        if doubt.on_doubt == "hold":
            self._hold(doubt, ", on_doubt=hold")
            return
        if doubt.resends >= self._settings.max_resends:
            self._hold(doubt, ", no_resend_left")
            return

        def split() -> Any:
            with self.runtime.engine.begin() as connection:
                family = {"campaign_id": doubt.campaign_id, "root_no": doubt.root_no, "chunk_no": doubt.chunk_no}
                connection.execute(query("lock_for_split"), family)
                connection.execute(query("lock_campaign"), {"campaign_id": doubt.campaign_id})
                return connection.execute(
                    query("split_absent"), {"chunk_id": doubt.id, "attempt": doubt.attempt}
                ).first()

        child = retry_deadlocks(split)
        if child:
            log.warning(
                "resend campaign=%s chunk=%s child=%s lines=%s",
                doubt.campaign_id,
                doubt.chunk_no,
                child.chunk_no,
                child.messages,
            )

    def _hold(self, doubt: Any, why: str) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(query("hold_chunk"), {"chunk_id": doubt.id, "attempt": doubt.attempt, "why": why})
        log.warning("held campaign=%s chunk=%s why=%s", doubt.campaign_id, doubt.chunk_no, why.strip(", "))

    def _chase_stragglers(self, left: int) -> bool:
        """Ask for one line of each accepted chunk that waits long, another one each time; one that answers for more."""
        with self.runtime.engine.connect() as connection:
            chunks = connection.execute(
                query("stragglers"), {"account_id": self.account_id, "limit": min(left, _STRAGGLERS_A_ROUND)}
            ).all()
        for chunk in chunks:
            asked, settled = self._ask_for(chunk, max(1, left // len(chunks)))
            left -= asked
            if settled:
                self._count_late(settled)
                self._distrust_reading()
            with self.runtime.engine.begin() as connection:
                if settled:
                    connection.execute(query("probe_again"), {"chunk_id": chunk.id})
                else:
                    connection.execute(query("back_off_probe"), {"chunk_id": chunk.id, "base": 60})
        return bool(chunks)

    def _ask_for(self, chunk: Any, limit: int) -> tuple[int, int]:
        """Returns lines asked for, and lines settled: the polls had passed over those."""
        with self.runtime.engine.connect() as connection:
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
            found = self.runtime.provider.status_by_idinterno(reference)
            if not found:
                break  # what the poll has not brought is most likely not processed: do not ask for its neighbours
            now = self.settler.settle(frame_of(found), skip_seen=False).settled
            settled += now or self.count_refusal(chunk.prefix, chunk.campaign_id, line)
        return asked, settled

    def _count_late(self, lines: int) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(query("count_late"), {"account_id": self.account_id, "n": lines})

    def _distrust_reading(self) -> None:
        """A line that only its idinterno brought makes the reading of fecha doubtful: find it anew."""
        if self._settings.fecha_reading != "auto":
            return
        with self.runtime.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE account SET reading = NULL WHERE id = :id AND reading IS NOT NULL "
                    "AND poll_failures = 0 AND reading_found_at < clock_timestamp() - interval '10 minutes'"
                ),
                {"id": self.account_id},
            )
