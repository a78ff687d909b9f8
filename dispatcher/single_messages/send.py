"""One message now: what `dispatcher send`, the task `dispatcher.send_message` and a library call all use.

A message is checked like a row of a campaign, with the guide's codes. It is recorded and committed, the provider is
called once, and the outcome is written down. A call whose outcome is unknown stays `unknown` and is never repeated by
itself. The caller may ask for another call: the provider's own guard against repeats (-4) then proves that the first
one had arrived.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, func, select
from sqlalchemy.exc import SQLAlchemyError

from dispatcher.accounts import binding, blocking, provider_clock
from dispatcher.accounts.send_guard import Held, send_guard
from dispatcher.config import Settings
from dispatcher.db.errors import lasts
from dispatcher.db.statements import query
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import InDoubt, ProviderError, UsageError
from dispatcher.provider.codes import account_scope, strip_number
from dispatcher.provider.deadline import now as boot_clock
from dispatcher.provider.message import Message, SendResult
from dispatcher.runtime import Runtime
from dispatcher.single_messages import checks, records
from dispatcher.single_messages.checks import CheckedMessage, Refusal
from dispatcher.single_messages.records import Sent, Taken
from dispatcher.suppression import from_results
from dispatcher.transports import Transport
from schemas import tables
from schemas.single import SingleMessage

log = logging.getLogger(__name__)

_IDENTICAL = -4
_FINISH_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0)  # seconds between two tries to write an outcome down


def send(runtime: Runtime, wanted: SingleMessage, *, first_only: bool = False) -> Sent:
    """Send one message, or say what became of it before: the same idinterno is never sent twice by itself.

    A refused credential, or words about credit or contract, block the account as those of a campaign do; a blocked
    account's message is refused, except for one trial per backoff step. While the account is stopped because the
    database is older than what was posted, every message is refused.

    Args:
        first_only: make no call for a message that has a record, not even one that was proven undelivered.

    Raises:
        UsageError: a date or an option that cannot be carried out, no key, an idinterno that another message has.
        ProviderError: the provider's clock is not known and cannot be asked, so nothing may be sent.
    """
    settings = runtime.settings
    transport: Transport = wanted.transport or settings.transport
    checks.check_offered(wanted, transport)
    sender = runtime.sender(transport)
    idinterno = wanted.idinterno or f"U{uuid.uuid4().hex.upper()}"
    taken, checked, latest, began = _prepare(runtime, wanted, transport, idinterno, first_only)
    if isinstance(taken, Sent):
        return taken
    message = Message(
        numero=checked.number,
        texto=checked.texto,
        # A mail's subject has no place for it; our record has it all the same.
        idinterno=None if transport == "smtp" else idinterno,
        fechadesde=checked.start_at,
        test=wanted.test,
        html=wanted.html,
    )
    # The record is ours for a call and the margin.
    held = Held(latest, began, began + settings.provider_timeout + records.LEASE_MARGIN)
    guard = send_guard(settings.sending_window, held, settings.provider_timeout)
    outcome = _call(lambda: sender.send(message, guard=guard, timeout=settings.provider_timeout), taken.again)
    sent = Sent(idinterno, checked.number, outcome.status, outcome.code, outcome.text, transport)
    return _finish(runtime, taken, sent, outcome.account_words)


def idinterno_of_key(runtime: Runtime, what: str, key: str | None) -> str:
    """The idinterno of a message that was asked for under an Idempotency-Key: asked again, it is the same message.

    Another installation that uses the same account and the same key makes another one.
    """
    with runtime.engine.connect() as connection:
        prefix = connection.execute(select(tables.installation.c.prefix)).scalar_one()
    digest = hashlib.sha256(f"{prefix}\n{what}\n{key}".encode()).hexdigest().upper()
    return f"K{digest[:32]}"


def receive(runtime: Runtime, payload: dict[str, Any], task_id: str, *, redelivered: bool = False) -> Sent | None:
    """Send what came as a task; None when it cannot be carried out, which its record then says.

    A payload without an idinterno gets one from the task's id, so that a task that comes twice is one message. A task
    that comes again makes no call for a message that has a record: whoever read there that it failed may have sent it
    otherwise since. When the provider's clock cannot be measured there is no record: the log says so.

    Raises:
        SQLAlchemyError: the database cannot store it now; nothing was sent.
    """
    own = _own_name(task_id)
    try:
        wanted = SingleMessage.model_validate(payload)
        again = redelivered
        if wanted.idinterno is None and own:
            wanted = wanted.model_copy(update={"idinterno": f"T{own}"})
            again = True  # a record under this name is this very task's
        return send(runtime, wanted, first_only=again)
    except ProviderError as error:
        log.error("send_refused task=%s why=%s", task_id, error)
        return None
    except ValidationError as error:
        words = _words(error)
    except UsageError as error:
        words = f"{error} {error.hint or ''}".strip()
    except SQLAlchemyError as error:
        if not lasts(error):
            raise
        words = "the message cannot be stored"
    refuse(runtime, payload, task_id, words)
    return None


def refuse(runtime: Runtime, payload: Any, task_id: str, words: str) -> None:
    """Record that what came as a task is not sent.

    Raises:
        SQLAlchemyError: it cannot be recorded now.
    """
    log.error("send_refused task=%s why=%s", task_id, words)
    _record_refusal(runtime, payload, _own_name(task_id), words)


def _own_name(task_id: str) -> str:
    """What an idinterno can be made of."""
    return re.sub(r"[^0-9A-Za-z]", "", task_id)[:48]


def _words(error: ValidationError) -> str:
    """What is wrong with a payload, without repeating what its fields hold."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = first["loc"][0] if first["loc"] else ""
    # A field that nobody knows has a name that may be anything.
    return f"{field if field in SingleMessage.model_fields else 'another field'}: {first['msg']}"


def _record_refusal(runtime: Runtime, payload: Any, own: str, words: str) -> None:
    """Keep a refusal where the caller looks for it: under its idinterno, or the one that the task's id gives."""
    fields = payload if isinstance(payload, dict) else {}
    given = fields.get("idinterno")
    idinterno = given if isinstance(given, str) and re.fullmatch(r"[0-9A-Za-z]{1,50}", given) else f"T{own}"
    try:
        with runtime.engine.begin() as connection:
            account = binding.find(connection, runtime.settings) or binding.bind(connection, runtime.settings)
            records.refuse(connection, account.id, idinterno, fields, words, runtime.settings.transport)
    except UsageError as error:
        log.error("refusal_not_recorded idinterno=%s why=%s", idinterno, error)


# -- before the call -------------------------------------------------------------------------------------------------


def _prepare(
    runtime: Runtime, wanted: SingleMessage, transport: Transport, idinterno: str, first_only: bool
) -> tuple[Taken | Sent, CheckedMessage, datetime, float]:
    """Check and record in one transaction, by a clock measurement that holds; a new one is taken when there is none.

    Returns:
        The record or what became of the message before; the checked message; the provider's clock at most, and the
        boot clock, both of one moment.
    """
    settings = runtime.settings
    for _ in range(3):
        with runtime.engine.begin() as connection:
            bound = binding.find(connection, settings) or binding.bind(connection, settings)
            account = binding.row(connection, bound.id)
            began = boot_clock()
            clock = provider_clock.of_row(account)
            if clock is not None and clock.trustworthy(account.db_now, provider_clock.host_id(), began):
                checked = checks.check(connection, settings, wanted, clock, account.db_now)
                if checked.refusal is None:
                    checked = replace(checked, refusal=_account_problem(connection, account))
                request = records.Request(bound.id, idinterno, wanted, transport, checked, first_only)
                return records.take(connection, settings, request), checked, clock.bounds(account.db_now)[1], began
        provider_clock.measure(runtime, bound.id)
    raise UsageError("The clock of this machine or of the database keeps jumping, so the window cannot be kept.")


def _account_problem(connection: Connection, account: Row[Any]) -> Refusal | None:
    """Nothing goes out while the database is older than what was posted, nor while the account is blocked.

    Of a blocked account one trial goes out per backoff step.
    """
    if account.stale_words is not None:
        return Refusal(None, account.stale_words)
    if account.blocked_at is None:
        return None
    if connection.execute(query("take_trial"), {"account_id": account.id}).first():
        return None
    return Refusal(
        None,
        f"the account is blocked, the provider says: {account.blocked_words}; set that right with the provider, then "
        "`dispatcher account resume`",
    )


# -- the call and after ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a call came to; `account_words` are those with which the provider refused the whole account."""

    status: str
    code: int | None
    text: str
    account_words: str | None = None


def _call(post: Callable[[], SendResult], again: bool) -> _Outcome:
    try:
        result = post()
    except UsageError as error:
        # Nothing left now; of an earlier call whose outcome nobody knows that says nothing.
        return _Outcome("unknown" if again else "refused", None, f"{error} {error.hint or ''}".strip())
    except ProviderError as error:
        return _of_error(error, again)
    except Exception as error:
        log.exception("send_crashed")
        return _of_error(InDoubt(f"{type(error).__name__}", reason="crash"), again)
    if again and result.code == _IDENTICAL:
        return _Outcome("accepted", 0, f"the first call had arrived: {result.text}")
    return _Outcome(result.status, result.code, result.text)


def _of_error(error: ProviderError, again: bool) -> _Outcome:
    words = f"{error} {error.hint or ''}".strip()
    refused = strip_number(error.words) if error.scope == "account" and error.words else None
    if error.delivered == "unknown" or again:
        # Whatever this call proves, it proves nothing of the one before.
        return _Outcome("unknown", None, words, refused)
    return _Outcome("failed", -99 if error.words else None, words, refused)


def _finish(runtime: Runtime, taken: Taken, sent: Sent, account_words: str | None) -> Sent:
    """Write down the outcome, also when the database is away for a moment: nobody will know it again.

    After the last try the record becomes `unknown` when its lease runs out; the call is never made again by itself.
    """
    for wait in (*_FINISH_WAITS, None):
        try:
            _write_down(runtime, taken, sent, account_words)
            break
        except SQLAlchemyError as error:
            log.warning("outcome_waits single=%s status=%s why=%s", taken.id, sent.status, type(error).__name__)
            if wait is None or lasts(error):
                log.error("outcome_not_recorded single=%s attempt=%s status=%s", taken.id, taken.attempt, sent.status)
                return sent
            time.sleep(wait)
    log.info("sent single=%s attempt=%s status=%s code=%s", taken.id, taken.attempt, sent.status, sent.code)
    return sent


def _write_down(runtime: Runtime, taken: Taken, sent: Sent, account_words: str | None) -> None:
    """The outcome, and in the same transaction what it says about the account and the number."""
    with runtime.engine.begin() as connection:
        # The account's row before the message's, in the order in which they were locked when it was taken.
        _tell_account(connection, runtime.settings, taken.account_id, sent, account_words)
        records.finish(connection, taken, sent)
        at = connection.execute(select(func.clock_timestamp())).scalar_one()
        words, here = sent.text[:400], at.astimezone(PROVIDER_ZONE)
        from_results.apply_suppression(connection, taken.number, sent.code, words, here)


def _tell_account(
    connection: Connection, settings: Settings, account_id: int, sent: Sent, account_words: str | None
) -> None:
    """Block the account when its credential was refused, or end the block when its message was accepted.

    A mail server's words are not the provider's, and what another credential meets says nothing about the account.
    """
    if sent.transport == "smtp":
        return
    own_credential = sent.transport == "http" or settings.apikey is None
    if account_words and (own_credential or account_scope(account_words) in ("credit", "contract")):
        blocking.block(connection, account_id, account_words)
    elif sent.status == "accepted" and own_credential:
        blocking.unblock(connection, account_id)
