"""Parameters that several routes have."""

import re
from typing import Annotated

from fastapi import Path
from pydantic import AwareDatetime, BeforeValidator

CampaignId = Annotated[int, Path(ge=1, le=2**63 - 1, description="`campaign_id` of the answer that made it.")]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.{0,20}", re.ASCII)


def _written(value: object) -> object:
    """Refuse a number: it would be taken for seconds since 1970."""
    if isinstance(value, str) and not _RFC3339.fullmatch(value):
        raise ValueError("write it as RFC 3339 with its offset: 2026-12-01T09:00:00-03:00")
    return value


AMoment = Annotated[AwareDatetime, BeforeValidator(_written)]
"""A moment in the query."""
