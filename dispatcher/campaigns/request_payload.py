"""The payload of a campaign request: its file, its hash, the JSON that is stored, and what is wrong with it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dispatcher import home
from dispatcher.config import Settings
from dispatcher.errors import UsageError
from schemas.payload import CampaignPayload

UNSTORABLE = (UsageError, ValueError, TypeError, RecursionError, OSError)
"""What says that a payload can never be stored as it is."""


def key_of(raw: Any) -> str:
    """The idempotency key of something that need not be a payload; empty when it has none that can be stored."""
    given = raw.get("idempotency_key") if isinstance(raw, dict) else None
    key = str(given or "").strip()[:200] if isinstance(given, (str, int, float)) else ""
    return key if key.isprintable() else ""


def list_file(settings: Settings, name: str) -> Path:
    """The path of a file in HOME/lists.

    Raises:
        UsageError: it is not there, or it is outside the folder.
    """
    folder = home.lists(settings.home).resolve()
    try:
        path = (folder / name).resolve()
        found = path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL: no file can have this name
        raise UsageError(
            f"file {name[:100]!r} is not a valid file name.", hint=f"Give the name of a file in {folder}."
        ) from None
    if not path.is_relative_to(folder):
        raise UsageError(f"file {name!r} is outside {folder}.", hint="Put the file there and give its name.")
    if not found:
        raise UsageError(f"file {name!r} is not in {folder}.", hint="Copy it there first, then send the request again.")
    return path


def payload_hash(payload: CampaignPayload, settings: Settings) -> str:
    """What makes two payloads the same: every field, and the bytes of the file.

    Raises:
        UsageError: the file is not there.
    """
    # Fields that later versions added do not count while nobody sets them: stored hashes stay valid.
    later = {"html"} if payload.html is None else None
    digest = hashlib.sha256(_sorted_json(payload.model_dump(exclude=later)))
    if payload.file is not None:
        with list_file(settings, payload.file).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def raw_hash(raw: Any) -> str:
    """The hash under which something that is not a valid payload is recorded."""
    try:
        return hashlib.sha256(_sorted_json(raw)).hexdigest()
    except UNSTORABLE:
        return ""


def _sorted_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()


def storable_json(payload: CampaignPayload) -> str:
    """JSON for a jsonb column, which cannot hold a NUL.

    Raises:
        ValueError: the payload holds NaN, an infinity or half a character, which the column cannot hold either.
    """
    written = json.dumps(payload.model_dump(), default=str, allow_nan=False, ensure_ascii=False)
    written.encode()
    return written.replace("\\u0000", "\\u2400")


def explain(error: Exception) -> str:
    """What is wrong with a payload or its list, in sentences for its sender."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'payload'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False)
        )[:2000]
    if isinstance(error, UsageError):
        # Errors of the ingest have no full stop of their own.
        return f"{str(error).rstrip('.')}. {error.hint or ''}".strip()
    if isinstance(error, RecursionError):
        return "the payload is nested too deep"
    if isinstance(error, OSError):
        return f"the file cannot be read: {error.strerror}"
    return f"the payload cannot be stored: {error}"[:2000]
