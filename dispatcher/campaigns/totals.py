"""Counts messages and invalid rows of a list, batch by batch."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dispatcher.ingest import Batch
from dispatcher.ingest.remarks import Remark


@dataclass
class Totals:
    """Sums over the batches so far: each row became a message or an invalid row."""

    messages: int = 0
    invalid: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # suppressed messages by reason
    reasons: Counter[str] = field(default_factory=Counter)  # invalid rows by reason
    dropped_characters: int = 0
    transliterated: int = 0
    remarks: Counter[Remark] = field(default_factory=Counter)  # how many rows each holds for

    @property
    def rows(self) -> int:
        """Rows that came in."""
        return self.messages + self.invalid

    @property
    def suppressed(self) -> int:
        """Messages that nobody gets, because their number is on a list."""
        return self.left_out.total()

    @property
    def sending(self) -> int:
        """Messages that will be sent."""
        return self.messages - self.suppressed

    def add(self, batch: Batch) -> None:
        """Count one more batch."""
        self.messages += batch.messages.height
        self.invalid += batch.invalid_rows.height
        suppressed = batch.messages["suppressed"]
        if suppressed.null_count() < len(suppressed):
            self.left_out.update(suppressed.drop_nulls().to_list())
        self.reasons.update(batch.invalid_rows["reason"].to_list())
        self.dropped_characters += batch.dropped_characters
        self.transliterated += batch.transliterated
        for remark, n in batch.remarks.items():  # not update(): a remark that holds for no row so far is kept
            self.remarks[remark] += n

    def said(self) -> list[Remark]:
        """The remarks, each with the rows that it holds for."""
        return [remark.counted(rows) for remark, rows in self.remarks.items()]

    def totals_json(self) -> dict[str, Any]:
        """The sums, ready for JSON."""
        return {
            "messages": self.messages,
            "invalid": self.invalid,
            "suppressed": self.suppressed,
            "left_out": dict(self.left_out),
            "reasons": dict(self.reasons),
            "dropped_characters": self.dropped_characters,
            "transliterated": self.transliterated,
        }
