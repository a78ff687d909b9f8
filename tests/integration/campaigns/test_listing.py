"""The list of campaigns says of each what its own summary says, in as many statements for fifty as for one."""

from typing import Any

from sqlalchemy import event

from dispatcher.campaigns import summary
from tests.integration.core_harness import CoreHarness


def listed(core: CoreHarness) -> tuple[list[summary.Summary], int]:
    """The list, and how many statements it took."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    with core.engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        return summary.listing(connection), len(asked)


def test_a_list_of_campaigns_is_their_summaries_in_a_few_statements(core: CoreHarness) -> None:
    sent = core.load(7)
    core.send()
    core.settle((core.reference(sent, 1), "OK"))
    _, few = listed(core)
    core.do("INSERT INTO optout (destino, source) VALUES ('1120000002', 'test')")
    others = [core.load(n) for n in range(2, 12)]
    found, many = listed(core)
    assert many == few
    assert [each.campaign_id for each in found] == [*reversed(others), sent]
    with core.engine.connect() as connection:
        assert found == [summary.show(connection, each.campaign_id) for each in found]
    assert found[-1].counts == {"ok": 1, "submitted": 6}
    assert found[0].left_out == {"optout_at_load": 1}
