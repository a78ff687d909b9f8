"""Files that people exchange with the dispatcher: the lists that come in, and how exports are written and worded."""

from typing import Literal

from pydantic import BaseModel, ByteSize, Field, field_validator


class Uploads(BaseModel):
    """The upload store, and the words and form of what its owners read."""

    upload_max: ByteSize = ByteSize(1 << 30)
    unpacked_max: ByteSize = ByteSize(2 << 30)
    lists_kept: int = Field(7, ge=0, le=3650)
    csv_separator: Literal[";", ",", "tab", "|"] = ";"
    language: Literal["es", "en"] | None = None

    @property
    def csv_divider(self) -> str:
        """The character that divides the cells of a CSV export."""
        return "\t" if self.csv_separator == "tab" else self.csv_separator

    @field_validator("upload_max", "unpacked_max")
    @classmethod
    def _some(cls, value: ByteSize) -> ByteSize:
        if value < 1:
            raise ValueError("must be at least one byte")
        return value
