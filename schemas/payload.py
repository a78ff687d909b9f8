"""The shape of a campaign as it is handed in, by the CLI and by `dispatcher.create_campaign` alike."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

MAX_INLINE_RECIPIENTS = 10_000

Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Moment = Annotated[str, StringConstraints(max_length=64)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Rate = Annotated[int, Field(ge=1, le=1_000_000)]
TagName = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f]+$")]
TagValue = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


NotOn = Annotated[tuple[Annotated[str, StringConstraints(max_length=20)], ...], Field(max_length=400)]
"""Days on which nothing is sent: `2026-12-24`, or `holidays` for the national holidays of Argentina."""


class CampaignSpec(BaseModel):
    """What a campaign says and when, without its recipients. Dates are text: `dispatcher.domain.window` reads them.

    `rate` is the most messages a minute of this campaign; DISPATCHER_RATE bounds the account besides.
    A `draft` is loaded and waits for `campaign send`; `tags` are the caller's own, to find campaigns by.
    `append_to` is an open campaign that the list is added to, with the campaign's template. `again` says that a list
    may repeat another campaign, `refuse_repeats` that it must not.
    `keep_days` is how many days after its end its rows are kept, where that is shorter than DISPATCHER_RETENTION.
    `not_on` are days on which nothing of it goes: `2026-12-24`, and `holidays` for the national ones of Argentina.
    `intent`: `marketing` leaves out the numbers of the No Llame registry; `service` is about a contract that there is.
    `html` is the content behind the link that the template has a mark for (guide, HTML): the same for all recipients.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    append_to: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    template: Annotated[str, Field(max_length=2_000, validate_default=True)] = ""
    again: bool = False
    refuse_repeats: bool = False
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None
    to_column: Column | None = None
    id_column: Column | None = None
    start: Moment | None = None
    expires: Moment | None = None
    not_on: NotOn = ()
    priority: Literal["high", "normal", "low"] = "normal"
    rate: Rate | None = None
    on_doubt: Literal["resend", "hold"] = "resend"
    intent: Literal["service", "marketing"] = "service"
    strict_text: bool = False
    literal: bool = False
    keep_words: bool = False
    area: Annotated[str, StringConstraints(max_length=5, pattern=r"^0?[0-9]{2,4}$")] | None = None
    first_number: bool = False
    test: bool = False
    require_balance: bool = False
    canary: Annotated[int, Field(ge=1, le=100_000)] | None = None
    max_reject_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    sheet: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None
    header_row: Annotated[int, Field(ge=1, le=1_048_576)] | None = None
    visible_only: bool = False
    html: Annotated[str, StringConstraints(min_length=1, max_length=90_000, pattern=r"^[^\x00]+$")] | None = None
    draft: bool = False
    keep_days: Annotated[int, Field(ge=7, le=36_500)] | None = None
    tags: Annotated[dict[TagName, TagValue], Field(max_length=20)] = Field(default_factory=dict)

    @field_validator("template")
    @classmethod
    def _is_there(cls, template: str, others: ValidationInfo) -> str:
        if not template and others.data.get("append_to") is None:
            raise PydanticCustomError("missing", "template is required")
        return template


class CampaignPayload(CampaignSpec):
    """The argument of the task `dispatcher.create_campaign`: a spec with its recipients inline, or where they are.

    `file` is a name in HOME/lists of any host that runs workers; `upload_id` a list in the upload store.
    """

    idempotency_key: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    ]
    recipients: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_INLINE_RECIPIENTS)] | None = None
    file: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    upload_id: Annotated[str, StringConstraints(max_length=100)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(given is not None for given in (self.recipients, self.file, self.upload_id)) != 1:
            raise ValueError("give one of recipients, file and upload_id")
        return self

    def spec(self) -> CampaignSpec:
        """The same without key and recipients."""
        return CampaignSpec.model_validate(self.model_dump(include=set(CampaignSpec.model_fields)))
