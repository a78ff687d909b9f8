"""The lists that campaigns are made from: how large one may be, and how long it is kept."""

from pydantic import BaseModel, ByteSize, Field, field_validator


class Uploads(BaseModel):
    """The upload store."""

    upload_max: ByteSize = ByteSize(1 << 30)
    unpacked_max: ByteSize = ByteSize(2 << 30)
    lists_kept: int = Field(7, ge=0, le=3650)

    @field_validator("upload_max", "unpacked_max")
    @classmethod
    def _some(cls, value: ByteSize) -> ByteSize:
        if value < 1:
            raise ValueError("must be at least one byte")
        return value
