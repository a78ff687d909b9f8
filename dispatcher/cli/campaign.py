"""`dispatcher campaign …`: the table of its commands."""

import click

from dispatcher.cli.lazy import Lazy, LazyGroup

_VIEWS, _CONTROL = "dispatcher.cli.campaign_views", "dispatcher.cli.campaign_control"

COMMANDS = {
    "audit": Lazy(
        f"{_CONTROL}:audit", "Prove the sums from the messages themselves; exit 0 only when every one holds."
    ),
    "cancel": Lazy(f"{_CONTROL}:cancel", "Send nothing more, for good; what was sent keeps getting its results."),
    "create": Lazy(
        "dispatcher.cli.campaign_create:create", "Load FILE (CSV, XLSX or JSONL; - reads CSV from stdin) as a campaign."
    ),
    "doubts": Lazy(f"{_CONTROL}:doubts", "Chunks whose outcome nobody knows, each with the evidence so far."),
    "list": Lazy(f"{_VIEWS}:list_", "The newest campaigns."),
    "pause": Lazy(
        f"{_CONTROL}:pause", "Stop sending; returns once earlier POSTs have finished, or says how many are in flight."
    ),
    "resolve": Lazy(f"{_CONTROL}:resolve", "Decide what evidence could not; it is recorded with your name."),
    "results": Lazy(
        f"{_VIEWS}:results", "Every message with its status and result code, in the columns of the view message_status."
    ),
    "resume": Lazy(
        f"{_CONTROL}:resume",
        "Go on after a pause; after one by the canary or the reject rate, the rest goes without that canary.",
    ),
    "retry": Lazy(
        f"{_CONTROL}:retry", "Send rejected messages again, each under a new idinterno; opted-out people stay out."
    ),
    "show": Lazy(f"{_VIEWS}:show", "Where a campaign stands: state, statuses, result codes."),
    "watch": Lazy(f"{_VIEWS}:watch", "Follow a campaign until it ends; exit 0 only when it completed."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def campaign() -> None:
    """Hand in campaigns, follow them, stop them, read their results."""
