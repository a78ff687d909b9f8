"""The command line: `dispatcher`. Exit 0 done, 1 failed, 2 bad usage; `--json` prints one JSON object on stdout."""

import logging
import os

import click

from dispatcher.cli import steering
from dispatcher.cli.account import account
from dispatcher.cli.campaign import campaign
from dispatcher.cli.system import db, demo, doctor, up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="sms-dispatcher", prog_name="dispatcher")
def cli() -> None:
    """Send SMS campaigns through SMS Masivos: never lost, never twice, never outside the window.

    \b
    Try it, nothing reaches a phone:    dispatcher demo
    Check a set-up:                     dispatcher doctor
    Run everything in the foreground:   dispatcher up
    Hand in a campaign:                 dispatcher campaign create clientes.csv --template 'Hola {nombre}'
    Follow it:                          dispatcher campaign watch 1

    Settings come from the environment or .env: DISPATCHER_APIKEY, DISPATCHER_DATABASE_URL … (see README.md).
    """
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")


assert steering  # its commands belong to `campaign`
for command in (account, campaign, db, demo, doctor, up):
    cli.add_command(command)


def main() -> None:
    """The console script."""
    # One thread is enough for a list; a worker on two cores wants the other for Postgres.
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    cli()
