"""A retry with another text: it is made from the rows of the list that the rejected messages came from."""

from pathlib import Path

import pytest

from dispatcher.campaigns import retrying, summary
from dispatcher.errors import UsageError
from tests.integration.campaigns.test_export_list import load
from tests.integration.core_harness import CoreHarness

ROWS = (
    "celular;telefono;nombre;destino\n"
    "1144445555;12;Ana;Salta\n"
    "12;1144446666; Eva ;Jujuy\n"
    "1144447777;;;Chaco\n"
    "1144448888;;Luz;La Rioja\n"
)


REFUSED = "Destinatario rechazado por la telefónica"


@pytest.fixture
def rejected(core: CoreHarness, tmp_path: Path) -> int:
    """A campaign of which all but the fourth message were rejected."""
    assert core.account
    (tmp_path / "list.csv").write_text(ROWS)
    campaign = load(core, tmp_path / "list.csv", template="GANE YA", to_column="celular,telefono")
    core.send()
    core.send()
    words = (REFUSED, REFUSED, REFUSED, "OK")
    core.settle(*((core.reference(campaign, seq), word) for seq, word in enumerate(words, start=1)))
    return campaign


def test_each_gets_the_new_text_with_the_columns_of_its_row(core: CoreHarness, rejected: int) -> None:
    made = retrying.draft(
        core.engine, core.settings, rejected, template="Hola {nombre|cliente}, novedades de {destino|su zona}"
    )
    assert core.rows(f"SELECT destino, texto FROM message WHERE campaign_id = {made.campaign_id} ORDER BY seq") == [
        ("1144445555", "Hola Ana, novedades de Salta"),
        ("1144446666", "Hola Eva, novedades de Jujuy"),
        ("1144447777", "Hola cliente, novedades de Chaco"),
    ]
    core.check_sums(made.campaign_id)
    with core.engine.connect() as connection:
        assert summary.show(connection, made.campaign_id).state == "draft"
    template = core.one(f"SELECT template FROM campaign WHERE id = {made.campaign_id}")
    assert template.startswith("Hola {nombre|cliente}")
    with pytest.raises(UsageError, match="no such rejected message"):
        retrying.draft(core.engine, core.settings, rejected)


def test_rows_that_do_not_fit_the_new_text_are_invalid(core: CoreHarness, rejected: int) -> None:
    made = retrying.draft(core.engine, core.settings, rejected, template="Hola {nombre}")
    texts = core.rows(f"SELECT texto FROM message WHERE campaign_id = {made.campaign_id} ORDER BY seq")
    assert texts == [("Hola Ana",), ("Hola Eva",)]
    assert (made.messages, made.invalid) == (2, 1)
    core.check_sums(made.campaign_id)


def test_a_column_that_is_not_there_and_a_list_that_is_gone_are_said(core: CoreHarness, rejected: int) -> None:
    with pytest.raises(UsageError, match="apellido"):
        retrying.draft(core.engine, core.settings, rejected, template="Hola {apellido}")
    core.do("UPDATE campaign_list SET upload_id = NULL")
    with pytest.raises(UsageError, match="not kept any longer"):
        retrying.draft(core.engine, core.settings, rejected, template="Hola {nombre}")
    assert core.one("SELECT count(*) FROM campaign") == 1
