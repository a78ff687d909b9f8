"""What goes out: whose rules for numbers apply, in which hours, how much at once, how fast, and who must agree."""

from functools import cached_property
from typing import Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from dispatcher.domain.window import Window


class Sending(BaseModel):
    """Country, window, chunks, rate and approval."""

    country: Literal["AR", "GT", "MX", "PE", "UY"] = "AR"
    company: str | None = None
    window: str = "08:00-22:00"
    window_guard: int = Field(60, ge=0, le=3600, validate_default=True)
    chunk_size: int = Field(1000, ge=1, le=10_000)
    chunk_bytes: int = Field(90_000, ge=1_000, le=200_000)
    concurrency: int = Field(2, ge=1, le=64)
    rate: int = Field(0, ge=0)
    approval: Literal["one", "two"] = "one"

    @field_validator("window")
    @classmethod
    def _valid_window(cls, value: str) -> str:
        Window.parse(value)
        return value

    @field_validator("window_guard")
    @classmethod
    def _leaves_some_window(cls, value: int, info: ValidationInfo) -> int:
        window = Window.parse(info.data.get("window", "00:00-24:00"))
        if not window.always and value >= window.shortest * 60:
            raise ValueError("is as long as DISPATCHER_WINDOW itself, or a day of it, so nothing could ever be sent")
        return value

    @cached_property
    def sending_window(self) -> Window:
        """The hours in which a POST may begin, provider-local."""
        return Window.parse(self.window, guard=self.window_guard)

    def effective_chunk_size(self) -> int:
        """Messages per POST: a rate limit also caps the chunk, so that a burst is at most one minute's worth."""
        return min(self.chunk_size, self.rate) if self.rate else self.chunk_size
