"""Doubts, resolved by evidence, per message.

PENDIENTE means "never seen" and "not yet processed" alike, so that a line without a trace proves nothing by itself. It
may go again only when the provider has shown that it worked past our POST (a line that was handed in later was
sent), after a wait, and when it is then asked once more and still does not know the line. Only such lines move to one
child chunk of the same idinternos, numbers and texts. A failed question is not absence. Without evidence by the result
horizon the operator decides.
"""

import logging
from collections.abc import Sequence
from typing import Any

from dispatcher.accounts import account_info
from dispatcher.db.statements import query
from dispatcher.db.transactions import retry_deadlocks
from dispatcher.domain import idinterno
from dispatcher.provider.answers import ResultLine
from dispatcher.results.probe_turn import ProbeTurn
from dispatcher.webhooks import campaign_events

log = logging.getLogger(__name__)


class Doubts:
    """The doubtful chunks of one account: asks for their lines, and decides what becomes of them."""

    def __init__(self, turn: ProbeTurn) -> None:
        """Take the turn to ask in; nothing is asked yet."""
        self._turn = turn
        self._engine = turn.runtime.engine

    def ready(self) -> Sequence[Any]:
        """The doubts that may be decided now; evidence is looked for first."""
        account = {"account_id": self._turn.account_id}
        with self._engine.begin() as connection:
            for taken in connection.execute(query("accept_traced"), account).all():
                log.info("taken campaign=%s chunk=%s reason=last_line_has_result", taken.campaign_id, taken.chunk_no)
            for evident in connection.execute(query("note_evidence"), account).all():
                log.info("evidence campaign=%s chunk=%s", evident.campaign_id, evident.chunk_no)
            return connection.execute(
                query("doubts_to_resolve"),
                {
                    **account,
                    "horizon_ms": round(self._turn.settings.in_doubt_horizon * 1000),
                    "result_horizon_ms": round(self._turn.settings.result_horizon * 1000),
                    "max_resends": self._turn.settings.max_resends,
                },
            ).all()

    def resolve(self, doubt: Any, left: int) -> int:
        """Ask for a doubtful chunk's traceless lines, and decide when none is left. Returns questions left."""
        where = {
            "campaign_id": doubt.campaign_id,
            "chunk_no": doubt.chunk_no,
            "first_seq": doubt.first_seq,
            "last_seq": doubt.last_seq,
        }
        # A resent line's result may be the first one's, so it shows nothing about the lines before it.
        behind = doubt.traced_seq or 0 if doubt.resends == 0 else 0
        with self._engine.connect() as connection:
            lines = connection.execute(query("lines_to_probe"), {**where, "behind": behind, "limit": left}).all()
        if lines and doubt.by_unit and doubt.evident and not self._knows_later_unit_call(doubt):
            self._hold(doubt, ", unit_calls_leave_no_trace")
            return left - 1
        strange = unanswered = 0
        for line in lines:
            left -= 1
            reference = idinterno.encode(doubt.prefix, doubt.campaign_id, line.generation, line.seq)
            found = self._turn.ask(reference)
            if not found:
                with self._engine.begin() as connection:
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
            self.decide(doubt)
        return left

    def _knows_later_unit_call(self, doubt: Any) -> bool:
        """Whether the provider, asked by idinterno, knows a unit call that was made after this one.

        The guide promises status for bulk alone. A provider that keeps to that knows no unit message, and then not
        knowing the doubtful one is no absence.
        """
        with self._engine.connect() as connection:
            later = connection.execute(query("later_unit_line"), {"chunk_id": doubt.id}).first()
        if later is None:
            return False
        return bool(self._turn.ask(idinterno.encode(later.prefix, later.campaign_id, later.generation, later.seq)))

    def _settle_found(self, found: list[ResultLine], campaign_id: int, seq: int) -> bool:
        """Settle what a probe brought: all that the provider has of the line, so a -4 counts too.

        Returns:
            Whether the message has a result now, from here or from a poll that was quicker.
        """
        if self._turn.settle(found, refusals_count=True):
            return True
        with self._engine.connect() as connection:
            message = {"campaign_id": campaign_id, "seq": seq}
            return connection.execute(query("has_result"), message).first() is not None

    def _settle_refusals(self, doubt: Any, where: dict[str, Any], left: int) -> int:
        """-4 on a resent line: ask for the first line's result once more, then let it count."""
        with self._engine.connect() as connection:
            lines = connection.execute(query("refused_lines"), {**where, "limit": left}).all()
        for line in lines:
            left -= 1
            self._turn.count_refusal(doubt.prefix, doubt.campaign_id, line)
        return left

    def decide(self, doubt: Any) -> None:
        """All lines have been asked for: resend those proven absent, or hold the chunk."""
        if doubt.on_doubt == "hold":
            self._hold(doubt, ", on_doubt=hold")
        elif doubt.resends >= self._turn.settings.max_resends:
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
        with self._engine.connect() as connection:
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
        account_info.record_balance(self._turn.runtime, self._turn.account_id)
        with self._engine.connect() as connection:
            unexplained = connection.execute(
                query("balance_against"), {"chunk_id": doubt.id, "account_id": self._turn.account_id}
            ).scalar()
        if unexplained is None or unexplained <= 0:
            return False
        log.warning("balance_moved campaign=%s chunk=%s unexplained=%s", doubt.campaign_id, doubt.chunk_no, unexplained)
        return True

    def _resend(self, doubt: Any) -> None:
        def split() -> Any:
            with self._engine.begin() as connection:
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
        with self._engine.begin() as connection:
            held = connection.execute(
                query("hold_chunk"), {"chunk_id": doubt.id, "attempt": doubt.attempt, "why": why}
            ).first()
            if held:
                campaign_events.needs_decision(connection, [doubt.campaign_id], f"chunk {held.chunk_no} is held{why}")
        if held:
            log.warning("held campaign=%s chunk=%s why=%s", doubt.campaign_id, doubt.chunk_no, why.strip(", "))
