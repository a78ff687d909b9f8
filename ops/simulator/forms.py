"""What a call carries: urlencoded fields as classic ASP reads them, decoded by one pass in C."""

from __future__ import annotations

from binascii import a2b_qp
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

_QUOTED_PRINTABLE = bytes.maketrans(b"%+", b"= ")


def decode(value: bytes) -> bytes:
    """urlencoded bytes to bytes, as `unquote_to_bytes(value.replace(b"+", b" "))` for every input."""
    escapes = value.count(b"%")
    if not escapes:
        return value.replace(b"+", b" ")
    if b"=" not in value and b"\n" not in value and b"\r" not in value:
        # With = for % this is quoted-printable, whose decoder is one loop in C. Each good escape makes it two bytes
        # shorter, so its length tells that all were good.
        plain = a2b_qp(value.translate(_QUOTED_PRINTABLE))
        if len(plain) == len(value) - 2 * escapes:
            return plain
    return unquote_to_bytes(value.replace(b"+", b" "))


def to_utf8(value: bytes) -> bytes:
    """The same characters as UTF-8: kept when it already is, else read as latin-1."""
    if value.isascii():
        return value
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1").encode("utf-8")
    return value


class Fields:
    """Parameters of a query string or form: names in any case, one given twice joins with ", " as in ASP."""

    def __init__(self, encoded: bytes) -> None:
        self.largest = 0  # encoded bytes of the largest field, the size that ASP limits
        self._values: dict[str, bytes] = {}
        for pair in encoded.split(b"&"):
            if not pair:
                continue
            name, _, value = pair.partition(b"=")
            self.largest = max(self.largest, len(value))
            key = to_utf8(decode(name)).decode("utf-8").strip().lower()
            plain = to_utf8(decode(value))
            self._values[key] = self._values[key] + b", " + plain if key in self._values else plain

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Fields:
        """Fields that did not come urlencoded; names in any case."""
        fields = cls(b"")
        fields._values = {name.lower(): value.encode("utf-8") for name, value in values.items()}
        return fields

    def raw(self, name: str) -> bytes | None:
        return self._values.get(name)


class Parameters:
    """Request("name") of classic ASP: the query string first, then the form."""

    def __init__(self, query: Fields, form: Fields) -> None:
        self._query, self._form = query, form

    def raw(self, name: str) -> bytes | None:
        value = self._query.raw(name)
        return value if value is not None else self._form.raw(name)

    def text(self, name: str) -> str:
        """The parameter's text without blanks around it; "" when missing."""
        value = self.raw(name)
        return value.decode("utf-8").strip() if value is not None else ""

    def flag(self, name: str) -> bool:
        """A flag of the guide is on when it is exactly 1."""
        return self.text(name) == "1"
