"""`dispatcher help terms`: the words that an operator meets in commands and tables, each in two sentences."""

from __future__ import annotations

import click
from rich.text import Text

from dispatcher.cli.command import command
from dispatcher.cli.lazy import Lazy, LazyGroup
from dispatcher.cli.output import Output
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded

TERMS = {
    "invalid row": "A row of your list that could not become a message. Nothing of it is sent; its file says why.",
    "rejected": "A message that the provider answered with a negative code. `campaign retry` makes a draft of them.",
    "suppressed": "A message that is left out: its number opted out, cannot be reached or (marketing) is in No Llame.",
    "marketing": "A campaign that offers something (--intent). Numbers of the No Llame registry are left out of it.",
    "draft": "A campaign that is loaded and waits for `campaign send`.",
    "chunk": "The messages that go out in one call to the provider, at most DISPATCHER_CHUNK_SIZE.",
    "window": "The hours in which messages may go out, by the provider's clock: DISPATCHER_WINDOW.",
    "guard": "The last seconds of the window, in which nothing new begins: DISPATCHER_WINDOW_GUARD.",
    "rate": "How many messages go out a minute at most: of the account (DISPATCHER_RATE), of a campaign (--rate).",
    "canary": "The first messages of a campaign, sent alone. The rest follows only if few of them are rejected.",
    "in flight": "Handed to the provider at this moment; its answer is not written down yet.",
    "doubt": "The provider's answer was lost: nobody knows yet whether a chunk went out. Nothing is resent blindly.",
    "held": "No evidence says whether it went out: somebody must decide with `campaign resolve`.",
    "blocked": "The provider refuses the account, or credit has run out. Nothing goes out until that ends.",
    "expired": "The deadline (--expires) came before the message was sent.",
    "unknown": "The provider took the message and never gave a result. A late result still counts.",
    "idinterno": "Our name for a message, by which its result is found.",
}
"""Each is in docs/glossary.md, too."""


_TABLE = {
    "terms": Lazy(
        "dispatcher.cli.help_terms:terms", "Explain the words in tables and messages; with TERM that one alone."
    )
}


@click.group(name="help", cls=LazyGroup, table=_TABLE)
def help_group() -> None:
    """Explain the words that commands and tables use."""


@click.command()
@click.argument("term", required=False)
@command
def terms(output: Output, term: str | None) -> None:
    r"""Explain the words in tables and messages; with TERM that one alone.

    \b
    dispatcher help terms
    dispatcher help terms canary
    """
    found = {name: translated(said) for name, said in TERMS.items() if term is None or term.casefold() in _names(name)}
    if not found:
        raise UsageError(
            worded("There is no term {term!r}.", term=term),
            hint=worded("The terms are: {terms}.", terms=", ".join(TERMS)),
        )
    output.answer({"terms": found})
    for name, said in found.items():
        own = translated(name)
        heading = name if own == name else f"{name} ({own})"
        output.console.print(Text.assemble((heading, "bold"), f"\n  {said}"))


def _names(name: str) -> tuple[str, str]:
    return name.casefold(), translated(name).casefold()
