"""Figures as tables in Markdown, each beside its target."""

from statistics import median
from typing import Any

from ops.bench import (
    campaign,
    history,
    load,
    memory,
    page,
    per_message,
    plain,
    settle,
    startup,
    submit,
    urgent,
    webhooks,
    year,
)
from ops.bench.target import Target, side_by_side, table

MEBIBYTE = 1 << 20
MEMORY_LIMIT = 300
CPU_GROWTH = 1.1
TOLD_GROWTH = 1.1
TIMES_PER_MESSAGE = 100
HELP_TIMES_PYTHON = 7
ANSWER_SECONDS, CREATE_SECONDS = 0.35, 1.5
REST_LIMIT, PEAK_LIMIT = 500, 900
HISTORY_GROWTH = 1.2
SEALED_BYTES = 200
YEAR_GROWTH = 1.05


def startup_report(outcome: startup.Outcome) -> tuple[str, list[Target]]:
    """Commands next to Python's own start."""
    body = table(
        ["command, from start to end", "ms", "times Python's own start"],
        [
            [f"`{name}`", f"{outcome.seconds(name) * 1000:.0f}", f"{outcome.times_python(name):.1f}"]
            for name in outcome.rounds
        ],
    )
    name = f"{startup.HELP}, times {startup.PYTHON}"
    return body, [
        Target(name, outcome.times_python(startup.HELP), HELP_TIMES_PYTHON, most=True),
        *(
            Target(each, outcome.seconds(each), limit, " s", most=True)
            for each, limit in (
                (startup.HELP, ANSWER_SECONDS),
                (startup.LIST, ANSWER_SECONDS),
                (startup.SHOW, ANSWER_SECONDS),
                (startup.CREATE, CREATE_SECONDS),
            )
        ),
    ]


def load_report(outcome: load.Outcome) -> tuple[str, list[Target]]:
    """Loading next to COPY."""
    body = side_by_side("load of a CSV", outcome.messages, outcome.loaded, outcome.raw, "raw COPY of the same rows")
    return body, [Target("load, of raw COPY", outcome.raw / outcome.loaded, 0.6)]


def submit_report(outcome: submit.Outcome) -> tuple[str, list[Target]]:
    """Submitting next to bare POSTs of three kinds; the target is that of one plain loop."""
    took = median(outcome.submitted)
    rows = [["claim, POST, finish", f"{took:.2f}", f"{outcome.messages / took:,.0f}", ""]]
    for name, rounds in outcome.bare.items():
        took = median(rounds)
        rows.append([f"bare: {name}", f"{took:.2f}", f"{outcome.messages / took:,.0f}", f"{outcome.ratio(name):.2f}"])
    body = table(
        [f"{outcome.chunks:,} bodies, median of {len(outcome.submitted)}", "seconds", "messages/s", "ratio"], rows
    )
    return body, [Target("submit, of the bare loop", outcome.ratio(submit.ONE_LOOP), 0.5)]


def settle_report(outcome: settle.Outcome) -> tuple[str, list[Target]]:
    """Settling next to UPDATEs."""
    body = side_by_side("answers settled", outcome.messages, outcome.settled, outcome.raw, "raw batched UPDATE")
    return body, [Target("settle, of raw UPDATE", outcome.raw / outcome.settled, 0.7)]


def campaign_report(outcomes: list[campaign.Outcome]) -> tuple[str, list[Target]]:
    """Whole campaigns of several sizes; the targets are those of a million, and of its CPU next to a tenth of it."""
    kinds = sorted({kind for outcome in outcomes for kind in outcome.usage.cpu})
    figures = table(
        [
            "messages",
            "seconds",
            "messages/s",
            "CPU s",
            "CPU ms per 1,000",
            "statements per 1,000",
            "transactions per 1,000",
            "WAL bytes each",
        ],
        [
            [
                f"{o.messages:,}",
                f"{o.usage.seconds:.2f}",
                f"{o.messages / o.usage.seconds:,.0f}",
                f"{o.usage.cpu_total:.1f}",
                f"{_per_thousand(o):.1f}",
                f"{o.database.statements * 1000 / o.messages:.1f}",
                f"{o.database.transactions * 1000 / o.messages:.1f}",
                f"{o.database.wal_bytes / o.messages:.0f}",
            ]
            for o in outcomes
        ],
    )
    processes = table(
        ["CPU ms per 1,000 / peak RSS / private, MiB", *kinds],
        [[f"{o.messages:,}", *(_of_kind(o, kind) for kind in kinds)] for o in outcomes],
    )
    return f"{figures}\n\n{processes}", _campaign_targets({o.messages: o for o in outcomes})


def _campaign_targets(by_size: dict[int, campaign.Outcome]) -> list[Target]:
    targets = []
    if million := by_size.get(1_000_000):
        targets += [
            Target("1M end to end", million.usage.seconds, 18.0, " s", most=True),
            Target("1M, messages/s", 1_000_000 / million.usage.seconds, 55_000),
        ]
        targets += [
            Target(f"peak RSS at 1M, {kind}", peak / MEBIBYTE, MEMORY_LIMIT, " MiB", most=True)
            for kind, peak in sorted(million.usage.rss.items())
        ]
        if tenth := by_size.get(100_000):
            growth = _per_thousand(million) / _per_thousand(tenth)
            targets.append(Target("CPU a message at 1M, of that at 100k", growth, CPU_GROWTH, most=True))
    return targets


def memory_report(outcome: memory.Outcome) -> tuple[str, list[Target]]:
    """What `up` and its servers take; the target of the peak is that of a million."""
    rest, peak = outcome.rest, outcome.peak
    names = sorted({*rest.pss, *peak.pss}, key=lambda name: (-rest.pss[name], name))
    rows = [[name, f"{rest.pss[name] / MEBIBYTE:.1f}", f"{peak.pss[name] / MEBIBYTE:.1f}"] for name in names]
    rows.append(["sum", f"{rest.total / MEBIBYTE:.1f}", f"{peak.total / MEBIBYTE:.1f}"])
    targets = [Target("PSS of all at rest", rest.total / MEBIBYTE, REST_LIMIT, " MiB", most=True)]
    if outcome.messages == 1_000_000:
        targets.append(Target("peak PSS of all at 1M", peak.total / MEBIBYTE, PEAK_LIMIT, " MiB", most=True))
    return table(["PSS, MiB", "at rest", f"at the peak of {outcome.messages:,}"], rows), targets


def webhooks_report(outcome: webhooks.Outcome) -> tuple[str, list[Target]]:
    """A campaign that endpoints are told of next to one without; the target is that of a million."""
    rows = [
        ["without", f"{median(outcome.without):.2f}", ""],
        [f"{webhooks.ENDPOINTS} endpoints", f"{median(outcome.told):.2f}", f"{outcome.deliveries:,}"],
        ["ratio", f"{outcome.ratio:.2f}", ""],
    ]
    body = table([f"a campaign of {outcome.messages:,}, median of {len(outcome.told)}", "seconds", "calls"], rows)
    if outcome.messages != 1_000_000:
        return body, []
    name = f"1M with {webhooks.ENDPOINTS} endpoints told of results, times without"
    return body, [Target(name, outcome.ratio, TOLD_GROWTH, most=True)]


def page_report(outcome: page.Outcome) -> tuple[str, list[Target]]:
    """The page over a large database."""
    rows = [[name, f"{median(took) * 1000:.0f}", f"{max(took) * 1000:.0f}"] for name, took in outcome.pages.items()]
    body = table([f"{outcome.messages:,} messages in the database", "median, ms", "slowest, ms"], rows)
    cores = ", ".join(
        f"{kind} {n * 100:.1f} % of a core ({outcome.idle[kind] * 100:.1f} % idle)" for kind, n in outcome.live.items()
    )
    body += f"\n\n{page.LIVE} live pages, {outcome.looks} looks, {outcome.rows_read} rows of messages read: {cores}."
    live = sum(outcome.live.values()) - sum(outcome.idle.values())
    return body, [
        Target("first page", outcome.seconds(page.FIRST) * 1000, 100, " ms", most=True),
        Target("a page of messages, the slowest", outcome.seconds(*outcome.depths) * 1000, 150, " ms", most=True),
        Target(f"{page.LIVE} live pages, of a core", live * 100, 5, " %", most=True),
        Target(f"rows of messages that {page.LIVE} live pages read", outcome.rows_read, 0, most=True),
    ]


def urgent_report(outcome: urgent.Outcome) -> tuple[str, list[Target]]:
    """Single messages beside a campaign."""
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    waits = {name: outcome.quantile(share) * 1000 for name, share in shares.items()}
    body = table(
        ["single messages", "beside a campaign of", "its seconds", *(f"{name}, ms" for name in waits)],
        [
            [
                f"{len(outcome.waits)}",
                f"{outcome.messages:,}",
                f"{outcome.seconds:.1f}",
                *(f"{wait:.1f}" for wait in waits.values()),
            ]
        ],
    )
    limits = {"p50": 30.0, "p99": 150.0}
    return body, [
        Target(f"urgent, enqueue to answer less the provider's, {name}", waits[name], limit, " ms", most=True)
        for name, limit in limits.items()
    ]


def per_message_report(outcome: per_message.Outcome, campaigns: list[campaign.Outcome]) -> tuple[str, list[Target]]:
    """The other design; its target is how much slower it is than the largest campaign."""
    rate = outcome.messages / outcome.usage.seconds
    body = table(
        ["", "messages", "seconds", "messages/s", "CPU ms per 1,000"],
        [
            [
                "one Celery task a message",
                f"{outcome.messages:,}",
                f"{outcome.usage.seconds:.1f}",
                f"{rate:,.0f}",
                f"{outcome.usage.cpu_total * 1e6 / outcome.messages:,.0f}",
            ]
        ],
    )
    largest = max(campaigns, key=lambda o: o.messages, default=None)
    if largest is None:
        return body, []
    times = largest.messages / largest.usage.seconds / rate
    name = f"{largest.messages:,} end to end, times the per-message design"
    return body, [Target(name, times, TIMES_PER_MESSAGE)]


def plain_report(outcomes: list[plain.Outcome], campaigns: list[campaign.Outcome]) -> tuple[str, list[Target]]:
    """The plain script beside our campaigns of the same sizes. It has no target: it does not do what we do."""
    ours = {outcome.messages: outcome.usage for outcome in campaigns}
    rows = [
        [
            f"{outcome.messages:,}",
            f"{outcome.usage.seconds:.2f}",
            f"{outcome.usage.cpu_total:.1f}",
            *(
                [f"{beside.seconds:.2f}", f"{beside.cpu_total:.1f}"]
                if (beside := ours.get(outcome.messages))
                else ["", ""]
            ),
        ]
        for outcome in outcomes
    ]
    return table(["messages", "plain script, s", "its CPU s", "ours, s", "our CPU s"], rows), []


def history_report(outcome: history.Outcome) -> tuple[str, list[Target]]:
    """What is done all day, in a new installation and over a history."""
    size = outcome.size
    rows = [
        [name, f"{took * 1000:.1f}", f"{outcome.full[name] * 1000:.1f}", f"{outcome.full[name] / took:.2f}"]
        for name, took in outcome.new.items()
    ]
    body = table(["the fastest of its rounds", "new, ms", "with the history, ms", "times"], rows)
    what = f"{size.messages:,} messages in {size.campaigns:,} campaigns and {outcome.ranges} sealed ranges"
    more = f"{size.units:,} of them in chunks of one, {size.optouts:,} opt-outs, {size.replies:,} replies"
    one = f"Everything about one person, {outcome.to_person} messages among it: {outcome.person * 1000:.0f} ms"
    sealed = f"a sealed message takes {outcome.sealed:.0f} bytes, indexes included"
    body = f"{what}, {more}; made in {outcome.made:.0f} s.\n\n{body}\n\n{one}; {sealed}."
    return body, [
        *(
            Target(f"{name}, times new", outcome.full[name] / took, HISTORY_GROWTH, most=True)
            for name, took in outcome.new.items()
        ),
        Target("one person, of all history", outcome.person * 1000, 100, " ms", most=True),
        Target("a scrape of /metrics, over the history", outcome.full["`/metrics`"] * 1000, 50, " ms", most=True),
        Target("bytes of a sealed message", outcome.sealed, SEALED_BYTES, most=True),
    ]


def year_report(outcome: year.Outcome) -> tuple[str, list[Target]]:
    """Steady sending for longer than messages are kept."""
    months = [*range(0, year.WEEKS, 8), year.WEEKS - 1]
    sizes = table(
        ["after week", "database, MiB"], [[f"{week + 1}", f"{outcome.sizes[week] / MEBIBYTE:.0f}"] for week in months]
    )
    times = table(
        ["the fastest of its rounds", "in the first week, ms", "after the last, ms", "times"],
        [
            [name, f"{took * 1000:.1f}", f"{outcome.last[name] * 1000:.1f}", f"{outcome.last[name] / took:.2f}"]
            for name, took in outcome.first.items()
        ],
    )
    week = f"{year.CAMPAIGNS * year.EACH:,} messages a week"
    what = f"{week}, a {year.SHARE}th of a million a day; {outcome.dropped} ranges went"
    return f"{what}.\n\n{sizes}\n\n{times}", [
        Target("size after 13 months, times", outcome.growth, YEAR_GROWTH, most=True),
        *(
            Target(f"{name}, times the first week", outcome.last[name] / took, HISTORY_GROWTH, most=True)
            for name, took in outcome.first.items()
        ),
    ]


def targets_report(targets: list[Target]) -> str:
    """Every target, met or MISSED."""
    return table(["target", "measured", "wanted", ""], [target.row() for target in targets])


def _per_thousand(outcome: campaign.Outcome) -> float:
    """CPU milliseconds of 1,000 messages, which is as many CPU seconds for a million."""
    return outcome.usage.cpu_total * 1e6 / outcome.messages


def _of_kind(outcome: campaign.Outcome, kind: str) -> str:
    usage: Any = outcome.usage
    cpu = usage.cpu.get(kind, 0.0) * 1e6 / outcome.messages
    return f"{cpu:.1f} / {usage.rss.get(kind, 0) // MEBIBYTE} / {usage.private.get(kind, 0) // MEBIBYTE}"
