"""The plain script (`plain_script.py`) against the same simulator, from the start of its process to its last code."""

import sys
from dataclasses import dataclass

from ops.bench.lists import write_list
from ops.bench.meter import Meter, Usage
from ops.bench.stack import APIKEY, stack

_ENDS_WITHIN = 600.0


@dataclass(frozen=True)
class Outcome:
    """What `messages` took."""

    messages: int
    usage: Usage


def measure(messages: int) -> Outcome:
    """Run the script on a list of so many messages."""
    with stack(f"plain-{messages}") as running:
        path = write_list(running.home / "clientes.csv", messages)
        codes = running.home / "codes.csv"
        script = [sys.executable, "-m", "ops.bench.plain_script", running.settings.provider_url, APIKEY]
        with Meter(running.roots) as meter, running.processes(script=[*script, str(path), str(codes)]):
            running.wait(codes.exists, _ENDS_WITHIN, "the script has not ended")
        with codes.open(encoding="utf-8") as lines:
            written = sum(line.endswith(",OK\n") for line in lines)
    if written != messages:
        raise RuntimeError(f"{written} of {messages} messages have a result")
    return Outcome(messages, meter.usage)
