"""What a scenario is, and how one is played to its row."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ops.chaos.arena import Arena
from ops.chaos.run import Run
from ops.chaos.tally import Tally


@dataclass(frozen=True)
class Scenario:
    """One fault while campaigns run.

    Attributes:
        play: loads, starts, breaks and mends; it returns when nothing more will be broken.
        settings: DISPATCHER_ settings beside the harness's own.
        options: the simulator's beside the harness's own.
        held: messages may end held: the fault leaves something that only an operator can decide.
        patience: seconds that the rest may take after `play`.
        missing: why this machine cannot play it; None when it can.
    """

    play: Callable[[Run], None]
    settings: dict[str, str] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    held: bool = False
    patience: float = 90.0
    missing: Callable[[], str | None] = lambda: None


def play(arena: Arena, name: str, scenario: Scenario, seed: int) -> Tally:
    """Play one scenario and count."""
    run = Run(arena, name, seed, scenario.settings, scenario.options)
    try:
        scenario.play(run)
        return run.finish(scenario.patience)
    finally:
        run.close()
