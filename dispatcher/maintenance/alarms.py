"""The doctor's alarms: chunks that could go and do not, results that are odd or missing.

Each returns what it found, and raises when somebody should look.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, select

from dispatcher.accounts import binding, provider_clock
from dispatcher.accounts.binding import Bound
from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.db.statements import query
from dispatcher.domain.window import provider_local
from dispatcher.errors import DispatcherError
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.runtime import Runtime
from dispatcher.sending import admission
from dispatcher.sending.admission import Defer
from schemas.tables import campaign, campaign_request, chunk

WAITED_FOR = timedelta(minutes=2)
"""How long a campaign that a service handed in may wait to be loaded; a host that died is replaced within a minute."""
STALLED = timedelta(minutes=5)
"""How long a chunk may be claimable without any claim: a pump takes it within a second or two."""


def due(runtime: Runtime) -> str:
    """How many chunks are due, and for how long the oldest could have gone: a better alarm than any ping.

    Raises:
        DispatcherError: a chunk could go, and none has gone for `STALLED`.
    """
    with runtime.engine.connect() as connection:
        account = binding.find(connection, runtime.settings)
        if account is None:
            return _chunks_due(0)
        found = _due_chunks(connection, account)
        row = connection.execute(query("read_conditions"), {"account_id": account.id}).one()
        # An old measurement will do: without any worker there is no new one.
        clock = provider_clock.of_row(row) or ProviderClock(0, 0, row.db_now)
        today = admission.today(runtime.settings, row.db_now, clock)
        now = {
            "account_id": account.id,
            "earliest": today.earliest,
            "latest": today.latest,
            "closed": today.closed,
            "day_began": today.began,
        }
        open_since = connection.execute(query("claimable_since"), now).scalar()
    if open_since is None:
        return found
    known = admission.of_row(row, clock, runtime.settings)
    decision = admission.decide(known)
    if known.blocked or isinstance(decision, Defer):
        why = decision.why if isinstance(decision, Defer) else "blocked"
        return worded("{found}; none may go now: {why}", found=found, why=translated(why))
    waited = max(timedelta(0), known.db_now - max([open_since, *admission.waits_ended(known)]))
    found += worded("; the oldest due chunk could have gone {waited:.0f} s ago", waited=waited.total_seconds())
    if waited > STALLED:
        raise DispatcherError(
            worded("{found}, and none was claimed since.", found=found),
            hint="See the checks worker and beat, and the workers' log.",
        )
    return found


def requests(engine: Engine) -> str:
    """How many campaigns of other services wait to be loaded.

    Raises:
        DispatcherError: one was handed in more than `WAITED_FOR` ago, and no process is loading it.
    """
    request = campaign_request
    waits = (request.c.state == "received", func.coalesce(request.c.lease_until, request.c.created_at) <= func.now())
    oldest = select(func.count().label("n"), (func.now() - func.min(request.c.created_at)).label("age")).where(*waits)
    with engine.connect() as connection:
        row = connection.execute(oldest).one()
    if row.age is not None and row.age > WAITED_FOR:
        raise DispatcherError(
            worded(
                "campaigns that were handed in and are not loaded yet: {n:,}, the oldest for {age:.0f} s",
                n=row.n,
                age=row.age.total_seconds(),
            ),
            hint="See campaign_request.error, the worker of the queue control, and whether the file is in HOME/lists.",
        )
    return worded("waiting to be loaded: {n:,}", n=row.n)


def _due_chunks(connection: Connection, account: Bound) -> str:
    row = connection.execute(
        select(
            func.count().label("n"),
            func.min(func.greatest(campaign.c.start_at, campaign.c.created_at)).label("since"),
        )
        .join_from(campaign, chunk, chunk.c.campaign_id == campaign.c.id)
        .where(
            campaign.c.account_id == account.id,
            campaign.c.state.in_(("scheduled", "running")),
            func.coalesce(campaign.c.start_at, campaign.c.created_at) <= func.now(),
            chunk.c.state == "due",
        )
    ).one()
    since = worded(", the oldest since {since:%Y-%m-%d %H:%M:%S}", since=provider_local(row.since)) if row.n else ""
    return _chunks_due(row.n) + since


def _chunks_due(n: int) -> str:
    return counted(n, "{n:,} chunk due", "{n:,} chunks due")


def results(runtime: Runtime) -> str:
    """How many result lines were odd, by kind, and how many messages have had no result.

    Lines of others are no failure, whether they carry a strange idinterno or an old one of ours: accounts are shared.

    Raises:
        DispatcherError: malformed, late or unmapped lines came within a day, or messages became unknown.
    """
    with runtime.engine.connect() as connection:
        account = binding.find(connection, runtime.settings)
        if account is None:
            return translated("none yet")
        row = connection.execute(query("odd_results"), {"account_id": account.id}).one()
    found = worded(
        "malformed lines {malformed_lines}, late {late_lines}{odd_lines_at}, "
        "foreign {foreign_lines}, early {early_lines}; unknown messages of the last day {unknown_today}",
        malformed_lines=row.malformed_lines,
        late_lines=row.late_lines,
        odd_lines_at=_last(row.odd_lines_at),
        foreign_lines=row.foreign_lines,
        early_lines=row.early_lines,
        unknown_today=row.unknown_today,
    )
    if row.unmapped:
        found += worded(
            "; sentences without a code {unmapped}{unmapped_at}: {unmapped_words!r}",
            unmapped=row.unmapped,
            unmapped_at=_last(row.unmapped_at),
            unmapped_words=row.unmapped_words[:120],
        )
    if row.odd_today or row.unmapped_today or row.unknown_today:
        raise DispatcherError(
            f"{found}.",
            hint="`dispatcher provider status` shows what the provider has of a message; "
            "table unmapped_sentence has every sentence without a code.",
        )
    return found


def _last(at: datetime | None) -> str:
    return worded(" (last {at:%Y-%m-%d %H:%M:%S})", at=provider_local(at)) if at else ""
