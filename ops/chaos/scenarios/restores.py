"""A database that is wiped or restored, and a key that is swapped: the provider remembers what we do not."""

from collections.abc import Callable

from dispatcher.campaigns import operator_actions
from dispatcher.domain.window import fecha_digits
from ops.chaos.arena import APIKEY
from ops.chaos.run import Run

FIXED = "El número corresponde a un teléfono fijo."


def _taken(run: Run) -> set[str]:
    """The idinternos that the provider has taken so far."""
    return {line["idinterno"].upper() for line in run.simulator.ledger() if not line["ignored"]}


def let_go_of_database(run: Run) -> None:
    """Kill every process and let go of the database, so that it can be copied or replaced."""
    run.processes.kill()
    run.runtime.close()


def post_beyond_a_dump(run: Run, after: int, *, latency: float) -> int:
    """Load 3,000 rows, dump the database after so many POSTs, make ten more, and stop. Returns the campaign."""
    run.simulator.set_option(latency=latency)
    campaign = run.load(rows=3000)
    if after:
        run.processes.start()
        run.wait_posts(after)
    let_go_of_database(run)
    run.arena.clone("chaos_dump", template=run.database)
    run.runtime = run.connect()
    run.processes.start()
    run.wait_posts(after + 10)
    let_go_of_database(run)
    run.pass_time(0.5)
    return campaign


def restore_dump(run: Run) -> None:
    """Put the dump in the place of the database."""
    run.arena.clone(run.database, template="chaos_dump")
    run.runtime = run.connect()


def wiped(run: Run) -> None:
    """The database is lost in the middle. What the provider then tells of its messages settles nothing."""
    run.simulator.set_option(latency=0.15)
    run.load()
    run.processes.start()
    run.wait_posts(8)
    former = run.value("SELECT prefix FROM installation")
    let_go_of_database(run)
    run.pass_time(0.5)  # what was on the wire is taken, or never will be
    lines = sorted(_taken(run))
    run.former_prefixes.add(former)
    run.inputs.clear()
    run.arena.clone(run.database)
    run.runtime = run.connect()
    campaign = run.load(first=50_000, template="De nuevo para {n}")
    run.healed()
    run.processes.start()
    for number in range(1, 6):
        run.wait_posts(8 + 3 * number)
        now = fecha_digits(run.provider_time())
        # Campaign and line number are those of the new database's messages; only the prefix tells them apart.
        run.simulator.inject(*({"idinterno": line, "fecha": now, "text": f"1120000000: {FIXED}"} for line in lines))
    run.wait(run.finished, "the new database's campaign", 45)
    told = run.value("SELECT foreign_lines FROM account")
    run.expect(told >= len(lines) > 500, f"{told} lines of the lost database's {len(lines)} showed up in the polls")
    own = {line for line in _taken(run) if not line.startswith(f"M{former}")}
    run.expect(len(own) == 2000, f"the new database sent {len(own)} lines")
    settled = {
        row.idinterno for row in run.sql("SELECT idinterno FROM message_status WHERE campaign_id = :id", id=campaign)
    }
    run.expect(settled == own, "a message of the new database carries an idinterno that it did not send")


def restored(after: int) -> Callable[[Run], None]:
    """A dump of the moment when `after` POSTs had been made comes back, after ten more."""

    def play(run: Run) -> None:
        campaign = post_beyond_a_dump(run, after, latency=0.15)
        taken, posts = _taken(run), run.simulator.stats()["posts"]
        restore_dump(run)
        operator_actions.restored(run.runtime.engine)
        chunks = _held_chunks(run, campaign)
        unsent = {chunk for chunk, lines in chunks.items() if not lines & taken}
        sent = chunks.keys() - unsent
        run.expect(len(sent) >= 5, f"only {len(sent)} chunks were sent after the dump")
        run.expect(len(unsent) >= 5, f"only {len(unsent)} chunks were never sent")
        run.healed()
        run.processes.start()
        run.wait(
            lambda: not sent & _held_chunks(run, campaign).keys(), "results settle what went out after the dump", 60
        )
        run.pass_time(6)  # horizon and probes of a doubt would be over
        run.expect(_held_chunks(run, campaign).keys() == unsent, "what was never sent did not stay held")
        run.expect(run.simulator.stats()["posts"] == posts, "something was POSTed before the operator decided")
        for chunk in sorted(unsent):
            operator_actions.resolve(run.runtime.engine, campaign, chunk, "unsent")
        run.wait(run.finished, "what the operator released goes out", 60)
        run.expect(len(_taken(run)) == 3000, f"{len(_taken(run))} of 3,000 lines were taken")

    play.__doc__ = (
        f"A dump of {after} POSTs comes back after ten more: those settle, the rest goes once the operator says."
    )
    return play


def _held_chunks(run: Run, campaign: int) -> dict[int, set[str]]:
    """The idinternos of each held chunk."""
    found: dict[int, set[str]] = {}
    for row in run.sql(
        "SELECT k.chunk_no, s.idinterno FROM message_status s JOIN chunk k USING (campaign_id, chunk_no) "
        "WHERE campaign_id = :id AND k.state = 'held'",
        id=campaign,
    ):
        found.setdefault(row.chunk_no, set()).add(row.idinterno)
    return found


def another_key(run: Run) -> None:
    """The key is swapped in the middle for one of another account: nothing goes out under it."""
    run.simulator.set_option(apikey=[APIKEY, "OTHER:other"], latency=0.1)
    run.load(rows=3000)
    run.processes.start()
    run.wait_posts(4)
    run.processes.kill()
    run.processes.environment["DISPATCHER_APIKEY"] = "OTHER"
    run.processes.start()
    run.pass_time(5)
    strangers = sum(1 for post in run.simulator.posts() if post["account"] == "other")
    run.expect(strangers == 0, f"{strangers} POSTs went out under the other key")
    run.processes.kill()
    run.processes.environment["DISPATCHER_APIKEY"] = APIKEY
    run.healed()
    run.processes.start()
