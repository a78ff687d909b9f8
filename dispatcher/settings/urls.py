"""Addresses with credentials: a password that needs percent-encoding would be read as another host. Pure."""

import re
from urllib.parse import quote

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")

PERCENT_ENCODE = (
    "the password must be percent-encoded (write %40 for @, %2F for /, %3A for :, %23 for #, %3F for ?, %25 for %)"
)


def needs_encoding(url: str) -> bool:
    """Whether user or password of an address have a character that must be percent-encoded there.

    A host that is no host, and an `@` behind it, are what is left of such a password.
    """
    return any(map(_needs_encoding, re.split(r";(?=[a-z+]+://)", url)))


def with_password(url: str, password: str) -> str:
    """An address whose user has no password, with this one; any other address stays as it is."""
    return re.sub(r"^([^:]*://[^/?#@:]+)@", lambda found: f"{found[1]}:{quote(password, safe='')}@", url)


def _needs_encoding(url: str) -> bool:
    authority, tail = re.fullmatch(r"[^:]*://([^/?#]*)(.*)", url, re.DOTALL).groups()  # type: ignore[union-attr]
    user, _, hosts = authority.rpartition("@")
    if any(char in user for char in "@[]") or _BAD_PERCENT.search(user):
        return True
    if not all(map(_HOST.fullmatch, hosts.split(","))):
        return True
    path, _, rest = tail.partition("?")
    return bool(authority) and ("@" in path or "@" in rest.partition("#")[2])
