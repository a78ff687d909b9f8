"""The doctor: one check a line, each with what was found and, when it fails, what to do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, func, select

from dispatcher import error_reports, home
from dispatcher.accounts import binding
from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.domain.window import PROVIDER_ZONE, provider_local
from dispatcher.errors import DispatcherError, ProviderError
from dispatcher.i18n.words import translated, worded
from dispatcher.maintenance import alarms, clocks, side_by_side, webhook_alarm
from dispatcher.maintenance.side_by_side import Check
from dispatcher.provider.http import HttpProvider
from dispatcher.runtime import Runtime
from dispatcher.suppression import no_llame
from schemas import tables

_HEARTBEAT = timedelta(seconds=30)
_NOTABLE_OFFSET = 5.0  # seconds between the provider's clock and ours that are worth a remark
# Longer than a check may take: every check that hangs is reported in the same words. It ends the thread left behind.
_CALL_SECONDS = side_by_side.LIMIT + 1.0
_DATE_SECONDS = 2.0  # where the database is asked as well
_PING_SECONDS = 1.5  # a ping of the workers always lasts this long, and connecting needs some time too


def unusable(error: DispatcherError, name: str = "settings") -> Check:
    """The only check that can be shown while a setting is bad or there is no database."""
    return side_by_side.failed(name, error)


def examine(settings: Settings) -> list[Check]:
    """Run every check and list them in a fixed order. Takes a few seconds, even if something hangs."""
    runtime = Runtime(settings)
    engine = runtime.engine  # made before the checks, which are threads
    try:
        with _celery(settings) as client:
            return side_by_side.run(
                {
                    "settings": lambda: _settings(settings),
                    "home": lambda: _home(settings),
                    "database": lambda: _database(engine, settings),
                    "migrations": lambda: _migrations(engine),
                    "account": lambda: _account(engine, settings),
                    "broker": lambda: _broker(settings, client),
                    "provider": lambda: _provider(settings),
                    "key": lambda: _key(settings),
                    "clock": lambda: _clock(settings),
                    "clocks": lambda: _clocks(engine, settings),
                    "window": lambda: _window(settings),
                    "worker": lambda: _worker(client),
                    "beat": lambda: _beat(engine),
                    "due": lambda: alarms.due(runtime),
                    "requests": lambda: alarms.requests(engine),
                    "results": lambda: alarms.results(runtime),
                    "replies": lambda: _replies(engine, settings),
                    "webhooks": lambda: webhook_alarm.webhooks(engine),
                    "nollame": lambda: _no_llame(engine),
                }
            )
    finally:
        runtime.close()


def _settings(settings: Settings) -> str:
    settings.require_credential()
    error_reports.require(settings)
    plain = translated("; WARNING: plain HTTP, the key travels unencrypted") if settings.plain_http else ""
    what = translated("key") if settings.apikey else translated("no API key (no campaigns), usuario and clave")
    return worded(
        "{provider_url}, {what} {fingerprint}, home {home}{plain}",
        provider_url=settings.provider_url,
        what=what,
        fingerprint=settings.fingerprint,
        home=settings.home,
        plain=plain,
    )


def _home(settings: Settings) -> str:
    """Whether the numbers and texts in HOME are closed to everybody else."""
    open_ = home.open_to_others(settings.home)
    if open_:
        shown = ", ".join(str(path) for path in open_[:3])
        raise DispatcherError(
            worded("{n} files or folders can be read by others: {shown}.", n=len(open_), shown=shown),
            hint=worded("chmod -R go-rwx {home}, as the user who owns them.", home=settings.home),
        )
    return worded("{home} is closed to others", home=settings.home)


def _database(engine: Engine, settings: Settings) -> str:
    with engine.connect() as connection:
        version = connection.execute(select(func.current_setting("server_version"))).scalar_one()
    kind = _kind(settings.database_url)
    return f"PostgreSQL {version} ({kind})"


def _kind(url: object) -> str:
    return translated("embedded") if url is None else translated("configured")


def _migrations(engine: Engine) -> str:
    return worded("at {revision}", revision=migrations.require_schema(engine))


def _account(engine: Engine, settings: Settings) -> str:
    with engine.connect() as connection:
        row = connection.execute(
            select(tables.account).where(tables.account.c.provider_url == settings.provider_url)
        ).first()
    if row is None:
        return translated("not used yet; the first campaign binds it")
    if row.fingerprint != settings.fingerprint:
        raise DispatcherError(
            "The database is bound to another key of this provider.",
            hint="Same account, new key: `dispatcher account rekey`. Otherwise restore the key.",
        )
    if row.stale_words:
        raise DispatcherError(row.stale_words, hint="Run `dispatcher db restored`.")
    if row.blocked_words:
        raise DispatcherError(
            worded("Blocked. The provider says: {words}", words=row.blocked_words),
            hint="Set that right with the provider, then `dispatcher account resume`.",
        )
    if row.poll_failures > 2:
        raise DispatcherError(
            worded(
                "The last {n} polls failed: {words}",
                n=row.poll_failures,
                words=row.poll_words,
            )
        )
    return worded(
        "account {id}, fecha read as {reading}", id=row.id, reading=row.reading or translated("not known yet")
    )


def _celery(settings: Settings) -> Any:
    """A client of the broker. Imported here: no other command needs Celery, and it takes longer than most."""
    from celery import Celery

    client = Celery("doctor", broker=settings.celery_broker_url)
    client.conf.broker_connection_timeout = _CALL_SECONDS
    client.conf.update(settings.celery_tls)
    if settings.celery_broker_url.startswith("redis"):
        client.conf.broker_transport_options = {
            "socket_timeout": _CALL_SECONDS,
            "socket_connect_timeout": _CALL_SECONDS,
        }
    return client


def _broker(settings: Settings, client: Any) -> str:
    with client.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=_CALL_SECONDS)
        kind = broker.transport.driver_type
        if kind == "redis":
            role = broker.default_channel.client.info("replication")["role"]
            if role != "master":
                raise DispatcherError(
                    worded("The Redis is a {role}: it takes no tasks.", role=role),
                    hint="Point DISPATCHER_BROKER_URL at the primary, or promote this one.",
                )
    return f"{kind} ({_kind(settings.broker_url)})"


def _ask(settings: Settings, apikey: str = "", seconds: float = _CALL_SECONDS) -> HttpProvider:
    """The provider with a deadline of the doctor's; its date needs no key."""
    return HttpProvider(
        settings.provider_url,
        apikey,
        timeout=min(seconds, settings.provider_timeout),
        ca_bundle=str(settings.ca_bundle) if settings.ca_bundle else None,
    )


def _provider(settings: Settings) -> str:
    date = _ask(settings).server_date()
    return worded("answers; its clock shows {fecha}", fecha=date.fecha)


def _key(settings: Settings) -> str:
    """Ask for the status of an idinterno that cannot exist: it sends nothing, and a bad key shows."""
    if settings.apikey is None and settings.fingerprint is not None:
        return translated("none; usuario and clave are first tried by a pull of replies or a message")
    _ask(settings, settings.require_apikey()).status_by_idinterno("M0DOCTOR0")
    return translated("accepted")


def _clock(settings: Settings) -> str:
    offset = _offset(lambda: _provider_now(settings)).total_seconds()
    remark = "" if abs(offset) < _NOTABLE_OFFSET else translated("; the window is kept by the provider's clock")
    return worded("provider is {offset:+.0f} s against this machine{remark}", offset=offset, remark=remark)


def _clocks(engine: Engine, settings: Settings) -> str:
    try:
        provider = _offset(lambda: _provider_now(settings, _DATE_SECONDS))
    except ProviderError:
        provider = None  # the check `provider` says why
    with engine.connect() as connection:
        database = _offset(lambda: connection.execute(select(func.clock_timestamp())).scalar_one())
    return clocks.compare(database, provider, timedelta(seconds=settings.clock_limit))


def _provider_now(settings: Settings, seconds: float = _CALL_SECONDS) -> datetime:
    """The provider's clock: it answers in whole seconds, so on average half a second has passed."""
    date = _ask(settings, seconds=seconds).server_date()
    return date.fecha.replace(tzinfo=PROVIDER_ZONE) + timedelta(seconds=0.5)


def _offset(now: Callable[[], datetime]) -> timedelta:
    """A clock less this machine's, taken as of the middle of the question."""
    before = datetime.now(UTC)
    there = now()
    return there - (before + (datetime.now(UTC) - before) / 2)


def _window(settings: Settings) -> str:
    now = datetime.now(UTC)
    window = settings.sending_window
    if window.allows(now):
        return worded("{window} is open now ({now:%H:%M} at -03)", window=settings.window, now=provider_local(now))
    return worded(
        "{window} is closed now; opens {at:%Y-%m-%d %H:%M} (-03)",
        window=settings.window,
        at=provider_local(window.next_opening(now)),
    )


def _worker(client: Any) -> str:
    names = sorted(name for reply in client.control.ping(timeout=_PING_SECONDS) for name in reply)
    if not names:
        raise DispatcherError("No worker answers.", hint="Start `dispatcher up`, or `celery -A workers.app worker`.")
    return ", ".join(names)


def _beat(engine: Engine) -> str:
    """When the last tick ran: beat hints at one every second."""
    with engine.connect() as connection:
        age = connection.execute(
            select(func.clock_timestamp() - tables.heartbeat.c.at).where(tables.heartbeat.c.name == "tick")
        ).scalar()
    if age is None or age > _HEARTBEAT:
        raise DispatcherError(
            "No tick of beat was run yet."
            if age is None
            else worded("No tick of beat was run for {seconds:,.0f} s.", seconds=age.total_seconds()),
            hint="Start `dispatcher up`, or `celery -A workers.app beat` and a worker for the queue tick.",
        )
    return worded("seen {seconds:.0f} s ago", seconds=age.total_seconds())


def _no_llame(engine: Engine) -> str:
    """How old the No Llame registry is; bad when marketing goes out by it that should not."""
    campaign = tables.campaign
    unfinished = campaign.c.state.in_(("scheduled", "running", "paused"))
    with engine.connect() as connection:
        known = no_llame.registry(connection)
        marketing = select(campaign.c.id).where(unfinished, campaign.c.intent == no_llame.MARKETING).limit(1)
        is_used = connection.execute(marketing).first() is not None
    complaint = " ".join(no_llame.complaints(known))
    if complaint and is_used:
        raise DispatcherError(complaint)
    if known is None:
        return "none; WARNING: campaigns of marketing need one"
    return f"{known.numbers:,} numbers, {known.age.days} days old" + (f"; WARNING: {complaint}" if complaint else "")


def _replies(engine: Engine, settings: Settings) -> str:
    """When replies were last pulled, and why not since."""
    with engine.connect() as connection:
        account = binding.find(connection, settings)
        if account is None:
            return translated("not pulled yet")
        row = connection.execute(select(tables.account).where(tables.account.c.id == account.id)).one()
    if row.inbox_words:
        raise DispatcherError(worded("The last pull of replies failed: {words}", words=row.inbox_words))
    if row.inbox_read_at is None:
        return translated("not pulled yet")
    return worded("pulled {at:%Y-%m-%d %H:%M:%S} (-03)", at=provider_local(row.inbox_read_at))
