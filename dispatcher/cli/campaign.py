"""`dispatcher campaign …`: the table of its commands."""

import click

from dispatcher.cli.lazy import Lazy, LazyGroup

_VIEWS, _CONTROL = "dispatcher.cli.campaign_views", "dispatcher.cli.campaign_control"
_DOUBTS = "dispatcher.cli.campaign_doubts"

COMMANDS = {
    "audit": Lazy(f"{_CONTROL}:audit", "Count the messages and compare with the counters; exit 0 if all agree."),
    "cancel": Lazy(f"{_CONTROL}:cancel", "Stop a campaign for good."),
    "create": Lazy(
        "dispatcher.cli.campaign_create:create", "Load FILE (CSV, XLSX or JSONL; - reads CSV from stdin) as a campaign."
    ),
    "doubts": Lazy(f"{_DOUBTS}:doubts", "List chunks with an unknown outcome, with the evidence so far."),
    "events": Lazy(f"{_CONTROL}:events", "List who did what to a campaign, why and when."),
    "list": Lazy(
        "dispatcher.cli.campaign_list:list_",
        "List the newest campaigns: state, start, progress, pace, end, invalid rows, rejected messages.",
    ),
    "pause": Lazy(f"{_CONTROL}:pause", "Stop sending until `campaign resume`."),
    "resolve": Lazy(f"{_DOUBTS}:resolve", "Decide chunks in doubt or held; recorded under your name."),
    "results": Lazy(
        f"{_VIEWS}:results",
        "Export every message with its result code, in the columns of the view message_status.",
    ),
    "resume": Lazy(
        f"{_CONTROL}:resume",
        "Resume a paused campaign.",
    ),
    "retry": Lazy(f"{_CONTROL}:retry", "Make a new draft of the rejected messages; `campaign send` releases it."),
    "send": Lazy(f"{_CONTROL}:send", "Release a draft, so that it is sent when its time comes."),
    "show": Lazy(f"{_VIEWS}:show", "Show a campaign's state, statuses and result codes."),
    "watch": Lazy("dispatcher.cli.campaign_watch:watch", "Follow a campaign until it ends; exit 0 if it completed."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def campaign() -> None:
    """Create campaigns, follow them, stop them, read their results."""
