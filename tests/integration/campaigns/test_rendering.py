"""Another template for a draft: everything that came of its list is made anew, and nothing else changes."""

from pathlib import Path
from threading import Thread
from typing import Any

import openpyxl
import pytest

from dispatcher.campaigns import changing, lifecycle, loading, summary
from dispatcher.campaigns.filling import NothingToSend
from dispatcher.campaigns.lifecycle import WrongState
from dispatcher.errors import UsageError
from dispatcher.ingest import open_source
from dispatcher.uploads import dropping
from schemas.payload import CampaignSpec
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness

ROWS = "telefono;nombre;saldo\n1144445555;Ana;12,50\n1144446666;;7\n1144447777;Eva;\n12;Corto;1\n"


def draft(core: CoreHarness, path: Path, **spec: Any) -> int:
    """A draft of a file."""
    whole = CampaignSpec(**{"template": "Hola {nombre}", "draft": True, **spec})
    with (
        open_source(path, reading=loading.reading_of(whole, core.settings)) as source,
        core.engine.begin() as connection,
    ):
        return loading.load(connection, core.settings, whole, source).campaign_id


@pytest.fixture
def made(core: CoreHarness, tmp_path: Path) -> int:
    """A draft of ROWS, of which the second row has no name."""
    (tmp_path / "list.csv").write_text(ROWS)
    return draft(core, tmp_path / "list.csv")


def texts(core: CoreHarness, campaign: int) -> list[str]:
    return [row[0] for row in core.rows(f"SELECT texto FROM message WHERE campaign_id = {campaign} ORDER BY seq")]


def change(core: CoreHarness, campaign: int, **changes: Any) -> None:
    changing.change(core.engine, core.settings, campaign, changes)


def test_texts_invalid_rows_and_counts_are_those_of_the_new_template(core: CoreHarness, made: int) -> None:
    assert texts(core, made) == ["Hola Ana", "Hola Eva"]
    change(core, made, template="Debe ${saldo}", name="Otra")
    assert texts(core, made) == ["Debe $12,50", "Debe $7"]
    with core.engine.connect() as connection:
        shown = summary.show(connection, made)
    assert (shown.state, shown.messages, shown.invalid, shown.name) == ("draft", 2, 2, "Otra")
    assert core.rows(f"SELECT line FROM invalid_row WHERE campaign_id = {made} ORDER BY line") == [(4,), (5,)]
    core.check_sums(made)
    lifecycle.send(core.engine, core.settings, made)
    assert b"Debe $12,50" in core.claim().bloque


def test_who_opted_out_meanwhile_is_left_out(core: CoreHarness, made: int) -> None:
    core.do("INSERT INTO optout (destino, source) VALUES ('1144445555', 'test')")
    change(core, made, template="Hola {nombre|cliente}")
    with core.engine.connect() as connection:
        assert summary.show(connection, made).left_out == {"optout_at_load": 1}
    change(core, made, template="Chau {nombre|cliente}")
    with core.engine.connect() as connection:
        shown = summary.show(connection, made)
    assert (shown.left_out, shown.messages) == ({"optout_at_load": 1}, 3)
    core.check_sums(made)


def test_the_sheet_and_the_canary_are_those_that_were_asked_for(core: CoreHarness, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for title, number in (("Uno", 1144440000), ("Dos", 1155550000)):
        sheet = book.create_sheet(title)
        sheet.append(["telefono", "nombre"])
        for n in range(30):
            sheet.append([number + n, f"N{n}"])
    book.save(tmp_path / "book.xlsx")
    campaign = draft(core, tmp_path / "book.xlsx", sheet="Dos", canary=4)
    before = core.rows(f"SELECT destino, chunk_no FROM message WHERE campaign_id = {campaign} ORDER BY seq")
    canary = core.one(f"SELECT canary_chunks FROM campaign WHERE id = {campaign}")
    change(core, campaign, template="Chau {nombre}")
    assert core.rows(f"SELECT destino, chunk_no FROM message WHERE campaign_id = {campaign} ORDER BY seq") == before
    assert core.one(f"SELECT canary_chunks FROM campaign WHERE id = {campaign}") == canary == 1


def test_what_does_not_work_leaves_the_draft_as_it_was(core: CoreHarness, made: int) -> None:
    with pytest.raises(UsageError, match="apellido"):
        change(core, made, template="Hola {apellido}", name="Otra")
    with pytest.raises(NothingToSend):
        change(core, made, template="€" * 161, name="Otra")
    core.do("UPDATE upload SET expires_at = now() - interval '1 second'")
    dropping.drop_old(core.engine)
    with pytest.raises(UsageError, match="not kept any longer"):
        change(core, made, template="Chau {nombre}", name="Otra")
    assert texts(core, made) == ["Hola Ana", "Hola Eva"]
    with core.engine.connect() as connection:
        assert summary.show(connection, made).name == "list"
    lifecycle.send(core.engine, core.settings, made)
    with pytest.raises(WrongState):
        change(core, made, template="Chau {nombre}")


def test_a_release_in_the_middle_waits_and_sends_the_new_text(core: CoreHarness, made: int) -> None:
    from dispatcher.campaigns import rendering

    released: list[lifecycle.Halted] = []
    releasing = Thread(target=lambda: released.append(lifecycle.send(core.engine, core.settings, made)))
    with core.engine.begin() as connection:
        rendering.render_anew(connection, core.engine, core.settings, made, "Chau {nombre}")
        releasing.start()
        wait_until(lambda: core.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
    releasing.join(10)
    assert released[0].state == "scheduled"
    assert core.claim().bloque.endswith(b"Chau Ana") or b"Chau Ana" in core.send().bloque
