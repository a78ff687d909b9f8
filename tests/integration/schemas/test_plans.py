"""No statement reads a whole table that grows, except those that say why they may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from dispatcher.db import statements
from dispatcher.db.transactions import pin_key_lookups
from tests.integration.core_harness import CoreHarness

GROWS = {
    *("absence", "attempt", "audit_entry", "balance", "campaign", "campaign_list", "campaign_request", "campaign_sum"),
    *("chunk", "chunk_result", "invalid_row", "optout", "optout_event", "reply", "result_line", "single_message"),
    *("no_llame", "undeliverable", "upload_part", "webhook_delivery", "webhook_event"),
}
MAY = {
    "balance_against": "once for a doubt whose evidence is there",
    "begin_attempt": "whether a list has any row at all",
    "begin_marketing_attempt": "the same",
    "drop_old_events": "the first rows by number, a bounded many",
    "drop_singles": "the first rows by number, a bounded many",
    "end_upload": "a foreign key is asked for one list",
    "erase_invalid_rows": "rare, and no index holds numbers that are none",
    "hold_unfinished": "after a restore",
    "posts_under_way": "after a restore",
    "replay_events": "an operator asks for it, for a span of time",
    "usage_by_campaign": "one month for finance",
}
PINNED = {"settle_lines", "settle_range", "unsettled_lines", "requeue_refused", "end_block_by_result"}
"""They run in a transaction whose plans are pinned to look-ups by key."""
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)\b")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def read_whole(connection: Connection, statement: str) -> set[str]:
    """The growing tables that a plan reads without a condition on a key; a partial index holds what waits, and is small."""
    places: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found[1] not in places:
            places.append(found[1])
        return f"${places.index(found[1]) + 1}"

    plain = _PARAMETER.sub(numbered, re.sub(r"--[^\n]*", "", statement))
    raw: Any = connection.connection.driver_connection
    (answer,) = raw.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {plain}").fetchone()
    found = set()
    for node in nodes(answer[0]["Plan"]):
        name = str(node.get("Relation Name"))
        if name not in GROWS and not name.startswith("message_"):
            continue
        kind = node["Node Type"]
        whole = kind == "Seq Scan" or (kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node)
        if whole and node.get("Index Name") not in PARTIAL:
            found.add(name)
    return found


PARTIAL: set[str] = set()


@pytest.fixture
def connection(core: CoreHarness) -> Iterator[Connection]:
    with core.engine.begin() as made:
        if made.exec_driver_sql("SHOW server_version_num").scalar_one() < "160000":
            pytest.skip("Postgres explains a statement without its parameters from 16 on.")
        partial = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '%% WHERE %%'"
        PARTIAL.update(made.exec_driver_sql(partial).scalars())
        made.exec_driver_sql("SET LOCAL enable_seqscan = off")
        made.exec_driver_sql(
            "CREATE TEMP TABLE settle_line (campaign_id bigint, seq int, generation smallint, root_no int, code smallint, "
            "fecha timestamptz, text text); CREATE TEMP TABLE appended_message (LIKE message)"
        )
        yield made
        made.rollback()


@pytest.mark.parametrize("name", sorted(statements.queries()))
def test_a_statement_reads_no_table_whole_that_grows(connection: Connection, name: str) -> None:
    if name in PINNED:
        pin_key_lookups(connection)
    found = read_whole(connection, statements.queries()[name].text)
    assert bool(found) == (name in MAY), found


def test_a_scan_is_seen(connection: Connection) -> None:
    assert read_whole(connection, "SELECT * FROM chunk WHERE attempt = :attempt") == {"chunk"}
    assert read_whole(connection, "SELECT * FROM reply ORDER BY id") == {"reply"}
    assert read_whole(connection, "SELECT * FROM chunk WHERE campaign_id = :c AND state = 'due'") == set()
