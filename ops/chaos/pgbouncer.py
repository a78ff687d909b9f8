"""A real PgBouncer in transaction mode before a database: Debian's package, a port of loopback."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.chaos.tcp_postgres import answers, free_port

_CONFIGURATION = """
[databases]
* = host={server} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 200
ignore_startup_parameters = {ignored}
logfile = {folder}/log
pidfile = {folder}/pid
"""


def binary() -> str | None:
    """The server; None where it is not installed."""
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def missing() -> str | None:
    """Why it cannot be started on this machine; None when it can."""
    return None if binary() else "PgBouncer is not installed (apt install pgbouncer)"


@contextmanager
def running(
    database_url: str, folder: Path, *, ignored: str = "extra_float_digits", sessions: int = 2
) -> Iterator[str]:
    """Run one for the length of a block; the database's address through it.

    Args:
        database_url: of a server on a Unix socket.
        folder: which the server's user can reach.
        ignored: startup parameters that it takes and drops; those that it does not know it refuses.
        sessions: of the server's, for all clients together.
    """
    program = binary()
    assert program, "ask missing() first"
    address, _, server = database_url.partition("?host=")
    port = free_port()
    (folder / "ini").write_text(
        _CONFIGURATION.format(server=server, port=port, folder=folder, ignored=ignored, sessions=sessions)
    )
    owner = Path(server).stat()
    for path in (folder, folder / "ini"):
        os.chown(path, owner.st_uid, owner.st_gid)
    # It does not run as root, and only the server's own user may enter the socket's folder.
    as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([program, "-q", str(folder / "ini")], cwd=folder, **as_owner)  # type: ignore[call-overload]
    url = f"postgresql://any@127.0.0.1:{port}/{address.rpartition('/')[2]}"
    try:
        ends = time.monotonic() + 20
        while not answers(url):
            if process.poll() is not None or time.monotonic() > ends:
                raise TimeoutError(f"PgBouncer does not answer: {(folder / 'log').read_text()}")
            time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait(10)
