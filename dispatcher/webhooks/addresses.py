"""Where a webhook may go: public addresses over https, and the networks of DISPATCHER_WEBHOOK_ALLOW. Pure.

An endpoint's owner chooses its address, so it could name a machine that only this one reaches: a database, the
metadata service of a cloud.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST = 2_000
_SAFE = "/:?#[]@!$&'()*+,;=%-._~"
# These carry an IPv4 address to a gateway, so that a private one looks public: NAT64, Teredo, 6to4.
_CARRIERS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")))


@dataclass(frozen=True, slots=True)
class Target:
    """An address in its parts; `host` is ASCII, `path` has the query."""

    https: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.https else 80) else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """The parts of an endpoint's address.

    Raises:
        UsageError: it is none that can be called.
    """
    if not 0 < len(url) <= LONGEST or any(ord(char) < 33 or ord(char) == 127 for char in url):
        raise _bad(worded("it must have 1 to {n:,} characters, without blanks and control characters", n=LONGEST))
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise _bad(translated("host or port cannot be read")) from None
    if parts.scheme not in ("https", "http") or not host:
        raise _bad(translated("it must be https://… with a host"))
    if parts.username is not None or parts.password is not None or parts.fragment or "@" in parts.netloc:
        raise _bad(translated("it must carry no user and no fragment; put a token of yours into the path or the query"))
    if port == 0:
        raise _bad(translated("port 0 cannot be called"))
    https = parts.scheme == "https"
    path = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    return Target(https, _ascii(host), port or (443 if https else 80), path)


def check(url: str, allowed: Sequence[Network]) -> None:
    """Refuse an address that can never be called, as early as that is known.

    Raises:
        UsageError: it is no address, plain http, or a private address that DISPATCHER_WEBHOOK_ALLOW does not name.
    """
    target = parse(url)
    literal = _literal(target.host)
    if not target.https and not (allowed and (literal is None or _in(literal, allowed))):
        raise _bad(translated("only https is called; plain http only inside the networks of DISPATCHER_WEBHOOK_ALLOW"))
    if literal is not None and not may_call(str(literal), target.https, allowed):
        raise _bad(translated("only public addresses are called, and the networks of DISPATCHER_WEBHOOK_ALLOW"))


def host(url: str) -> str:
    """What the audit trail and the logs may hold of an address: path and query may be secret."""
    return urlsplit(url).hostname or ""


def may_call(address: str, https: bool, allowed: Sequence[Network]) -> bool:
    """Whether a connected peer may be called; `address` is an IP address, with or without a zone."""
    parsed = _literal(address.partition("%")[0])
    if parsed is None:
        return False
    if _in(parsed, allowed):
        return True
    return https and _is_public(parsed)


def _is_public(address: _Address) -> bool:
    if any(address in network for network in _CARRIERS):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _in(address: _Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _literal(host: str) -> _Address | None:
    """An IP address as it is meant: one of IPv4 inside IPv6 is the former."""
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise _bad(translated("its host is no name")) from None


def _bad(why: str) -> UsageError:
    return UsageError(
        worded("The address of the endpoint cannot be used: {why}.", why=why),
        hint=translated("Give a public https:// address."),
    )
