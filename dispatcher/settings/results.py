"""What came of it: polls, doubts, and when to give up."""

from typing import Literal

from pydantic import BaseModel, Field


class Results(BaseModel):
    """Polls, probes and horizons."""

    poll_interval: float = Field(15.0, gt=0, le=3600)
    probe_rate: float = Field(5.0, gt=0, le=1000)
    fecha_reading: Literal["auto", "since", "second", "day"] = "auto"
    in_doubt_horizon: float = Field(900.0, ge=0, allow_inf_nan=False)
    result_horizon: float = Field(86_400.0, ge=0, allow_inf_nan=False)
    max_resends: int = Field(3, ge=0, le=100)

    @property
    def poll_gap_cap_ms(self) -> int:
        """The most that the time between two polls that worked counts as observed, milliseconds."""
        return round((2 * self.poll_interval + 30) * 1000)
