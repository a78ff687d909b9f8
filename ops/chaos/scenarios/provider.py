"""A provider that refuses, falls silent, lies, or answers late."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from dispatcher.campaigns import operator_actions
from ops.chaos.run import Run
from ops.chaos.scenarios.handed_in import create_campaign

BULK: dict[str, dict[str, Any]] = {
    "lost-all": {"kind": "close", "take": "all"},
    "lost-half": {"kind": "close", "take": "half"},
    "lost-none": {"kind": "close", "take": "none"},
    "reset": {"kind": "reset", "take": "all"},
    "500-before": {"kind": "error", "take": "none"},
    "500-after": {"kind": "error", "take": "all"},
    "redirect": {"kind": "redirect", "take": "none"},
    "html-200": {"kind": "html", "take": "half"},
    "slow": {"kind": "slow", "seconds": 3, "when": "after"},
    "drip": {"kind": "drip", "interval": 2.0},
    "hang": {"kind": "hang", "seconds": 3},
    "garbage": {"kind": "garbage", "take": "half"},
    "noise": {"kind": "noise", "take": "all"},
    "huge": {"kind": "huge", "take": "all", "size": 50_000_000},
}
"""Answers of the bulk page; each hits three POSTs."""

STATUS: tuple[dict[str, Any], ...] = (
    {"kind": "error"},
    {"kind": "html"},
    {"kind": "garbage"},
    {"kind": "noise"},
    {"kind": "truncate"},
    {"kind": "reset"},
    {"kind": "redirect"},
    {"kind": "close"},
    {"kind": "huge", "size": 20_000_000},
)


def bad_answers(fault: str) -> Callable[[Run], None]:
    """Three POSTs of a campaign get this answer."""

    def play(run: Run) -> None:
        run.simulator.set_faults({**BULK[fault], "times": 3, "after": run.dice.randrange(1, 6)})
        run.load()
        run.processes.start()
        run.wait_posts(8, 45)
        run.healed()

    play.__doc__ = f"Three POSTs get: {fault}."
    return play


def all_kinds(run: Run) -> None:
    """Every kind of bad answer, two POSTs each, in a seeded order; and bad answers to the polls."""
    kinds = list(BULK.values())
    run.dice.shuffle(kinds)
    run.simulator.set_faults(
        *({**fault, "times": 1, "after": 3 * number} for number, fault in enumerate(kinds, start=1)),
        *(
            {**fault, "endpoint": "status", "probability": 0.2, "seed": run.dice.randrange(99), "times": 2}
            for fault in STATUS
        ),
    )
    run.load(rows=4000)
    run.load(rows=2000, first=5000, priority="high")
    run.processes.start()
    run.wait(lambda: run.value("SELECT count(*) FROM chunk WHERE state = 'due'") == 0, "all went out", 120)
    run.healed()


def refused(run: Run) -> None:
    """Nobody listens for four seconds, then a host that swallows connections for four more."""
    run.load()
    run.processes.start()
    run.wait_posts(4)
    run.fault("refused", seconds=4)
    run.pass_time(4)
    run.wait_posts(6)
    run.fault("blackhole", seconds=4)
    run.pass_time(4)
    run.healed()
    run.wait(lambda: run.simulator.stats()["posts"] >= 20, "the provider is found again", 45)
    doubts = run.value("SELECT count(*) FROM attempt WHERE outcome = 'in_doubt'")
    run.expect(doubts <= 2, f"{doubts} doubts where nothing could have been delivered")


def connect_timeout(run: Run) -> None:
    """A host swallows connections for twenty seconds, each call for ten: nothing is in doubt, the ticks go on."""
    run.load()
    run.processes.start()
    run.wait_posts(4)
    run.fault("blackhole")
    run.sql("UPDATE account SET clock_measured_at = clock_measured_at - interval '2 minutes', balance_at = NULL")
    beats = []
    for _ in range(20):
        run.pass_time(1)
        run.hurry(300)
        beats.append(run.value("SELECT extract(epoch FROM clock_timestamp() - at) FROM heartbeat WHERE name = 'tick'"))
    run.expect(max(beats) < 15, f"a tick came {max(beats):.1f} s after the one before it")
    run.simulator.clear_faults()
    run.healed()
    run.wait(lambda: run.simulator.stats()["posts"] >= 20, "the provider is found again", 45)
    doubts = run.value("SELECT count(*) FROM attempt WHERE outcome = 'in_doubt'")
    run.expect(doubts <= 2, f"{doubts} doubts where nothing could have been delivered")


def an_hour_away(run: Run) -> None:
    """The provider is down for an hour (fast-forwarded), the backoff at its longest; then it is back, and used."""
    run.load()
    run.processes.start()
    run.wait_posts(4)
    run.fault("refused")
    begun = "SELECT count(*) FROM attempt"
    before = run.value(begun)
    for _ in range(12):
        run.pass_time(1)
        run.hurry(300)
    tried = run.value(begun) - before
    run.expect(tried <= 30, f"{tried} POSTs were begun in an hour without a provider")
    run.expect(not run.value("SELECT count(*) FROM chunk WHERE state = 'held'"), "the outage had chunks held")
    # Nothing is hurried from here on: that it is back has to be found out by asking.
    waits = "SELECT count(*) FROM account WHERE retry_at > clock_timestamp() + interval '4 minutes'"
    run.wait(lambda: run.value(waits), "the account backs off for minutes")
    run.simulator.clear_faults()
    run.jump(advance=3600)
    run.healed()


def ten_minutes_of_500s(run: Run) -> None:
    """2,000 chunks and ten minutes (fast-forwarded) in which every POST gets a 500 after half of it was taken."""
    run.load(rows=10_000)
    run.load(rows=10_000, first=20_000)
    run.fault("error", take="half")
    run.processes.start()
    run.wait_posts(3)
    for _ in range(30):
        run.pass_time(0.5)
        run.hurry(20)
    posts = run.simulator.stats()["posts"]
    probes = run.simulator.stats()["calls"].get("status_idinterno", 0)
    run.expect(posts <= 30, f"{posts} POSTs in ten minutes of 500s")
    run.expect(probes <= 400 * 25, f"{probes} probes: a storm")
    run.expect(run.value("SELECT count(*) FROM chunk WHERE state = 'due'") > 1900, "the rest did not stay due")
    run.simulator.clear_faults()
    run.hurry(300)
    run.healed()


def late_results(run: Run) -> None:
    """Results come two hours late, in any order and repeated, with lines of other systems among them."""
    run.simulator.set_option(shuffle_rows=True, delay_min=0, delay_max=30)
    run.simulator.set_faults({"kind": "late", "seconds": 7200}, {"kind": "repeat", "copies": 3})
    run.load(rows=3000)
    run.processes.start()
    run.wait(lambda: run.value("SELECT count(*) FROM chunk WHERE state IN ('due', 'sending')") == 0, "all went out")
    ours = run.value("SELECT prefix FROM installation")
    strangers = ["1144445555", "PEDIDO77", f"M{ours}FFFFG1{'0'}", "M0123456789" + "1G10", "x" * 50]
    run.simulator.inject(*({"idinterno": stranger, "text": "OK"} for stranger in strangers * 40))
    run.jump(advance=7260)
    run.healed()


def late_and_lost(run: Run) -> None:
    """Results come two hours late, and the answers of a POST in the middle and of the last one are lost."""
    run.simulator.set_faults(
        {"kind": "late", "seconds": 7200}, *({"kind": "close", "after": n, "times": 1} for n in (7, 20))
    )
    run.load()
    run.processes.start()
    run.wait(lambda: run.value("SELECT count(*) FROM chunk WHERE state IN ('due', 'sending')") == 0, "all went out")
    run.pass_time(15)  # several horizons
    run.expect(run.simulator.stats()["posts"] == 21, "lines that the provider had not come to were taken for absent")
    run.jump(advance=7260)
    run.healed()


def ignored_lines(run: Run) -> None:
    """The provider drops a tenth of the lines without a word: they end unknown, none is forgotten."""
    run.simulator.set_faults({"kind": "ignore", "share": 0.1})
    run.load()
    run.processes.start()
    run.healed()
    run.wait(run.finished, "given up on what never came", 60)
    unknown = run.value("SELECT count(*) FROM message_status WHERE status = 'unknown'")
    run.expect(100 < unknown < 320, f"{unknown} of 2,000 are unknown, about 200 were dropped")


def bad_key(run: Run) -> None:
    """The provider refuses the key for a while: the account is blocked, its chunks stay due."""
    run.load()
    run.processes.start()
    run.wait_posts(4)
    run.simulator.set_option(apikey=["ANOTHER"])
    run.wait(
        lambda: run.value("SELECT count(*) FROM account WHERE blocked_at IS NOT NULL") == 1, "the account is blocked"
    )
    run.pass_time(2)
    run.simulator.set_option(apikey=["CHAOS"])
    run.healed()
    run.hurry(300)


def out_of_credit(run: Run) -> None:
    """Credit ends and bulk calls are refused by a sentence: blocked, one doubt, and on once there is more."""
    run.simulator.set_option(credit=900, refuse_calls=True, mix={}, delay_min=0, delay_max=0, latency=0.2)
    run.load()
    run.processes.start()
    run.wait(
        lambda: run.value("SELECT count(*) FROM account WHERE blocked_at IS NOT NULL") == 1, "the account is blocked"
    )
    run.pass_time(2)
    run.simulator.set_option(credit=100_000)
    run.healed()
    run.hurry(300)
    # What was taken and found no credit came back with a code: that is a reject, and no loss.


PAGES = ["date", "saldo", "envios", "inbox", "status"]
_TICK_AGE = "SELECT extract(epoch FROM clock_timestamp() - at) FROM heartbeat WHERE name = 'tick'"


def hangs_on_every_page(run: Run) -> None:
    """The provider hangs on every page but the one that takes messages: no tick and no campaign waits for it."""
    run.simulator.set_faults({"kind": "late", "seconds": 600})
    run.processes.worker_of_each_queue(run.runtime.settings)
    run.processes.beat()
    run.load(rows=300)
    run.wait(lambda: run.simulator.stats()["taken"] == 300, "five workers have started, and all lines are taken", 120)
    run.simulator.set_faults({"kind": "hold", "endpoint": PAGES}, replace=True)
    _make_all_due(run)
    held: set[str] = set()

    def all_hang() -> bool:
        held.update(call["endpoint"] for call in run.simulator.held(4, 1.0))
        return {"date", "saldo", "inbox"} <= held

    run.wait(all_hang, "every page hangs", 60)
    people, words = run.people(1000, first=5000), "Entretanto para {n}"
    handed_in = time.monotonic()
    create_campaign(run.arena.broker_url, idempotency_key="k", template=words, recipients=people)
    made = "SELECT campaign_id FROM campaign_request WHERE state = 'created'"
    run.wait(lambda: run.sql(made), "the campaign is created", 60)
    latency = time.monotonic() - handed_in
    ages = []
    for _ in range(60):
        _make_all_due(run)  # more of every kind, as the minutes would bring it
        ages.append(float(run.value(_TICK_AGE)))
        run.pass_time(0.2)
    run.measured(f"a tick was at most {max(ages):.1f} s old, create_campaign took {latency:.1f} s")
    run.expect(max(ages) < 5, f"a tick came only {max(ages):.1f} s after the one before it")
    run.expect(latency < 5, f"create_campaign took {latency:.1f} s")
    for row in run.sql(made):
        run.expect_rows(row.campaign_id, people, words)
    run.simulator.clear_faults()
    run.simulator.release()
    run.jump(advance=660)
    run.healed()


def _make_all_due(run: Run) -> None:
    """What the tick hints at after minutes, now: every kind of question."""
    run.sql(
        "UPDATE account SET clock_measured_at = clock_measured_at - interval '2 minutes', clock_ask_at = NULL, "
        "balance_at = NULL, inbox_at = NULL, poll_at = clock_timestamp()"
    )


def probes_do_not_pile_up(run: Run) -> None:
    """44 lines are in doubt, probes are slow, hints come twice: each line is asked for once, each hold told once."""
    run.plan(double=True)
    run.fault("close", take="none", times=4, after=1)
    run.fault("slow", endpoint="status_idinterno", seconds=0.5)
    campaign = run.load(rows=176, on_doubt="hold")
    for side in ("left", "right"):
        run.processes.worker(side)
        run.processes.beat(f"beat-{side}")
    held = "SELECT chunk_no FROM chunk WHERE state = 'held' ORDER BY chunk_no"
    run.wait(lambda: len(run.sql(held)) == 4, "four chunks are held", 120)
    asked = Counter(call["detail"] for call in run.simulator.calls() if call["endpoint"] == "status_idinterno")
    chunks = [row.chunk_no for row in run.sql(held)]
    told = sum(run.processes.log(side).count("held campaign=") for side in ("left", "right"))
    run.measured(f"{asked.total()} questions for {len(asked)} lines, {told} holds told")
    run.expect(asked and max(asked.values()) == 1, f"asked more than once: {asked.most_common(3)}")
    run.expect(told == len(chunks), f"{told} lines in the log for {len(chunks)} held chunks")
    run.simulator.clear_faults()
    run.healed()
    for number in chunks:
        operator_actions.resolve(run.runtime.engine, campaign, number, "unsent")
