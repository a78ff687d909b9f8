"""Where the demo keeps its data."""

from pathlib import Path

import pytest

from ops import demo


def test_the_demo_stays_in_the_home_that_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPATCHER_HOME", str(tmp_path))
    assert demo.home() == tmp_path / "demo"


def test_without_one_it_has_a_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPATCHER_HOME", raising=False)
    assert demo.home().name == "dispatcher-demo"
