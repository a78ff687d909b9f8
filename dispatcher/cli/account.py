"""`dispatcher account …`: the provider's account that this database is bound to."""

import click

from dispatcher import audit_trail, config
from dispatcher.accounts import account_info, binding, blocking
from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.runtime import Runtime


@click.command()
@command
def look(output: Output) -> None:
    """Saldo, vencimiento, envíos and the provider's clock."""
    runtime = Runtime(config.load())
    try:
        found = account_info.fetch(runtime)
    finally:
        runtime.close()
    output.answer(found.as_json())
    figures_shown: list[tuple[str, str, object]] = [
        ("saldo", "messages left", found.saldo),
        ("vencimiento", "last day of the package", found.vencimiento),
        ("envios", "sent this month", found.envios),
        ("fecha", "the provider's clock (-03)", found.fecha),
        ("offset", "seconds against this machine's", f"{found.offset_seconds:+.1f}"),
    ]
    output.table(
        "Account",
        ["", "", ""],
        [
            [name, translated(what), translated("not in this plan") if value is None else value]
            for name, what, value in figures_shown
        ],
    )


@click.group(cls=WholeGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else there.")
@click.pass_context
def account(context: click.Context, as_json: bool) -> None:
    """Show the account at the provider, hand it to a new key, end a block."""
    if context.invoked_subcommand is None:
        context.invoke(look, as_json=as_json)


@account.command()
@command
def rekey(output: Output) -> None:
    """Bind the account at DISPATCHER_PROVIDER_URL to the key now configured (same account, new key)."""
    with session() as runtime, runtime.engine.begin() as connection:
        old, new = binding.rekey(connection, runtime.settings)
    output.answer({"provider_url": runtime.settings.provider_url, "before": old, "after": new})
    output.say(
        worded(
            "{provider_url} is bound to the key with fingerprint {new}.",
            provider_url=runtime.settings.provider_url,
            new=new,
        )
    )


@account.command()
@command
def resume(output: Output) -> None:
    """Go on at once after the provider refused the account (bad key, IP, credit, contract)."""
    with session() as runtime, runtime.engine.begin() as connection:
        bound = binding.find(connection, runtime.settings)
        if bound is None:
            raise UsageError(
                "The configured key has no account in this database.", hint="See `dispatcher account rekey`."
            )
        was = blocking.unblock(connection, bound.id)
        if was:
            audit_trail.record(connection, "account.unblock")
    output.answer({"resumed": was})
    output.say("The account goes on." if was else "The account was not blocked.")
