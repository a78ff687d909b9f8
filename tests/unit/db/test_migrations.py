"""The phases of the migrations, and what is left to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.db import migrations

Phases = Callable[..., None]


@pytest.fixture
def phases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phases:
    """Migrations of these phases, from 0001 on: `phases("pre", "post")`."""

    def make(*names: str) -> None:
        for number, name in enumerate(names, start=1):
            (tmp_path / f"{number:04}_step.py").write_text(f'"""A step."""\n\nphase = "{name}"\n')
        monkeypatch.setattr(migrations, "FOLDERS", [tmp_path])

    return make


def numbers(current: str | None, phase: str) -> list[str]:
    return [revision.number for revision in migrations.pending(current, phase)]  # type: ignore[arg-type]


def test_the_first_phase_stops_before_what_contracts(phases: Phases) -> None:
    phases("pre", "pre", "post", "pre")
    assert numbers(None, "all") == ["0001", "0002", "0003", "0004"]
    assert numbers("0001", "pre") == ["0002"]
    assert numbers("0002", "pre") == []
    assert numbers("0002", "all") == ["0003", "0004"]
    assert numbers("0003", "pre") == ["0004"]
    assert numbers("0004", "all") == []
    assert numbers("0009", "all") == []


def test_a_version_needs_what_expands_and_can_wait_for_what_contracts(phases: Phases) -> None:
    phases("pre", "pre", "post")
    assert (migrations.needed_revision(), migrations.head_revision()) == ("0002", "0003")
    phases("pre", "post", "pre")
    assert (migrations.needed_revision(), migrations.head_revision()) == ("0003", "0003")


def test_a_migration_without_a_phase_is_named(phases: Phases, tmp_path: Path) -> None:
    phases("pre")
    (tmp_path / "0002_step.py").write_text('"""phase = "pre"."""\n')
    with pytest.raises(ValueError, match=r"0002_step\.py must say phase"):
        migrations.revisions()
