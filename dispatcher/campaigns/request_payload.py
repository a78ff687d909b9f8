"""The payload of a campaign request: its file, its hash, and what is wrong with it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dispatcher import home
from dispatcher.config import Settings
from dispatcher.db.storable import storable
from dispatcher.domain.display import quoted, shown
from dispatcher.errors import ListRefused, UsageError
from dispatcher.i18n.words import worded
from schemas.payload import CampaignPayload

UNSTORABLE = (UsageError, ValueError, TypeError, RecursionError, OSError)
"""What says that a payload can never be stored as it is."""

_LATER = (
    *("html", "sheet", "header_row", "visible_only", "literal", "keep_words", "area", "first_number"),
    *("append_to", "again", "refuse_repeats", "draft", "tags", "rate", "intent"),
)
"""Fields that the first version did not have."""


def key_of(raw: Any) -> str:
    """The idempotency key of something that need not be a payload; empty when it has none.

    What no key may hold is shown escaped, so that a refusal has a row under what its sender can recognise.
    """
    given = raw.get("idempotency_key") if isinstance(raw, dict) else None
    key = str(given or "").strip() if isinstance(given, (str, int, float)) else ""
    return storable(shown(key))[:200]


def list_file(settings: Settings, name: str) -> Path:
    """The path of a file in this host's HOME/lists, whether it is there or not.

    Raises:
        UsageError: no file in the folder can have this name.
    """
    folder = home.lists(settings.home).resolve()
    try:
        path = (folder / name).resolve()
        is_folder = path.is_dir()
    except (OSError, ValueError):  # too long, or with a NUL
        path, is_folder = folder, True
    if is_folder and path.is_relative_to(folder):
        raise UsageError(
            worded("file {name} is not a valid file name.", name=quoted(name)),
            hint=worded("Give the name of a file in {folder}.", folder=folder),
        ) from None
    if not path.is_relative_to(folder):
        raise UsageError(
            worded("file {name} is outside {folder}.", name=quoted(name), folder=folder),
            hint="Put the file there and give its name.",
        )
    return path


def payload_hash(payload: CampaignPayload) -> str:
    """What makes two payloads the same, besides the bytes of a file: every field.

    Under which upload_id a list came does not count, its bytes do: they are compared by their own hash.
    """
    # Fields that later versions added do not count while nobody sets them: stored hashes stay valid.
    fields = CampaignPayload.model_fields
    unset = {name: fields[name].get_default(call_default_factory=True) for name in _LATER}
    later = {name for name in _LATER if getattr(payload, name) == unset[name]}
    return hashlib.sha256(_sorted_json(payload.model_dump(exclude={"upload_id", *later}))).hexdigest()


def raw_hash(raw: Any) -> str:
    """The hash under which something that is not a valid payload is recorded."""
    try:
        return hashlib.sha256(_sorted_json(raw)).hexdigest()
    except UNSTORABLE:
        return ""


def _sorted_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()


def explain(error: Exception) -> str:
    """What is wrong with a payload or its list, in sentences for its sender."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'payload'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False)
        )[:2000]
    if isinstance(error, (UsageError, ListRefused)):
        # Errors of the ingest have no full stop of their own.
        return f"{str(error).rstrip('.')}. {error.hint or ''}".strip()
    if isinstance(error, RecursionError):
        return "the payload is nested too deep"
    if isinstance(error, OSError):
        return f"the file cannot be read: {error.strerror}"
    return f"the payload cannot be stored: {error}"[:2000]
