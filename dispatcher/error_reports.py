"""Reports of errors to Sentry, when DISPATCHER_SENTRY_DSN is set: what the log would say of them, and nothing more.

A report is made anew of what may be known: kinds and places of errors, our own line and its fields. Whatever else the
SDK gathers (local variables, requests, users, breadcrumbs, what errors quote) is never sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dispatcher import logs, tracebacks
from dispatcher.config import Settings
from dispatcher.errors import UsageError

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_KEPT = ("event_id", "timestamp", "level", "platform", "logger", "release", "environment", "server_name", "exception")
_FRAME = (
    "filename",
    "module",
    "function",
    "lineno",
    "pre_context",
    "context_line",
    "post_context",
    "in_app",
)
_FLUSH = 2.0  # seconds that a command which ends waits for its report to be taken


def require(settings: Settings) -> None:
    """Raise `UsageError` when reports are asked for and cannot be made."""
    if settings.sentry_dsn is None:
        return
    if find_spec("sentry_sdk") is None:
        raise UsageError(
            "DISPATCHER_SENTRY_DSN is set, and the package sentry-sdk is not installed.",
            hint="pip install 'sms-dispatcher[sentry]', or unset it.",
        )
    # Looked at without the package: the doctor gives a check three seconds.
    parts = urlsplit(settings.sentry_dsn.get_secret_value())
    if parts.scheme not in ("http", "https") or not (parts.username and parts.hostname and parts.path.strip("/")):
        raise UsageError("DISPATCHER_SENTRY_DSN is no DSN.", hint="Copy it from Sentry: https://KEY@HOST/PROJECT.")


def start(settings: Settings) -> bool:
    """Report what this process logs as an error, from now on. Whether it does; without the package nothing is.

    The first report starts a thread, so a process that forks others, such as the supervisor, does not call this.
    """
    if settings.sentry_dsn is None or find_spec("sentry_sdk") is None:
        return False
    require(settings)
    import sentry_sdk
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        settings.sentry_dsn.get_secret_value(),
        release=version("sms-dispatcher"),
        before_send=_made_anew,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR), DedupeIntegration()],
        include_local_variables=False,
        send_default_pii=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        enable_backpressure_handling=False,
    )
    return True


def report(settings: Settings, error: BaseException) -> None:
    """Report the error that ends this process, and wait a little until it is taken."""
    if start(settings):
        import sentry_sdk

        sentry_sdk.capture_exception(error)
        sentry_sdk.flush(_FLUSH)


def _made_anew(event: Event, hint: Hint) -> Event:
    """What is sent of an event."""
    given: dict[str, Any] = dict(event)
    made: dict[str, Any] = {name: given[name] for name in _KEPT if name in given}
    info = hint.get("exc_info")
    said = {type(each).__name__: tracebacks.words(each) for each in _chain(info[1] if info else None)}
    values = [_exception(each, said) for each in given.get("exception", {}).get("values", ())]
    if values:
        made["exception"] = {"values": values}
    record = hint.get("log_record")
    if isinstance(record, logging.LogRecord):
        made |= _line(record)
    return made  # type: ignore[return-value]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__


def _exception(value: dict[str, Any], said: dict[str, str]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames", ())
    kept = [{name: frame[name] for name in _FRAME if name in frame} for frame in frames]
    return {
        "type": value.get("type"),
        "module": value.get("module"),
        "value": said.get(str(value.get("type")), ""),
        "stacktrace": {"frames": kept},
    }


def _line(record: logging.LogRecord) -> dict[str, Any]:
    """Our own line with its fields as tags; of another's line its template, since a whole line may quote anything."""
    if record.name.partition(".")[0] not in logs.OURS:
        return {"logentry": {"message": str(record.msg) if record.args else f"a line of {record.name}"}}
    logs.WithoutQuotes().filter(record)
    found = logs.said(record)
    tags = {name: str(value)[:200] for name, value in found.items() if name not in ("event", "message")}
    return {"logentry": {"message": str(found.get("event") or found["message"])}, "tags": tags}
