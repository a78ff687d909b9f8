"""What the embedded servers get of the process that starts them."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from dispatcher.errors import UsageError
from ops.embedded import Embedded
from ops.server_places import socket_path, without_secrets


def test_a_server_s_environment_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_APIKEY", "SECRETA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRETA")
    with without_secrets():
        seen = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
        assert "SECRETA" not in seen
        assert "PATH=" in seen
    assert os.environ["DISPATCHER_APIKEY"] == "SECRETA"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_no_server_of_ours_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_APIKEY", "SECRETA")
    monkeypatch.setenv("DISPATCHER_PUSH_SECRET", "SECRETA9")
    with tempfile.TemporaryDirectory(prefix="dispatcher-") as home, Embedded(Path(home)).using():
        mine = [
            process
            for process in Path("/proc").glob("[0-9]*")
            if home.encode() in _read(process / "cmdline") + _read(process / "environ")
            and process.name != str(os.getpid())
        ]
        assert any(b"postgres" in _read(process / "cmdline") for process in mine)
        assert any(b"valkey" in _read(process / "cmdline") for process in mine)
        for process in mine:
            assert b"SECRETA" not in _read(process / "environ"), _read(process / "cmdline")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_the_short_folder_of_a_socket_is_ours_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    wanted = Path("/" + "x" * 100) / "valkey.sock"
    folder = socket_path(wanted).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert socket_path(wanted).parent == folder
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="this user alone"):
        socket_path(wanted)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(UsageError, match="this user alone"):
        socket_path(wanted)
