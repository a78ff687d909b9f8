"""Drives the dispatcher in-process, step by step: load, submit, poll, probe, with nothing running by itself."""

import time
from typing import Any

from sqlalchemy import text

from dispatcher.accounts import binding
from dispatcher.campaigns import loading, summary
from dispatcher.campaigns.summary import Summary
from dispatcher.ingest import from_recipients
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.results.polling import Poller
from dispatcher.results.probing import Prober
from dispatcher.runtime import Runtime
from dispatcher.sending import pump as sending_pump
from schemas.payload import CampaignSpec
from tests.conftest import SLOW_MACHINE
from tests.integration.last_line import put_last_line_back


class Stepper:
    """One dispatcher whose every step the test takes."""

    def __init__(self, runtime: Runtime) -> None:
        """Nothing happens yet."""
        self.runtime = runtime

    def load(
        self,
        rows: int = 10,
        *,
        first: int = 0,
        template: str = "Hola {nombre}",
        last_line_alone: bool = False,
        **spec: Any,
    ) -> int:
        """A campaign of clean recipients, its last line in the chunk that it was cut from. Returns its number."""
        people: list[dict[str, object]] = [
            {"telefono": f"11{20_000_000 + first + n}", "nombre": f"N{first + n}"} for n in range(rows)
        ]
        with self.runtime.engine.begin() as connection:
            loaded = loading.load(
                connection,
                self.runtime.settings,
                CampaignSpec(template=template, **spec),
                from_recipients(people),
            )
        assert loaded.campaign_id is not None
        if not last_line_alone:
            size = 1 if spec.get("html") else self.runtime.settings.effective_chunk_size()
            put_last_line_back(self.runtime.engine, loaded.campaign_id, size)
        return loaded.campaign_id

    @property
    def account(self) -> binding.Bound:
        """The account that the settings name."""
        with self.runtime.engine.connect() as connection:
            found = binding.find(connection, self.runtime.settings)
        assert found is not None
        return found

    def submit(self) -> None:
        """Submit what is due."""
        while sending_pump.pump(self.runtime, self.account.id):
            pass

    def poller(self) -> Poller:
        """A poller with an empty memory."""
        return Poller(self.runtime, self.account)

    def poll(self) -> None:
        """One poll."""
        self.poller().run(budget=0)

    def probe(self) -> None:
        """One round of idinterno questions, with the rate's slots free."""
        self.sql("UPDATE account SET probe_free_at = NULL")
        poller = self.poller()
        Prober(self.runtime, self.account.id, poller.settler).round()

    def tick(self) -> maintenance_tick.Hints:
        """One tick."""
        return maintenance_tick.tick(self.runtime)

    def show(self, campaign_id: int) -> Summary:
        """A campaign's summary."""
        with self.runtime.engine.connect() as connection:
            return summary.show(connection, campaign_id)

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """Run a statement; its rows, if it has any."""
        with self.runtime.engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []

    def finish(self, campaign_id: int, deadline: float = 20.0) -> Summary:
        """Take every step, again and again, until the campaign is complete."""
        ends = time.monotonic() + deadline * SLOW_MACHINE
        while time.monotonic() < ends:
            self.submit()
            self.sql("UPDATE account SET poll_at = now()")
            self.poll()
            self.probe()
            self.tick()
            found = self.show(campaign_id)
            if found.state == "completed":
                return found
            time.sleep(0.1)
        raise AssertionError(f"not complete: {self.show(campaign_id)}")
