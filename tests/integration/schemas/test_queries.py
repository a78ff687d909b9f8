"""The named statements: each prepares against the real schema, and the hot ones keep to key look-ups."""

import json
import re
from importlib.resources import files
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

import schemas
from dispatcher.campaigns import appending
from dispatcher.db import statements, transactions
from dispatcher.db.statements import query
from dispatcher.domain import idinterno
from dispatcher.domain.backoff import backoff
from dispatcher.domain.idinterno import MAX_SEQ
from dispatcher.results import staging
from tests.integration.core_harness import CoreHarness


def stage_table(connection: Connection, core: CoreHarness) -> None:
    """The transaction's own tables that a batch, and an append, are staged in."""
    keys = {"campaign_id": pl.Int64, "seq": pl.Int32, "generation": pl.Int16, "root_no": pl.Int32}
    nothing = core.frame().with_columns(pl.lit(0).cast(kind).alias(name) for name, kind in keys.items())
    staging.stage(connection, nothing, refusals_count=False)
    appending.stage(connection)


def test_every_statement_prepares_against_the_schema(core: CoreHarness) -> None:
    """Parameters become $1, $2 …; Postgres checks tables, columns and types."""
    wrong = {}
    for name in statements.queries():
        try:
            prepare(core, name)
        except ProgrammingError as error:
            wrong[name] = str(error.orig)
    assert wrong == {}


def prepare(core: CoreHarness, name: str) -> None:
    statement = query(name)
    numbers: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    sql = re.sub(r"--[^\n]*", "", statement.text)
    sql = re.sub(r"(?<!:):([a-z_]+)", numbered, sql)
    with core.engine.begin() as connection:
        stage_table(connection, core)
        connection.exec_driver_sql(f"PREPARE checked AS {sql}".replace("%", "%%"))
        connection.exec_driver_sql("DEALLOCATE checked")


def test_every_statement_says_what_it_guarantees() -> None:
    silent = [name for name, statement in statements.queries().items() if not statement.text.startswith("-- ")]
    assert silent == []


def test_names_are_unique() -> None:
    names = re.findall(r"^-- name: (\w+)$", files(schemas).joinpath("queries.sql").read_text(), re.MULTILINE)
    assert len(names) == len(set(names))
    variants = {"settle_range", "begin_marketing_attempt"}  # of settle_lines and begin_attempt, of the same text
    assert set(names) | variants == set(statements.queries())


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


def explain(connection: Connection, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = connection.execute(text(f"EXPLAIN (FORMAT JSON) {statement}"), parameters).scalar_one()
    return nodes((answer if isinstance(answer, list) else json.loads(answer))[0]["Plan"])


@pytest.mark.parametrize("analyzed", [False, True], ids=["without statistics", "analyzed"])
def test_the_settle_plan_is_key_look_ups(core: CoreHarness, analyzed: bool) -> None:
    core.do(
        "INSERT INTO campaign (account_id, prefix, name, template) VALUES (:a, '0123456789', 'n', 't')",
        a=core.account.id,
    )
    core.do(
        "INSERT INTO message (campaign_id, seq, chunk_no, line, destino, texto) "
        "SELECT (SELECT max(id) FROM campaign), n, (n - 1) / 1000 + 1, n, '1144445555', 'Hola' FROM generate_series(1, 50000) n"
    )
    if analyzed:
        with core.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE message")
    for batch in (10, 5_000, 50_000):
        check_key_lookups(*settle_plan(core, batch, "settle_lines"))
    for batch in (1_000, 5_000, 50_000):
        check_range_scan(*settle_plan(core, batch, "settle_range"))


def settle_plan(core: CoreHarness, batch: int, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All nodes of a plan, and those that read messages."""
    with core.engine.begin() as connection:
        transactions.pin_key_lookups(connection)
        if name == "settle_range":
            transactions.pin_range_scan(connection)
        stage_table(connection, core)
        connection.execute(
            text(
                "INSERT INTO settle_line SELECT (SELECT max(id) FROM campaign), n, 0, (n - 1) / 1000 + 1, 0, now(), NULL "
                "FROM generate_series(1, CAST(:n AS int)) n"
            ),
            {"n": batch},
        )
        campaign_id = core.one("SELECT max(id) FROM campaign")
        bounds = {"campaign_id": campaign_id, "first_seq": 1, "last_seq": batch}
        latest = {"latest": core.now()}
        plan = explain(connection, query(name).text, **latest, **(bounds if name == "settle_range" else {}))
    return plan, [node for node in plan if of_messages(node) and node["Node Type"] != "ModifyTable"]


def of_messages(node: dict[str, Any]) -> bool:
    """Whether a node of a plan reads a range of messages."""
    return str(node.get("Relation Name")).startswith("message_")


def check_key_lookups(plan: list[dict[str, Any]], on_message: list[dict[str, Any]]) -> None:
    assert {node["Node Type"] for node in on_message} == {"Index Scan"}
    condition = on_message[0]["Index Cond"]
    assert "campaign_id = t.campaign_id" in condition
    assert "seq = t.seq" in condition
    assert not {"Hash Join", "Merge Join"} & {node["Node Type"] for node in plan}


def check_range_scan(plan: list[dict[str, Any]], on_message: list[dict[str, Any]]) -> None:
    """The range is read once, and no line of the batch is looked up by itself."""
    assert {node["Node Type"] for node in on_message} == {"Index Scan"}
    condition = on_message[0]["Index Cond"]
    assert "seq >= " in condition
    assert "seq <= " in condition
    assert not {"Nested Loop", "Merge Join"} & {node["Node Type"] for node in plan}
    chunks = [n for n in plan if n.get("Relation Name") == "chunk" and n["Node Type"] != "ModifyTable"]
    assert ["campaign_id" in node.get("Index Cond", "") for node in chunks] == [True]


def test_message_status_of_one_campaign_reads_no_other(core: CoreHarness) -> None:
    """The view is fast when filtered by campaign."""
    for _ in range(3):
        core.load(50)
    with core.engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = explain(connection, "SELECT * FROM message_status WHERE campaign_id = :id", id=2)
    conditions = [node.get("Index Cond", "") for node in plan if of_messages(node)]
    conditions += [node.get("Recheck Cond", "") for node in plan if of_messages(node)]
    assert any("campaign_id" in condition for condition in conditions)


PARTS = st.tuples(
    st.text("0123456789ABCDEF", min_size=10, max_size=10),
    st.integers(1, 2**59),
    st.integers(0, 15),
    st.integers(1, MAX_SEQ),
)


@given(st.lists(PARTS, min_size=1, max_size=40), st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_writes_and_reads_idinternos_as_python_does(
    core: CoreHarness, parts: list[Any], data: st.DataObject
) -> None:
    with core.engine.connect() as connection:
        for prefix, campaign, generation, seq in parts:
            ours = idinterno.encode(prefix, campaign, generation, seq)
            assert (
                connection.execute(
                    text("SELECT encode_idinterno(:p, :c, CAST(:g AS smallint), :s)"),
                    {"p": prefix, "c": campaign, "g": generation, "s": seq},
                ).scalar_one()
                == ours
            )
            at = data.draw(st.integers(0, len(ours) - 1))
            wrong = ours[:at] + data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n")) + ours[at + 1 :]
            for sent in (ours, ours.lower(), wrong, wrong.lower(), ours + "\n", ours[:20], ""):
                found = connection.execute(text("SELECT * FROM decode_idinterno(:t)"), {"t": sent}).one()
                expected = idinterno.decode(sent)
                assert tuple(found) == ((expected.campaign_id, expected.seq) if expected else (None, None)), repr(sent)


@given(st.integers(-3, 2**31 - 1), st.sampled_from([1.0, 5.0, 60.0]), st.sampled_from([300.0, 3600.0]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_waits_after_failures_as_python_does(
    core: CoreHarness, failures: int, first: float, longest: float
) -> None:
    step = core.one("SELECT backoff(:n, :first, :longest)", n=failures, first=first, longest=longest)
    assert step.total_seconds() == backoff(failures, first, longest)


def make_chunks(core: CoreHarness, analyzed: bool, state: str, canary: int | None = None) -> None:
    """A running campaign of 3,000 chunks, each in the state that an expression over its number n gives."""
    core.do(
        "INSERT INTO campaign (account_id, prefix, name, template, state, canary_chunks, max_reject_rate) "
        "VALUES (:a, '0123456789', 'n', 't', 'running', :canary, 0.2)",
        a=core.account.id,
        canary=canary,
    )
    core.do(
        "INSERT INTO chunk (campaign_id, account_id, chunk_no, root_no, first_seq, last_seq, messages, state, posted_at, "
        "accepted_at, resulted) "
        f"SELECT (SELECT max(id) FROM campaign), :a, n, n, n * 1000 - 999, n * 1000, 1000, {state}, "
        f"CASE WHEN {state} <> 'due' THEN now() END, CASE WHEN {state} <> 'due' THEN now() END, "
        f"CASE WHEN {state} = 'due' THEN 0 ELSE 999 END "
        "FROM generate_series(1, 3000) n",
        a=core.account.id,
    )
    core.do(
        "INSERT INTO chunk_result (campaign_id, chunk_no, code, n) "
        "SELECT campaign_id, chunk_no, 0, resulted FROM chunk WHERE resulted > 0"
    )
    if analyzed:
        with core.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE chunk, chunk_result, campaign")


def run(core: CoreHarness, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    """The nodes of a plan with what each did: the statement is carried out, and taken back."""
    with core.engine.connect() as connection:
        now = connection.execute(text("SELECT now()")).scalar_one()
        parameters |= {
            "account_id": core.account.id,
            "earliest": now,
            "latest": now,
            "closed": ["2026-12-25"],
            "day_began": now,
        }
        answer = connection.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"), parameters).scalar_one()
        return nodes((answer if isinstance(answer, list) else json.loads(answer))[0]["Plan"])


def chunks_read(plan: list[dict[str, Any]]) -> int:
    """How many chunks the nodes of a plan looked at, those that they passed over included."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if node.get("Relation Name") == "chunk" and node["Node Type"] != "ModifyTable"
    )


CLAIM = {"wheel": ["high", "normal", "low"], "lease": 90, "turn": 1, "only": None}
STATISTICS = pytest.mark.parametrize("analyzed", [False, True], ids=["without statistics", "analyzed"])


@STATISTICS
@pytest.mark.parametrize("due", [3_000, 1], ids=["all due", "all but one sent"])
@pytest.mark.parametrize("canary", [None, 5_000], ids=["no canary", "a canary"])
def test_a_claim_reads_no_more_chunks_than_it_takes(
    core: CoreHarness, analyzed: bool, due: int, canary: int | None
) -> None:
    """In the order of chunk_to_claim: a plan that sorts would read every chunk of the campaign for each claim."""
    make_chunks(core, analyzed, f"CASE WHEN n > {3000 - due} THEN 'due' ELSE 'accepted' END", canary)
    plan = run(core, query("claim_chunk").text, **CLAIM)
    assert chunks_read(plan) <= 3
    indexes = {node.get("Index Name") for node in plan if node.get("Relation Name") == "chunk"} - {None}
    # Those of what is under way are asked only for a campaign's last line.
    assert indexes - {"chunk_in_progress", "chunk_in_flight_or_doubt"} == {"chunk_to_claim", "chunk_pkey"}
    sorted_by = [key for node in plan if node["Node Type"] == "Sort" for key in node["Sort Key"]]
    assert not [key for key in sorted_by if "chunk_no" in key], sorted_by


@STATISTICS
@pytest.mark.parametrize("name", ["claim_chunk", "startable", "canaries_done"])
def test_what_waits_for_a_canary_reads_nothing_of_the_rest(core: CoreHarness, analyzed: bool, name: str) -> None:
    make_chunks(core, analyzed, "CASE WHEN n > 5 THEN 'due' ELSE 'accepted' END", canary=5)
    statement = query(name).text
    plan = run(core, statement, **(CLAIM if name == "claim_chunk" else {}))
    assert chunks_read(plan) <= 5
    if name != "canaries_done":
        bounds = [node.get("Index Cond", "") for node in plan if node.get("Index Name") == "chunk_to_claim"]
        assert bounds
        assert all("root_no <= " in bound for bound in bounds), bounds


@STATISTICS
def test_the_reject_watch_reads_no_more_chunks_than_it_judges(core: CoreHarness, analyzed: bool) -> None:
    make_chunks(core, analyzed, "CASE WHEN n > 2000 THEN 'due' ELSE 'accepted' END")
    plan = run(core, query("recent_results").text, chunks=5, enough=50, most=50)
    assert 0 < chunks_read(plan) <= 50
    assert not {"Seq Scan"} & {node["Node Type"] for node in plan if node.get("Relation Name") == "chunk"}
