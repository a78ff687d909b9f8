"""A live for failure tests: a campaign, the provider's ledger and the database, side by side."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from dispatcher.campaigns import loading, summary
from dispatcher.campaigns.summary import Summary
from dispatcher.ingest import from_recipients
from dispatcher.runtime import Runtime
from ops.simulator.process import SimulatorProcess
from schemas.payload import CampaignSpec
from tests.conftest import wait_until
from tests.processes import Cluster


@dataclass
class LiveSystem:
    """One test's provider, processes and database; `runtime` is the test's own way to look at the last."""

    simulator: SimulatorProcess
    cluster: Cluster
    runtime: Runtime
    make_runtime: Callable[..., Runtime]
    loads: int = 0

    def load(self, rows: int, chunk_size: int = 1000, **spec: Any) -> int:
        """Load a campaign of `rows` messages, whose texts no other campaign of this live has."""
        self.loads += 1
        recipients: list[dict[str, object]] = [{"telefono": f"11{20_000_000 + n}", "n": str(n)} for n in range(rows)]
        settings = self.make_runtime(chunk_size=chunk_size).settings
        spec.setdefault("template", f"Aviso {self.loads} para {{n}}")
        wanted = CampaignSpec(**spec)
        with from_recipients(recipients) as source, self.runtime.engine.begin() as connection:
            loaded = loading.load(connection, settings, wanted, source)
        assert loaded.campaign_id is not None
        assert loaded.messages == rows
        return loaded.campaign_id

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """Run a statement and commit; its rows, if it has any."""
        with self.runtime.engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []

    def value(self, statement: str, **parameters: Any) -> Any:
        """The one value of a query."""
        return self.sql(statement, **parameters)[0][0]

    def show(self, campaign_id: int) -> Summary:
        """The campaign as `dispatcher campaign show` has it."""
        with self.runtime.engine.connect() as connection:
            return summary.show(connection, campaign_id)

    def wait_for(self, predicate: Callable[[], Any], deadline: float = 30.0, what: str = "") -> Any:
        """Wait; when it takes too long, say where everything stands."""
        try:
            return wait_until(predicate, deadline, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from None

    def finish(self, campaign_id: int, deadline: float = 45.0) -> Summary:
        """Wait until the campaign has completed."""
        self.wait_for(lambda: self.show(campaign_id).state == "completed", deadline, f"{campaign_id} completed")
        return self.show(campaign_id)

    def wait_taken(self, lines: int) -> None:
        """Wait until the provider has taken so many lines."""
        self.wait_for(lambda: self.simulator.stats()["taken"] >= lines, 30, f"{lines} lines taken")

    def hold(self, take: str = "all", when: str = "after", endpoint: str = "bulk", **fault: Any) -> None:
        """Have the provider hold calls."""
        self.simulator.set_faults({"kind": "hold", "endpoint": endpoint, "take": take, "when": when, **fault})

    def wait_held(self, count: int = 1) -> None:
        """Wait until the provider holds so many calls."""
        self.wait_for(lambda: len(self.simulator.held(count, 1.0)) >= count, 30, f"{count} calls held")

    def let_go(self) -> None:
        """Switch the faults off and release what is held."""
        self.simulator.clear_faults()
        self.simulator.release()

    def let_leases_expire(self) -> None:
        """What the clock does in time: every claim, and the poll of a process that died, are past their lease."""
        self.sql("UPDATE chunk SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'sending'")
        self.sql("UPDATE account SET poll_lease_until = NULL")

    def attempts(self, campaign_id: int) -> list[tuple[int, int, str | None]]:
        """(chunk_no, attempt, outcome) of every POST that was begun, in order."""
        return [
            (row.chunk_no, row.attempt, row.outcome)
            for row in self.sql(
                "SELECT k.chunk_no, t.attempt, t.outcome FROM attempt t JOIN chunk k ON k.id = t.chunk_id "
                "WHERE k.campaign_id = :id ORDER BY 1, 2",
                id=campaign_id,
            )
        ]

    def assert_every_line_once(self, campaign_id: int, statuses: dict[str, int] | None = None) -> None:
        """What went in, message_status and the provider's ledger agree; the provider took no line twice.

        Args:
            statuses: messages by status; all of them ok when not given. Only what was sent is in the ledger.
        """
        messages = self.sql("SELECT * FROM message_status WHERE campaign_id = :id ORDER BY seq", id=campaign_id)
        found = self.show(campaign_id)
        assert found.messages == len(messages)
        assert Counter(row.status for row in messages) == Counter(statuses or {"ok": len(messages)}), self.describe()
        assert {status: n for status, n in found.counts.items() if n} == dict(Counter(row.status for row in messages))
        sent = {row.idinterno: row for row in messages if row.status in ("ok", "simulated", "rejected", "unknown")}
        ours = {row.idinterno for row in messages}
        taken = [line for line in self.simulator.ledger() if line["idinterno"].upper() in ours]
        assert Counter(line["idinterno"].upper() for line in taken) == Counter(list(sent)), self.describe()
        for line in taken:
            message = sent[line["idinterno"].upper()]
            assert (message.destino, message.texto) == (line["destino"], line["texto"])
            assert message.result_text == line["verdict"]
        assert self.simulator.sent()["pairs_sent_twice"] == []

    def describe(self) -> str:
        """Where everything stands."""
        chunks = self.sql(
            "SELECT campaign_id, chunk_no, parent_no, state, attempt, messages, resulted, suppressed, doubt_reason, "
            "lease_until FROM chunk WHERE state <> 'settled' ORDER BY 1, 2 LIMIT 20"
        )
        account = self.sql("SELECT * FROM account")
        posts = [dict(post) for post in self.simulator.posts()][-10:] if self.simulator.url else []
        logs = "\n".join(f"== {name}\n{self.cluster.log(name)[-3000:]}" for name in self.cluster.processes)
        return "\n".join([*map(str, chunks), *map(str, account), *map(str, posts), logs])
