"""`dispatcher key …`: the keys of the HTTP API."""

import re
from datetime import datetime
from typing import Any

import click

from dispatcher.access import keys
from dispatcher.access.scopes import MEANINGS, Scope
from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.domain.window import parse_moment, provider_local
from dispatcher.i18n.words import worded

_SCOPES = "\n".join(f"{scope}: {meaning}" for scope, meaning in MEANINGS.items())


@click.group(cls=WholeGroup)
def key() -> None:
    """Keys of the HTTP API: create, list, revoke."""


@key.command(epilog="\b\nScopes:\n" + _SCOPES)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([str(scope) for scope in Scope]),
    help="What it lets; repeatable.",
)
@click.option("--expires", help="From this day on it is refused: 2027-01-01, or with a time 2027-01-01 12:00:00.")
@click.option("--from", "networks", multiple=True, help="Only from here: an address or a network; repeatable.")
@command
def create(output: Output, name: str, scopes: tuple[str, ...], expires: str | None, networks: tuple[str, ...]) -> None:
    """Make a key for NAME, and print it this once."""
    with session(may_create=True) as runtime:
        made, sent = keys.create(
            runtime.engine, name, map(Scope, scopes), expires_at=_moment(expires), networks=networks
        )
    output.answer({**_as_json(made), "key": sent})
    output.say(sent)
    output.note("Keep it now: it is not shown again. Send it as Authorization: Bearer KEY.")


@key.command(name="list")
@command
def list_keys(output: Output) -> None:
    """List the keys, without their secrets."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = keys.listing(connection)
    output.answer({"keys": [_as_json(each) for each in found]})
    output.table(
        "Keys",
        ["id", "name", "scopes", "from", "created", "last used", "expires", "revoked"],
        [
            [
                *(each.id, each.name, " ".join(sorted(each.scopes)), " ".join(each.networks)),
                *map(_shown, (each.created_at, each.last_used_at, each.expires_at, each.revoked_at)),
            ]
            for each in found
        ],
    )
    if not found:
        output.say("No keys. Make one: dispatcher key create NAME --scope campaigns:read")


@key.command()
@click.argument("key_id", metavar="ID")
@command
def revoke(output: Output, key_id: str) -> None:
    """End a key for good, everywhere at once."""
    with session() as runtime:
        ended = keys.revoke(runtime.engine, key_id)
    output.answer(_as_json(ended))
    output.say(worded("Key {id} ({name}) opens nothing any more.", id=ended.id, name=ended.name))


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    is_day = re.fullmatch(r"\d{4}-\d\d-\d\d", given, re.ASCII)
    return parse_moment(f"{given} 00:00:00" if is_day else given, "expires")


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else f"{provider_local(moment):%Y-%m-%d %H:%M}"


def _as_json(found: keys.Key) -> dict[str, Any]:
    moments = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return {
        "id": found.id,
        "name": found.name,
        "scopes": sorted(found.scopes),
        "networks": list(found.networks),
        "created_by": found.created_by,
        **{name: _iso(getattr(found, name)) for name in moments},
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
