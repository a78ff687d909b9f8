"""What a person waits for a command's answer, next to Python's own start."""

import subprocess
import sys
import time
from dataclasses import dataclass, field
from statistics import median

from ops.bench.lists import write_list
from ops.bench.stack import stack

PYTHON, HELP, LIST, SHOW = "python -c pass", "dispatcher --help", "dispatcher campaign list", "dispatcher campaign show"
CREATE = "dispatcher campaign create, 300 rows"
_ROUNDS = 15
_DISPATCHER = [sys.executable, "-m", "dispatcher"]


@dataclass(frozen=True)
class Outcome:
    """Seconds of each round by command, from the start of the process to its end; the database runs already."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def seconds(self, command: str) -> float:
        """The median."""
        return median(self.rounds[command])

    def times_python(self, command: str) -> float:
        """How many times as long as Python takes to do nothing."""
        return self.seconds(command) / self.seconds(PYTHON)


def measure() -> Outcome:
    """Run each command in turn, round by round, so that what else the machine does hits all of them alike."""
    with stack("startup") as running:
        campaign_id = running.load(write_list(running.home / "clientes.csv", 1_000)).campaign_id
        commands = {
            PYTHON: [sys.executable, "-c", "pass"],
            HELP: [*_DISPATCHER, "--help"],
            LIST: [*_DISPATCHER, "campaign", "list"],
            SHOW: [*_DISPATCHER, "campaign", "show", str(campaign_id)],
            CREATE: [
                *(*_DISPATCHER, "campaign", "create", str(write_list(running.home / "300.csv", 300))),
                *("--template", "Hola {nombre}", "--draft", "--again"),
            ],
        }
        outcome = Outcome({name: [] for name in commands})
        for number in range(_ROUNDS + 1):
            for name, command in commands.items():
                seconds = _took(command)
                if number:  # the first one compiles, and reads files that nothing has read yet
                    outcome.rounds[name].append(seconds)
    return outcome


def _took(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began
