"""Both lists as a load sees them: every number on them, whatever other entries there are."""

import pytest

from dispatcher.suppression import lists as suppression_lists
from dispatcher.suppression.lists import Lists
from tests.integration.core_harness import CoreHarness


def test_lists_are_read_whole_over_many_blocks(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression_lists, "_BLOCK", 7)
    core.do(
        "INSERT INTO optout (destino, source) SELECT CAST(1100000000 + n * 11 AS text), 'file' FROM generate_series(1, 100) n"
    )
    core.do(
        "INSERT INTO optout (destino, source) VALUES ('11 44', 'file'), ('', 'file'), ('0114', 'file'), ('x', 'file')"
    )
    core.do(
        "INSERT INTO undeliverable (destino, code, since, expires_at) VALUES "
        "('1144445555', -1, now(), now() + interval '1 day'), ('1144445556', -1, now() - interval '2 days', now())"
    )
    with core.engine.connect() as connection:
        lists = Lists.read(connection, core.settings.home, "service")
    assert set(lists.opted_out) == {1_100_000_000 + n * 11 for n in range(1, 101)}
    assert set(lists.undeliverable) == {1_144_445_555}


def test_empty_lists_are_empty(core: CoreHarness) -> None:
    with core.engine.connect() as connection:
        lists = Lists.read(connection, core.settings.home, "service")
    assert not lists.opted_out
    assert not lists.undeliverable
