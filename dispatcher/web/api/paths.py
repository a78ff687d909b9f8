"""Parameters that several routes have."""

from typing import Annotated

from fastapi import Path

CampaignId = Annotated[int, Path(ge=1, le=2**63 - 1, description="`campaign_id` of the answer that made it.")]
