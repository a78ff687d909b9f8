"""Somebody who may see no numbers reads none in words that came from outside either."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from dispatcher.access.roles import Role
from dispatcher.campaigns import request_intake
from dispatcher.maintenance import doctor
from dispatcher.maintenance.side_by_side import Check
from dispatcher.runtime import Runtime
from dispatcher.web.page import system
from schemas import tables
from tests.integration.stepper import Stepper
from tests.integration.web.page.visiting import signed_in, visiting

WORDS = "el destino 11 4444-5555 no es valido"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def test_no_number_in_reasons_and_in_the_provider_s_words(runtime: Runtime) -> None:
    stepper = Stepper(runtime)
    paused, other = stepper.load(2), stepper.load(2, first=50)
    with runtime.engine.begin() as connection:
        campaign = tables.campaign
        connection.execute(update(campaign).where(campaign.c.id == paused).values(state="paused", reason=WORDS))
        entry = {"actor_kind": "user", "actor": "Ana", "action": "campaign.pause", "campaign_id": other}
        connection.execute(insert(tables.audit_entry).values(**entry, reason=WORDS))
    refused = request_intake.receive(
        runtime.engine,
        runtime.settings,
        {"template": "Hola", "recipients": [{"telefono": "1144445555"}], "idempotency_key": "k"},
        load=False,
    )
    with runtime.engine.begin() as connection:
        connection.execute(update(tables.campaign_request).values(state="refused", error=WORDS))
    pages = (f"/campaigns/{paused}", f"/campaigns/{other}", f"/campaigns/{refused.campaign_id}")
    with visiting(runtime, Role.VIEWER) as viewer:
        operator = signed_in(runtime, viewer.base, Role.OPERATOR)
        for path in pages:
            assert "4444-5555" in operator.get(path).text
            assert "4444-5555" not in viewer.get(path).answer.text
            assert "el destino *** no es valido" in viewer.get(path).text


def test_pages_do_not_wait_for_the_doctor_of_another_one(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(settings: Any) -> list[Check]:
        began.set()
        assert go_on.wait(30)
        return [Check("database", True, "fine")]

    monkeypatch.setattr(doctor, "examine", slow)
    monkeypatch.setattr(system, "_PATIENCE", 0.1)
    with visiting(runtime, Role.VIEWER) as visitor:
        other = signed_in(runtime, visitor.base, Role.VIEWER, name="other")
        first = threading.Thread(target=lambda: visitor.get("/system/checks"))
        first.start()
        try:
            assert began.wait(20)
            assert "takes longer than usual" in other.get("/system/checks").text
        finally:
            go_on.set()
            first.join()
        assert "fine" in other.get("/system/checks").text


def test_the_doctor_speaks_to_each_in_their_language(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    from dispatcher.i18n.words import current

    monkeypatch.setattr(doctor, "examine", lambda settings: [Check("database", True, f"in {current()}")])
    with visiting(runtime, Role.VIEWER) as visitor:
        spanish = signed_in(runtime, visitor.base, Role.VIEWER, "es", name="other")
        assert "in en" in visitor.get("/system/checks").text
        assert "in es" in spanish.get("/system/checks").text


def test_who_takes_the_invalid_rows_of_a_preparation_is_recorded(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        columns = visitor.submit(
            visitor.get("/campaigns/new"), "/list", files={"file": ("a.csv", "celular\n1144445555\nnada\n")}
        )
        check = visitor.submit(visitor.submit(columns, "/columns"), "/message", template="Hola. Empresa SA")
        taken = visitor.session.get(visitor.base + check.path.replace("/check", "/invalid.csv"), timeout=30)
        assert "nada" in taken.text
    with runtime.engine.connect() as connection:
        actions = connection.execute(text("SELECT actor FROM audit_entry WHERE action = 'upload.download'")).scalars()
        assert list(actions) == ["sender person"]


def test_a_page_names_no_option_of_a_command(runtime: Runtime) -> None:
    import io

    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["Informe"])
    book.create_sheet("Datos").append(["celular", "nombre"])
    book["Datos"].append(["1144445555", "Ana"])
    written = io.BytesIO()
    book.save(written)
    with visiting(runtime, Role.SENDER) as visitor:
        seen = visitor.submit(visitor.get("/campaigns/new"), "/list", files={"file": ("a.xlsx", written.getvalue())})
        assert "Not read:" in seen.text
        assert "--" not in seen.text
