"""What people do at the worst moment: pause, cancel, opt out, hand in the same thing ten times, or a broken file."""

import threading

from celery import Celery

from dispatcher.campaigns import lifecycle
from ops.chaos.run import Run


def pause_and_resume(run: Run) -> None:
    """Pause and resume at random moments: nothing arrives between the two."""
    run.simulator.set_option(latency=0.1)
    first, second = run.load(), run.load(first=5000)
    run.processes.start()
    run.wait_posts(2)
    for _ in range(6):
        run.pass_time(run.dice.uniform(0.1, 0.8))
        if run.finished() or run.show(first).state not in ("scheduled", "running"):
            break
        with run.paused(first):
            run.pass_time(run.dice.uniform(0.2, 0.8))
    run.healed()
    run.wait(lambda: run.show(second).state in ("running", "completed"), "the other campaign runs on")


def cancel(run: Run) -> None:
    """One of two campaigns is cancelled in the middle, with POSTs in flight and in doubt."""
    run.simulator.set_option(latency=0.15)
    run.fault("close", take="half", times=2, after=2)
    doomed, other = run.load(), run.load(first=5000)
    run.processes.start()
    run.wait_posts(run.dice.randrange(5, 10))
    lifecycle.cancel(run.runtime.engine, doomed, wait=20)
    run.forbid(doomed, run.provider_now() + 2, why="cancelled")
    run.healed()
    run.wait(run.finished, "the rest goes on", 60)
    run.expect(run.show(doomed).state == "cancelled", "the cancelled campaign is something else")
    run.expect(run.show(doomed).counts.get("cancelled", 0) > 0, "nothing was left to cancel")
    run.expect(run.show(other).state == "completed", "the other campaign did not complete")


def opt_outs(run: Run) -> None:
    """People opt out while their messages wait: whoever did before the claim gets nothing."""
    run.simulator.set_option(latency=0.1)
    run.load(rows=3000)
    run.processes.start()
    run.wait_posts(2)
    for _ in range(40):
        number = f"11{20_000_000 + run.dice.randrange(3000)}"
        run.sql("INSERT INTO optout (destino, source) VALUES (:n, 'chaos') ON CONFLICT DO NOTHING", n=number)
        run.pass_time(0.05)
    run.healed()
    run.wait(run.finished, "the rest goes out", 60)
    late = run.value(
        "SELECT count(*) FROM message m JOIN optout o ON o.destino = m.destino "
        "JOIN chunk k ON k.campaign_id = m.campaign_id AND k.chunk_no = m.chunk_no "
        "JOIN attempt t ON t.chunk_id = k.id WHERE m.suppressed IS NULL AND t.claimed_at > o.since"
    )
    run.expect(late == 0, f"{late} messages were claimed after their people had opted out")
    run.expect(run.value("SELECT count(*) FROM message WHERE suppressed IS NOT NULL") > 0, "nobody opted out in time")


def ten_times(run: Run) -> None:
    """The same campaign is handed in ten times at once under one key, and its loader is killed on the way."""
    plan = run.plan("inside_load", times=1)
    people, words = run.people(5000), "Una vez para {n}"
    payload = {"idempotency_key": "once", "template": words, "recipients": people}
    run.processes.start()
    app = Celery(broker=run.arena.broker_url)
    senders = [
        threading.Thread(
            target=lambda: app.send_task("dispatcher.create_campaign", args=[payload], queue="control", retry=False)
        )
        for _ in range(10)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    run.wait(plan.victims, "the first loader is killed")
    run.healed()
    run.wait(lambda: run.sql("SELECT 1 FROM campaign_request WHERE state = 'created'"), "one of the ten is loaded", 60)
    made = [row.id for row in run.sql("SELECT id FROM campaign")]
    run.expect(len(made) == 1, f"{len(made)} campaigns were made")
    for campaign_id in made:
        run.expect_rows(campaign_id, people, words)
    app.close()


def broken_file(run: Run) -> None:
    """Good files, and in their middle one that is no table, one in UTF-16 with two marks and one with bad rows."""
    lists = run.folder / "lists"
    lists.mkdir(exist_ok=True)
    good = "telefono;n\n" + "".join(f"11{20_000_000 + n};{n}\n" for n in range(1500))
    files = {
        "a.csv": good.encode(),
        "b.csv": b"PK\x03\x04 this is no table \x00\x00\xff" * 40,
        "c.csv": ("\ufeff" + good).encode("utf-16"),
        "d.csv": (good + "15 2345;x\n;y\n1120000000;again\n").encode("latin-1"),
        "e.csv": b"",
    }
    app = Celery(broker=run.arena.broker_url)
    run.processes.start()
    for name, data in files.items():
        (lists / name).write_bytes(data)
        payload = {"idempotency_key": name, "template": f"De {name[0]} para {{n}}", "file": name}
        app.send_task("dispatcher.create_campaign", args=[payload], queue="control", retry=False)
    app.close()
    run.healed()
    run.wait(
        lambda: run.value("SELECT count(*) FROM campaign_request WHERE state <> 'received'") == 5, "all five decided"
    )
    outcome = dict(run.sql("SELECT idempotency_key, state FROM campaign_request"))
    wanted = {"a.csv": "created", "b.csv": "refused", "c.csv": "created", "d.csv": "created", "e.csv": "refused"}
    run.expect(outcome == wanted, f"requests ended {outcome}")
    for row in run.sql("SELECT idempotency_key, campaign_id FROM campaign_request WHERE state = 'created'"):
        run.expect_rows(row.campaign_id, run.people(1500), f"De {row.idempotency_key[0]} para {{n}}")
        invalid = run.show(row.campaign_id).invalid
        run.expect(invalid == (3 if row.idempotency_key == "d.csv" else 0), f"{invalid} rows of it were invalid")
