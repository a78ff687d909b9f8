"""A campaign with doubts, and what tests do to it: POSTs whose answers are lost, time that passes, probes."""

from collections.abc import Callable
from typing import Any

from dispatcher.db.statements import query
from dispatcher.provider.answers import StatusLines
from dispatcher.results.probing import Prober
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness

Make = Callable[..., CoreHarness]
NO_TRACE = StatusLines()
NONE = {"kind": "error", "take": "none"}
HALF = {"kind": "reset", "take": "half"}
ALL = {"kind": "reset", "take": "all"}


class Doubting:
    """A campaign with doubts, and what the tests do to them."""

    def __init__(self, core: CoreHarness, simulator: SimulatorProcess) -> None:
        self.core = core
        self.simulator = simulator
        self.prober = Prober(core.runtime, core.account.id, core.settler)

    def pass_horizon(self, *, evidence: bool = True) -> None:
        """Let the horizon pass, the provider work past the doubts, and the wait pass; the account may send again."""
        self.pass_time()
        if evidence:
            self.core.show_later_result()
            self.note_evidence()
            self.pass_time()

    def pass_time(self, seconds: int = 1000) -> None:
        """Let observed time go by."""
        self.core.do(
            "UPDATE account SET observed_ms = observed_ms + :ms, retry_at = NULL, failures = 0", ms=seconds * 1000
        )
        self.core.do("UPDATE account SET probe_free_at = NULL")

    def note_evidence(self) -> None:
        with self.core.engine.begin() as connection:
            connection.execute(query("note_evidence"), {"account_id": self.core.account.id})

    def probe(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            self.core.do("UPDATE account SET probe_free_at = NULL")
            self.prober.round()

    def doubt(self, fault: dict[str, Any] | None = None) -> None:
        """POST the next chunk; the provider takes what the fault says, and the answer is lost."""
        assert self.core.account
        if fault is not None:
            self.simulator.set_faults({"endpoint": "bulk", "times": 1, **fault})
        sending_pump.pump(self.core.runtime, self.core.account.id)
