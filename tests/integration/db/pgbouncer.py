"""A real PgBouncer in transaction mode before a test's database."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.conftest import wait_until

_CONFIGURATION = """
[databases]
* = host={server} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
ignore_startup_parameters = {ignored}
logfile = {folder}/log
pidfile = {folder}/pid
"""


def binary() -> str:
    """The server; without it the test is skipped here, and fails in CI."""
    found = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if found is None:
        why = "PgBouncer is not installed (apt install pgbouncer), so nothing is tested through it"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return found


@contextmanager
def running(database_url: str, folder: Path, *, ignored: str = "extra_float_digits") -> Iterator[str]:
    """Run one; the database's address through it.

    Args:
        database_url: of a server on a Unix socket.
        folder: which the server's user can reach.
        ignored: startup parameters that it takes and drops; those that it does not know it refuses.
    """
    command = [binary(), "-q", str(folder / "ini")]
    address, _, server = database_url.partition("?host=")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "ini").write_text(_CONFIGURATION.format(server=server, port=port, folder=folder, ignored=ignored))
    owner = Path(server).stat()
    for path in (folder, folder / "ini"):
        os.chown(path, owner.st_uid, owner.st_gid)
    # It does not run as root, and only the server's own user may enter the socket's folder.
    as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen(command, cwd=folder, **as_owner)  # type: ignore[call-overload]
    url = f"postgresql://any@127.0.0.1:{port}/{address.rpartition('/')[2]}"
    try:
        wait_until(lambda: process.poll() is not None or _answers(url), 20, "PgBouncer answers")
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.kill()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
