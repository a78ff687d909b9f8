"""A PUSH of the provider, read from raw bytes: who called, and what they brought. Pure.

Guide "Recepción de mensajes vía HTTP (PUSH)": ORIGEN, TEXTO and IDINTERNO, by GET or POST.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_BYTES = 16 * 1024
TOO_LONG = f"The request has more than {MAX_BYTES} bytes; a reply has a few hundred."
"""Of a query or a body; a reply is a few hundred bytes."""

_ORIGEN = re.compile(r"\+?[0-9][0-9 ()./-]{0,29}", re.ASCII)
_IDINTERNO = re.compile(r"[0-9A-Za-z]{0,50}")


class BadPush(Exception):
    """The call is no PUSH as the guide has it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Push:
    """One reply as it was pushed."""

    origen: str
    texto: str
    idinterno: str | None


def read(query: bytes, body: bytes) -> Push:
    """The reply in a query and a form body; names in any case, values in UTF-8 or latin-1.

    Raises:
        BadPush: a parameter is missing, or is not what the guide says.
    """
    if len(query) > MAX_BYTES or len(body) > MAX_BYTES:
        raise BadPush(TOO_LONG)
    values = _fields(query) | _fields(body)
    origen, texto = values.get("origen", "").strip(), values.get("texto")
    if not origen:
        raise BadPush("ORIGEN is missing: the number that the reply comes from.")
    if not _ORIGEN.fullmatch(origen):
        raise BadPush("ORIGEN is not a telephone number: send digits only.")
    if texto is None:
        raise BadPush("TEXTO is missing: the text of the reply (it may be empty).")
    idinterno = values.get("idinterno", "").strip()
    if not _IDINTERNO.fullmatch(idinterno):
        raise BadPush("IDINTERNO must be letters and digits, 50 at most.")
    return Push(origen, texto, idinterno or None)


def _fields(encoded: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in encoded.split(b"&"):
        name, _, value = part.partition(b"=")
        found.setdefault(_text(name).strip().lower(), _text(value))
    return found


def _text(value: bytes) -> str:
    raw = unquote_to_bytes(value.replace(b"+", b" "))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def caller(peer: str | None, forwarded: Sequence[str], hops: int) -> Address | None:
    """Who called, with `hops` proxies of ours in front; None when that cannot be told.

    `forwarded` are the X-Forwarded-For headers in order. Each proxy appends whom it saw, so the entry that our
    outermost proxy wrote is the one `hops` from the right. Anybody may have written what is left of it.
    """
    chain = [entry for header in forwarded for entry in header.split(",")] if hops else []
    chain.append(peer or "")
    return _address(chain[-1 - hops]) if len(chain) > hops else None


def _address(entry: str) -> Address | None:
    text = entry.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def allowed(address: Address | None, networks: Sequence[Network]) -> bool:
    """Whether an address may push."""
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )
