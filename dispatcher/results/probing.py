"""Doubts, resolved by evidence, per message.

PENDIENTE means "never seen" and "not yet processed" alike, so that a line without a trace proves nothing by itself. It
may go again only when the provider has shown that it worked past our POST (a line that was handed in later has its
result), after a wait, and when it is then asked once more and still does not know the line. Only such lines move to one
child chunk of the same idinternos, numbers and texts. A failed question is not absence. Without evidence by the result
horizon the operator decides. Lines with results settle wherever they show up; an accepted chunk that waits long is
asked for too, a line at a time.
"""

import logging
from collections.abc import Sequence
from math import gcd
from typing import Any

from sqlalchemy import text

from dispatcher.accounts import account_info
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.db.transactions import retry_deadlocks
from dispatcher.domain import idinterno
from dispatcher.errors import AnswerError, ProviderError
from dispatcher.provider.answers import ResultLine
from dispatcher.results.fecha_reading import frame_of
from dispatcher.results.settle import Settler
from dispatcher.runtime import Runtime

log = logging.getLogger(__name__)

_STRAGGLERS_A_ROUND = 20
_LEASE_MARGIN = 15.0  # seconds: a prober that died is replaced so long after its call would have ended


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
        self.turn = 0

    @property
    def _settings(self) -> Settings:
        return self.runtime.settings

    def round(self) -> bool:
        """Ask one round of questions, a second's worth of the rate at least; nothing when another round is under way.

        Returns:
            Whether there is more to ask right now.
        """
        with self.runtime.engine.begin() as connection:
            lease = {"account_id": self.account_id, "lease": self._lease}
            turn = connection.execute(query("begin_probe"), lease).scalar()
        if turn is None:
            return False
        self.turn = turn
        try:
            return self._round()
        except ProviderError as error:
            # Not absence, not evidence of anything: the same questions come again.
            log.warning("probe_failed account=%s reason=%s", self.account_id, error.reason)
            return False
        finally:
            with self.runtime.engine.begin() as connection:
                connection.execute(query("end_probe"), {"account_id": self.account_id, "probe_turn": self.turn})

    @property
    def _lease(self) -> float:
        return self._settings.provider_timeout + _LEASE_MARGIN

    def _round(self) -> bool:
        left = max(1, round(self._settings.probe_rate))
        with self.runtime.engine.begin() as connection:
            granted = connection.execute(
                query("take_probe_slots"),
                {"account_id": self.account_id, "n": left, "rate": self._settings.probe_rate},
            ).first()
        if not granted:
            return True
        for doubt in self._doubts():
            left = self._resolve(doubt, left)
            if left <= 0:
                return True
        return self._chase_stragglers(left)

    def _doubts(self) -> Sequence[Any]:
        """The doubts that may be decided now; evidence is looked for first."""
        account = {"account_id": self.account_id}
        with self.runtime.engine.begin() as connection:
            for taken in connection.execute(query("accept_traced"), account).all():
                log.info("taken campaign=%s chunk=%s reason=last_line_has_result", taken.campaign_id, taken.chunk_no)
            for evident in connection.execute(query("note_evidence"), account).all():
                log.info("evidence campaign=%s chunk=%s", evident.campaign_id, evident.chunk_no)
            return connection.execute(
                query("doubts_to_resolve"),
                {
                    **account,
                    "horizon_ms": round(self._settings.in_doubt_horizon * 1000),
                    "result_horizon_ms": round(self._settings.result_horizon * 1000),
                    "max_resends": self._settings.max_resends,
                },
            ).all()

    def _ask(self, reference: str) -> list[ResultLine]:
        """All that the provider has under an idinterno; empty when it does not know it, or has not come to it.

        Raises:
            ProviderError: no usable answer, or another prober has taken over.
        """
        with self.runtime.engine.begin() as connection:
            mine = connection.execute(
                query("probe_goes_on"),
                {"account_id": self.account_id, "probe_turn": self.turn, "lease": self._lease},
            ).first()
        if mine is None:
            raise AnswerError("another round of questions has begun", reason="lease_lost")
        return self.runtime.provider.status_by_idinterno(reference)

    def _resolve(self, doubt: Any, left: int) -> int:
        """Ask for a doubtful chunk's traceless lines, and decide when none is left. Returns questions left."""
        where = {
            "campaign_id": doubt.campaign_id,
            "chunk_no": doubt.chunk_no,
            "first_seq": doubt.first_seq,
            "last_seq": doubt.last_seq,
        }
        # A resent line's result may be the first one's, so it shows nothing about the lines before it.
        behind = doubt.traced_seq or 0 if doubt.resends == 0 else 0
        with self.runtime.engine.connect() as connection:
            lines = connection.execute(query("lines_to_probe"), {**where, "behind": behind, "limit": left}).all()
        if lines and doubt.by_unit and doubt.evident and not self._knows_later_unit_call(doubt):
            self._hold(doubt, ", unit_calls_leave_no_trace")
            return left - 1
        strange = unanswered = 0
        for line in lines:
            left -= 1
            reference = idinterno.encode(doubt.prefix, doubt.campaign_id, line.generation, line.seq)
            found = self._ask(reference)
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

    def _knows_later_unit_call(self, doubt: Any) -> bool:
        """Whether the provider, asked by idinterno, knows a unit call that was made after this one.

        The guide promises status for bulk alone. A provider that keeps to that knows no unit message, and then not
        knowing the doubtful one is no absence.
        """
        with self.runtime.engine.connect() as connection:
            later = connection.execute(query("later_unit_line"), {"chunk_id": doubt.id}).first()
        if later is None:
            return False
        return bool(self._ask(idinterno.encode(later.prefix, later.campaign_id, later.generation, later.seq)))

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
        found = self._ask(reference)
        return self.settler.settle(frame_of(found), skip_seen=False, refusals_count=True).settled if found else 0

    def _decide(self, doubt: Any) -> None:
        """No line is left to ask for: send what was found absent again where that is shown, or hold it."""
        if doubt.on_doubt == "hold":
            self._hold(doubt, ", on_doubt=hold")
        elif doubt.resends >= self._settings.max_resends:
            self._hold(doubt, ", no_resend_left")
        elif against := self._against(doubt):
            if doubt.late:
                self._hold(doubt, f", {against}")
        else:
            self._resend(doubt)

    def _against(self, doubt: Any) -> str | None:
        """What speaks against taking the lines for absent: no evidence, a stuck carrier, or a balance that moved."""
        if not doubt.evident:
            return "no_evidence"
        with self.runtime.engine.connect() as connection:
            if doubt.resends == 0 and doubt.traced_seq is not None:
                before = {
                    "campaign_id": doubt.campaign_id,
                    "chunk_no": doubt.chunk_no,
                    "first_seq": doubt.first_seq,
                    "traced_seq": doubt.traced_seq,
                }
                if connection.execute(query("taken_and_waiting"), before).scalar_one():
                    return "lines_before_it_still_wait"
        if not doubt.test and not doubt.by_unit and self._charged(doubt):
            return "balance_moved"
        return None

    def _charged(self, doubt: Any) -> bool:
        """Whether saldo or envíos moved by more since before the POST than all else explains."""
        account_info.record_balance(self.runtime, self.account_id)
        with self.runtime.engine.connect() as connection:
            unexplained = connection.execute(
                query("balance_against"), {"chunk_id": doubt.id, "account_id": self.account_id}
            ).scalar()
        if unexplained is None or unexplained <= 0:
            return False
        log.warning("balance_moved campaign=%s chunk=%s unexplained=%s", doubt.campaign_id, doubt.chunk_no, unexplained)
        return True

    def _resend(self, doubt: Any) -> None:
        def split() -> Any:
            with self.runtime.engine.begin() as connection:
                family = {"campaign_id": doubt.campaign_id, "root_no": doubt.root_no, "chunk_no": doubt.chunk_no}
                connection.execute(query("lock_for_split"), family)
                connection.execute(query("lock_campaign"), {"campaign_id": doubt.campaign_id})
                return connection.execute(
                    query("split_absent"), {"chunk_id": doubt.id, "attempt": doubt.attempt, "by_word": False}
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
            held = connection.execute(
                query("hold_chunk"), {"chunk_id": doubt.id, "attempt": doubt.attempt, "why": why}
            ).first()
        if held:
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
            found = self._ask(reference)
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
