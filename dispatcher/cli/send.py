"""`dispatcher send`: one message now, with the provider's code at once."""

import sys
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from dispatcher.cli import start_words
from dispatcher.cli.arguments import read_html
from dispatcher.cli.command import command
from dispatcher.cli.output import FAILED, Output
from dispatcher.cli.sessions import session
from dispatcher.errors import UsageError
from dispatcher.i18n.terms import meaning, status
from dispatcher.i18n.words import worded
from dispatcher.single_messages import send as sending
from dispatcher.single_messages.records import Sent
from dispatcher.suppression import no_llame
from schemas.single import SingleMessage


@click.command()
@click.argument("number")
@click.argument("text")
@click.option("--idinterno", help="Your own reference, 1 to 50 letters and digits; the same one is never sent twice.")
@click.option("--start", help="FECHADESDE: '2026-12-01 09:00' (Argentine time), 'mañana 9:00', +2h.")
@click.option(
    "--intent",
    type=click.Choice(["service", "marketing"]),
    default="service",
    show_default=True,
    help="marketing is refused for a number of the No Llame registry.",
)
@click.option("--test", is_flag=True, help="The provider checks the message and does not send it (TEST=1).")
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Content behind a link; the text says where the link goes: http://1rck.in/-000000",
)
@click.option("--transport", type=click.Choice(["http", "soap", "smtp"]), help="Default: DISPATCHER_TRANSPORT.")
@click.option("--strict-text", is_flag=True, help="Refuse a text with accents and the like, instead of adapting it.")
@click.option(
    "--retry-unknown",
    is_flag=True,
    help="With --idinterno: if the outcome is unknown, call again. A -4 then proves that the first call arrived.",
)
@command
def send(output: Output, html_file: Path | None, **fields: Any) -> None:
    """Send TEXT to NUMBER now and show the result; exit 0 if the provider accepted it.

    \b
    dispatcher send 1144445555 'Su turno es a las 15. Empresa SA'
    """
    fields["start"] = start_words.understood(output, fields["start"], "start")
    wanted = single(**fields, html=read_html(html_file))
    with session(may_create=True) as runtime:
        sent = sending.send(runtime, wanted)
        with runtime.engine.connect() as connection:
            warnings = no_llame.warnings(connection, wanted.intent)
    for warning in warnings:
        output.note(warning)
    say_sent(output, sent)


def single(**fields: Any) -> SingleMessage:
    """The message that was asked for.

    Raises:
        UsageError: a field of another form; the sentence names it.
    """
    try:
        return SingleMessage(**fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise UsageError(f"{first['loc'][0]}: {first['msg']}", hint="See `dispatcher send --help`.") from None


def say_sent(output: Output, sent: Sent) -> None:
    """The outcome, and the exit code that goes with it."""
    output.answer(sent.as_json())
    code = "" if sent.code is None else f" ({sent.code})"
    output.say(f"{status(sent.status)}{code}: {sent.text}")
    if sent.code is not None:
        output.say(meaning(sent.code))
    output.say(f"idinterno {sent.idinterno}")
    if sent.status == "unknown":
        output.note(
            worded(
                "Nobody knows whether the provider accepted it. It is not sent again automatically. "
                "To call again, with the provider's -4 as proof that the first call arrived: "
                "--idinterno {idinterno} --retry-unknown",
                idinterno=sent.idinterno,
            )
        )
    if not sent.good:
        sys.exit(FAILED)
