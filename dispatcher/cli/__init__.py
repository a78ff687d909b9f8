"""The command line: `dispatcher`. Exit 0 done, 1 failed, 2 bad usage; `--json` prints one JSON object on stdout.

Commands parse, call a room of `dispatcher`, and print. Start in the table below (which command is where), then
`command.py` and `output.py` (what all do alike, how they speak). `ops_loader.py` alone reaches `ops`. This file, the
tables and `lazy.py` import nothing that takes long, so that help comes at once.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from dispatcher.cli.help_layout import Formatter
from dispatcher.cli.interrupts import end_on_sigterm
from dispatcher.cli.lazy import Lazy, LazyGroup
from dispatcher.home import keep_to_ourselves
from dispatcher.logs import OneLine

COMMANDS = {
    "account": Lazy(
        "dispatcher.cli.account:account",
        "Show the account at the provider, hand it to a new key, end a block.",
    ),
    "campaign": Lazy(
        "dispatcher.cli.campaign:campaign", "Create campaigns, follow them, stop them, read their results."
    ),
    "completion": Lazy("dispatcher.cli.completion:completion", "Print the completion script for SHELL."),
    "db": Lazy("dispatcher.cli.system:db", "The database's schema."),
    "demo": Lazy(
        "dispatcher.cli.system:demo",
        "Watch a campaign load, go out to a simulated provider and come back; nothing can reach a phone.",
    ),
    "doctor": Lazy(
        "dispatcher.cli.system:doctor",
        "Check the whole set-up and everything that should be running; say what is wrong.",
    ),
    "help": Lazy("dispatcher.cli.help_terms:help_group", "Explain the words that commands and tables use."),
    "inbox": Lazy(
        "dispatcher.cli.inbox:inbox_group", "Fetch replies, list them, export them, answer them, say what is done."
    ),
    "key": Lazy("dispatcher.cli.key:key", "Keys of the HTTP API: create, list, revoke."),
    "nollame": Lazy(
        "dispatcher.cli.nollame:nollame",
        "The No Llame registry (Ley 26.951): no marketing goes to a number on it.",
    ),
    "optout": Lazy(
        "dispatcher.cli.optout:optout",
        "The opt-out list: no campaign and no single message goes to a number on it.",
    ),
    "person": Lazy("dispatcher.cli.person:person", "Show everything that is known about one number, or erase it."),
    "provider": Lazy(
        "dispatcher.cli.provider:provider", "Ask the provider directly; nothing is stored or marked as read."
    ),
    "push": Lazy(
        "dispatcher.cli.system:push",
        "Take the replies that the provider pushes, in the foreground (part of `up`): /push/smsmasivos and /healthz.",
    ),
    "retention": Lazy(
        "dispatcher.cli.retention:retention",
        "Drop what has been kept for as long as DISPATCHER_RETENTION says; workers do it by themselves.",
    ),
    "send": Lazy(
        "dispatcher.cli.send:send", "Send TEXT to NUMBER now and show the result; exit 0 if the provider accepted it."
    ),
    "undeliverable": Lazy(
        "dispatcher.cli.optout:undeliverable",
        "Numbers that the provider says cannot receive (-1 fixed line, -2 many failures); they expire after 90 days.",
    ),
    "up": Lazy(
        "dispatcher.cli.system:up",
        "Run the workers, beat, Flower and the listeners in the foreground, with embedded or configured servers.",
    ),
    "user": Lazy("dispatcher.cli.user:user", "Users of the page: create, let in by a link, change, shut out."),
    "web": Lazy(
        "dispatcher.cli.system:web",
        "Run the page and the HTTP API alone, in the foreground (part of `up`): /, /api/v1, /api/v1/docs.",
    ),
    "webhook": Lazy(
        "dispatcher.cli.webhook:webhook",
        "Webhooks: which other services are told of events, what they got, and once more.",
    ),
}


click.Context.formatter_class = Formatter


class _Commands(LazyGroup):
    """Commands whose `--json` also holds for what click itself complains about."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run a command line."""
        given = list(sys.argv[1:] if args is None else args)
        if "--json" not in given or not extra.get("standalone_mode", True):
            return super().main(given, *rest, **extra)
        try:
            code = super().main(given, *rest, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            from dispatcher.cli.output import Output

            Output(as_json=True).fail(error.format_message(), "Add --help to see the usage.", error.exit_code)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=_Commands, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="sms-dispatcher", prog_name="dispatcher")
def cli() -> None:
    """Send SMS campaigns through SMS Masivos: never lost, never twice, never outside the window.

    \b
    dispatcher demo                try it; no phone gets it
    dispatcher doctor              check a set-up
    dispatcher up                  run everything
    dispatcher campaign create     hand in a campaign
    dispatcher campaign watch      follow it
    dispatcher send                send one message now
    dispatcher inbox list          read what people answered
    dispatcher help terms          what the words mean

    Settings come from the environment or .env: DISPATCHER_APIKEY, DISPATCHER_DATABASE_URL … (see docs/settings.md).
    """
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])


def main() -> None:
    """The console script."""
    keep_to_ourselves()
    # One thread is enough for a list; a worker on two cores wants the other for Postgres.
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    # Until a command begins, while its module is imported, there is nothing to stop: SIGTERM may end the process.
    cli(obj=end_on_sigterm)
