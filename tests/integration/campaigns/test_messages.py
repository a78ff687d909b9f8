"""The messages of a campaign as one stream: in order, from the first row on, whatever the statistics say."""

import json

from dispatcher.campaigns import messages
from dispatcher.campaigns.messages import Filters
from dispatcher.db.transactions import pin_ordered_lookups
from tests.integration.core_harness import CoreHarness


def test_a_campaign_that_was_just_loaded_is_streamed_without_a_sort(core: CoreHarness) -> None:
    campaign = core.load(2_000)
    rows = messages.rows_of(campaign, Filters(), "ndjson")

    def plan(*, pinned: bool) -> str:
        with core.engine.connect() as connection:
            if pinned:
                pin_ordered_lookups(connection)
            raw = connection.connection.driver_connection
            assert raw is not None
            return "\n".join(line for (line,) in raw.execute(b"EXPLAIN " + rows.as_bytes(raw)).fetchall())

    assert "Sort" in plan(pinned=False), "nothing has to be pinned any more"
    assert "Sort" not in plan(pinned=True)
    assert "Index Scan using message_1_pkey" in plan(pinned=True)


def test_a_stream_has_every_message_in_order_and_its_first_row_alone(core: CoreHarness) -> None:
    campaign = core.load(3_000)
    blocks = list(messages.stream(core.engine, campaign, Filters(), "ndjson"))
    assert blocks[0].count(b"\n") == 1
    assert [json.loads(line)["seq"] for line in b"".join(blocks).splitlines()] == list(range(1, 3_001))
