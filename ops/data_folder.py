"""The embedded Postgres' data folder: made once, whole or not at all."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.server_places import without_secrets

_CONFIGURATION = """
# --- the dispatcher's embedded server ---
listen_addresses = ''
max_connections = 100
shared_buffers = 192MB
max_wal_size = 4GB
min_wal_size = 512MB
wal_compression = on
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_error_verbosity = terse  # the detail of an error quotes the row: numbers and texts
"""


def make_data_folder(data: Path, server_of: Callable[[Path], Any]) -> None:
    """Make the folder elsewhere and put it in its place whole: half of one, of an interrupted start, would never run.

    Args:
        data: where it should be; nothing, or an empty folder, is there.
        server_of: gives the wheel's server for a folder, not started.
    """
    for left in data.parent.glob(f"{data.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    with without_secrets():
        server_of(part).ensure_pgdata_inited()
    with (part / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write(_CONFIGURATION)
    part.replace(data)
