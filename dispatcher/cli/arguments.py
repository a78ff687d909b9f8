"""What holds for arguments of every command: they are text, and a file that --html names can be read."""

from pathlib import Path
from typing import Any

from dispatcher.cli.output import writable
from dispatcher.domain.display import LONGEST_QUOTE
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded


def require_text(arguments: dict[str, Any]) -> None:
    """Refuse what a terminal of another encoding made of an argument.

    Raises:
        UsageError: an argument holds bytes that are no text; `file` alone may, since a file's name may.
    """
    for name, value in arguments.items():
        if name != "file" and isinstance(value, str) and value != writable(value):
            raise UsageError(
                worded("{name} is not valid text: {value}", name=name, value=value[:LONGEST_QUOTE]),
                hint="Write it in the terminal's encoding, UTF-8.",
            )


def read_html(path: Path | None) -> str | None:
    """The content of --html.

    Raises:
        UsageError: it cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            worded("--html {path} cannot be read: {why}.", path=path, why=why), hint="Give a UTF-8 file with the HTML."
        ) from None
