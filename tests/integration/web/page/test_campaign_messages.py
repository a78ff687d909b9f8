"""The messages of a campaign in a browser: found by anything, each with its life; invalid rows; downloads; doubts."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator

import openpyxl
import pytest
from sqlalchemy import text

from dispatcher.access.roles import Role
from dispatcher.campaigns import loading, message_search
from dispatcher.campaigns.message_search import Search
from dispatcher.db.statements import query
from dispatcher.ingest import open_source
from dispatcher.runtime import Runtime
from dispatcher.web.page import messages
from ops.simulator.process import SimulatorProcess
from schemas.payload import CampaignSpec
from schemas.states import MessageStatus
from tests.integration.core_harness import FIXED, CoreHarness
from tests.integration.people.test_history import steps
from tests.integration.stepper import Stepper
from tests.integration.web.page.signed_in import Browser, Pages, links_of, serving_pages, text_of


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=10))


@pytest.fixture
def core(stepper: Stepper) -> CoreHarness:
    return CoreHarness(stepper.runtime)


@pytest.fixture
def pages(stepper: Stepper) -> Iterator[Pages]:
    with serving_pages(stepper.runtime) as pages:
        yield pages


def looked_for(browser: Browser, campaign: int, **asked: str) -> str:
    """Where a search leads."""
    return browser.post(f"/campaigns/{campaign}/messages", **asked).url.removeprefix(browser.base)


def seqs(browser: Browser, path: str) -> list[int]:
    """The messages of all pages, from this one on."""
    found: list[int] = []
    while path:
        links = links_of(browser.get(path))
        found += [int(each.rpartition("/")[2]) for each in links if "/messages/" in each]
        path = next((each for each in links if "after=" in each), "")
    return found


def varied(core: CoreHarness) -> int:
    """A campaign of 40 in four chunks: results of three kinds in the first two, one in doubt, one due."""
    campaign = core.load(40, id_column="n")
    first, second, third = core.send(), core.send(), core.claim()
    lines = [(core.reference(campaign, seq), "OK") for seq in range(1, 21) if seq not in (3, 14)]
    core.settle(*lines, (core.reference(campaign, 14), FIXED))
    core.expire_lease(third)
    assert (first.chunk_no, second.chunk_no, third.chunk_no) == (1, 2, 3)
    return campaign


def test_every_filter_gives_the_messages_that_fit_over_all_pages(
    core: CoreHarness, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_SHOWN", 7)
    campaign = varied(core)
    browser = pages.as_(Role.OPERATOR)
    rows = core.rows(
        "SELECT seq, status, result_code FROM message_status WHERE campaign_id = :id ORDER BY 1", id=campaign
    )
    assert {row.status for row in rows} == {"ok", "rejected", "submitted", "in_doubt", "pending"}
    for status in MessageStatus:
        expected = [row.seq for row in rows if row.status == status]
        assert seqs(browser, f"/campaigns/{campaign}/messages?status={status}") == expected, status
    for code in (0, -1, -10):
        expected = [row.seq for row in rows if row.result_code == code]
        assert seqs(browser, f"/campaigns/{campaign}/messages?code={code}") == expected, code
    assert seqs(browser, f"/campaigns/{campaign}/messages") == list(range(1, 41))
    assert seqs(browser, f"/campaigns/{campaign}/messages?status=rejected&code=-1") == [14]
    for none in ("status=ok&code=-1", "status=pending&code=0", "after=40", "after=2147483647"):
        assert seqs(browser, f"/campaigns/{campaign}/messages?{none}") == [], none
    for ignored in ("status=odd", "code=x", "code=77", "after=-5", "after=x", "after=99999999999999", "own=%00"):
        assert seqs(browser, f"/campaigns/{campaign}/messages?{ignored}") == list(range(1, 41)), ignored


def test_those_of_a_child_chunk_are_found_among_their_family_s(
    core: CoreHarness, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_SHOWN", 3)
    campaign = core.load(30)
    core.send()
    # As a split leaves it: lines 2 and 5 of the first chunk are due again, in a chunk of their own.
    core.do(
        "INSERT INTO chunk (campaign_id, account_id, chunk_no, root_no, parent_no, first_seq, last_seq, messages) "
        "SELECT campaign_id, account_id, 9, 1, 1, 2, 5, 2 FROM chunk WHERE campaign_id = :id AND chunk_no = 1",
        id=campaign,
    )
    core.do("UPDATE message SET chunk_no = 9 WHERE campaign_id = :id AND seq IN (2, 5)", id=campaign)
    core.do("UPDATE chunk SET messages = messages - 2 WHERE campaign_id = :id AND chunk_no = 1", id=campaign)
    browser = pages.as_(Role.OPERATOR)
    assert seqs(browser, f"/campaigns/{campaign}/messages?status=submitted") == [1, 3, 4, 6, 7, 8, 9, 10]
    assert seqs(browser, f"/campaigns/{campaign}/messages?status=pending") == [2, 5, *range(11, 31)]
    core.do("UPDATE chunk SET state = 'accepted', accepted_at = now() WHERE chunk_no = 9")
    assert seqs(browser, f"/campaigns/{campaign}/messages?status=submitted") == list(range(1, 11))


def test_a_number_is_found_in_any_form_and_an_odd_one_says_why(core: CoreHarness, pages: Pages) -> None:
    campaign = varied(core)
    browser = pages.as_(Role.OPERATOR)
    for written in ("1120000004", "+54 9 11 2000-0004", "011 15 2000 0004"):
        answer = browser.post(f"/campaigns/{campaign}/messages", number=written)
        assert "2000" not in answer.url
        assert f"/campaigns/{campaign}/messages/5" in links_of(answer), written
        assert "11 2000 0004" in text_of(answer)
    assert seqs(browser, looked_for(browser, campaign, number="1120000004", status="ok")) == [5]
    assert seqs(browser, looked_for(browser, campaign, number="1120000004", status="rejected")) == []
    odd = browser.post(f"/campaigns/{campaign}/messages", number="12")
    assert 'aria-describedby="odd"' in odd.text
    assert "too short" in text_of(odd)
    assert not [each for each in links_of(odd) if "/messages/" in each]


def test_an_own_id_is_found_and_a_long_search_says_how_far_it_came(
    core: CoreHarness, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = varied(core)
    browser = pages.as_(Role.OPERATOR)
    assert seqs(browser, looked_for(browser, campaign, own="n35")) == [36]
    monkeypatch.setattr(message_search, "_SLICE", 10)
    monkeypatch.setattr(message_search, "_SECONDS", 0.000001)
    monkeypatch.setattr(message_search, "query", lambda name: text("SELECT seq FROM message, pg_sleep(1)"))
    with core.engine.connect() as connection:
        found = message_search.search(connection, campaign, Search(external_id="n35"), 0, 5)
    assert (found.rows, found.next) == ([], found.searched_to)
    assert seqs(browser, looked_for(browser, campaign, own="n35")) == [36]


def test_an_own_id_is_found_by_the_index_among_many(core: CoreHarness) -> None:
    campaign = varied(core)
    with core.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO message (campaign_id, seq, chunk_no, line, external_id, destino, texto) SELECT :c, n, 1, n, "
                "'id ' || n, (1100000000 + n)::text, repeat('x', 100) FROM generate_series(1000, 100000) n"
            ),
            {"c": campaign},
        )
        connection.execute(text("SELECT brin_summarize_new_values('message_1_destino_external_id_idx')"))
    with core.engine.begin() as connection:
        connection.execute(text("ANALYZE message"))
        message_search._use_filters(connection)
        wanted = {"campaign_id": campaign, "external_id": "id 77777", "after": 0, "limit": 10}
        plan = connection.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {query('messages_with_own_id_in_campaign').text}"), wanted
        ).scalar_one()
        found = message_search.search(connection, campaign, Search(external_id="id 77777"), 0, 10)
    (scan,) = [step for step in steps(plan[0]["Plan"]) if step["Node Type"] == "Bitmap Heap Scan"]
    assert scan["Rows Removed by Index Recheck"] < 10_000
    assert ([row.seq for row in found.rows], found.searched_to) == ([77777], None)


def test_a_message_shows_its_whole_life(core: CoreHarness, pages: Pages) -> None:
    campaign = varied(core)
    said = text_of(pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}/messages/14"))
    for words in ("Hola n13", "11 2000 0013", "line 14", "code -1: It is a fixed line", FIXED, "the provider took it"):
        assert words in said, words
    assert core.reference(campaign, 14) in said
    lost = text_of(pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}/messages/21"))
    assert "perhaps sent" in lost
    assert "the worker ended before the answer came" in lost
    assert "It was not handed in." in text_of(pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}/messages/40"))
    for none in (0, 41, 2**31, 10**30):
        pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}/messages/{none}", 404)


def test_invalid_rows_are_shown_in_pages_and_downloaded(
    core: CoreHarness, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_INVALID_SHOWN", 2)
    rows = [{"telefono": "1144445555", "n": "x"}, *({"telefono": f"1{n}", "n": "=1+1<b>"} for n in range(5))]
    campaign = core.load(recipients=rows)
    browser = pages.as_(Role.OPERATOR)
    path, shown = f"/campaigns/{campaign}/invalid", ""
    while path:
        answer = browser.get(path)
        assert "=1+1<b>" not in answer.text
        shown += text_of(answer)
        path = next((each for each in links_of(answer) if "after=" in each), "")
    assert shown.count("too short") == 5
    file = browser.get(f"/campaigns/{campaign}/invalid-1.csv")
    assert file.headers["Content-Disposition"] == f'attachment; filename="campaign-{campaign}-invalid-1.csv"'
    assert len(list(csv.reader(io.StringIO(file.content.decode("utf-8-sig")), delimiter=";"))) == 6
    for none in (0, 2, 10**9):
        browser.get(f"/campaigns/{campaign}/invalid-{none}.csv", 404)


def test_results_are_downloaded_in_three_forms_and_who_did_is_recorded(core: CoreHarness, pages: Pages) -> None:
    campaign = varied(core)
    browser = pages.as_(Role.OPERATOR, "Ana")
    told = browser.get(f"/campaigns/{campaign}/results.csv")
    rows = list(csv.DictReader(io.StringIO(told.content.decode("utf-8-sig")), delimiter=";"))
    assert [int(row["seq"]) for row in rows] == list(range(1, 41))
    lines = browser.get(f"/campaigns/{campaign}/results.jsonl").text.splitlines()
    assert json.loads(lines[13])["result_text"] == FIXED
    workbook = browser.get(f"/campaigns/{campaign}/results.xlsx")
    assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(workbook.content)).namelist()
    browser.get(f"/campaigns/{campaign}/results.exe", 404)
    browser.get("/campaigns/999/results.csv", 404)
    taken = core.rows("SELECT actor, detail->>'format' AS format FROM audit_entry WHERE action = 'campaign.download'")
    assert [(row.actor, row.format) for row in taken] == [("Ana", "csv"), ("Ana", "jsonl"), ("Ana", "xlsx")]
    assert "results were downloaded" in text_of(browser.get(f"/campaigns/{campaign}"))
    spool = core.settings.home / "spool"
    assert list(spool.iterdir()) == []


def test_a_list_is_given_back_with_all_its_columns_and_what_became_of_each_row(
    stepper: Stepper, pages: Pages, simulator: SimulatorProcess
) -> None:
    lines = [
        "telefono;nombre;barrio;=fórmula",
        *(f"11{20_000_000 + n};N{n};Barrio {n};=1+{n}" for n in range(25)),
        "12;Corto;Sur;x",
        "1144445555;;Norte;sin nombre",
    ]
    engine, settings = stepper.runtime.engine, stepper.runtime.settings
    with (
        open_source(io.BytesIO("\n".join(lines).encode()), format="csv", name="lista.csv") as source,
        engine.begin() as connection,
    ):
        campaign = loading.load(connection, settings, CampaignSpec(template="Hola {nombre}"), source).campaign_id
    assert campaign is not None
    stepper.finish(campaign)
    browser = pages.as_(Role.OPERATOR)
    assert f"/campaigns/{campaign}/list.csv" in links_of(browser.get(f"/campaigns/{campaign}"))
    told = browser.get(f"/campaigns/{campaign}/list.csv").content.decode("utf-8-sig")
    heading, *rows = csv.reader(io.StringIO(told), delimiter=";")
    assert heading[:3] == ["telefono", "nombre", "barrio"]
    assert [row[1] for row in rows] == [*(f"N{n}" for n in range(25)), "Corto", ""]
    assert {tuple(row[4:6]) for row in rows[:25]} == {("delivered to the phone company", "0")}
    assert rows[7][3] == "'=1+7"
    assert [row[4] for row in rows[25:]] == ["invalid row"] * 2
    assert "too short" in rows[25][6]
    book = openpyxl.load_workbook(io.BytesIO(browser.get(f"/campaigns/{campaign}/list.xlsx").content))
    cells = list(book.active.iter_rows(values_only=True))
    assert (len(cells), cells[3][2], cells[3][5]) == (28, "Barrio 2", 0)
    message = browser.get(f"/campaigns/{campaign}/messages/8")
    assert f"/campaigns/{campaign}/messages/8?row=1#row" in links_of(message)
    assert "Barrio 7" not in text_of(message)
    assert "barrio Barrio 7 =fórmula =1+7" in text_of(browser.get(f"/campaigns/{campaign}/messages/8?row=1"))
    stepper.sql("UPDATE upload SET dropped_at = now()")
    assert "Show the row" not in text_of(browser.get(f"/campaigns/{campaign}/messages/8?row=1"))
    assert f"/campaigns/{campaign}/list.csv" not in links_of(browser.get(f"/campaigns/{campaign}"))
    assert "not kept any longer" in text_of(browser.get(f"/campaigns/{campaign}/list.csv", 422))
    browser.get(f"/campaigns/{campaign}/list.jsonl", 404)


def test_a_doubt_is_shown_with_its_evidence_and_decided(core: CoreHarness, pages: Pages) -> None:
    campaign = varied(core)
    viewer = text_of(pages.as_(Role.VIEWER).get(f"/campaigns/{campaign}/doubts"))
    assert "Block 3" in viewer
    assert "10 messages without a result" in viewer
    assert "the worker ended before the answer came" in viewer
    assert "Somebody with the role sender decides." in viewer
    browser = pages.as_(Role.SENDER, "Ana")
    asked = text_of(browser.get(f"/campaigns/{campaign}/doubts/3"))
    assert "10 messages wait for their results and are never sent again." in asked
    assert "10 messages are sent again. If they were sent after all, their people get them twice." in asked
    assert "There is no doubt." in text_of(browser.post(f"/campaigns/{campaign}/doubts/3", **{"as": "sent"}))
    assert core.states(campaign)[2] == "accepted"
    (entry,) = core.rows("SELECT actor, chunk_no FROM audit_entry WHERE action = 'campaign.resolve'")
    assert (entry.actor, entry.chunk_no) == ("Ana", 3)
    again = browser.post(f"/campaigns/{campaign}/doubts/3", **{"as": "unsent"})
    assert again.url.endswith("/doubts")
    core.check_sums(campaign)


def test_unsent_sends_again_and_nothing_else_does(core: CoreHarness, pages: Pages) -> None:
    campaign = varied(core)
    browser = pages.as_(Role.SENDER)
    for odd in ("", "maybe", "SENT"):
        browser.post(f"/campaigns/{campaign}/doubts/3", **{"as": odd})
        browser.post(f"/campaigns/{campaign}/doubts/4", **{"as": "unsent"})
        browser.post(f"/campaigns/{campaign}/doubts/99999999999999999999", **{"as": "unsent"})
    assert core.states(campaign)[2:] == ["in_doubt", "due"]
    browser.post(f"/campaigns/{campaign}/doubts/3", **{"as": "unsent"})
    assert core.states(campaign)[2:] == ["split", "due", "due"]
    core.check_sums(campaign)


def test_a_post_that_is_under_way_is_not_decided(core: CoreHarness, pages: Pages) -> None:
    campaign = core.load(10)
    claim = core.claim()
    core.do(
        "UPDATE chunk SET state = 'in_doubt', lease_until = NULL, doubt_since = now(), doubt_reason = 'x' WHERE id = :id",
        id=claim.chunk_id,
    )
    answer = pages.as_(Role.SENDER).post(f"/campaigns/{campaign}/doubts/1", 409, **{"as": "unsent"})
    assert "still under way" in text_of(answer)
    assert core.states(campaign) == ["in_doubt"]


def test_a_page_of_a_rare_code_reads_only_the_chunks_that_have_it(
    core: CoreHarness, simulator: SimulatorProcess
) -> None:
    campaign = varied(core)
    with core.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        found = message_search.search(connection, campaign, Search(code=-1), 0, 5)
    assert [row.seq for row in found.rows] == [14]
    assert found.next is None
