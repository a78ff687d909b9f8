"""What a process of Celery logs."""

import json
import os
import subprocess
import sys

_SCRIPT = """
import logging
from workers import logs
logs.set_up(loglevel="WARNING")
logging.getLogger("dispatcher.x").info("started campaign=%s", 4)
logging.getLogger("kombu").info("not wanted")
"""


def test_a_worker_says_what_happens_to_campaigns_at_celerys_own_level() -> None:
    environment = {**os.environ, "DISPATCHER_NO_DOTENV": "1", "DISPATCHER_LOG": "json"}
    done = subprocess.run([sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, check=True)
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["logger"], line["event"], line["campaign"]) == ("dispatcher.x", "started", 4)
