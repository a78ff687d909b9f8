"""`dispatcher account …`: the provider's account that this database is bound to."""

import click

from dispatcher import accounts
from dispatcher.cli.output import Output, command, session
from dispatcher.errors import UsageError


@click.group()
def account() -> None:
    """The account at the provider: hand it to a new key, end a block."""


@account.command()
@command
def rekey(output: Output) -> None:
    """Bind the account at DISPATCHER_PROVIDER_URL to the key now configured (same account, new key)."""
    with session() as runtime, runtime.engine.begin() as connection:
        old, new = accounts.rekey(connection, runtime.settings)
    output.answer({"provider_url": runtime.settings.provider_url, "before": old, "after": new})
    output.say(f"{runtime.settings.provider_url} is bound to the key with fingerprint {new}.")


@account.command()
@command
def resume(output: Output) -> None:
    """Go on at once after the provider refused the account (bad key, IP, credit, contract)."""
    with session() as runtime, runtime.engine.begin() as connection:
        bound = accounts.find(connection, runtime.settings)
        if bound is None:
            raise UsageError(
                "The configured key has no account in this database.", hint="See `dispatcher account rekey`."
            )
        was = accounts.unblock(connection, bound.id)
    output.answer({"resumed": was})
    output.say("The account goes on." if was else "The account was not blocked.")
