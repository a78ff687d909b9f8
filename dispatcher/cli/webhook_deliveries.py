"""`dispatcher webhook deliveries|replay|test|listen`: what endpoints got, and sending it once more."""

import ipaddress
import json
import re
import time
from datetime import datetime

import click

from dispatcher.cli.command import command
from dispatcher.cli.interrupts import Terminated
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.cli.webhook_output import EVENTS, delivery_json, event_types, shown
from dispatcher.domain.window import parse_moment
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.runtime import Runtime
from dispatcher.webhooks import addresses, calls, delivering, listening
from dispatcher.webhooks import deliveries as kept
from dispatcher.webhooks.calls import Answer, CallFailed
from dispatcher.webhooks.deliveries import Delivery
from dispatcher.webhooks.delivering import Claim

_ID = click.argument("webhook_id", metavar="ID")
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
_PAUSE = 0.3


@click.command(epilog="\b\nExample:\n  dispatcher webhook deliveries wh_0123456789abcdef01234567 --state failed")
@_ID
@click.option("--state", type=click.Choice(kept.STATES), help="Only these; failed: no attempt is left.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@command
def deliveries(output: Output, webhook_id: str, state: str | None, limit: int) -> None:
    """List what an endpoint got and what not, the newest first; kept for 30 days."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = kept.listing(connection, webhook_id, limit, state=state)
    output.answer({"deliveries": [delivery_json(each) for each in found]})
    output.table(
        worded("Deliveries to {webhook_id}", webhook_id=webhook_id),
        ["id", "event", "campaign", "state", "attempts", "status", "tried", "next", "why"],
        [
            [
                *(each.delivery_id, each.type, each.campaign_id, each.state, each.attempts, each.status),
                *(shown(each.tried_at), shown(each.next_at), each.error),
            ]
            for each in found
        ],
        right=("id", "campaign", "attempts", "status"),
    )
    if not found:
        output.say("No deliveries.")


@click.command(
    epilog="\b\nExamples:\n  dispatcher webhook replay wh_0123456789abcdef01234567 --delivery 4711\n"
    '  dispatcher webhook replay wh_0123456789abcdef01234567 --since "2026-12-01 09:00:00" --missed-only'
)
@_ID
@click.option("--delivery", "delivery_id", type=click.IntRange(1, 2**63 - 1), help="Only this one.")
@click.option("--since", help="Events from this moment on: 2026-12-01, or 2026-12-01 09:00:00 (Argentina).")
@click.option("--until", help="Up to this moment; otherwise until now.")
@click.option("--missed-only", is_flag=True, help="Leave out what the endpoint has already.")
@command
def replay(
    output: Output,
    webhook_id: str,
    delivery_id: int | None,
    since: str | None,
    until: str | None,
    missed_only: bool,
) -> None:
    """Send one delivery, or the events of a span of time, once more, under the ids that they had."""
    begins, ends = _moment(since, "since"), _moment(until, "until")
    if (delivery_id is None) == (begins is None):
        raise UsageError("Say what to send once more.", hint="Give --delivery, or --since with or without --until.")
    with session() as runtime, runtime.engine.begin() as connection:
        if delivery_id is not None:
            added = kept.replay(connection, webhook_id, delivery_id)
        else:
            assert begins is not None
            added = kept.replay_span(connection, webhook_id, begins, ends, missed_only=missed_only)
    output.answer({"webhook_id": webhook_id, "deliveries": added})
    output.say(
        counted(added, "{n:,} delivery goes out once more.", "{n:,} deliveries go out once more.")
        if added
        else "Nothing to send: it waits already, or is not kept."
    )


@click.command()
@_ID
@click.option("--timeout", default=15.0, show_default=True, type=click.FloatRange(0, 600), help="Seconds to wait.")
@command
def test(output: Output, webhook_id: str, timeout: float) -> None:
    """Send an endpoint a ping, and say what it answered. The workers send it: `dispatcher up` must run."""
    with session() as runtime:
        with runtime.engine.begin() as connection:
            ping = kept.test(connection, webhook_id)
        ping = _followed(runtime, webhook_id, ping, timeout)
    if ping.state != "delivered":
        why = ping.error or translated("no worker has taken it yet")
        raise DispatcherError(
            worded("The ping did not arrive: {why}.", why=why),
            hint=worded(
                "`dispatcher webhook deliveries {webhook_id}` shows what becomes of it.", webhook_id=webhook_id
            ),
        )
    output.answer(delivery_json(ping))
    output.say(worded("It answered {status}.", status=ping.status) + (f" {ping.answer}" if ping.answer else ""))


@click.command(
    epilog="\b\nExamples:\n  dispatcher webhook listen\n"
    "  dispatcher webhook listen --event message.results --forward http://127.0.0.1:8000/sms"
)
@click.option("--event", "events", multiple=True, type=click.Choice(EVENTS), help="Only these; repeatable.")
@click.option("--forward", help="Call an address of this machine with each, signed, and print what it answers.")
@command
def listen(output: Output, events: tuple[str, ...], forward: str | None) -> None:
    """Print events as they happen, until Ctrl-C: a look at what a webhook would get, without one."""
    if forward is not None:
        addresses.check(forward, _LOOPBACK)
    with session(may_create=True) as runtime:
        wanted = event_types(events or EVENTS)
        with listening.endpoint(runtime.engine, runtime.settings, wanted) as (webhook, secret):
            output.note(worded("Listening. Events are signed with {secret}. Ctrl-C ends it.", secret=secret))
            try:
                listening.listen(runtime.engine, webhook, lambda claim: _print(output, runtime, claim, forward))
            except KeyboardInterrupt as error:
                if isinstance(error, Terminated):
                    raise
                output.note("No longer listening.")


def _print(output: Output, runtime: Runtime, claim: Claim, forward: str | None) -> Answer:
    answered = _forwarded(runtime, claim, forward) if forward is not None else None
    event = json.loads(claim.body)
    if output.as_json:
        output.answer({"event_id": claim.event_id, **event, "answered": answered})
    else:
        shown_answer = f"  → {answered}" if answered is not None else ""
        output.say(f"{event['timestamp']}  {event['type']}  {claim.event_id}{shown_answer}")
        output.say(json.dumps(event["data"], ensure_ascii=False, indent=2))
    return Answer(200, "", None)


def _forwarded(runtime: Runtime, claim: Claim, forward: str) -> int | str:
    ca_bundle = runtime.settings.ca_bundle
    try:
        context = delivering.trusting(str(ca_bundle) if ca_bundle else None)
        target = addresses.parse(forward)
        return calls.post(target, delivering.headers(claim), claim.body, context=context, allowed=_LOOPBACK).status
    except CallFailed as error:
        return str(error)


def _followed(runtime: Runtime, webhook_id: str, ping: Delivery, timeout: float) -> Delivery:
    ends = time.monotonic() + timeout
    while ping.attempts == 0 or ping.state == "sending":
        if time.monotonic() >= ends:
            break
        time.sleep(_PAUSE)
        with runtime.engine.connect() as connection:
            ping = kept.find(connection, webhook_id, ping.delivery_id)
    return ping


def _moment(given: str | None, name: str) -> datetime | None:
    if given is None:
        return None
    is_day = re.fullmatch(r"\d{4}-\d\d-\d\d", given, re.ASCII)
    return parse_moment(f"{given} 00:00:00" if is_day else given, name)


COMMANDS = (deliveries, replay, test, listen)
