"""Probes: questions by idinterno, about doubts first, and then about accepted chunks that wait long for results.

Lines with results settle wherever they show up.
"""

import logging

from dispatcher.errors import ProviderError
from dispatcher.results.doubts import Doubts
from dispatcher.results.probe_turn import ProbeTurn
from dispatcher.results.settle import Settler
from dispatcher.results.stragglers import Stragglers
from dispatcher.runtime import Runtime

log = logging.getLogger(__name__)


class Prober:
    """Asks for single lines by idinterno, at DISPATCHER_PROBE_RATE a second over all workers."""

    def __init__(self, runtime: Runtime, account_id: int, settler: Settler) -> None:
        """Make a prober; nothing is asked yet."""
        self._account_id = account_id
        self._turn = ProbeTurn(runtime, account_id, settler)
        self._doubts = Doubts(self._turn)
        self._stragglers = Stragglers(self._turn)

    def round(self) -> bool:
        """Ask one round of questions, a second's worth of the rate at least; nothing when another round is under way.

        Returns:
            Whether there is more to ask right now.
        """
        if not self._turn.begin():
            return False
        try:
            return self._round()
        except ProviderError as error:
            # Not absence, not evidence of anything: the same questions come again.
            log.warning("probe_failed account=%s reason=%s", self._account_id, error.reason)
            return False
        finally:
            self._turn.end()

    def _round(self) -> bool:
        left = self._turn.take_slots()
        if not left:
            return True
        for doubt in self._doubts.ready():
            left = self._doubts.resolve(doubt, left)
            if left <= 0:
                return True
        return self._stragglers.chase(left)
