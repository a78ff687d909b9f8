"""What the server says, in bytes: ISO-8859-1 without a charset, as classic ASP on IIS sends it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from ops.simulator import sentences
from ops.simulator.faults import Fault

CRLF = b"\r\n"
HTML_PAGE = (
    "<html>\r\n<head><title>Error</title></head>\r\n<body><h1>Servicio no disponible</h1>\r\n"
    "<p>El sitio se encuentra en mantenimiento. Intente m\u00e1s tarde.</p></body>\r\n</html>\r\n"
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Status, body and headers, before any fault of the wire."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/html"})

    @property
    def summary(self) -> str:
        """For the ledger: the words of a short answer, the size of a long one."""
        if len(self.body) <= 200:
            return f"{self.status} {self.body.decode('latin-1').strip()}"
        return f"{self.status} ({len(self.body)} bytes)"


def page(words: str) -> str:
    """A sentence as a whole HTML page, which is what pages say when no plain text was asked for."""
    return f"<html>\r\n<body>{words}</body>\r\n</html>\r\n"


def text(words: str) -> Answer:
    return Answer(200, words.encode("latin-1", "replace"))


def rows(pieces: Sequence[bytes], *, trailing_crlf: bool, shuffle: random.Random | None = None) -> Answer:
    """A status answer: its rows, or PENDIENTE; a trailing CRLF or none."""
    pieces = [piece for piece in pieces if piece] or [sentences.PENDING.encode() + CRLF]
    if shuffle is not None:
        lines = b"".join(pieces).split(CRLF)[:-1]
        shuffle.shuffle(lines)
        pieces = [line + CRLF for line in lines]
    if not trailing_crlf:
        pieces[-1] = pieces[-1].removesuffix(CRLF)  # of the last piece alone: the whole may have many megabytes
    return Answer(200, b"".join(pieces))


def asp_error(code: str, words: str, detail: str) -> Answer:
    """A failed script, as IIS reports it."""
    font = '<font face="Arial" size=2>'
    page = f" {font}\r\n<p>{words}</font> {font}error '{code}'</font>\r\n<p>\r\n{font}{detail}</font>\r\n"
    return Answer(500, page.encode("latin-1"))


BODY_TOO_LARGE = asp_error("ASP 0104 : 80004005", "Request object", "Operation not Allowed")
FIELD_TOO_LARGE = asp_error(
    "ASP 0107 : 80004005", "Request object", "The data being processed is over the allowed limit."
)
ANSWER_TOO_LARGE = asp_error(
    "ASP 0251 : 80004005",
    "Response object",
    "Response Buffer Limit Exceeded. Execution of the ASP page caused the Response Buffer to exceed its "
    "configured limit.",
)
SCRIPT_FAILED = asp_error("80040e31", "Microsoft OLE DB Provider for SQL Server", "Query timeout expired")
NOT_FOUND = Answer(404, b"<html><body><h2>404 - File or directory not found.</h2></body></html>\r\n")
METHOD_REFUSED = Answer(
    405, b"<html><body><h2>405 - HTTP verb used to access this page is not allowed.</h2></body></html>\r\n"
)


def faulty(fault: Fault) -> Answer:
    """The answer that a fault puts in the place of the real one; `sentence` has the words of that kind."""
    if fault.kind == "error":
        return Answer(fault.status or 500, SCRIPT_FAILED.body)
    if fault.kind == "html":
        return text(fault.text or HTML_PAGE)
    if fault.kind == "redirect":
        page = b"<head><title>Object moved</title></head>\r\n<body><h1>Object Moved</h1></body>\r\n"
        return Answer(fault.status or 301, page, {"Content-Type": "text/html", "Location": fault.location})
    if fault.kind == "garbage":
        return Answer(200, random.Random(fault.seed).randbytes(fault.size))
    return Answer(200, b"0123456789" * (fault.size // 10))


def sentence(fault: Fault, *, ip: str, credit: int | None, expires: date | None) -> str:
    """The words of a sentence fault: its own, or those that its text names."""
    named = {
        "bad_key": sentences.BAD_KEY,
        "bad_user": sentences.BAD_CREDENTIALS,
        "ip": sentences.IP_NOT_ALLOWED.format(ip=ip),
        "credit": sentences.exhausted(1000 if credit is None else credit),
        "contract": sentences.expired(expires or date(2013, 12, 9)),
    }
    return named.get(fault.text, fault.text)
