"""The file of an export: it appears whole or not at all, readable by its owner alone, and replaces nothing unasked."""

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded


@contextmanager
def target(path: Path | None, *, force: bool) -> Iterator[BinaryIO]:
    """A stream to write an export to: stdout, or a file that is put in its place at the end.

    Raises:
        UsageError: `path` exists and `force` is not given, or it is no place for a file. A link is never followed.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if not path.name:
        raise UsageError(worded("{path!r} is not a file name.", path=str(path)), hint="Give --output a file to write.")
    _require_place(path, force)
    # A name that nobody can have put a link under: it is made anew, for its owner alone.
    number, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with open(number, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(number)
        if force:
            part.replace(path)
        else:
            _publish(part, path)
    finally:
        part.unlink(missing_ok=True)


def _require_place(path: Path, force: bool) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)) or _is_the_system_s(path):
        raise UsageError(
            worded("{path} is not a regular file.", path=path), hint="Leave --output out to write to stdout."
        )
    if not force:
        raise _exists(path)


def _is_the_system_s(path: Path) -> bool:
    """/dev/stdout is a link: replaced by a file, it would be broken for every program of the machine."""
    return path.parent.resolve().parts[:2] in (("/", "dev"), ("/", "proc"))


def _publish(part: Path, path: Path) -> None:
    """Give the finished file its name, unless somebody took it meanwhile."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # a file system without hard links
        _require_place(path, force=False)
        part.replace(path)


def _exists(path: Path) -> UsageError:
    return UsageError(
        worded("{path} exists already.", path=path), hint="Add --force to replace it, or give another name."
    )
