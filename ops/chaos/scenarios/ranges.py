"""Ranges of messages that are made late, dropped late, or dropped while results of theirs still come."""

import threading

from dispatcher.maintenance import retention
from dispatcher.maintenance.retention import Gone
from ops.chaos.run import Run

_AGED = """
UPDATE campaign SET created_at = created_at - interval '30 days', started_at = started_at - interval '30 days',
       completed_at = completed_at - interval '30 days', opened_at = opened_at - interval '30 days' WHERE id = :id;
UPDATE chunk SET posted_at = posted_at - interval '30 days', settled_at = settled_at - interval '30 days',
       first_post_at = first_post_at - interval '30 days' WHERE campaign_id = :id
"""
_TAKE_AWAY = """
DO $$
DECLARE found text;
BEGIN
    LOCK TABLE message IN ACCESS EXCLUSIVE MODE;  -- loads that were under way have ended
    FOR found IN SELECT name FROM message_range WHERE first_campaign > coalesce((SELECT max(id) FROM campaign), 0) LOOP
        EXECUTE format('DROP TABLE %I', found);
    END LOOP;
END
$$
"""
_AHEAD = "SELECT name FROM message_range WHERE first_campaign > coalesce((SELECT max(id) FROM campaign), 0)"


def made_late(run: Run) -> None:
    """No range is there when campaigns are loaded, two at a time beside sending: each load makes its own."""
    run.processes.start()
    for turn in range(10):
        run.sql(_TAKE_AWAY)
        loaders = [
            threading.Thread(target=run.load, kwargs={"rows": 200, "first": 1000 * (2 * turn + n)}) for n in (0, 1)
        ]
        for loader in loaders:
            loader.start()
        for loader in loaders:
            loader.join()
    run.healed()
    run.expect(len(run.inputs) == 20, f"{len(run.inputs)} of 20 campaigns were loaded")
    run.wait(run.finished, "all of them go out", 60)
    retention.run(run.runtime.engine, run.runtime.settings)
    run.expect(len(run.sql(_AHEAD)) >= 2, "no range is ahead in the end")


def dropped_late(run: Run) -> None:
    """Somebody reads a range that should go: nothing else waits for either of them, and it goes afterwards."""
    run.simulator.set_option(latency=0.1)
    old = _done_and_old(run)
    other = run.load(rows=3000, first=5000)
    with run.runtime.engine.connect() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM message_1")
        for _ in range(5):
            posts = run.simulator.stats()["posts"]
            gone = _keep(run)
            run.expect(not gone.complete and not gone.ranges, "a range that is being read was dropped")
            run.wait_posts(posts + 1, 5)
            run.pass_time(0.3)
    run.healed()
    run.wait(lambda: _keep(run).complete, "the range goes", 10)
    run.expect(
        not run.sql("SELECT 1 FROM message_range WHERE first_campaign <= :id AND end_campaign > :id", id=old), ""
    )
    run.wait(run.finished, "the other campaign goes out", 60)
    run.expect(run.show(other).state == "completed", "the other campaign did not complete")
    _keeps_its_sums(run, old)


def late_results(run: Run) -> None:
    """Results of a dropped campaign come before, while and after its range goes: they stop nothing."""
    run.simulator.set_option(delay_min=9, delay_max=22)
    old = _done_and_old(run)
    run.simulator.set_option(delay_min=0.1, delay_max=1)
    other = run.load(rows=3000, first=5000)
    before = run.value("SELECT coalesce(sum(resulted), 0) FROM chunk WHERE campaign_id = :id", id=old)
    run.expect(before < 2000, "every result was there already")
    run.wait(lambda: _keep(run).complete, "the campaign and its range go", 10)
    run.wait(lambda: run.simulator.stats()["waiting"] == 0, "every result is there", 60)
    run.healed()
    run.wait(run.finished, "the other campaign goes out", 60)
    run.pass_time(3)  # a poll more
    run.expect(run.value("SELECT count(*) FROM account WHERE stale_at IS NOT NULL") == 0, "the account was stopped")
    run.expect(run.value("SELECT max(poll_failures) FROM account") == 0, "polls fail")
    run.expect(run.show(other).state == "completed", "the other campaign did not complete")
    _keeps_its_sums(run, old)


def _keep(run: Run) -> Gone:
    return retention.run(run.runtime.engine, run.runtime.settings, 5)


def _done_and_old(run: Run) -> int:
    """A campaign of the first range that has ended and whose time is over; the next ones are of the second range."""
    old = run.load(keep_days=8)
    run.processes.start()
    run.wait(lambda: run.show(old).state == "completed", "the first campaign ends", 60)
    run.inputs.pop(old)
    end = run.value("SELECT end_campaign FROM message_range WHERE first_campaign <= :id AND end_campaign > :id", id=old)
    run.sql("SELECT setval('campaign_id_seq', :end)", end=end)
    for statement in _AGED.split(";"):
        run.sql(statement, id=old)
    return old


def _keeps_its_sums(run: Run, campaign_id: int) -> None:
    shown = run.show(campaign_id)
    run.expect(shown.dropped_at is not None, "the campaign was not dropped")
    run.expect(sum(shown.counts.values()) == 2000, f"its sums say {shown.counts}")
