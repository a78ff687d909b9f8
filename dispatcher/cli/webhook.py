"""`dispatcher webhook …`: which other services are told of events. What they got is in `webhook_deliveries.py`."""

import click

from dispatcher.cli import webhook_deliveries
from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.cli.webhook_output import EVENTS, event_types, listed_events, shown, webhook_json
from dispatcher.i18n.words import worded
from dispatcher.webhooks import endpoints

_EVENT = click.option("--event", "events", multiple=True, type=click.Choice(EVENTS), help="One of them; repeatable.")
_ONE_AT_LEAST = click.option(
    "--event",
    "events",
    multiple=True,
    required=True,
    type=click.Choice(EVENTS),
    metavar="EVENT",
    help="What to tell of (below); repeatable.",
)
_ID = click.argument("webhook_id", metavar="ID")

_EXAMPLES = """\b
Examples:
  dispatcher webhook create https://crm.example.com/sms --event campaign.completed --event message.results
  dispatcher webhook test wh_0123456789abcdef01234567
  dispatcher webhook deliveries wh_0123456789abcdef01234567 --state failed
  dispatcher webhook replay wh_0123456789abcdef01234567 --since "2026-12-01 09:00:00" --missed-only
  dispatcher webhook listen
"""


@click.group(cls=WholeGroup, epilog=_EXAMPLES)
def webhook() -> None:
    """Webhooks: which other services are told of events, what they got, and once more."""


@webhook.command(epilog="\b\nEvents:\n" + listed_events())
@click.argument("url")
@_ONE_AT_LEAST
@command
def create(output: Output, url: str, events: tuple[str, ...]) -> None:
    """Tell URL (https://…) of events from now on, and print the secret that they are signed with this once."""
    with session(may_create=True) as runtime, runtime.engine.begin() as connection:
        made, secret = endpoints.create(connection, runtime.settings, url, event_types(events))
    output.answer({**webhook_json(made), "secret": secret})
    output.say(worded("{webhook_id} is told of {events}.", webhook_id=made.webhook_id, events=", ".join(made.events)))
    output.say(secret)
    output.note(
        worded(
            "Keep the secret now: it is not shown again. Try it out: dispatcher webhook test {webhook_id}",
            webhook_id=made.webhook_id,
        )
    )


@webhook.command(name="list")
@command
def list_webhooks(output: Output) -> None:
    """List the endpoints, and how they fare."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = endpoints.listing(connection, endpoints.MOST)
    output.answer({"webhooks": [webhook_json(each) for each in found]})
    output.table(
        "Webhooks",
        ["id", "url", "events", "state", "failures", "last success"],
        [
            [each.webhook_id, each.url, " ".join(each.events), each.state, each.failures, shown(each.succeeded_at)]
            for each in found
        ],
        right=("failures",),
    )
    if not found:
        output.say("No webhooks. Make one: dispatcher webhook create https://… --event campaign.completed")


@webhook.command()
@_ID
@command
def show(output: Output, webhook_id: str) -> None:
    """Show an endpoint, without its secret."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = endpoints.find(connection, webhook_id)
    _tell(output, found)


@webhook.command(
    epilog="\b\nExample:\n  dispatcher webhook change wh_0123456789abcdef01234567 --url https://new.example/"
)
@_ID
@click.option("--url", help="Another address, also for what was not delivered yet.")
@_EVENT
@command
def change(output: Output, webhook_id: str, url: str | None, events: tuple[str, ...]) -> None:
    """Give an endpoint another address, or other events from now on."""
    with session() as runtime, runtime.engine.begin() as connection:
        wanted = event_types(events) or None
        changed = endpoints.change(connection, runtime.settings, webhook_id, url=url, events=wanted)
    _tell(output, changed)


@webhook.command()
@_ID
@command
def rotate(output: Output, webhook_id: str) -> None:
    """Draw a new secret, and print it this once. For 24 hours the former one signs too."""
    with session() as runtime, runtime.engine.begin() as connection:
        rotated, secret = endpoints.rotate(connection, webhook_id)
    output.answer({**webhook_json(rotated), "secret": secret})
    output.say(secret)
    output.note(
        worded(
            "Keep it now: it is not shown again. The former one signs until {former_secret_until}.",
            former_secret_until=shown(rotated.former_secret_until),
        )
    )


@webhook.command()
@_ID
@click.option("--reason", help="Why, for the record.")
@command
def disable(output: Output, webhook_id: str, reason: str | None) -> None:
    """Call an endpoint no more. What it would be told of waits for 30 days, and goes out when it is enabled."""
    with session() as runtime, runtime.engine.begin() as connection:
        disabled = endpoints.disable(connection, webhook_id, reason)
    _tell(output, disabled)


@webhook.command()
@_ID
@command
def enable(output: Output, webhook_id: str) -> None:
    """Call an endpoint again, with what waited for it."""
    with session() as runtime, runtime.engine.begin() as connection:
        enabled = endpoints.enable(connection, webhook_id)
    _tell(output, enabled)


@webhook.command()
@_ID
@command
def delete(output: Output, webhook_id: str) -> None:
    """Forget an endpoint, its secret and what waits for it."""
    with session() as runtime, runtime.engine.begin() as connection:
        endpoints.delete(connection, webhook_id)
    output.answer({"webhook_id": webhook_id, "deleted": True})
    output.say(worded("{webhook_id} is forgotten.", webhook_id=webhook_id))


def _tell(output: Output, found: endpoints.Webhook) -> None:
    output.answer(webhook_json(found))
    why = (
        worded(" ({why}, since {at})", why=found.disabled_why, at=shown(found.disabled_at))
        if found.disabled_why
        else ""
    )
    output.say(
        worded(
            "{webhook_id} is {state}{why}: {url}",
            webhook_id=found.webhook_id,
            state=found.state,
            why=why,
            url=found.url,
        )
    )
    output.say(worded("It is told of {events}.", events=", ".join(found.events)))
    if found.failures:
        output.say(
            worded(
                "Calls that failed in a row since {failing_since}: {failures:,}.",
                failures=found.failures,
                failing_since=shown(found.failing_since),
            )
        )


for _each in webhook_deliveries.COMMANDS:
    webhook.add_command(_each)
