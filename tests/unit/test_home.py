"""HOME holds telephone numbers and texts: nobody but its owner may read them."""

import os
import subprocess
import sys
from pathlib import Path

from dispatcher import home
from ops.embedded import Embedded

OTHERS = 0o066
"""Reading and writing; as root, Postgres runs as another user and must be able to pass."""


def readable(folder: Path) -> list[str]:
    """Whatever the group or others may read or write."""
    paths = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    return [str(path) for path in paths if path.stat().st_mode & OTHERS and not path.is_socket()]


def test_an_existing_home_is_tightened(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    (folder / "invalid").mkdir(parents=True)
    (folder / "invalid" / "campaign-1-invalid.csv").write_text("1144445555")
    for path in (folder, folder / "invalid"):
        path.chmod(0o755)
    (folder / "invalid" / "campaign-1-invalid.csv").chmod(0o644)
    assert len(home.open_to_others(folder)) == 3
    home.make_lists_folder(folder)
    assert home.open_to_others(folder) == []
    assert readable(folder) == []
    assert (folder / "lists").stat().st_mode & 0o777 == 0o700


def test_a_folder_of_everybody_s_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    home.tighten(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_a_link_out_of_home_does_not_close_what_it_points_to(tmp_path: Path) -> None:
    folder, other = tmp_path / "home", tmp_path / "other.csv"
    folder.mkdir()
    other.write_text("x")
    other.chmod(0o644)
    (folder / "link.csv").symlink_to(other)
    home.tighten(folder)
    assert other.stat().st_mode & 0o777 == 0o644


def test_the_embedded_servers_keep_their_files_closed(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with Embedded(tmp_path / "home").using():
            written = list((tmp_path / "home" / "valkey").rglob("*.aof"))
            assert written
            (database,) = (tmp_path / "home").glob("postgres")
            assert database.stat().st_mode & 0o777 == 0o700
            assert [path for path in readable(tmp_path / "home") if "/postgres/" not in path] == []
    finally:
        os.umask(before)


def test_every_entry_point_makes_closed_files(tmp_path: Path) -> None:
    ask = "import os; print(oct(os.umask(0)))"
    settings = {
        **os.environ,
        "DISPATCHER_HOME": str(tmp_path),
        "DISPATCHER_BROKER_URL": "redis://127.0.0.1:1",
        "DISPATCHER_DATABASE_URL": "postgresql://u@127.0.0.1:1/d",
    }
    command_line = f"import sys; sys.argv = ['dispatcher', '--help']\nfrom dispatcher.cli import main\ntry: main()\nexcept SystemExit: {ask}"
    # Workers, beat and Flower alike begin with the app.
    for code in (command_line, f"import workers.app; {ask}"):
        run = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, umask=0o022)
        assert run.stdout.splitlines()[-1] == "0o77", run
