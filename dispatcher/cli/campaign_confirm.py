"""Before a campaign goes out from a terminal: what would be sent is shown, and a person says yes."""

import sys
from collections.abc import Callable

from dispatcher.campaigns.dry_run import DryRunReport
from dispatcher.cli.campaign_views import when
from dispatcher.cli.output import FAILED, Output
from dispatcher.cli.sessions import session
from dispatcher.cli.start_words import in_full
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.single_messages import send as sending
from schemas.payload import CampaignSpec
from schemas.single import SingleMessage


def somebody_is_there(output: Output) -> bool:
    """Whether a person can be asked: not with --json, nor in a pipe or a script."""
    return not output.as_json and sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(
    output: Output, spec: CampaignSpec, check: Callable[[], DryRunReport], *, to_me: str | None, ask: bool
) -> CampaignSpec:
    """The campaign as it may be loaded: `check` shows what it would be, `to_me` gets its first text, somebody is asked.

    Raises:
        UsageError: the number cannot get the first text.
        SystemExit: the person said no.
    """
    found = check()
    if to_me is not None:
        _send_first(output, found, to_me)
    if not ask or not found.totals.sending:  # a list without a good row is refused when it is loaded
        return spec
    if not output.asks(_question(spec, found)):
        output.note(translated("Nothing was sent, and no campaign was made."))
        sys.exit(FAILED)
    # Whoever saw the remark on a repeat and said yes means it.
    return spec if spec.refuse_repeats else spec.model_copy(update={"again": spec.again or bool(found.repeats)})


def _question(spec: CampaignSpec, found: DryRunReport) -> str:
    would = found.estimate
    n, ends = found.totals.sending, when(would.ends)
    if spec.start is None:
        return worded("Send {n:,} messages now, the last one about {ends}?", n=n, ends=ends)
    begins = in_full(would.begins)
    return worded("Send {n:,} messages from {begins}, the last one about {ends}?", n=n, begins=begins, ends=ends)


def _send_first(output: Output, found: DryRunReport, number: str) -> None:
    if not found.samples:
        raise UsageError(translated("There is no text to send first: no row is good."))
    with session(may_create=True) as runtime:
        sent = sending.send(runtime, SingleMessage(number=number, text=found.samples[0]["texto"]))
    if not sent.good:
        raise DispatcherError(
            worded("The first text was not accepted for {number}: {why}", number=number, why=sent.text),
            hint=translated("Nothing else was sent."),
        )
    output.say(worded("The first text was sent to {number}. Look at it before you go on.", number=number))
