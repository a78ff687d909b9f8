"""Both lists as a load sees them: every number of them, whatever else stands there."""

import pytest

from dispatcher import suppression
from dispatcher.suppression import Lists
from tests.integration.bench import Bench


def test_lists_are_read_whole_over_many_blocks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression, "_BLOCK", 7)
    bench.do(
        "INSERT INTO optout (destino, source) SELECT CAST(1100000000 + n * 11 AS text), 'file' FROM generate_series(1, 100) n"
    )
    bench.do(
        "INSERT INTO optout (destino, source) VALUES ('11 44', 'file'), ('', 'file'), ('0114', 'file'), ('x', 'file')"
    )
    bench.do(
        "INSERT INTO undeliverable (destino, code, since, expires_at) VALUES "
        "('1144445555', -1, now(), now() + interval '1 day'), ('1144445556', -1, now() - interval '2 days', now())"
    )
    with bench.engine.connect() as connection:
        lists = Lists.read(connection)
    assert set(lists.opted_out) == {1_100_000_000 + n * 11 for n in range(1, 101)}
    assert set(lists.undeliverable) == {1_144_445_555}


def test_empty_lists_are_empty(bench: Bench) -> None:
    with bench.engine.connect() as connection:
        lists = Lists.read(connection)
    assert not lists.opted_out
    assert not lists.undeliverable
