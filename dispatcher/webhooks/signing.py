"""Signatures as Standard Webhooks 1.0 says: HMAC-SHA256 over `id.timestamp.body`, a secret for each endpoint. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """A secret of 256 random bits, as it is shown and stored."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def headers(event_id: str, timestamp: int, body: bytes, keys: Iterable[str]) -> dict[str, str]:
    """The headers of one attempt; while a secret is rotated, both sign.

    Args:
        event_id: the same at every attempt, so that a receiver knows what it had before.
        timestamp: seconds since 1970, of this attempt: an old one is a replay by somebody else.
        body: as it is sent.
        keys: `whsec_…`, the newest first.
    """
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(event_id, timestamp, body, key) for key in keys),
    }


def _signature(event_id: str, timestamp: int, body: bytes, key: str) -> str:
    raw = base64.b64decode(key.removeprefix(PREFIX))
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(raw, signed, hashlib.sha256).digest()).decode()
