"""What the API takes and gives of a campaign."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.payload import MAX_INLINE_RECIPIENTS, CampaignSpec, Moment, NotOn, Rate, TagName, TagValue, Text
from schemas.states import CampaignState

Tags = Annotated[dict[TagName, TagValue], Field(max_length=20)]


class CampaignCreate(CampaignSpec):
    """A campaign as it is handed in: what it says and when, and whom to, in line or as an upload."""

    recipients: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_INLINE_RECIPIENTS)] | None = None
    """Rows with the columns that the template names; longer lists are uploaded."""
    upload_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    """Of POST /uploads."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.recipients is None) == (self.upload_id is None):
            raise ValueError("give one of recipients and upload_id")
        return self


EXAMPLE = {
    "template": "Hola {nombre}, su turno es el {dia}. Empresa SA",
    "recipients": [{"telefono": "1144445555", "nombre": "Ana", "dia": "10/12"}],
    "name": "Turnos de diciembre",
    "tags": {"team": "turnos"},
    "draft": True,
}


class CampaignAnswer(BaseModel):
    """A campaign that was handed in."""

    campaign_id: int | None
    """Null while a list that is appended is being loaded."""
    state: CampaignState
    messages: int | None
    invalid: int | None
    draft: bool
    warnings: list[str] = []
    """For marketing: there is no No Llame registry, or it is older than 25 days."""


class Campaign(BaseModel):
    """A campaign with its progress; `counts` and `result_codes` leave out zeros."""

    model_config = ConfigDict(from_attributes=True)

    campaign_id: int
    name: str
    state: CampaignState
    blocked: str | None
    """Why the account sends nothing now, in the provider's words."""
    reason: str | None
    messages: int
    invalid: int
    held: int
    counts: dict[str, int]
    """Messages by status."""
    result_codes: dict[int, int]
    left_out: dict[str, int]
    priority: Literal["high", "normal", "low"]
    intent: Literal["service", "marketing"]
    """Marketing leaves out the numbers of the No Llame registry."""
    rate: int | None
    """Messages a minute at most; null: as the account may."""
    test: bool
    start_at: datetime | None
    expires_at: datetime | None
    not_on: list[str]
    """Days on which nothing of it goes: `2026-12-24`; `holidays`: the national ones of Argentina."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    dropped_at: datetime | None
    """When its messages went, after the time that rows are kept; its counts stay."""
    in_flight: int
    doubts: int
    created_by: str | None
    tags: dict[str, str]
    retry_of: int | None
    """The campaign whose rejected messages it sends again."""
    other_words: dict[str, int]
    """What the provider said about messages with code -99, and how many of each; empty in a list of campaigns."""
    progress: float
    """Share of the messages whose status is final, 0 to 1."""
    rate_per_minute: float
    """Messages handed in a minute, over the last five."""
    ends_about: datetime | None
    warnings: list[str]


class CampaignChange(BaseModel):
    """What may change before a campaign begins; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
        | None
    ) = None
    start: Moment | None = None
    """Null: at once."""
    expires: Moment | None = None
    """Null: never."""
    not_on: NotOn | None = None
    """Null or empty: it sends on every day."""
    priority: Literal["high", "normal", "low"] | None = None
    rate: Rate | None = None
    """Messages a minute at most; null: as the account may."""
    tags: Tags | None = None
    template: Text | None = None
    """Of a draft."""


class Moved(BaseModel):
    """Where a campaign stands after it was told to do something."""

    campaign_id: int
    state: CampaignState
    in_flight: int
    """POSTs that were on their way before; their outcome is not in yet."""
