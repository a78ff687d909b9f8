"""The dispatcher's states against a plain model, step by step, in whatever order hypothesis thinks of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dispatcher.accounts import provider_clock
from dispatcher.campaigns import lifecycle, operator_actions
from dispatcher.db.statements import query
from dispatcher.domain import idinterno
from dispatcher.errors import CredentialsRefused, InDoubt, NotDelivered, UsageError
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.provider.frames import SCHEMA
from dispatcher.results.doubts import Doubts
from dispatcher.results.probe_turn import ProbeTurn
from dispatcher.sending import claims as claims_module
from dispatcher.sending.claims import Claim, NothingToSend
from tests.integration.core_harness import IDENTICAL, CoreHarness
from tests.integration.reference_model import GOOD, Chunk, Line, World

CHUNK_SIZE = 3
CONCURRENCY = 3
OUTCOMES = ["ok", "not_delivered", "refused", "in_doubt", "in_doubt"]
POSTED = st.sampled_from(["none yet", "ok", *OUTCOMES])
REJECTED = "destinatario rechazado por la telefónica"
NO_CREDIT = "se han agotado los 5 SMS contratados"
SENTENCES = {0: "OK", 1: "probando sin enviar", -10: REJECTED, -4: IDENTICAL, -99: NO_CREDIT}
WRONG_COUNTERS = """
WITH kept AS (SELECT campaign_id, chunk_no, code, n FROM chunk_result WHERE n > 0),
counted AS (
    SELECT campaign_id, chunk_no, result_code AS code, count(*)::int AS n FROM message
    WHERE result_code IS NOT NULL GROUP BY 1, 2, 3
)
SELECT k.campaign_id, k.chunk_no FROM chunk k LEFT JOIN message m USING (campaign_id, chunk_no) GROUP BY k.id
HAVING (k.messages, k.resulted, k.suppressed)
    IS DISTINCT FROM (count(m.seq)::int, count(m.result_code)::int, count(m.suppressed)::int)
UNION ALL (
    SELECT campaign_id, chunk_no FROM (
        (TABLE counted EXCEPT ALL TABLE kept) UNION ALL (TABLE kept EXCEPT ALL TABLE counted)
    ) AS difference
)
"""
TABLES = "campaign, message, chunk_result, result_line, absence, optout CASCADE"


@dataclass(frozen=True, eq=False)
class Answer:
    """A result line of the provider."""

    reference: str
    fecha: datetime  # naive, provider-local
    code: int
    line: Line
    generation: int
    counts: bool  # not another system's, and not from before the first POST


class Machine(RuleBasedStateMachine):
    """Each rule is one thing that happens, to the database and to the model."""

    def __init__(self, core: CoreHarness) -> None:
        super().__init__()
        self.core, self.account = core, core.account
        core.do(f"TRUNCATE {TABLES}")
        provider_clock.measure(core.runtime, self.account.id)  # a measurement counts for a while only
        core.do(
            "UPDATE account SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL, failures = 0, retry_at = NULL"
        )
        core.settler.seen.forget_before(core.now().max)  # lines under another prefix
        self.world = World(max_resends=core.settings.max_resends)
        self.claims: list[tuple[Claim, Chunk]] = []
        self.posted: dict[tuple[int, int, int], int] = {}  # (campaign, seq, generation) -> chunk that it last left in
        self.absent: set[tuple[int, int, int, int]] = set()  # ... proven not to be there, in that chunk
        self.good: dict[tuple[int, int], int] = {}
        self.begun = core.now()
        self.answers: list[Answer] = []  # every line that the provider ever answered
        self.read: set[Answer] = set()  # those that the poller has read

    # -- campaigns ---------------------------------------------------------------------------------------------

    @initialize(first=st.integers(0, 3), more=st.booleans(), outcomes=st.lists(POSTED, min_size=2, max_size=4))
    def begin(self, first: int, more: bool, outcomes: list[str]) -> None:
        self.load(5, first, "resend")
        if more:
            self.load(4, 0, "hold")
        self.send(outcomes)  # hypothesis leaves rules out for whole interleavings: none should go without a POST

    @rule(rows=st.integers(1, 5), first=st.integers(0, 5), on_doubt=st.sampled_from(["resend", "resend", "hold"]))
    @precondition(lambda self: len(self.world.campaigns) < 3)
    def load(self, rows: int, first: int, on_doubt: str) -> None:
        numbers = [f"11{20_000_000 + first + n}" for n in range(rows)]
        people = [{"telefono": number, "n": number} for number in numbers]
        words = f"{len(self.world.campaigns)} a {{n}}"
        campaign = self.core.load(recipients=people, on_doubt=on_doubt, template=words, last_line_alone=True)
        self.core.draw_new_prefix()  # results of what was never posted are among the rules
        self.world.load(campaign, on_doubt, numbers, CHUNK_SIZE)

    @rule(what=st.sampled_from(["pause", "resume", "resume", "resume", "cancel", "let it expire"]), data=st.data())
    def steer(self, what: str, data: st.DataObject) -> None:
        campaign = data.draw(st.sampled_from(list(self.world.campaigns.values())))
        if what == "let it expire":
            past = "UPDATE campaign SET expires_at = clock_timestamp() - interval '1 minute' WHERE id = :id"
            self.core.do(past, id=campaign.id)
            campaign.over = True
            return
        allowed = {"pause": ("scheduled", "running", "paused"), "resume": ("paused", "running", "scheduled")}.get(
            what, ("scheduled", "running", "paused", "cancelled")
        )
        move: Callable[..., Any] = getattr(lifecycle, what)
        try:
            move(self.core.engine, campaign.id, **({} if what == "resume" else {"wait": 0}))
        except UsageError:
            assert campaign.state not in allowed
            return
        assert campaign.state in allowed
        if what == "pause":
            campaign.state = "paused"
        elif what == "cancel":
            campaign.state = "cancelled"
            for chunk in campaign.chunks:
                chunk.state = "cancelled" if chunk.state == "due" else chunk.state
        elif campaign.state == "paused":
            campaign.state = "running" if campaign.posted_roots else "scheduled"

    @rule(who=st.integers(0, 10))
    def opt_out(self, who: int) -> None:
        number = f"11{20_000_000 + who}"
        self.core.do("INSERT INTO optout (destino, source) VALUES (:n, 'model') ON CONFLICT DO NOTHING", n=number)
        self.world.optouts.add(number)

    @rule()
    def tick(self) -> None:
        runtime = self.core.runtime
        maintenance_tick._each(runtime, self.account.id, maintenance_tick._retire, maintenance_tick._complete)
        self.world.tick()

    # -- sending -----------------------------------------------------------------------------------------------

    @rule(outcomes=st.lists(POSTED, min_size=1, max_size=3))
    def send(self, outcomes: list[str]) -> None:
        for outcome in outcomes:
            claimed = self._claim()
            if claimed and outcome != "none yet":
                self._answer(*claimed, outcome)

    def _claim(self) -> tuple[Claim, Chunk] | None:
        """What the dispatcher claims is what the model may."""
        self.core.do(
            "UPDATE account SET retry_at = NULL, blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL"
        )
        in_flight, doubts = len(list(self.world.chunks("sending"))), len(list(self.world.chunks("in_doubt")))
        due = self.world.claimable()
        found = self.core.try_claim()
        if in_flight >= CONCURRENCY or (doubts >= 3 and in_flight) or not due:
            assert not isinstance(found, Claim | NothingToSend), found
            return None
        if isinstance(found, NothingToSend):
            (chunk,) = [c for c in due if self._state(c) == "settled"]
            assert self.world.claim(chunk) == []
            return None
        assert isinstance(found, Claim), found
        (chunk,) = [c for c in due if (c.campaign.id, c.number) == (found.campaign_id, found.chunk_no)]
        self._post(found, self.world.claim(chunk))
        self.claims.append((found, chunk))
        return found, chunk

    def _post(self, claim: Claim, lines: list[Line]) -> None:
        """What leaves is what the model says, and nothing that may be at the provider already."""
        sent = [idinterno.decode(row.split("\t")[0]) for row in claim.bloque.decode("latin-1").split("\r\n")]
        assert [(x.seq, x.generation) for x in sent if x] == [(line.seq, line.generation) for line in lines]
        for line in lines:
            key = (claim.campaign_id, line.seq, line.generation)
            before = self.posted.get(key)
            assert before is None or (*key, before) in self.absent, f"{key} left again without a proof of absence"
            self.posted[key] = claim.chunk_no

    @rule(outcome=st.sampled_from(OUTCOMES), data=st.data())
    @precondition(lambda self: self.claims)
    def answer(self, outcome: str, data: st.DataObject) -> None:
        open_ones = [claimed for claimed in self.claims if claimed[1].state in ("sending", "in_doubt", "held")]
        self._answer(*data.draw(st.sampled_from(open_ones * 3 + self.claims)), outcome)  # perhaps of an earlier attempt

    def _answer(self, claim: Claim, chunk: Chunk, outcome: str) -> None:
        engine = self.core.engine
        if outcome == "ok":
            state = claims_module.finish_accepted(engine, claim)
        elif outcome == "in_doubt":
            state = claims_module.finish_in_doubt(engine, claim, InDoubt(reason="reset"))
        else:
            error = (
                NotDelivered(reason="refused")
                if outcome == "not_delivered"
                else CredentialsRefused(words="La apikey es incorrecta.")
            )
            state = claims_module.finish_undelivered(engine, claim, error)
        self.claims = [each for each in self.claims if each[0] is not claim]  # a worker answers once
        expected = self.world.answered(chunk, claim.attempt, outcome)
        assert state == expected
        if state == "due":  # proof that nothing of this attempt arrived
            for key, number in self.posted.items():
                if key[0] == claim.campaign_id and number == claim.chunk_no:
                    self.absent.add((*key, number))

    @rule(data=st.data())
    @precondition(lambda self: any(self.world.chunks("sending")))
    def crash(self, data: st.DataObject) -> None:
        chunk = data.draw(st.sampled_from(list(self.world.chunks("sending"))))
        (claim,) = [claim for claim, c in self.claims if c is chunk and claim.attempt == chunk.attempt]
        self.core.expire_lease(claim)
        self.world.crashed(chunk)

    # -- results -----------------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(["now", "now", "now", "now", "early", "foreign", "old generation"]),
        times=st.integers(1, 2),
        skip_seen=st.booleans(),
        data=st.data(),
    )
    def results(self, kind: str, times: int, skip_seen: bool, data: st.DataObject) -> None:
        campaign = data.draw(st.sampled_from(list(self.world.campaigns.values())))
        filled = [chunk for chunk in campaign.chunks if chunk.lines]
        chunk = data.draw(st.sampled_from(filled + [chunk for chunk in filled if chunk.number != chunk.root] * 3))
        lines = data.draw(st.lists(st.sampled_from(chunk.lines), min_size=1, unique=True))
        new = []
        for line in lines:
            generation = max(0, line.generation - 1) if kind == "old generation" else line.generation
            reference = self.core.reference(campaign.id, line.seq, generation)
            if kind == "foreign":
                reference = reference[:1] + ("1" if reference[1] != "1" else "2") + reference[2:]
            # Each with a fecha of its own: two equal lines are one and the same, read twice (see read_again).
            fecha = self.begun + timedelta(seconds=len(self.answers) - (3600 if kind == "early" else 0))
            code = data.draw(st.sampled_from([0, 0, 0, 1, -10, -10, -4, -99]))
            new.append(Answer(reference, fecha, code, line, generation, counts=kind in ("now", "old generation")))
            self.answers.append(new[-1])
        self._read(new, times, skip_seen)

    @rule(skip_seen=st.booleans(), data=st.data())
    @precondition(lambda self: self.answers)
    def read_again(self, skip_seen: bool, data: st.DataObject) -> None:
        self._read([data.draw(st.sampled_from(self.answers))], 1, skip_seen)

    def _read(self, answers: list[Answer], times: int, skip_seen: bool) -> None:
        """A poll brings these lines; a poller passes over those that it has read before."""
        rows = [(a.reference, a.fecha, SENTENCES[a.code], a.code) for a in answers] * times
        self.core.settler.settle(pl.DataFrame(rows, schema=SCHEMA, orient="row"), skip_seen=skip_seen)
        fresh = [answer for answer in answers if answer.counts and not (skip_seen and answer in self.read)]
        self.world.refused([(answer.line, answer.generation) for answer in fresh if answer.code == -99])
        for answer in fresh:
            if answer.code != -99:
                self.world.result(answer.line, answer.generation, answer.code)
        self.read.update(answers)
        for campaign in self.world.campaigns.values():  # what is done completes with a settled batch, or at the tick
            if self.core.state(campaign.id) == "completed":
                campaign.complete_if_done()
                assert campaign.state == "completed"

    # -- doubts ------------------------------------------------------------------------------------------------

    @rule(data=st.data(), all_of_them=st.sampled_from([True, True, False]), decide=st.booleans())
    @precondition(lambda self: any(self.world.chunks("in_doubt")))
    def found_absent(self, data: st.DataObject, all_of_them: bool, decide: bool) -> None:
        chunk = data.draw(st.sampled_from(list(self.world.chunks("in_doubt"))))
        where = {
            "campaign_id": chunk.campaign.id,
            "chunk_no": chunk.number,
            "first_seq": 1,
            "last_seq": 10**6,
            "behind": chunk.shows_taken,
        }
        known = "SELECT id FROM chunk WHERE campaign_id = :campaign_id AND chunk_no = :chunk_no"
        chunk_id = self.core.one(known, campaign_id=chunk.campaign.id, chunk_no=chunk.number)
        with self.core.engine.begin() as connection:
            lines = connection.execute(query("lines_to_probe"), {**where, "limit": 100}).all()
            for row in lines if all_of_them else lines[:1]:
                about = {"chunk_id": chunk_id, "attempt": chunk.attempt, "seq": row.seq}
                assert connection.execute(query("record_absence"), about).rowcount == 1
                line = chunk.campaign.lines[row.seq - 1]
                assert line in chunk.open_lines
                line.absent_in.add(chunk.number)
                self.absent.add((chunk.campaign.id, line.seq, line.generation, chunk.number))
        if decide:
            self._decide(chunk)

    @rule(data=st.data())
    @precondition(lambda self: any(self.world.chunks("in_doubt")))
    def decide(self, data: st.DataObject) -> None:
        self._decide(data.draw(st.sampled_from(list(self.world.chunks("in_doubt")))))

    def _decide(self, chunk: Chunk) -> None:
        (doubt,) = self.core.rows(
            "SELECT k.*, c.on_doubt, c.test, false AS by_unit, true AS evident, false AS late "
            "FROM chunk k JOIN campaign c ON c.id = k.campaign_id WHERE c.id = :id AND chunk_no = :no",
            id=chunk.campaign.id,
            no=chunk.number,
        )
        Doubts(ProbeTurn(self.core.runtime, self.account.id, self.core.settler)).decide(doubt)
        self.world.decide(chunk)

    @rule()
    def look(self) -> None:
        with self.core.engine.begin() as connection:
            connection.execute(query("accept_traced"), {"account_id": self.account.id})
        self.world.look()

    @rule(verdict=st.sampled_from(["sent", "unsent"]), data=st.data())
    @precondition(lambda self: any(self.world.chunks("in_doubt", "held")))
    def resolve(self, verdict: str, data: st.DataObject) -> None:
        chunk = data.draw(st.sampled_from(list(self.world.chunks("in_doubt", "held"))))
        keys = [(chunk.campaign.id, line.seq, line.generation, chunk.number) for line in chunk.open_lines]
        try:
            operator_actions.resolve(
                self.core.engine, chunk.campaign.id, chunk.number, "sent" if verdict == "sent" else "unsent"
            )
        except UsageError:
            assert chunk.flying or (verdict == "unsent" and not self.world.unsent(chunk))
            return
        assert not chunk.flying
        if verdict == "sent":
            chunk.state = "accepted"
            chunk.settle_if_done()
        else:
            assert self.world.unsent(chunk)
            self.absent.update(keys)

    @rule()
    @precondition(lambda self: any(self.world.chunks("sending", "in_doubt")))
    def restored(self) -> None:
        """As after a restore: the operator says so, and what was unfinished waits for a decision or for results."""
        operator_actions.restored(self.core.engine)
        self.world.restored()

    @rule()
    def give_up(self) -> None:
        self.core.do("UPDATE account SET polled_at = clock_timestamp() + interval '1 second'")
        with self.core.engine.begin() as connection:
            connection.execute(query("give_up_on_results"), {"account_id": self.account.id, "horizon": 0})
        for chunk in list(self.world.chunks("accepted")):
            chunk.state = "settled"

    # -- what holds after each step ----------------------------------------------------------------------------

    def _state(self, chunk: Chunk) -> str:
        return str(
            self.core.one(
                "SELECT state FROM chunk WHERE campaign_id = :c AND chunk_no = :n", c=chunk.campaign.id, n=chunk.number
            )
        )

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        found = self.core.rows(
            "SELECT campaign_id, chunk_no, root_no, state, attempt, resends FROM chunk ORDER BY 1, 2"
        )
        expected = [
            (c.campaign.id, c.number, c.root, c.state, c.attempt, c.resends)
            for campaign in self.world.campaigns.values()
            for c in campaign.chunks
        ]
        assert [tuple(row) for row in found] == sorted(expected)
        rows = self.core.rows(
            "SELECT campaign_id, seq, chunk_no, status, result_code FROM message_status ORDER BY 1, 2"
        )
        lines = [
            (campaign.id, line.seq, line.chunk.number, line.status, line.code)
            for campaign in self.world.campaigns.values()
            for line in campaign.lines
        ]
        assert [tuple(row) for row in rows] == sorted(lines)

    @invariant()
    def counters_are_counts(self) -> None:
        assert self.core.rows(WRONG_COUNTERS) == []

    @invariant()
    def a_good_result_stays(self) -> None:
        for campaign in self.world.campaigns.values():
            for line in campaign.lines:
                key = (campaign.id, line.seq)
                if line.code in GOOD:
                    assert self.good.setdefault(key, line.code) == line.code
                else:
                    assert key not in self.good

    def teardown(self) -> None:
        for campaign in self.world.campaigns.values():
            self.core.check_sums(campaign.id)


def test_no_interleaving_leads_away_from_the_model(make_core: Callable[..., CoreHarness]) -> None:
    core = make_core(chunk_size=CHUNK_SIZE, concurrency=CONCURRENCY, max_resends=2)
    assert core.account
    core.watch_moves()
    with core.engine.begin() as connection:  # no crash of the server is among the rules
        name = connection.engine.url.database
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    core.engine.dispose()
    run_state_machine_as_test(
        lambda: Machine(core),
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
