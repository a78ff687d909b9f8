"""The schema holds the invariants: each constraint refuses what it is there to refuse, and the view is as promised."""

import pytest
from sqlalchemy.exc import IntegrityError

from dispatcher.db import migrations
from dispatcher.provider.codes import CODES
from tests.integration.core_harness import VIEW, CoreHarness


def test_the_view_has_the_columns_that_the_outside_holds_on_to(core: CoreHarness) -> None:
    found = core.rows(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'message_status' ORDER BY ordinal_position"
    )
    assert [tuple(row) for row in found] == list(VIEW.items())


BROKEN = [
    ("campaign", "state = 'sleeping'"),
    ("campaign", "priority = 'urgent'"),
    ("campaign", "on_doubt = 'pray'"),
    ("campaign", "rows = messages + invalid + 1"),
    ("campaign", "state = 'completed', completed_at = NULL"),
    ("campaign", "start_at = now(), expires_at = now() - interval '1 day'"),
    ("campaign", "rows = -1, messages = -1"),
    ("campaign", "rows = -1, invalid = -1, messages = 0"),
    ("campaign", "state = 'running', completed_at = now()"),
    ("chunk", "state = 'lost'"),
    ("chunk", "attempt = -1"),
    ("chunk", "resends = -1"),
    ("chunk", "probes = -1"),
    ("chunk", "state = 'accepted'"),
    ("chunk", "chunk_no = 0"),
    ("chunk", "last_seq = first_seq - 1"),
    ("chunk", "messages = -1"),
    ("chunk", "resulted = -1"),
    ("chunk", "suppressed = -1"),
    ("chunk", "resulted = messages, suppressed = 1"),
    ("chunk", "state = 'sending'"),
    ("chunk", "lease_until = now()"),
    ("chunk", "state = 'in_doubt'"),
    ("chunk", "state = 'held'"),
    ("chunk", "state = 'settled'"),
    ("chunk", "state = 'split'"),
    ("chunk", "parent_no = 1"),
    ("chunk", "root_no = 2"),
    ("chunk", "campaign_id = 999"),
    ("message", "result_code = 2, processed_at = now()"),
    ("message", "result_code = -15, processed_at = now()"),
    ("message", "result_code = -98, processed_at = now()"),
    ("message", "result_code = -13, processed_at = now()"),
    ("message", "result_code = 0, processed_at = now(), suppressed = 'optout_at_claim'"),
    ("message", "result_code = 0"),
    ("message", "processed_at = now()"),
    ("message", "texto = ''"),
    ("message", "texto = repeat('x', 161)"),
    ("message", "seq = 0"),
    ("message", "generation = 16"),
    ("message", "suppressed = 'because'"),
    ("account", "fingerprint = 'short'"),
    ("account", "reading = 'week'"),
    ("account", "failures = -1"),
    ("account", "blocked_at = now()"),
    ("account", "clock_low_ms = 2, clock_high_ms = 1"),
    ("installation", "prefix = 'XYZ'"),
    ("installation", "only_row = false"),
]


def refused(core: CoreHarness, statement: str) -> bool:
    """Whether a constraint stops a statement."""
    try:
        core.do(statement)
    except IntegrityError:
        return True
    return False


# One database for many constraints: making one costs more than trying them all.
@pytest.mark.parametrize("table", sorted({table for table, _ in BROKEN}))
def test_a_broken_row_is_refused(core: CoreHarness, table: str) -> None:
    core.do("DROP TRIGGER refuse_move ON chunk")
    core.do("DROP TRIGGER refuse_move ON campaign")
    core.load(1)
    changes = [change for name, change in BROKEN if name == table]
    assert [change for change in changes if not refused(core, f"UPDATE {table} SET {change}")] == []


def test_every_code_of_the_guide_can_be_kept(core: CoreHarness) -> None:
    campaign = core.load(1)
    for code in CODES:
        core.do("UPDATE message SET result_code = :code, processed_at = now()", code=code)
        row = core.message(campaign, 1)
        assert (row.result_code, row.status) == (code, {0: "ok", 1: "simulated"}.get(code, "rejected"))


STRAY = [
    "INSERT INTO message (campaign_id, seq, chunk_no, line, destino, texto) SELECT campaign_id, seq, 1, 1, '1144445555', 'x' FROM message",
    "INSERT INTO chunk (campaign_id, account_id, chunk_no, root_no, first_seq, last_seq, messages) SELECT campaign_id, account_id, 1, 1, 1, 1, 1 FROM chunk",
    "INSERT INTO account (provider_url, fingerprint) SELECT provider_url, 'ffffffffffffffff' FROM account",
    "INSERT INTO installation (prefix) VALUES ('0123456789')",
    "INSERT INTO campaign_request (idempotency_key, payload_hash, state) VALUES ('k', 'h', 'created')",
    "INSERT INTO campaign_request (idempotency_key, payload_hash, state) VALUES ('k', 'h', 'received')",
    "INSERT INTO campaign_request (idempotency_key, payload_hash, state) VALUES ('', 'h', 'refused')",
    "INSERT INTO campaign_request (idempotency_key, payload_hash, state) VALUES ('k', 'h', 'odd')",
    "INSERT INTO attempt (chunk_id, attempt, messages, provider_at, lease_until, outcome) "
    "SELECT id, 9, 1, now(), now(), 'accepted' FROM chunk",
    "INSERT INTO attempt (chunk_id, attempt, messages, provider_at, lease_until, finished_at) "
    "SELECT id, 9, 1, now(), now(), now() FROM chunk",
    "INSERT INTO attempt (chunk_id, attempt, messages, provider_at, lease_until) VALUES (999, 1, 1, now(), now())",
    "INSERT INTO chunk_result (campaign_id, chunk_no, code, n) VALUES (1, 1, 0, -1)",
    "INSERT INTO chunk_result (campaign_id, chunk_no, code, n) VALUES (1, 1, -13, 1)",
    "INSERT INTO chunk_result (campaign_id, chunk_no, code, n) VALUES (1, 1, 2, 1)",
    "INSERT INTO result_line (campaign_id, seq, generation, fecha, text, code) VALUES (1, 1, 0, now(), '', -13)",
    "INSERT INTO result_line (campaign_id, seq, generation, fecha, text, code) VALUES (1, 1, 0, now(), '', -98)",
    "INSERT INTO invalid_row (campaign_id, line, raw, reason, detail, code) SELECT campaign_id, 9, '', '', '', -13 FROM message",
    "INSERT INTO single_message (account_id, idinterno, destino, texto, transport, state, finished_at, code) "
    "SELECT id, 'A1', '1144445555', 'x', 'http', 'rejected', now(), -13 FROM account",
    "INSERT INTO invalid_row (campaign_id, line, raw, reason, detail) VALUES (999, 1, '', '', '')",
]


def test_a_second_or_stray_row_is_refused(core: CoreHarness) -> None:
    core.load(1)
    assert [statement for statement in STRAY if not refused(core, statement)] == []


def test_the_prefix_has_forty_random_bits_of_its_own(core: CoreHarness) -> None:
    prefix = core.one("SELECT prefix FROM installation")
    assert len(prefix) == 10
    int(prefix, 16)


def test_upgrading_again_changes_nothing(core: CoreHarness) -> None:
    prefix = core.one("SELECT prefix FROM installation")
    before, after = migrations.upgrade(core.engine)
    assert before == after == migrations.head_revision()
    assert core.one("SELECT prefix FROM installation") == prefix
    migrations.require_schema(core.engine)


def test_settling_stays_hot(core: CoreHarness) -> None:
    """No index holds a column that a result changes, and the pages have room for the second version."""
    indexed = core.rows(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
        "WHERE i.indrelid = 'message'::regclass"
    )
    assert {row.attname for row in indexed} == {"campaign_id", "seq", "destino", "external_id"}
    campaign = core.load(200)
    size = core.one("SELECT pg_relation_size('message')")
    for _ in range(20):
        core.send()
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(1, 201)))
    assert core.statuses(campaign) == {"ok": 200}
    assert core.one("SELECT pg_relation_size('message')") == size
