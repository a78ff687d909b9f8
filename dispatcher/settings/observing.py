"""What a process says of itself."""

from typing import Literal

from pydantic import BaseModel


class Observing(BaseModel):
    """Logs."""

    log: Literal["text", "json"] = "text"
