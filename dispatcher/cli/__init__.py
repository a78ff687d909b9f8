"""The command line: `dispatcher`. Exit 0 done, 1 failed, 2 bad usage; `--json` prints one JSON object on stdout.

Commands parse, call a room of `dispatcher`, and print. Start in `output.py` (how commands speak), then the file named
for the command. `ops_loader.py` alone reaches `ops`.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from dispatcher.cli import steering
from dispatcher.cli.account import account
from dispatcher.cli.campaign import campaign
from dispatcher.cli.create import create
from dispatcher.cli.inbox import inbox_group
from dispatcher.cli.optout import optout, undeliverable
from dispatcher.cli.output import Output, end_on_sigterm
from dispatcher.cli.provider import provider
from dispatcher.cli.send import send
from dispatcher.cli.system import api, db, demo, doctor, up


class _Commands(click.Group):
    """Commands whose `--json` also holds for what click itself complains about."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run a command line."""
        given = list(sys.argv[1:] if args is None else args)
        if "--json" not in given or not extra.get("standalone_mode", True):
            return super().main(given, *rest, **extra)
        try:
            code = super().main(given, *rest, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            Output(as_json=True).fail(error.format_message(), "Add --help to see the usage.", error.exit_code)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="sms-dispatcher", prog_name="dispatcher")
def cli() -> None:
    """Send SMS campaigns through SMS Masivos: never lost, never twice, never outside the window.

    \b
    Try it, nothing reaches a phone:    dispatcher demo
    Check a set-up:                     dispatcher doctor
    Run everything in the foreground:   dispatcher up
    Hand in a campaign:                 dispatcher campaign create clientes.csv --template 'Hola {nombre}'
    Follow it:                          dispatcher campaign watch 1
    Send one message now:               dispatcher send 1144445555 'Su turno es a las 15. Empresa SA'
    Read what people answered:          dispatcher inbox list

    Settings come from the environment or .env: DISPATCHER_APIKEY, DISPATCHER_DATABASE_URL … (see README.md).
    """
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")


for command in (
    create,
    steering.pause,
    steering.resume,
    steering.cancel,
    steering.doubts,
    steering.resolve,
    steering.retry,
    steering.audit,
):
    campaign.add_command(command)
for command in (account, api, campaign, db, demo, doctor, inbox_group, optout, provider, send, undeliverable, up):
    cli.add_command(command)


def main() -> None:
    """The console script."""
    # One thread is enough for a list; a worker on two cores wants the other for Postgres.
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    end_on_sigterm()
    cli()
