"""The shape of one message now, as the CLI, the task `dispatcher.send_message` and a library call hand it in."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError


def _idinterno(value: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z]{1,50}", value):
        raise PydanticCustomError("idinterno", "must be 1 to 50 letters and digits")
    return value


class SingleMessage(BaseModel):
    """One message. What is wrong with number and text is told with the guide's codes, so they are barely bounded here.

    `idinterno`: 1 to 50 letters and digits; drawn when there is none. The same one again answers what became of it.
    `start`: FECHADESDE, `YYYY-MM-DD HH:MM:SS` at -03 or ISO 8601 with an offset. `retry_unknown`: when an earlier call
    under this idinterno had an unknown outcome, call again, and let the provider's -4 vouch for the first. `intent`:
    `marketing` is refused for a number of the No Llame registry.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: Annotated[str, StringConstraints(max_length=100)]
    text: Annotated[str, StringConstraints(max_length=5_000)]
    idinterno: Annotated[str, AfterValidator(_idinterno)] | None = None
    start: Annotated[str, StringConstraints(max_length=64)] | None = None
    intent: Literal["service", "marketing"] = "service"
    test: bool = False
    html: Annotated[str, StringConstraints(min_length=1, max_length=90_000, pattern=r"^[^\x00]+$")] | None = None
    transport: Literal["http", "soap", "smtp"] | None = None
    strict_text: bool = False
    retry_unknown: bool = False
