"""An account judges a whole batch at once exactly as it would line by line, and the sums hold."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ops.simulator import clock, sentences
from ops.simulator.account import Account
from ops.simulator.ledger import Ledger
from ops.simulator.options import Options
from ops.simulator.rows import rows_of
from ops.simulator.rules import Rules

START = float(clock.parse_iso("2026-03-10 12:00:00"))
LINES = st.lists(
    st.tuples(
        st.sampled_from(["A1", "a1", "B2", "no_good"]),
        st.sampled_from(["1161880001", "1161880002", "1155"]),
        st.sampled_from(["Hola", "Chau", "mañana", "*1*", ""]),
    ).map(lambda fields: "\t".join(fields).encode()),
    max_size=6,
)
POSTS = st.lists(st.tuples(st.integers(0, 3 * 3600), LINES), max_size=5)
SETTINGS = st.fixed_dictionaries(
    {
        "dup_hours": st.sampled_from([0, 1, 48]),
        "credit": st.sampled_from([None, 0, 2, 100]),
        "delay_max": st.sampled_from([0, 600]),
        "results": st.sampled_from(["both", "first", "last"]),
        "fecha_lag": st.sampled_from([0, 100]),
        "seed": st.integers(0, 3),
        "debit": st.sampled_from(["on_processing", "on_taking"]),
        "out_of_order": st.booleans(),
        "slow_suffix": st.sampled_from([[], ["2"]]),
        "slow_seconds": st.sampled_from([0, 5000]),
    }
)


def run(posts, settings, **more) -> tuple[Account, Ledger]:
    ledger = Ledger()
    account = Account("main", Rules(Options(**settings, **more)), ledger)
    now = START
    for wait, lines in posts:
        now += wait
        post = ledger.post("main", now, 0)
        post.offered = len(lines)
        account.process(now)
        account.take(post, lines, b"\t")
    account.process(now + 2 * 86_400)  # what came after closing waits for the next opening
    return account, ledger


@given(POSTS, SETTINGS)
def test_the_fast_path_says_what_the_slow_one_says(posts, settings):
    fast, fast_ledger = run(posts, settings)
    slow, slow_ledger = run(posts, settings, mix={"0": 1.0})  # a mix of nothing but OK looks at every line
    assert list(fast_ledger.lines()) == list(slow_ledger.lines())
    assert fast.book.by_fecha(0, "since") == slow.book.by_fecha(0, "since")
    assert fast.used == slow.used


@given(POSTS, SETTINGS)
def test_every_line_offered_has_one_end(posts, settings):
    account, ledger = run(posts, settings)
    assert account.waiting == 0
    for post in ledger.posts:
        assert post.offered == post.taken + len(post.ignored)
    verdicts = Counter(line.get("verdict") for line in ledger.lines() if not line["ignored"])
    assert verdicts.total() == sum(post.taken for post in ledger.posts) == account.book.rows
    assert verdicts[sentences.OK] == account.used == ledger.sent()["ok"]
    assert settings["credit"] is None or account.used <= settings["credit"]
    shown = b"".join(rows_of(batch) for batch in ledger.batches)
    assert Counter(shown.split(b"\r\n")) == Counter(b"".join(row for row in account.book.all_rows()).split(b"\r\n"))


@given(POSTS, SETTINGS)
def test_no_pair_is_sent_twice_within_its_hours(posts, settings):
    _, ledger = run(posts, settings)
    hours = settings["dup_hours"]
    last: dict[tuple[str, str], int] = {}
    sent = [line for line in ledger.lines() if line.get("verdict") == sentences.OK]
    for line in sorted(sent, key=lambda line: line["fecha"]):
        pair, at = (line["destino"], line["texto"]), clock.parse_stamp(line["fecha"])
        assert pair not in last or at - last[pair] >= hours * 3600
        last[pair] = at


@given(POSTS, SETTINGS)
def test_no_result_precedes_its_line(posts, settings):
    _, ledger = run(posts, settings)
    for line in ledger.lines():
        if not line["ignored"]:
            assert clock.parse_stamp(line["fecha"]) >= int(line["received"])


@given(POSTS, SETTINGS)
def test_in_the_end_saldo_and_envios_have_what_was_sent_whenever_it_was_paid_for(posts, settings):
    account, _ = run(posts, settings)
    credit = settings["credit"]
    assert account.plan.left() == (None if credit is None else credit - account.used)
    assert account.plan.sent_this_month(START) == account.used


@given(POSTS, SETTINGS, st.integers(0, 5))
def test_no_more_is_sent_than_was_bought_with_strangers_on_the_account(posts, settings, strangers):
    account, ledger = run(posts, settings, strangers=strangers)
    assert account.used == ledger.sent()["ok"]
    assert account.plan.sent_this_month(START) == account.used + account.plan.by_strangers
    contracted = account.plan.contracted
    assert contracted is None or account.used + account.plan.by_strangers <= contracted
