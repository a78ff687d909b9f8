"""What the first rows of a list would say: the texts as phones show them, while a template is written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from dispatcher.config import Settings
from dispatcher.domain import reasons
from dispatcher.errors import UsageError
from schemas.payload import CampaignSpec

MOST_CHARACTERS = 160
"""Of a message (guide, "Envío de mensajes vía http", TEXTO)."""


@dataclass(frozen=True, slots=True)
class PreviewText:
    """One text: `characters` as it would be sent; `changed` when it was spelled in the alphabet of SMS."""

    number: str
    text: str
    characters: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """The texts of the first rows; `errors` are sentences about rows, `refused` one about the template itself."""

    texts: list[PreviewText] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refused: str = ""


def preview(settings: Settings, spec: dict[str, Any], rows: list[dict[str, Any]]) -> Preview:
    """Fill a template with the first rows of a list; opt-outs are not looked up."""
    from dispatcher.campaigns import loading  # polars comes with them
    from dispatcher.ingest import from_recipients, ingest
    from dispatcher.ingest.blocks import shown

    try:
        known = CampaignSpec.model_validate(spec)
    except ValueError:  # pydantic's: the template is empty or too long
        return Preview()
    if not rows:
        return Preview()
    options = loading.options_of(known.model_copy(update={"html": None}), settings)
    texts: list[PreviewText] = []
    errors: list[str] = []
    try:
        for batch in ingest(from_recipients(rows), options, look=True):
            written = {}
            if batch.looked is not None:
                written = dict(batch.looked.select("line", "written").iter_rows())
            for line, number, text in batch.messages.select("line", "destino", "texto").iter_rows():
                texts.append(PreviewText(number, text, len(text), written.get(line, text) != text))
            errors += [
                shown(reasons.say(reason, json.loads(facts)))
                for reason, facts in batch.invalid_rows.select("reason", "facts").iter_rows()
            ]
    except UsageError as error:
        return Preview(refused=str(error))
    return Preview(texts, errors)
