"""`dispatcher user …`: who may use the page."""

from typing import Any

import click

from dispatcher.access import users
from dispatcher.access.roles import MEANINGS, Role
from dispatcher.access.users import User
from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.domain.window import provider_local
from dispatcher.i18n.words import worded

_ROLES = "\n".join(f"{role}: {meaning}" for role, meaning in MEANINGS.items())
_ROLE = click.Choice([str(role) for role in Role])


@click.group(cls=WholeGroup)
def user() -> None:
    """Users of the page: create, let in by a link, change, shut out."""


@user.command(epilog="\b\nRoles, each with the rights of those before it:\n" + _ROLES)
@click.argument("name")
@click.option("--role", required=True, type=_ROLE, help="What the user may do.")
@command
def create(output: Output, name: str, role: str) -> None:
    """Make a user, and print a link that lets NAME in once, within 10 minutes."""
    with session(may_create=True) as runtime:
        made = users.create(runtime.engine, name, Role(role))
        link = users.link_of(runtime.settings, users.make_link(runtime.engine, made))
    output.answer({**_as_json(made), "link": link})
    output.say(link)
    output.note("The link works once, for 10 minutes; `dispatcher user link NAME` makes another.")


@user.command()
@click.argument("name", required=False)
@command
def link(output: Output, name: str | None) -> None:
    """Print a link that lets NAME in once, within 10 minutes; without NAME, an admin."""
    with session(may_create=True) as runtime:
        if name is None:
            who = users.first_admin(runtime.engine)
        else:
            with runtime.engine.connect() as connection:
                who = users.named(connection, name)
        made = users.link_of(runtime.settings, users.make_link(runtime.engine, who))
    output.answer({"name": who.name, "role": str(who.role), "link": made})
    output.say(made)


@user.command(name="list")
@command
def list_users(output: Output) -> None:
    """List the users."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = users.listing(connection)
    output.answer({"users": [_as_json(each) for each in found]})
    output.table(
        "Users",
        ["name", "role", "password", "created", "by", "shut out"],
        [
            [
                *(each.name, str(each.role), "yes" if each.has_password else "no"),
                *(f"{provider_local(each.created_at):%Y-%m-%d %H:%M}", each.created_by),
                f"{provider_local(each.disabled_at):%Y-%m-%d %H:%M}" if each.disabled_at else "",
            ]
            for each in found
        ],
    )
    if not found:
        output.say("No users. Make one: dispatcher user create NAME --role admin")


@user.command()
@click.argument("name")
@click.option("--role", required=True, type=_ROLE, help="What the user may do from now on.")
@command
def role(output: Output, name: str, role: str) -> None:
    """Give a user another role."""
    with session() as runtime:
        changed = users.change_role(runtime.engine, name, Role(role))
    output.answer(_as_json(changed))
    output.say(worded("{name} has the role {role} now.", name=changed.name, role=changed.role))


@user.command()
@click.argument("name")
@command
def disable(output: Output, name: str) -> None:
    """Shut a user out, and end every session at once."""
    with session() as runtime:
        changed = users.disable(runtime.engine, name)
    output.answer(_as_json(changed))
    output.say(worded("{name} is shut out.", name=changed.name))


@user.command()
@click.argument("name")
@command
def enable(output: Output, name: str) -> None:
    """Let a user in again who was shut out."""
    with session() as runtime:
        changed = users.enable(runtime.engine, name)
    output.answer(_as_json(changed))
    output.say(worded("{name} may come in again.", name=changed.name))


def _as_json(found: User) -> dict[str, Any]:
    return {
        "name": found.name,
        "role": str(found.role),
        "has_password": found.has_password,
        "created_at": found.created_at.isoformat(),
        "created_by": found.created_by,
        "disabled": found.disabled_at is not None,
    }
