"""The pump: claim a chunk, POST it once, in bulk or as a unit call, write down what came of it, and again."""

import itertools
import logging
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import select

from dispatcher.accounts import binding, provider_clock, staleness
from dispatcher.accounts.send_guard import Held, send_guard
from dispatcher.db.statements import query
from dispatcher.errors import InDoubt, ProviderError, SendRefusedByGuard
from dispatcher.provider.deadline import now as boot_clock
from dispatcher.runtime import Runtime
from dispatcher.sending import claims, html_calls
from dispatcher.sending.admission import PUMP_WAITS, Defer
from dispatcher.sending.claims import Claim, NothingToSend
from schemas import tables

log = logging.getLogger(__name__)

BUDGET_SECONDS = 5.0
BUDGET_CHUNKS = 50
_FINISH_PAUSE = 2.0


def pump(runtime: Runtime, account_id: int) -> bool:
    """Submit due chunks of an account for a few seconds. Short waits for the rate are passed here, before a claim.

    Returns:
        Whether more is due right now, so that another pump should follow. After a wait for the rate the next tick's
        pump follows anyway.
    """
    account = _bound(runtime, account_id)
    if account is None:
        return False
    if provider_clock.ready(runtime, account_id) is None:
        return False
    prefix, marks = _prefix(runtime), runtime.marks
    ends, keeps_rate = time.monotonic() + BUDGET_SECONDS, False
    # Known before each claim begins: claims side by side, each above what was known, never accuse each other.
    mark = marks.read(prefix, account_id)
    for _ in range(BUDGET_CHUNKS):
        if time.monotonic() >= ends:
            return not keeps_rate
        claim = claims.claim_next(runtime.engine, runtime.settings, account_id, account.fingerprint)
        if isinstance(claim, NothingToSend):
            continue
        if isinstance(claim, Defer):
            if not keeps_rate:
                # Only until the next tick's pump is there: pumps that wait must not fill the slots.
                ends, keeps_rate = min(ends, time.monotonic() + PUMP_WAITS.total_seconds()), True
            if not _waited(claim, ends):
                return False
            continue
        written = _witnessed(runtime, claim, prefix, mark)
        if written is None:
            return False
        mark = written
        _submit(runtime, claim)
    return True


def _waited(defer: Defer, ends: float) -> bool:
    """Wait for the rate when it is free before `ends` (monotonic); whether it was."""
    if not defer.brief or defer.rate_wait is None:
        return False
    seconds = defer.rate_wait.total_seconds()
    if time.monotonic() + seconds > ends:
        return False
    time.sleep(seconds)
    return True


def _bound(runtime: Runtime, account_id: int) -> binding.Bound | None:
    if runtime.settings.apikey is None:
        return None
    # A commit, since after a rollback the driver forgets what it prepared on the connection.
    with runtime.engine.begin() as connection:
        account = binding.find(connection, runtime.settings)
    return account if account and account.id == account_id else None


def _prefix(runtime: Runtime) -> str:
    """The installation's prefix; a restore draws a new one."""
    with runtime.engine.begin() as connection:
        return str(connection.execute(select(tables.installation.c.prefix)).scalar_one())


def _witnessed(runtime: Runtime, claim: Claim, prefix: str, mark: int) -> int | None:
    """Raise the marks to a claim above each, and return the highest. None: the claim was given back unposted."""
    if claim.prefix != prefix:
        why = "the installation's prefix has changed since"
    elif claim.turn <= mark:
        why = f"claim {claim.turn} was made before: the marks are at {mark}"
        staleness.stop(runtime.engine, claim.account_id, why)
    elif (written := runtime.marks.write(prefix, claim.account_id, claim.turn)) is None:
        why = "no mark of the claim could be written, neither in HOME nor in the broker"
        log.error("not_posted %s reason=no_mark", claim.label())
        with runtime.engine.begin() as connection:
            connection.execute(query("account_failed"), {"account_id": claim.account_id})
    else:
        return written
    _record(claim, partial(claims.finish_undelivered, runtime.engine, claim, SendRefusedByGuard(why)))
    return None


def _submit(runtime: Runtime, claim: Claim) -> None:
    """POST a claimed chunk, once, outside any transaction."""
    timeout = runtime.settings.provider_timeout
    held = Held(claim.latest, claim.claimed_at, claim.lease_ends, claim.expires_at)
    guard = send_guard(runtime.settings.sending_window.without(claim.days_off), held, timeout)
    try:
        finish = _post(runtime, claim, guard, timeout)
    except ProviderError as error:
        log.warning("post_failed %s reason=%s delivered=%s", claim.label(), error.reason, error.delivered)
        not_taken = error.delivered == "no"
        finish = partial(
            claims.finish_undelivered if not_taken else claims.finish_in_doubt, runtime.engine, claim, error
        )
    except Exception as error:
        # Nothing is known of what left this machine: it must not be taken for undelivered.
        log.exception("post_crashed %s", claim.label())
        unknown = InDoubt(f"{type(error).__name__}", reason="crash")
        finish = partial(claims.finish_in_doubt, runtime.engine, claim, unknown)
    else:
        log.info("accepted %s lines=%s", claim.label(), claim.lines)
    _record(claim, finish)


Finish = Callable[[], str | None]
"""Writes the outcome of a POST down; the chunk's new state, None when its attempt no longer counts."""


def _post(runtime: Runtime, claim: Claim, guard: Callable[[], None], timeout: float) -> Finish:
    """The one call: a bulk POST that is taken whole, or a unit call, which has its result at once."""
    if claim.html is None:
        method = runtime.settings.bulk_method
        runtime.provider.send_bulk(claim.bloque, test=claim.test, method=method, guard=guard, timeout=timeout)
        return partial(claims.finish_accepted, runtime.engine, claim)
    answer = runtime.sender("http").send(html_calls.message_of(claim), guard=guard, timeout=timeout)
    return partial(html_calls.finish_answered, runtime, claim, answer)


def _record(claim: Claim, finish: Finish) -> None:
    """Write the outcome; when the database does not take it within the lease, the end of the lease decides."""
    for attempt in itertools.count():
        try:
            state = finish()
        except Exception:
            if boot_clock() > claim.lease_ends:
                log.exception("outcome_not_recorded %s", claim.label())
                raise
            log.warning("outcome_retry %s", claim.label(), exc_info=True)
            time.sleep(min(_FINISH_PAUSE, 0.2 * 2 ** min(attempt, 4)))
        else:
            if state is None:
                log.warning("outcome_too_late %s", claim.label())
            return
