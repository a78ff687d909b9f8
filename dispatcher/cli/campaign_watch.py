"""`dispatcher campaign watch`: follows one campaign, in place on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import click
from rich.live import Live
from rich.text import Text

from dispatcher.cli.campaign_views import say_summary
from dispatcher.cli.command import command
from dispatcher.cli.output import FAILED, Output, writable
from dispatcher.cli.progress_words import Seen, line, lines
from dispatcher.cli.sessions import session
from dispatcher.domain.display import shown
from dispatcher.i18n.terms import state_word
from dispatcher.i18n.words import translated, worded

_LINE_EVERY = 5.0
"""Seconds between the lines that a pipe or a log file gets."""
_LOOK_EVERY = 0.5


@click.command()
@click.argument("campaign_id", type=int)
@click.option("--timeout", type=click.FloatRange(min=0), help="Give up after this many seconds (exit 1).")
@command
def watch(output: Output, campaign_id: int, timeout: float | None) -> None:
    r"""Follow a campaign until it ends; exit 0 if it completed.

    It shows how much is final, how many go out a minute, when it ends about, what was rejected, and why it waits.
    Without a terminal it writes a line every 5 s. Ctrl-C stops the watching alone: the campaign goes on.

    \b
    dispatcher campaign watch 7
    dispatcher campaign watch 7 --timeout 3600 --json
    """
    ends = time.monotonic() + timeout if timeout is not None else None
    with session() as runtime:

        def look() -> Seen:
            with runtime.engine.connect() as connection:
                return Seen.read(connection, runtime.settings, campaign_id)

        try:
            found = _follow(output, look, ends)
        except KeyboardInterrupt:
            goes_on = "Campaign {number} goes on. To stop it: dispatcher campaign pause {number}"
            output.note(worded(goes_on, number=campaign_id))
            raise
    output.answer({**found.as_json(), "workers_seen": found.unseen is None})
    say_summary(output, found.shown)
    state = found.shown.state
    if state != "completed":
        if state != "cancelled":
            after = worded("Still {state} after {timeout:.0f} s.", state=state_word(state), timeout=timeout or 0)
            output.note(after if timeout is not None else translated("Not completed."))
        sys.exit(FAILED)


def _follow(output: Output, look: Callable[[], Seen], ends: float | None) -> Seen:
    unseen = None
    with Screen(output) as screen:
        while True:
            found = look()
            if found.unseen and not unseen and not found.over:
                output.note(found.unseen)
            unseen = found.unseen
            screen.show(found)
            if found.over or (ends is not None and time.monotonic() >= ends):
                return found
            time.sleep(_LOOK_EVERY)


class Screen:
    """Shows a campaign on stderr as it is now: in place on a terminal, else as a line every few seconds."""

    def __init__(self, output: Output) -> None:
        """Nothing is shown with `--json`."""
        self._output = output
        self._live: Live | None = None
        if output.notes.is_terminal and not output.as_json:
            self._live = Live(console=output.notes, auto_refresh=False, transient=True)
        self._next_line = time.monotonic()

    def show(self, seen: Seen) -> None:
        """Show it anew."""
        if self._live is not None:
            said = "\n".join(shown(writable(each)) for each in lines(seen))
            self._live.update(Text(said, overflow="fold"), refresh=True)
        elif not self._output.as_json and time.monotonic() >= self._next_line:
            self._output.note(line(seen))
            self._next_line = time.monotonic() + _LINE_EVERY

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
