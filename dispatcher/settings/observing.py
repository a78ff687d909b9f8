"""What a process says of itself."""

from typing import Literal

from pydantic import BaseModel, SecretStr


class Observing(BaseModel):
    """Logs, and reports of errors."""

    log: Literal["text", "json"] = "text"
    sentry_dsn: SecretStr | None = None
