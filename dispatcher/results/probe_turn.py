"""One round of questions by idinterno: the right to ask, its rate, and what every answer means."""

from typing import Any

from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.domain import idinterno
from dispatcher.errors import AnswerError
from dispatcher.provider.answers import ResultLine
from dispatcher.results.fecha_reading import frame_of
from dispatcher.results.settle import Settler
from dispatcher.runtime import Runtime

_LEASE_MARGIN = 15.0  # seconds after the end of its longest call, when a prober that died is replaced


class ProbeTurn:
    """The right to ask for an account's lines, which one prober has at a time."""

    def __init__(self, runtime: Runtime, account_id: int, settler: Settler) -> None:
        """Name the account; the turn is not taken yet."""
        self.runtime = runtime
        self.account_id = account_id
        self._settler = settler
        self._number = 0

    @property
    def settings(self) -> Settings:
        """The settings of the dispatcher."""
        return self.runtime.settings

    def begin(self) -> bool:
        """Take the turn. False while another prober has it."""
        with self.runtime.engine.begin() as connection:
            lease = {"account_id": self.account_id, "lease": self._lease}
            number = connection.execute(query("begin_probe"), lease).scalar()
        self._number = number or 0
        return number is not None

    def end(self) -> None:
        """Give the turn back."""
        with self.runtime.engine.begin() as connection:
            connection.execute(query("end_probe"), {"account_id": self.account_id, "probe_turn": self._number})

    def take_slots(self) -> int:
        """How many questions this round may ask: a second's worth of DISPATCHER_PROBE_RATE, one at least, or none."""
        slots = max(1, round(self.settings.probe_rate))
        with self.runtime.engine.begin() as connection:
            granted = connection.execute(
                query("take_probe_slots"),
                {"account_id": self.account_id, "n": slots, "rate": self.settings.probe_rate},
            ).first()
        return slots if granted else 0

    def ask(self, reference: str) -> list[ResultLine]:
        """All that the provider has under an idinterno; empty when it does not know it, or has not come to it.

        Raises:
            ProviderError: no usable answer, or another prober has taken over.
        """
        with self.runtime.engine.begin() as connection:
            mine = connection.execute(
                query("probe_goes_on"),
                {"account_id": self.account_id, "probe_turn": self._number, "lease": self._lease},
            ).first()
        if mine is None:
            raise AnswerError("another round of questions has begun", reason="lease_lost")
        return self.runtime.provider.status_by_idinterno(reference)

    def settle(self, found: list[ResultLine], *, refusals_count: bool) -> int:
        """Settle what an answer brought; see `Settler.settle`. Returns how many messages got a result."""
        return self._settler.settle(frame_of(found), skip_seen=False, refusals_count=refusals_count).settled

    def count_refusal(self, prefix: str, campaign_id: int, line: Any) -> int:
        """Settle a line whose only trace is -4, after asking whether the first line has a result of its own.

        Returns:
            How many lines got a result.
        """
        found = self.ask(idinterno.encode(prefix, campaign_id, line.generation, line.seq))
        return self.settle(found, refusals_count=True) if found else 0

    @property
    def _lease(self) -> float:
        return self.settings.provider_timeout + _LEASE_MARGIN
