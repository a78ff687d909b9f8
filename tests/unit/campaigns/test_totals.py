"""The totals of a list, batch by batch."""

import polars as pl

from dispatcher.campaigns.totals import Totals
from dispatcher.ingest import INVALID_ROWS, MESSAGES, Batch


def batch(suppressed: list[str | None], reasons: list[str]) -> Batch:
    messages = pl.DataFrame({"suppressed": suppressed}, schema={"suppressed": pl.String})
    missing = [pl.lit(None, kind).alias(name) for name, kind in MESSAGES.items() if name != "suppressed"]
    invalid_rows = [(n, "raw", None, reason, "detail", "{}") for n, reason in enumerate(reasons)]
    return Batch(
        messages=messages.with_columns(*missing),
        invalid_rows=pl.DataFrame(invalid_rows, schema=INVALID_ROWS, orient="row"),
        rows=len(suppressed) + len(reasons),
        position=0,
        dropped_characters=2,
        transliterated=1,
    )


def test_totals_add_up_over_batches() -> None:
    totals = Totals()
    for each in (batch([None, "optout_at_load"], ["duplicate"]), batch([None], []), batch([], ["duplicate"] * 2)):
        totals.add(each)
    assert (totals.rows, totals.messages, totals.invalid) == (6, 3, 3)
    assert (totals.suppressed, totals.sending) == (1, 2)
    assert totals.totals_json() == {
        "messages": 3,
        "invalid": 3,
        "suppressed": 1,
        "left_out": {"optout_at_load": 1},
        "reasons": {"duplicate": 3},
        "dropped_characters": 6,
        "transliterated": 3,
    }
