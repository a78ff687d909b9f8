"""What must not stand in an address for all to read: a number or own id would be in a proxy's log and in the history.

An address has it sealed: only the session that it was made for opens it, and the same text is the same address there,
so that reloading and going back work.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from fastapi import Request

_TAG = 16
_LONGEST = 4_000


def seal(request: Request, text: str) -> str:
    """A text for an address of a page that is shown to who looks."""
    key, plain = _key(request), text.encode(errors="replace")
    tag = hashlib.blake2b(plain, key=key, digest_size=_TAG).digest()
    return base64.urlsafe_b64encode(tag + _mixed(key, tag, plain)).decode().rstrip("=")


def opened(request: Request, sealed: str) -> str | None:
    """The text of an address; None when it is of another session, or none of ours."""
    try:
        raw = base64.urlsafe_b64decode(sealed[:_LONGEST].encode() + b"==")
    except (binascii.Error, ValueError):
        return None
    key, tag = _key(request), raw[:_TAG]
    plain = _mixed(key, tag, raw[_TAG:])
    if not hmac.compare_digest(hashlib.blake2b(plain, key=key, digest_size=_TAG).digest(), tag):
        return None
    return plain.decode()


def _mixed(key: bytes, tag: bytes, text: bytes) -> bytes:
    """The text with a stream of its own over it; twice is the text again."""
    stream = hashlib.shake_256(key + tag).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))


def _key(request: Request) -> bytes:
    """Known to this session alone: it stands in its forms, never in an address."""
    return hashlib.blake2b(request.state.visitor.csrf.encode(), person=b"addresses").digest()[:32]
