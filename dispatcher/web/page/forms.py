"""What a browser sends: the fields of a form, and a file with it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from dispatcher.web.incoming import announced, read_body
from dispatcher.web.pieces import pieces

MAX_FORM = 1 << 20
"""Bytes of a form without a file."""
_MOST_FIELDS = 500
_MOST_OF_A_FIELD = 512 << 10
"""Bytes of a field of a form with a file, such as a list that is pasted."""


@dataclass(slots=True)
class SentFile:
    """A file of a form: what the browser calls it, and its bytes, which are gone when the request ends."""

    name: str
    content: BinaryIO
    size: int = 0


@dataclass(slots=True)
class Form:
    """The fields of a form, each with its values in order; and the file, if it has one."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    file: SentFile | None = None
    lost_file: str = ""
    """The name of a file that came with it and was not read: it must be chosen again."""

    def text(self, name: str) -> str:
        """The first value of a field, without blanks around it; empty when there is none."""
        return next((value for key, value in self.fields if key == name), "").strip()

    def raw(self, name: str) -> str:
        """The first value of a field as it was typed, with \\n for line ends."""
        return next((value for key, value in self.fields if key == name), "").replace("\r\n", "\n")

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for key, value in self.fields if key == name]

    def has(self, name: str) -> bool:
        """Whether the field came at all, such as a box that is ticked."""
        return any(key == name for key, _ in self.fields)

    def close(self) -> None:
        """Drop the file."""
        if self.file is not None:
            self.file.content.close()


def has_file(request: Request) -> bool:
    """Whether a request says that it is a form with a file."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    return request.method == "POST" and kind == b"multipart/form-data" and bool(options.get(b"boundary"))


async def read(request: Request) -> Form:
    """The form of a request; an empty one, and nothing is read, when it has a file.

    Raises:
        HTTPException: it is no form, too large, too slow, or broken off.
    """
    if has_file(request):
        return Form()
    kind, _ = parse_options_header(request.headers.get("content-type", ""))
    if kind not in (b"application/x-www-form-urlencoded", b""):
        raise HTTPException(415, "This is no form.")
    raw = await read_body(request, MAX_FORM)
    if len(raw) > MAX_FORM:
        raise HTTPException(413, "The form is too long.")
    try:
        text = raw.decode("ascii")
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace"))
    except (ValueError, UnicodeDecodeError):
        raise HTTPException(400, "The form cannot be read.") from None


async def read_with_file(request: Request, folder: Path, limit: int) -> Form:
    """The form of a request that has a file, of up to `limit` bytes, which is spooled in `folder`.

    Raises:
        HTTPException: it is too large, too slow, or broken off.
    """
    _, options = parse_options_header(request.headers.get("content-type", ""))
    return await _multipart(request, options[b"boundary"], folder, limit)


async def read_typed(request: Request) -> Form:
    """What was typed into a form with a file, of somebody whose file is not taken; nothing when that is long."""
    if not 0 < announced(request) <= MAX_FORM:
        return Form()
    _, options = parse_options_header(request.headers.get("content-type", ""))
    reader = _Reader(None, 0)
    try:
        MultipartParser(options[b"boundary"], reader.callbacks()).write(await read_body(request, MAX_FORM))
    except FormParserError:
        raise HTTPException(400, "The form cannot be read.") from None
    return reader.form


async def _multipart(request: Request, boundary: bytes, folder: Path, limit: int) -> Form:
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and (len(stated) > 18 or int(stated) > limit + MAX_FORM):
        raise HTTPException(413, "The file is too large.")
    reader = _Reader(folder, limit)
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        async for piece in pieces(request):
            await run_in_threadpool(parser.write, piece)
        parser.finalize()
    except FormParserError:
        reader.form.close()
        raise HTTPException(400, "The form cannot be read.") from None
    except BaseException:  # too large, broken off, or the disk is full
        reader.form.close()
        raise
    if reader.open:
        reader.form.close()
        raise HTTPException(400, "The form broke off.")
    if reader.form.file is not None:
        reader.form.file.content.seek(0)
    return reader.form


class _Reader:
    """Takes the parts of a form as the parser finds them."""

    def __init__(self, folder: Path | None, limit: int) -> None:
        self.form = Form()
        self.open = True  # until the last boundary came
        self._folder, self._limit = folder, limit
        self._header_name, self._header_value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value, self._in_file = "", bytearray(), False
        self._typed = 0

    def callbacks(self) -> Any:
        return {f"on_{name}": getattr(self, name) for name in _EVENTS}

    def part_begin(self) -> None:
        self._headers, self._value = {}, bytearray()
        if len(self.form.fields) >= _MOST_FIELDS:
            raise HTTPException(400, "The form has too many fields.")

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._in_file = b"filename" in options and self.form.file is None
        if self._in_file and self._folder is None:
            self.form.lost_file = options[b"filename"].decode("utf-8", "replace")[:255]
        elif self._in_file and self._folder is not None:
            name = options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
            self._folder.mkdir(parents=True, exist_ok=True)
            content = cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115  # the request closes it
            self.form.file = SentFile(name[:255], content)

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file and self._folder is None:
            return
        if self._in_file and self.form.file is not None:
            self.form.file.size += end - start
            if self.form.file.size > self._limit:
                raise HTTPException(413, "The file is too large.")
            self.form.file.content.write(data[start:end])
            return
        self._value += data[start:end]
        self._typed += end - start
        if len(self._value) > _MOST_OF_A_FIELD or self._typed > MAX_FORM:
            raise HTTPException(413, "The form is too long.")

    def part_end(self) -> None:
        if not self._in_file:
            self.form.fields.append((self._name, self._value.decode("utf-8", "replace")))

    def end(self) -> None:
        self.open = False


_EVENTS = (
    "part_begin",
    "header_field",
    "header_value",
    "header_end",
    "headers_finished",
    "part_data",
    "part_end",
    "end",
)
