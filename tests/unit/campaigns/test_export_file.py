"""Where an export may be written."""

from pathlib import Path

import pytest

from dispatcher.campaigns.export_file import target
from dispatcher.errors import UsageError


@pytest.mark.parametrize("force", [True, False])
def test_the_system_s_own_links_are_never_replaced(force: bool) -> None:
    # As /dev/stdout, which root could replace by a file for every program of the machine.
    with pytest.raises(UsageError, match="not a regular file"), target(Path("/proc/self/fd/1"), force=force):
        pass


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with target(tmp_path / "link", force=True) as stream:
        stream.write(b"ours")
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert (tmp_path / "link").read_bytes() == b"ours"
    assert not (tmp_path / "link").is_symlink()
