"""The doctor: one check a line, each with what was found and, when it fails, what to do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from celery import Celery
from sqlalchemy import text

from dispatcher.accounts import binding
from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.domain.window import PROVIDER_ZONE, provider_local
from dispatcher.errors import DispatcherError
from dispatcher.maintenance import alarms
from dispatcher.provider.http import HttpProvider
from dispatcher.runtime import Runtime

_HEARTBEAT = timedelta(seconds=30)
_OFFSET_WORTH_A_WORD = 5.0


class Check(NamedTuple):
    """One finding."""

    name: str
    ok: bool
    detail: str


def unusable(error: DispatcherError) -> Check:
    """The one finding that is possible while a setting is bad."""
    return Check("settings", False, _words(error))


def examine(settings: Settings) -> list[Check]:
    """Every check in order; one that cannot be made because an earlier one failed says so."""
    runtime = Runtime(settings)
    try:
        checks = [
            _check("settings", lambda: _settings(settings)),
            _check("database", lambda: _database(runtime)),
            _check("migrations", lambda: _migrations(runtime)),
            _check("account", lambda: _account(runtime)),
            _check("broker", lambda: _broker(settings)),
            _check("provider", lambda: _provider(runtime)),
            _check("key", lambda: _key(runtime)),
            _check("clock", lambda: _clock(runtime)),
            _check("window", lambda: _window(settings)),
            _check("worker", lambda: _worker(runtime)),
            _check("beat", lambda: _beat(runtime)),
            _check("due", lambda: alarms.due(runtime)),
            _check("results", lambda: alarms.results(runtime)),
            _check("replies", lambda: _replies(runtime)),
        ]
    finally:
        runtime.close()
    return checks


def _words(error: DispatcherError) -> str:
    return " ".join(filter(None, (str(error), error.hint)))


def _check(name: str, examine_one: Callable[[], str]) -> Check:
    try:
        return Check(name, True, examine_one())
    except DispatcherError as error:
        return Check(name, False, _words(error))
    except Exception as error:
        first = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        return Check(name, False, first[0][:300])


def _settings(settings: Settings) -> str:
    settings.require_credential()
    plain = "; WARNING: plain HTTP, the key travels unencrypted" if settings.plain_http else ""
    what = "key" if settings.apikey else "no API key (no campaigns), usuario and clave"
    return f"{settings.provider_url}, {what} {settings.fingerprint}, home {settings.home}{plain}"


def _database(runtime: Runtime) -> str:
    with runtime.engine.connect() as connection:
        version = connection.execute(text("SHOW server_version")).scalar_one()
    kind = "embedded" if runtime.settings.database_url is None else "configured"
    return f"PostgreSQL {version} ({kind})"


def _migrations(runtime: Runtime) -> str:
    return f"at {migrations.require_schema(runtime.engine)}"


def _account(runtime: Runtime) -> str:
    with runtime.engine.connect() as connection:
        row = connection.execute(
            text("SELECT * FROM account WHERE provider_url = :url"), {"url": runtime.settings.provider_url}
        ).first()
    if row is None:
        return "not used yet; the first campaign binds it"
    if row.fingerprint != runtime.settings.fingerprint:
        raise DispatcherError(
            "The database is bound to another key of this provider.",
            hint="Same account, new key: `dispatcher account rekey`. Otherwise restore the key.",
        )
    if row.blocked_words:
        raise DispatcherError(
            f"Blocked. The provider says: {row.blocked_words}",
            hint="Set that right with the provider, then `dispatcher account resume`.",
        )
    if row.poll_failures > 2:
        raise DispatcherError(f"The last {row.poll_failures} polls failed: {row.poll_words}")
    return f"account {row.id}, fecha read as {row.reading or 'not known yet'}"


def _broker(settings: Settings) -> str:
    with Celery("doctor", broker=settings.celery_broker_url) as client, client.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=5)
        kind = broker.transport.driver_type
    return f"{kind} ({'embedded' if settings.broker_url is None else 'configured'})"


def _anonymous(settings: Settings) -> HttpProvider:
    """The provider without a key: its date needs none."""
    return HttpProvider(
        settings.provider_url,
        "",
        timeout=min(10.0, settings.provider_timeout),
        ca_bundle=str(settings.ca_bundle) if settings.ca_bundle else None,
    )


def _provider(runtime: Runtime) -> str:
    date = _anonymous(runtime.settings).server_date()
    return f"answers; its clock shows {date.fecha}"


def _key(runtime: Runtime) -> str:
    """Ask for the status of an idinterno that cannot exist: it sends nothing, and a bad key shows."""
    if runtime.settings.apikey is None and runtime.settings.fingerprint is not None:
        return "none; usuario and clave are first tried by a pull of replies or a message"
    runtime.provider.status_by_idinterno("M0DOCTOR0")
    return "accepted"


def _clock(runtime: Runtime) -> str:
    before = datetime.now(UTC)
    fecha = _anonymous(runtime.settings).server_date().fecha.replace(tzinfo=PROVIDER_ZONE)
    offset = (fecha - before).total_seconds()
    remark = "" if abs(offset) < _OFFSET_WORTH_A_WORD else "; the window is kept by the provider's clock"
    return f"provider is {offset:+.0f} s against this machine{remark}"


def _window(settings: Settings) -> str:
    now = datetime.now(UTC)
    window = settings.sending_window
    if window.allows(now):
        return f"{settings.window} is open now ({provider_local(now):%H:%M} at -03)"
    return f"{settings.window} is closed now; opens {provider_local(window.next_opening(now)):%Y-%m-%d %H:%M} (-03)"


def _worker(runtime: Runtime) -> str:
    with Celery("doctor", broker=runtime.settings.celery_broker_url) as client:
        names = sorted(name for reply in client.control.ping(timeout=2) for name in reply)
    if not names:
        raise DispatcherError("No worker answers.", hint="Start `dispatcher up`, or `celery -A workers.app worker`.")
    return ", ".join(names)


def _beat(runtime: Runtime) -> str:
    hint = "Start `dispatcher up`, or `celery -A workers.app beat` and a worker for the queue control."
    return _alive(runtime, "tick", "No tick of beat was run", hint)


def _alive(runtime: Runtime, name: str, complaint: str, hint: str) -> str:
    with runtime.engine.connect() as connection:
        age = connection.execute(
            text("SELECT clock_timestamp() - at FROM heartbeat WHERE name = :name"), {"name": name}
        ).scalar()
    if age is None or age > _HEARTBEAT:
        ever = f"for {age}" if age is not None else "yet"
        raise DispatcherError(f"{complaint} {ever}.", hint=hint)
    return f"seen {age.total_seconds():.0f} s ago"


def _replies(runtime: Runtime) -> str:
    """When replies were last pulled, and why not since."""
    with runtime.engine.connect() as connection:
        account = binding.find(connection, runtime.settings)
        row = connection.execute(
            text("SELECT inbox_read_at, inbox_words FROM account WHERE id = :id"), {"id": account.id if account else 0}
        ).first()
    if row is not None and row.inbox_words:
        raise DispatcherError(f"The last pull of replies failed: {row.inbox_words}")
    if row is None or row.inbox_read_at is None:
        return "not pulled yet"
    return f"pulled {provider_local(row.inbox_read_at):%Y-%m-%d %H:%M:%S} (-03)"
