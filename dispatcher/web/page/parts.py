"""The parts of a campaign's bar: each status belongs to one of six colours."""

from __future__ import annotations

from dispatcher.campaigns.summary import Summary

OF_STATUS = {
    "ok": "ok",
    "simulated": "ok",
    "rejected": "bad",
    "submitted": "flight",
    "in_doubt": "doubt",
    "held": "doubt",
    "pending": "wait",
    "suppressed": "out",
    "expired": "out",
    "cancelled": "out",
    "unknown": "out",
}
_ORDER = ("ok", "bad", "flight", "doubt", "out", "wait")


def of_summary(shown: Summary) -> list[tuple[str, int]]:
    """The bar of a campaign: (colour, messages), what is done first."""
    sums = dict.fromkeys(_ORDER, 0)
    for status, count in shown.counts.items():
        sums[OF_STATUS[status]] += count
    return list(sums.items())
