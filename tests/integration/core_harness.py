"""A core for the tests of the core: campaigns made in one call, claims, results and a look at what they did."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl
from sqlalchemy import text

from dispatcher.accounts import binding, provider_clock
from dispatcher.accounts.binding import Bound
from dispatcher.campaigns import loading, summary
from dispatcher.domain import idinterno
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.ingest import from_recipients
from dispatcher.provider.codes import sentence_to_code
from dispatcher.provider.frames import SCHEMA
from dispatcher.results.settle import Settled, Settler
from dispatcher.runtime import Runtime
from dispatcher.sending import claims
from dispatcher.sending.claims import Claim
from schemas.payload import CampaignSpec
from schemas.states import CAMPAIGN_TRANSITIONS, CHUNK_TRANSITIONS
from tests.integration.last_line import put_last_line_back

FIXED = "El número corresponde a un teléfono fijo."
IDENTICAL = "el número recibió un mensaje idéntico hace menos de 48 horas (no se hará el envío)."

VIEW = {
    "campaign_id": "bigint",
    "seq": "integer",
    "external_id": "text",
    "destino": "text",
    "texto": "text",
    "idinterno": "text",
    "status": "text",
    "result_code": "integer",
    "result_text": "text",
    "chunk_no": "integer",
    "submitted_at": "timestamp with time zone",
    "processed_at": "timestamp with time zone",
}
"""`message_status`, which the outside holds on to."""
VIEW_COLUMNS = list(VIEW)

_WATCH = """
CREATE TABLE allowed_move (kind text, source text, target text);
CREATE FUNCTION refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND NOT EXISTS (SELECT 1 FROM allowed_move WHERE kind = TG_TABLE_NAME
                                              AND source = OLD.state AND target = NEW.state) THEN
        RAISE EXCEPTION 'no such move of a %%: %% -> %%', TG_TABLE_NAME, OLD.state, NEW.state;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_move BEFORE UPDATE ON chunk FOR EACH ROW EXECUTE FUNCTION refuse_move();
CREATE TRIGGER refuse_move BEFORE UPDATE ON campaign FOR EACH ROW EXECUTE FUNCTION refuse_move();
"""


_LATER_RESULT = """
WITH later AS (
    INSERT INTO campaign (account_id, prefix, name, template, test, html, state, completed_at, rows, messages)
    SELECT :account, prefix, 'later', 'x', :test, :html, 'completed', clock_timestamp(), 1, 1 FROM installation
    RETURNING id
), posted AS (
    INSERT INTO chunk (campaign_id, account_id, chunk_no, root_no, first_seq, last_seq, messages, resulted, attempt, state,
                       first_post_at, posted_at, accepted_at, settled_at, resulted_at, traced_seq)
    SELECT id, :account, 1, 1, 1, 1, 1, 1, 1, 'settled', clock_timestamp(), clock_timestamp(), clock_timestamp(),
           clock_timestamp(), clock_timestamp(), 1
    FROM later
), counted AS (
    INSERT INTO chunk_result (campaign_id, chunk_no, code, n) SELECT id, 1, :code, 1 FROM later
)
INSERT INTO message (campaign_id, seq, chunk_no, line, destino, texto, result_code, processed_at)
SELECT id, 1, 1, 2, '1199999999', 'x', :code, clock_timestamp() FROM later
"""


class CoreHarness:
    """One runtime with its database, and short words for what the tests do all the time."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.engine = runtime.engine
        self.settings = runtime.settings

    def watch_moves(self) -> None:
        """From now on the database refuses a move that `schemas/states.py` does not list."""
        moves = [("chunk", t) for t in CHUNK_TRANSITIONS] + [("campaign", t) for t in CAMPAIGN_TRANSITIONS]
        with self.engine.begin() as connection:
            connection.exec_driver_sql(_WATCH)
            for kind, move in moves:
                connection.execute(
                    text("INSERT INTO allowed_move VALUES (:kind, :source, :target)"),
                    {"kind": kind, "source": move.source, "target": move.target},
                )

    # -- asking the database -----------------------------------------------------------------------------------

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), parameters).all())

    def one(self, statement: str, **parameters: Any) -> Any:
        """The single value of a single row."""
        with self.engine.connect() as connection:
            return connection.execute(text(statement), parameters).scalar_one()

    def do(self, statement: str, **parameters: Any) -> int:
        """Change something; how many rows it changed."""
        with self.engine.begin() as connection:
            return connection.execute(text(statement), parameters).rowcount

    # -- campaigns and claims ----------------------------------------------------------------------------------

    @cached_property
    def account(self) -> Bound:
        """The account, with the provider's clock measured."""
        with self.engine.begin() as connection:
            bound = binding.bind(connection, self.settings)
        provider_clock.measure(self.runtime, bound.id)
        return bound

    def load(
        self,
        messages: int = 10,
        recipients: list[dict[str, Any]] | None = None,
        *,
        last_line_alone: bool = False,
        **spec: Any,
    ) -> int:
        """A campaign; by default of so many good messages.

        The last line goes back to the chunk that it was cut from, so that tests can count chunks by their size, unless
        `last_line_alone` says that it is the test's subject.
        """
        assert self.account
        people = recipients or [{"telefono": f"11{20_000_000 + n}", "n": f"n{n}"} for n in range(messages)]
        spec.setdefault("template", "Hola {n}")
        with from_recipients(people) as source, self.engine.begin() as connection:
            loaded = loading.load(connection, self.settings, CampaignSpec(**spec), source)
        assert loaded.campaign_id is not None
        if not last_line_alone:
            size = 1 if spec.get("html") else self.settings.effective_chunk_size()
            put_last_line_back(self.engine, loaded.campaign_id, size)
        return loaded.campaign_id

    def draw_new_prefix(self) -> None:
        """As after `db restored`: results of the campaigns so far, posted or not, accuse nobody."""
        self.do("UPDATE installation SET prefix = upper(substr(md5(random()::text), 1, 10))")

    def try_claim(self) -> Any:
        """A claim, or why there is none."""
        return claims.claim_next(self.engine, self.settings, self.account.id, self.account.fingerprint)

    def claim(self) -> Claim:
        found = self.try_claim()
        assert isinstance(found, Claim), found
        return found

    def send(self) -> Claim:
        """Claim a chunk whose POST the provider accepted."""
        claim = self.claim()
        assert claims.finish_accepted(self.engine, claim) in ("accepted", "settled")
        return claim

    def expire_lease(self, claim: Claim) -> None:
        """Let a claim's lease run out, and have that noticed."""
        self.do(
            "UPDATE chunk SET lease_until = clock_timestamp() - interval '1 second' WHERE id = :id", id=claim.chunk_id
        )
        with self.engine.begin() as connection:
            assert claims.rescue(connection, self.runtime.settings, self.account.id) == 1

    def chunk(self, claim: Claim) -> Any:
        return self.rows("SELECT * FROM chunk WHERE id = :id", id=claim.chunk_id)[0]

    def states(self, campaign_id: int) -> list[str]:
        """The states of a campaign's chunks, in order."""
        found = self.rows("SELECT state FROM chunk WHERE campaign_id = :id ORDER BY chunk_no", id=campaign_id)
        return [row.state for row in found]

    def state(self, campaign_id: int) -> str:
        return str(self.one("SELECT state FROM campaign WHERE id = :id", id=campaign_id))

    def account_row(self) -> Any:
        return self.rows("SELECT * FROM account WHERE id = :id", id=self.account.id)[0]

    def show_later_result(self, *, test: bool = False, html: str | None = None, code: int = 0) -> None:
        """A line that was handed in after every doubt so far has its result: the provider has worked past them."""
        self.do(_LATER_RESULT, account=self.account.id, test=test, html=html, code=code)

    # -- results -----------------------------------------------------------------------------------------------

    @cached_property
    def settler(self) -> Settler:
        return Settler(self.engine, self.account.id)

    def reference(self, campaign_id: int, seq: int, generation: int = 0) -> str:
        prefix = str(self.one("SELECT prefix FROM campaign WHERE id = :id", id=campaign_id))
        return idinterno.encode(prefix, campaign_id, generation, seq)

    def now(self) -> datetime:
        """The provider's clock, naive, whole seconds."""
        return datetime.now(PROVIDER_ZONE).replace(tzinfo=None, microsecond=0)

    def settle(self, *lines: tuple[str, str] | tuple[str, str, float], **options: Any) -> Settled:
        """Settle (idinterno, text) or (idinterno, text, seconds from now) lines."""
        return self.settler.settle(self.frame(*lines), **options)

    def frame(self, *lines: tuple[str, str] | tuple[str, str, float]) -> pl.DataFrame:
        now = self.now()
        data = [
            (line[0], now + timedelta(seconds=line[2] if len(line) > 2 else 0), line[1], sentence_to_code(line[1])[0])
            for line in lines
        ]
        return pl.DataFrame(data, schema=SCHEMA, orient="row")

    def message(self, campaign_id: int, seq: int) -> Any:
        """The row of message_status."""
        return self.rows(
            "SELECT * FROM message_status WHERE campaign_id = :id AND seq = :seq", id=campaign_id, seq=seq
        )[0]

    def statuses(self, campaign_id: int) -> dict[str, int]:
        """Messages by status, counted one by one."""
        found = self.rows(
            "SELECT status, count(*) AS n FROM message_status WHERE campaign_id = :id GROUP BY 1", id=campaign_id
        )
        return {row.status: row.n for row in found}

    def check_sums(self, campaign_id: int) -> None:
        """Rows = messages + invalid rows; messages = Σ statuses; every counter equals a count of messages."""
        with self.engine.connect() as connection:
            shown = summary.show(connection, campaign_id)
        assert self.statuses(campaign_id) == shown.counts
        assert sum(shown.counts.values()) == shown.messages
        invalid_rows = self.one("SELECT count(*) FROM invalid_row WHERE campaign_id = :id", id=campaign_id)
        assert invalid_rows == shown.invalid
        rows = self.one("SELECT rows FROM campaign WHERE id = :id", id=campaign_id)
        assert rows == shown.messages + shown.invalid
        counted = self.rows(
            "SELECT result_code, count(*) AS n FROM message WHERE campaign_id = :id AND result_code IS NOT NULL "
            "GROUP BY 1 ORDER BY 1 DESC",
            id=campaign_id,
        )
        assert {row.result_code: row.n for row in counted} == shown.result_codes
        wrong = self.rows(
            "SELECT k.chunk_no, k.messages, k.resulted, k.suppressed, count(m.seq) AS m, count(m.result_code) AS r, "
            "count(*) FILTER (WHERE m.suppressed IS NOT NULL) AS s FROM chunk k LEFT JOIN message m "
            "ON m.campaign_id = k.campaign_id AND m.chunk_no = k.chunk_no WHERE k.campaign_id = :id GROUP BY k.id "
            "HAVING (k.messages, k.resulted, k.suppressed) IS DISTINCT FROM (count(m.seq)::int, count(m.result_code)::int, "
            "(count(*) FILTER (WHERE m.suppressed IS NOT NULL))::int)",
            id=campaign_id,
        )
        assert wrong == []
        per_chunk = self.rows(
            "SELECT chunk_no, code, n FROM chunk_result WHERE campaign_id = :id AND n <> 0 EXCEPT ALL "
            "SELECT chunk_no, result_code, count(*)::int FROM message WHERE campaign_id = :id "
            "AND result_code IS NOT NULL GROUP BY 1, 2",
            id=campaign_id,
        )
        assert per_chunk == []
