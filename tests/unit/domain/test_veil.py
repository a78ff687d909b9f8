"""Numbers of phones in words from outside."""

from __future__ import annotations

import pytest

from dispatcher.domain.veil import veiled


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("NUMERO 1144445555 INVALIDO", "NUMERO *** INVALIDO"),
        ("row 5: '+54 9 11 4444-5555' is odd", "row 5: '***' is odd"),
        ("(011) 4444-5555", "***"),
        ("paused since 2026-12-01 09:00:00", "paused since 2026-12-01 09:00:00"),
        ("27/11/2026 00:17", "27/11/2026 00:17"),
        ("1.234.567 messages, 1,234,567 rows", "1.234.567 messages, 1,234,567 rows"),
        ("code -10 of 123456", "code -10 of 123456"),
    ],
)
def test_a_phone_number_is_left_out_and_nothing_else(words: str, left: str) -> None:
    assert veiled(words) == left
