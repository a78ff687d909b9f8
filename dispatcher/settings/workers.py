"""How many tasks of each queue run at once. The tick has one place of its own, always."""

from pydantic import BaseModel, Field


class Workers(BaseModel):
    """Places for each queue."""

    workers_submit: int | None = Field(None, ge=1, le=64)
    workers_poll: int = Field(4, ge=1, le=32)
    workers_control: int = Field(2, ge=1, le=16)
    workers_urgent: int = Field(2, ge=1, le=16)
    workers_webhooks: int = Field(8, ge=1, le=32)
