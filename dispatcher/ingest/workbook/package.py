"""The archive of a workbook: which parts it has, by what they are declared to be, and whether it may be unpacked."""

from __future__ import annotations

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.workbook.xml import Element, elements

MAX_PARTS = 10_000
MAX_RATIO = 200
RATIO_FROM = 8 << 20
"""A part that unpacks to less than this may be packed as tightly as it likes."""
MAX_SMALL_PART = 64 << 20
_DIRECTORY_END = b"PK\x05\x06"
_SAVE = "open it in a spreadsheet and save it again as XLSX, or as CSV UTF-8"

_NOT_XLSX = {
    "application/vnd.oasis.opendocument.spreadsheet": "is an OpenDocument spreadsheet (.ods)",
    "application/vnd.oasis.opendocument.text": "is a text document",
}


class Relation(NamedTuple):
    """A part that another one refers to: the last word of its type, and its name in the archive."""

    kind: str
    target: str


class Package:
    """The parts of a workbook, by name. Names differ in case and slashes between programs."""

    def __init__(self, stream: BinaryIO, name: str, unpacked_max: int) -> None:
        """Read the directory; UsageError for what is no workbook, or unpacks to too much."""
        self.name = name
        try:
            _refuse_endless_directory(stream, name)
            self._archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            raise UsageError(
                worded("{name} is a damaged ZIP or XLSX file", name=name), hint=translated("save or copy it again")
            ) from error
        self._parts = {_normal(info.filename): info for info in self._archive.infolist() if not info.is_dir()}
        self._refuse_bombs(unpacked_max)
        self._types, self._default_types = self._content_types()
        self.workbook = self._workbook()

    def open(self, part: str) -> BinaryIO:
        """Open a part; KeyError when there is none of that name."""
        return self._archive.open(self._parts[_normal(part)])  # type: ignore[return-value]

    def has(self, part: str) -> bool:
        """Tell whether there is a part of that name."""
        return _normal(part) in self._parts

    def size(self, part: str) -> int:
        """Return the bytes that a part unpacks to."""
        return self._parts[_normal(part)].file_size

    def elements(self, part: str) -> Iterator[Element]:
        """Yield the elements of a small part."""
        if self.size(part) > MAX_SMALL_PART:
            raise UsageError(
                worded("{name} is an unusual XLSX file: {part!r} is too large", name=self.name, part=part),
                hint=translated(_SAVE),
            )
        with self.open(part) as stream:
            yield from elements(stream)

    def relations(self, part: str) -> dict[str, Relation]:
        """Return what a part refers to, by the ids that it uses."""
        folder, file = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", f"{file}.rels")
        if not self.has(rels):
            return {}
        return {
            each.attributes.get("Id", ""): Relation(
                each.attributes.get("Type", "").rsplit("/", 1)[-1], _resolved(folder, each.attributes.get("Target", ""))
            )
            for each in self.elements(rels)
            if each.tag == "Relationship" and each.attributes.get("TargetMode") != "External"
        }

    def _refuse_bombs(self, unpacked_max: int) -> None:
        if len(self._parts) > MAX_PARTS:
            raise UsageError(
                worded("{name} has more than {max_parts:,} parts", name=self.name, max_parts=MAX_PARTS),
                hint=translated(_SAVE),
            )
        unpacked = sum(info.file_size for info in self._parts.values())
        if unpacked > unpacked_max:
            raise UsageError(
                worded(
                    "{name} unpacks to {unpacked:,.0f} MiB, more than the {limit:,.0f} MiB of DISPATCHER_UNPACKED_MAX",
                    name=self.name,
                    unpacked=unpacked / (1 << 20),
                    limit=unpacked_max / (1 << 20),
                ),
                hint=translated("delete what is not part of the list, or save it as CSV UTF-8"),
            )
        for part, info in self._parts.items():
            if info.file_size > max(RATIO_FROM, info.compress_size * MAX_RATIO):
                raise UsageError(
                    worded(
                        "{name}: its part {part!r} unpacks to more than {max_ratio} times its size, as no list does",
                        name=self.name,
                        part=part[:100],
                        max_ratio=MAX_RATIO,
                    ),
                    hint=translated("delete the empty rows and columns and save it again, or save it as CSV UTF-8"),
                )

    def _content_types(self) -> tuple[dict[str, str], dict[str, str]]:
        if not self.has("[Content_Types].xml"):
            self._refuse_other_archives()
        types: dict[str, str] = {}
        defaults: dict[str, str] = {}
        for each in self.elements("[Content_Types].xml"):
            content_type = each.attributes.get("ContentType", "").lower()
            if each.tag == "Override":
                types[_normal(each.attributes.get("PartName", ""))] = content_type
            elif each.tag == "Default":
                defaults[each.attributes.get("Extension", "").lower()] = content_type
        return types, defaults

    def _refuse_other_archives(self) -> None:
        what = "is a ZIP file, not an XLSX workbook"
        if self.has("mimetype"):
            with self.open("mimetype") as stream:
                what = _NOT_XLSX.get(stream.read(100).decode("latin-1").strip(), what)
        hint = translated("open it in a spreadsheet and save it as XLSX") if "document" in what else None
        raise UsageError(
            worded("{name} {what}", name=self.name, what=translated(what)),
            hint=hint or translated("unpack it, or save the list as XLSX"),
        )

    def _type_of(self, part: str) -> str:
        part = _normal(part)
        return self._types.get(part) or self._default_types.get(part.rsplit(".", 1)[-1], "")

    def _workbook(self) -> str:
        """Return the name of the workbook's main part: what the package is declared to be about."""
        named = [relation.target for relation in self.relations("").values() if relation.kind == "officeDocument"]
        for part in (*named, *self._types):
            content_type = self._type_of(part)
            if not self.has(part) or not content_type:
                continue
            if "spreadsheetml" in content_type or "ms-excel" in content_type:
                if content_type.endswith((".main+xml", ".macroenabled.main+xml")):
                    return part
                if "binary" in content_type and content_type.endswith("main"):
                    raise UsageError(
                        worded("{name} is a binary workbook (.xlsb)", name=self.name),
                        hint=translated("save it as XLSX"),
                    )
            if "wordprocessingml" in content_type and "main" in content_type:
                raise UsageError(
                    worded("{name} is a text document", name=self.name),
                    hint=translated("save the list as XLSX or CSV UTF-8"),
                )
        raise UsageError(
            worded("{name} is a ZIP file, not an XLSX workbook", name=self.name),
            hint=translated("save the list as XLSX"),
        )


def _normal(part: str) -> str:
    return part.replace("\\", "/").lstrip("/").lower()


def _resolved(folder: str, target: str) -> str:
    target = unquote(target).replace("\\", "/")
    return posixpath.normpath(target if target.startswith("/") else posixpath.join(folder, target)).lstrip("/")


def _refuse_endless_directory(stream: BinaryIO, name: str) -> None:
    """Look at the size of the directory before zipfile takes all of it into memory."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 65_557))
    tail = stream.read()
    at = tail.rfind(_DIRECTORY_END)
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile
    directory: int = struct.unpack_from("<I", tail, at + 12)[0]
    if directory == 0xFFFFFFFF and (at64 := tail.rfind(b"PK\x06\x06", 0, at)) >= 0 and len(tail) >= at64 + 48:
        directory = struct.unpack_from("<Q", tail, at64 + 40)[0]
    if directory > MAX_PARTS * 512:
        raise UsageError(
            worded("{name} has more than {max_parts:,} parts", name=name, max_parts=MAX_PARTS), hint=translated(_SAVE)
        )
    stream.seek(0)


DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, KeyError)
"""What a damaged archive raises while it is read."""
