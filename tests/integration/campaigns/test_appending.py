"""Appending: mended rows join an open campaign, each person once, and every sum still holds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dispatcher.campaigns import appending, invalid_file, lifecycle, loading
from dispatcher.campaigns.filling import Loaded, NothingToSend
from dispatcher.errors import UsageError
from dispatcher.ingest import Source, from_recipients, open_source
from dispatcher.uploads import dropping, store
from dispatcher.uploads.reading import UploadFile
from schemas.payload import CampaignSpec
from tests.integration.core_harness import CoreHarness

TEMPLATE = "Hola {nombre}, saldo {saldo}."
ROWS = [
    {"telefono": "1144445551", "nombre": "Ana", "saldo": "10"},
    {"telefono": "12", "nombre": 'Eva "la; larga"', "saldo": "=Paz"},
    {"telefono": "1144445551", "nombre": "Ana otra vez", "saldo": "11"},
    {"telefono": "1144445553", "nombre": "", "saldo": "#N/D"},
    {"telefono": "1144445554", "nombre": "Luz", "saldo": "40"},
]


def as_csv(rows: list[dict[str, str]]) -> Source:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    return open_source(io.BytesIO(text.getvalue().encode()))


def as_jsonl(rows: list[dict[str, str]]) -> Source:
    return open_source(io.BytesIO("\n".join(map(json.dumps, rows)).encode()))


def as_xlsx(rows: list[dict[str, str]]) -> Source:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for values in (list(rows[0]), *(list(row.values()) for row in rows)):
        sheet.append(values)
        for cell in sheet[sheet.max_row]:
            cell.data_type = "s"
    data = io.BytesIO()
    book.save(data)
    return open_source(data)


def inline(rows: list[dict[str, str]]) -> Source:
    return from_recipients([dict(row) for row in rows])


Make = Callable[[list[dict[str, str]]], Source]
every_format = pytest.mark.parametrize("make", [as_csv, as_xlsx, as_jsonl, inline])


def load(core: CoreHarness, source: Source, **spec: Any) -> Loaded:
    assert core.account
    spec = {"template": TEMPLATE, "again": True, **spec}
    with source, core.engine.begin() as connection:
        return loading.load(connection, core.settings, CampaignSpec(**spec), source)


def append(core: CoreHarness, campaign_id: int, source: Source, **spec: Any) -> Loaded:
    with source, core.engine.begin() as connection:
        return appending.append(connection, core.settings, CampaignSpec(append_to=campaign_id, **spec), source)


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=";"))


def mended(path: Path) -> Path:
    """As a person corrects it in a spreadsheet: the number, the name and the broken formula."""
    rows = read(path)
    for row in rows:
        if row["telefono"] == "12":
            row["telefono"] = "1144445552"
        if not row["nombre"]:
            row["nombre"], row["saldo"] = "Sol", "30"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path


def numbers(core: CoreHarness, campaign_id: int) -> list[str]:
    found = core.rows("SELECT destino FROM message WHERE campaign_id = :id ORDER BY seq", id=campaign_id)
    return [row.destino for row in found]


@every_format
def test_invalid_rows_come_back_with_their_columns_as_they_were(core: CoreHarness, tmp_path: Path, make: Make) -> None:
    loaded = load(core, make(ROWS))
    path = invalid_file.write(core.engine, loaded.campaign_id, tmp_path)
    assert path.name == f"campaign-{loaded.campaign_id}-invalid.csv"
    rows = read(path)
    assert list(rows[0]) == ["telefono", "nombre", "saldo", "motivo", "que_hacer", "linea"]
    assert [(row["telefono"], row["nombre"], row["saldo"]) for row in rows] == [
        ("12", 'Eva "la; larga"', "'=Paz"),
        ("1144445551", "Ana otra vez", "11"),
        ("1144445553", "", "#N/D"),
    ]
    assert [row["motivo"][:20] for row in rows] == [
        "column 'telefono': 1",
        "1144445551 is alread",
        "column 'saldo' shows",
    ]
    assert all(row["que_hacer"] and row["linea"].isdigit() for row in rows)
    assert path.with_suffix(".xlsx").exists() == (make is as_xlsx)


@every_format
def test_a_list_that_is_appended_is_kept_as_it_came(core: CoreHarness, make: Make) -> None:
    first = load(core, make(ROWS))
    more = make([{"telefono": "1144445560", "nombre": "Luz", "saldo": "5"}])
    came = b"".join(more.pieces())
    append(core, first.campaign_id, more)
    lists = core.rows("SELECT list_no, upload_id FROM campaign_list ORDER BY list_no")
    assert [row.list_no for row in lists] == [1, 2]
    with core.engine.connect() as connection:
        made_from = core.rows("SELECT upload_id FROM campaign")[0].upload_id
        assert (lists[0].upload_id, lists[1].upload_id is None) == (made_from, False)
        kept = store.get(connection, lists[1].upload_id)
    assert kept is not None
    assert UploadFile(core.engine, kept).read() == came
    core.do("UPDATE upload SET expires_at = now() - interval '1 second'")
    while dropping.drop_old(core.engine):
        pass
    assert core.rows("SELECT count(*) AS n FROM upload WHERE dropped_at IS NOT NULL")[0].n == 2


@every_format
def test_mended_rows_that_are_appended_reach_those_who_were_missing_once(
    core: CoreHarness, tmp_path: Path, make: Make
) -> None:
    first = load(core, make(ROWS))
    path = mended(invalid_file.write(core.engine, first.campaign_id, tmp_path))
    added = append(core, first.campaign_id, open_source(path))
    assert (added.messages, dict(added.reasons)) == (2, {"duplicate": 1})
    assert numbers(core, first.campaign_id) == ["1144445551", "1144445554", "1144445552", "1144445553"]
    texts = core.rows("SELECT texto FROM message WHERE seq > 2 ORDER BY seq")
    assert [row.texto for row in texts] == ["Hola Eva la; larga, saldo =Paz.", "Hola Sol, saldo 30."]
    core.check_sums(first.campaign_id)
    again = invalid_file.write(core.engine, first.campaign_id, tmp_path, list_no=added.list_no)
    assert list(read(again)[0]) == ["telefono", "nombre", "saldo", "motivo", "que_hacer", "linea"]
    with pytest.raises(NothingToSend, match="duplicate 3"):
        append(core, first.campaign_id, open_source(path))
    core.check_sums(first.campaign_id)


def test_mended_rows_as_a_campaign_of_their_own_reach_nobody_twice(core: CoreHarness, tmp_path: Path) -> None:
    first = load(core, as_csv(ROWS))
    path = mended(invalid_file.write(core.engine, first.campaign_id, tmp_path))
    second = load(core, open_source(path))
    assert numbers(core, second.campaign_id) == ["1144445552", "1144445553"]
    assert second.reasons == {"duplicate": 1}


def test_the_last_line_is_the_appended_one_and_every_chunk_goes(core: CoreHarness) -> None:
    first = load(core, inline([{**ROWS[0], "telefono": f"11{44440000 + n}"} for n in range(25)]))
    append(core, first.campaign_id, inline([{**ROWS[0], "telefono": f"11{55550000 + n}"} for n in range(12)]))
    last = core.rows("SELECT chunk_no, messages FROM chunk WHERE goes_last")
    assert [row.messages for row in last] == [1]
    assert core.one("SELECT max(chunk_no) FROM chunk") == last[0].chunk_no
    core.check_sums(first.campaign_id)
    sent = 0
    while sent < 37:
        claim = core.send()
        sent += claim.lines
    assert core.statuses(first.campaign_id) == {"submitted": 37}


def test_an_append_while_the_last_line_is_on_its_way_blocks_nothing(core: CoreHarness) -> None:
    first = load(core, inline([{**ROWS[0], "telefono": f"11{44440000 + n}"} for n in range(2)]))
    core.send()
    on_its_way = core.claim()
    append(core, first.campaign_id, inline([{**ROWS[0], "telefono": "1155550000"}]))
    core.expire_lease(on_its_way)
    core.do("UPDATE chunk SET state = 'due', doubt_since = NULL WHERE id = :id", id=on_its_way.chunk_id)
    assert core.send().lines == 1
    assert core.send().lines == 1
    assert core.statuses(first.campaign_id) == {"submitted": 3}


@pytest.mark.parametrize("state", ["completed", "cancelled"])
def test_a_campaign_that_is_over_takes_no_list(core: CoreHarness, state: str) -> None:
    first = load(core, inline(ROWS))
    if state == "cancelled":
        lifecycle.cancel(core.engine, first.campaign_id, wait=0)
    else:
        core.do("UPDATE campaign SET state = 'completed', completed_at = now()")
    with pytest.raises(UsageError, match=f"is {state}"):
        append(core, first.campaign_id, inline([{**ROWS[0], "telefono": "1155550000"}]))
    assert core.one("SELECT count(*) FROM message") == 2


def test_a_campaign_that_completes_while_a_list_is_read_takes_none_of_it(core: CoreHarness) -> None:
    first = load(core, inline(ROWS))
    spec = CampaignSpec(append_to=first.campaign_id)

    def complete(batch: object) -> None:
        core.do("UPDATE chunk SET state = 'cancelled'")
        core.do("UPDATE campaign SET state = 'completed', completed_at = now()")

    with (
        inline([{**ROWS[0], "telefono": "1155550000"}]) as source,
        pytest.raises(UsageError, match="is completed"),
        core.engine.begin() as connection,
    ):
        appending.append(connection, core.settings, spec, source, complete)
    assert core.one("SELECT count(*) FROM message") == 2
    assert core.one("SELECT rows FROM campaign") == 5


def test_a_list_is_appended_as_the_first_one_was_read_and_with_the_same_template(core: CoreHarness) -> None:
    rows = [{"a": "15 4444-5551", "nombre": "NULL", "saldo": "1"}]
    first = load(core, inline(rows), to_column="a", area="11", keep_words=True)
    append(core, first.campaign_id, inline([{"a": "15 4444-5552", "nombre": "None", "saldo": "2"}]))
    assert numbers(core, first.campaign_id) == ["1144445551", "1144445552"]
    with pytest.raises(UsageError, match="another template"):
        append(core, first.campaign_id, inline(rows), template="Chau {nombre}")
    with pytest.raises(UsageError, match="no campaign 999"):
        append(core, 999, inline(rows))


def test_opt_outs_of_an_appended_list_are_counted_with_the_others(core: CoreHarness) -> None:
    core.do("INSERT INTO optout (destino, source) VALUES ('1144445554', 'test'), ('1155550000', 'test')")
    first = load(core, inline(ROWS))
    append(core, first.campaign_id, inline([{**ROWS[0], "telefono": "1155550000"}]))
    assert core.rows("SELECT reason, n FROM left_out") == [("optout_at_load", 2)]
    core.check_sums(first.campaign_id)
    assert core.send().lines == 1


def test_results_of_appended_messages_settle_in_a_process_that_knew_the_campaign_before(core: CoreHarness) -> None:
    campaign = load(core, inline(ROWS)).campaign_id
    core.send()
    core.settle((core.reference(campaign, 1), "OK"))
    append(core, campaign, inline([{"telefono": "1144445599", "nombre": "Sol", "saldo": "30"}]))
    while core.statuses(campaign).get("pending"):
        core.send()
    core.settle((core.reference(campaign, 2), "OK"), (core.reference(campaign, 3), "OK"))
    assert core.statuses(campaign) == {"ok": 3}
    assert core.state(campaign) == "completed"
    core.check_sums(campaign)
