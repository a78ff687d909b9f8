"""What a process says of itself."""

import os
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


def _of_environment() -> SecretStr | None:
    found = os.environ.get("SENTRY_DSN")
    return SecretStr(found) if found else None


class Observing(BaseModel):
    """Logs, and reports of errors."""

    log: Literal["text", "json"] = "text"
    sentry_dsn: SecretStr | None = Field(default_factory=_of_environment)
