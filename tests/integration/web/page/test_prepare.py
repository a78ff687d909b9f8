"""A campaign prepared on the page, by people whose browsers have no JavaScript."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select, text, update

from dispatcher.access.roles import Role
from dispatcher.campaigns import preparations, request_intake, summary
from dispatcher.runtime import Runtime
from dispatcher.suppression import optouts
from schemas import tables
from tests.integration.web.page.visiting import Seen, Visitor, signed_in, visiting

LIST = "cliente;celular;nombre;saldo\nC1;11 4444-5555;José;10,50\nC2;0351 15 555-1234;Ana;20\nC3;nada;Eva;1\nC4;11 4444-5555;José;10,50\n"
TEXT = "Hola {nombre}, su saldo es ${saldo}. Empresa SA"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def upload(visitor: Visitor, content: str | bytes = LIST, name: str = "lista.csv") -> Seen:
    return visitor.submit(visitor.get("/campaigns/new"), "/list", files={"file": (name, content)})


def to_message(visitor: Visitor, **typed: str) -> Seen:
    return visitor.submit(upload(visitor), "/columns", **typed)


def to_check(visitor: Visitor, template: str = TEXT, **typed: str) -> Seen:
    return visitor.submit(to_message(visitor), "/message", template=template, **typed)


def to_summary(visitor: Visitor, **typed: str) -> Seen:
    when = visitor.submit(to_check(visitor), "/check")
    return visitor.submit(when, "/when", **typed)


def campaigns(runtime: Runtime) -> int:
    with runtime.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(tables.campaign)).scalar_one())


def the_campaign(runtime: Runtime) -> summary.Summary:
    with runtime.engine.connect() as connection:
        return summary.show(connection, connection.execute(select(tables.campaign.c.id)).scalar_one())


def actions(runtime: Runtime) -> set[tuple[str, str]]:
    entry = tables.audit_entry
    with runtime.engine.connect() as connection:
        return {(row.actor, row.action) for row in connection.execute(select(entry.c.actor, entry.c.action))}


def test_from_the_file_to_the_campaign(runtime: Runtime) -> None:
    with runtime.engine.begin() as connection:
        optouts.add(connection, "1155550001", source="operator", reason="asked")
    with visiting(runtime, Role.SENDER) as visitor:
        seen = upload(visitor, LIST + "C5;1155550001;Leo;3\n")
        assert seen.path.endswith("/columns")
        assert seen.tree.xpath("//select[@id='to_column']/option[@selected]")[0].text == "celular"
        assert "0351 15 555-1234" in seen.text
        seen = visitor.submit(seen, "/columns", id_column="cliente")
        seen = visitor.submit(seen, "/message", template=TEXT, name="Cuotas")
        assert seen.path.endswith("/check")
        numbers = [each.text for each in seen.tree.xpath("//ul[@class='numbers']//b")]
        assert numbers == ["2", "1", "2"]
        assert "1144445555 is already in line 2" in seen.text
        assert "Go on with the 2 good ones" in seen.text
        seen = visitor.submit(seen, "/check")
        seen = visitor.submit(seen, "/when", rate="1.000", canary="1")
        assert "Messages: 2." in seen.text
        assert "Send 2 messages now" in seen.text
        made = visitor.submit(seen, "/create")
        assert made.path == "/campaigns/1"
    shown = the_campaign(runtime)
    assert (shown.name, shown.state, shown.messages, shown.invalid, shown.rate) == ("Cuotas", "scheduled", 3, 2, 1000)
    assert shown.created_by == "user sender person"
    assert {("sender person", "upload.create"), ("sender person", "campaign.create")} <= actions(runtime)
    with runtime.engine.connect() as connection:
        texts = connection.execute(select(tables.message.c.texto).order_by(tables.message.c.seq)).scalars().all()
        assert connection.execute(select(tables.message.c.external_id)).scalars().first() == "C1"
    assert texts[0] == "Hola Jose, su saldo es $10,50. Empresa SA"


def test_the_button_pressed_twice_and_the_back_button_make_one_campaign(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        summary = to_summary(visitor)
        first, second = visitor.submit(summary, "/create"), visitor.submit(summary, "/create")
        assert first.path == second.path == "/campaigns/1"
        again = (
            visitor.submit(visitor.get(summary.path), "/create")
            if "/summary" in visitor.get(summary.path).path
            else None
        )
        assert again is None
    assert campaigns(runtime) == 1


def test_the_file_sent_twice_is_one_preparation_and_the_last_one_counts(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        form = visitor.get("/campaigns/new")
        visitor.submit(form, "/list", files={"file": ("a.csv", "celular\n1144445555\n")})
        seen = visitor.submit(form, "/list", files={"file": ("b.csv", "celular;x\n1144445555;1\n")})
        assert "b.csv" in seen.text
    with runtime.engine.connect() as connection:
        assert [each.inspection["name"] for each in preparations.open_ones(connection)] == ["b.csv"]


def test_rows_can_be_pasted(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = visitor.submit(visitor.get("/campaigns/new"), "/list", pasted="celular\tnombre\n1144445555\tAna\n")
        assert seen.path.endswith("/columns")
        assert "Ana" in seen.text


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "empty.csv"), (b"\x00\x01\x02" * 50, "x.bin"), (b"%PDF-1.7 ...", "x.pdf"), (b"PK\x03\x04broken", "x.xlsx")],
)
def test_a_file_that_is_no_list_is_refused_in_a_sentence(runtime: Runtime, content: bytes, name: str) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = upload(visitor, content, name)
        assert seen.status == 422
        assert seen.tree.xpath("//p[@role='alert' and @id='error']")
        assert "dispatcher " not in seen.text  # no commands for who has no terminal


def test_another_sheet_shows_its_own_columns(runtime: Runtime) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Enero"
    book.active.append(["celular", "nombre"])
    book.active.append([1144445555, "Ana"])
    other = book.create_sheet("Febrero")
    other.append(["telefono", "monto"])
    other.append([1144446666, 7])
    stored = io.BytesIO()
    book.save(stored)
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = upload(visitor, stored.getvalue(), "libro.xlsx")
        seen = visitor.submit(seen, "/columns", sheet="Febrero")
        assert seen.path.endswith("/columns")
        assert "monto" in seen.text
        seen = visitor.submit(seen, "/columns")
        assert seen.path.endswith("/message")
        assert [each.get("data-insert") for each in seen.tree.xpath("//button[@data-insert]")] == [
            "{telefono}",
            "{monto}",
        ]


def test_a_text_that_cannot_be_filled_in_is_shown_again(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = visitor.submit(to_message(visitor), "/message", template="Hola {nombr}")
        assert seen.status == 422
        assert "nombr" in seen.tree.xpath("//p[@id='error']")[0].text
        assert seen.tree.xpath("//textarea[@id='template']")[0].text.strip() == "Hola {nombr}"
        looked = visitor.submit(seen, "/message", press="look", template="Hola {nombre}")
        assert "Hola Jose" in looked.text
        assert "9 of 160 characters" in looked.text


def test_strings_of_the_list_are_text(runtime: Runtime) -> None:
    evil = "<script>alert(1)</script>"
    content = f'celular;nombre;"{evil}"\n1144445555;{evil};{evil}\nnada;{evil};x\n'
    with visiting(runtime, Role.SENDER) as visitor:
        seen = upload(visitor, content, f"{evil}.csv")
        pages = [seen]
        seen = visitor.submit(seen, "/columns")
        pages.append(visitor.submit(seen, "/message", press="look", template="Hola", name=evil))
        seen = visitor.submit(seen, "/message", template="Hola", name=evil)
        pages.append(seen)
        seen = visitor.submit(seen, "/check")
        seen = visitor.submit(seen, "/when")
        pages.append(seen)
        pages.append(visitor.get("/"))
        for page in pages:
            assert "<script>alert" not in page.answer.text
            assert not page.tree.xpath("//script[not(@src)]")
        assert evil in pages[-2].text


def test_two_people_on_one_preparation_are_told(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as ana:
        leo = signed_in(runtime, ana.base, Role.OPERATOR, name="Leo")
        mine = to_message(ana)
        theirs = leo.get(mine.path)
        leo.submit(theirs, "/message", template="De Leo {nombre}")
        told = ana.submit(mine, "/message", template="De Ana {nombre}")
        assert told.status == 409
        assert "Leo changed this meanwhile" in told.text
        assert told.tree.xpath("//textarea")[0].text.strip() == "De Ana {nombre}"
        assert ana.submit(told, "/message", template="De Ana {nombre}").path.endswith("/check")


def test_the_own_back_button_is_no_collision(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        message = to_message(visitor)
        visitor.submit(message, "/message", template=TEXT)
        seen = visitor.submit(message, "/message", template="Otro {nombre}. Empresa SA")
        assert seen.path.endswith("/check")
        assert "Otro Jose" in seen.text


def test_an_operator_prepares_and_a_sender_releases(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as operator:
        summary = to_summary(operator)
        assert "for somebody else to release" in summary.text
        operator.submit(summary, "/create")
    shown = the_campaign(runtime)
    assert (shown.state, shown.created_by) == ("draft", "user operator person")


def test_a_form_that_was_made_by_hand_does_not_send_for_an_operator(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as operator:
        summary = to_summary(operator)
        fields = dict(next(each for each in summary.tree.forms if each.action.endswith("/create")).form_values())
        fields.pop("draft", None)
        operator.post(summary.path.replace("summary", "create"), fields)
    assert the_campaign(runtime).state == "draft"


def test_a_repetition_must_be_meant(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        visitor.submit(to_summary(visitor), "/create")
        again = to_check(visitor)
        assert "The same list with the same text" in again.text
        refused = visitor.submit(again, "/check")
        assert refused.status == 422
        meant = visitor.submit(refused, "/check", again="on")
        summary = visitor.submit(meant, "/when")
        visitor.submit(summary, "/create")
    assert campaigns(runtime) == 2


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"when": "at"}, "Give the day and the time"),
        ({"when": "at", "date": "2027-02-30", "time": "09:00"}, "not a date that exists"),
        ({"when": "at", "date": "x", "time": "y"}, "not in a known date format"),
        ({"expires_date": "2020-01-01", "expires_time": "10:00"}, "expires is not after the start"),
        ({"expires_date": "2027-01-01"}, "or neither"),
        ({"rate": "-5"}, "whole number"),
        ({"canary": "1e9"}, "whole number"),
    ],
)
def test_a_time_that_cannot_be_is_shown_again(runtime: Runtime, typed: dict[str, str], words: str) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        when = visitor.submit(to_check(visitor), "/check")
        seen = visitor.submit(when, "/when", **typed)
        assert seen.status == 422
        assert words in seen.tree.xpath("//p[@id='error']")[0].text
        for name, value in typed.items():
            if name not in ("when",):
                assert seen.tree.xpath(f"//input[@name='{name}']")[0].get("value") == value


def test_a_day_ahead_is_said_in_full(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER, "es") as visitor:
        seen = to_summary(visitor, when="at", date="2027-06-01", time="09:00")
        assert "Enviar 2 mensajes el martes 1 de junio a las 9:00" in seen.text
        visitor.submit(seen, "/create")
    start = the_campaign(runtime).start_at
    assert start is not None
    assert start.isoformat() == "2027-06-01T12:00:00+00:00"


def test_the_invalid_rows_can_be_downloaded_and_loaded_again(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        check = to_check(visitor)
        answer = visitor.session.get(f"{visitor.base}{check.path.replace('/check', '/invalid.csv')}", timeout=10)
        lines = answer.content.decode("utf-8-sig").splitlines()
        assert len(lines) == 3
        assert lines[1].startswith("C3;nada;Eva;1;")
        assert upload(visitor, answer.content, "filas-invalidas.csv").path.endswith("/columns")


def test_a_list_without_a_good_row_stays_at_the_check(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        seen = upload(visitor, "celular;nombre\nnada;Ana\nx;Leo\n")
        seen = visitor.submit(visitor.submit(seen, "/columns"), "/message", template="Hola {nombre}")
        assert not seen.tree.xpath("//form[contains(@action,'/check')]//button")
        assert visitor.get(seen.path.replace("/check", "/summary")).path.endswith("/check")
    assert campaigns(runtime) == 0


def test_a_preparation_is_thrown_away_with_its_list(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = upload(visitor)
        visitor.submit(seen, "/drop")
        assert visitor.get(seen.path).status == 404
    with runtime.engine.connect() as connection:
        assert connection.execute(select(tables.upload.c.expires_at <= func.now())).scalar_one()


def test_a_viewer_prepares_nothing(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as operator:
        path = upload(operator).path
        viewer = signed_in(runtime, operator.base, Role.VIEWER)
        for each in (path, path.replace("columns", "check"), "/campaigns/new", "/campaigns/sample.csv"):
            assert viewer.get(each).status == 403
        assert "lista.csv" not in viewer.get("/").text


def test_whoever_had_a_hand_in_it_does_not_release_it_under_two_approvals(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime(approval="two")
    with visiting(runtime, Role.SENDER) as ana:
        bea, eva = (signed_in(runtime, ana.base, Role.SENDER, name=name) for name in ("Bea", "Eva"))
        summary = to_summary(ana)
        bea.submit(bea.get(summary.path), "/create")  # Ana's list and text, Bea's click
        assert the_campaign(runtime).created_by == "user Bea"
        own = ana.get("/campaigns/1")
        assert "You prepared it: somebody else must release it." in own.text
        assert ana.post("/campaigns/1/send", {"csrf": own.tree.xpath("//input[@name='csrf']/@value")[0]}).status == 422
        assert the_campaign(runtime).state == "draft"
        assert "Released." in eva.submit(eva.get("/campaigns/1/send"), "/send").text


def test_a_look_at_the_steps_is_no_hand_in_it(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime(approval="two")
    with visiting(runtime, Role.SENDER) as ana:
        bea = signed_in(runtime, ana.base, Role.SENDER, name="Bea")
        summary = to_summary(ana)
        bea.submit(bea.get(summary.path.replace("summary", "when")), "/when")
        ana.submit(ana.get(summary.path), "/create")
        assert "Released." in bea.submit(bea.get("/campaigns/1/send"), "/send").text


def test_the_second_click_waits_while_the_first_one_hands_it_in(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = request_intake.receive
    seen: list[Seen] = []
    with visiting(runtime, Role.SENDER) as visitor:
        summary = to_summary(visitor)

        def slow(*given: Any, **more: Any) -> request_intake.Outcome:
            seen.append(visitor.submit(summary, "/create"))
            return receive(*given, **more)

        monkeypatch.setattr(request_intake, "receive", slow)
        other = Visitor(visitor.base)
        other.session.cookies = visitor.session.cookies
        assert other.submit(summary, "/create").path == "/campaigns/1"
        assert "It is being handed in." in seen[0].text
        assert visitor.get(seen[0].path).path == "/campaigns/1"


def test_a_listener_that_died_before_it_handed_it_in_leaves_the_button(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        summary = to_summary(visitor)
        with monkeypatch.context() as dying:
            dying.setattr(request_intake, "receive", lambda *given, **more: 1 / 0)
            assert visitor.submit(summary, "/create").status == 500
        made = summary.path.replace("summary", "made")
        assert visitor.get(made).path == made
        with runtime.engine.begin() as connection:
            connection.execute(update(tables.preparation).values(changed_at=text("now() - interval '31 seconds'")))
        again = visitor.get(made)
        assert again.path == summary.path
        assert visitor.submit(again, "/create").path == "/campaigns/1"


def test_a_campaign_of_it_as_it_was_before_is_not_taken_for_a_new_one(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        summary = to_summary(visitor)
        visitor.submit(summary, "/create")
        preparations.reopen(runtime.engine, summary.path.split("/")[2])
        changed = visitor.submit(visitor.get(summary.path.replace("summary", "message")), "/message", template="Otro")
        when = visitor.submit(changed, "/check", again="1")
        told = visitor.submit(visitor.submit(when, "/when"), "/create")
        assert told.status == 409
        assert "A campaign was made of this form already." in told.text
    assert campaigns(runtime) == 1


def test_days_off_are_ticked_typed_and_kept(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        wrong = to_summary(visitor, when="at", date="2027-03-24", time="09:00", holidays="1", days="24/12/2026")
        assert wrong.status == 422
        assert "neither holidays nor a day" in wrong.text
        typed = {"when": "at", "date": "2027-03-24", "time": "09:00", "holidays": "1", "days": "2027-03-25,2027-03-26"}
        seen = to_summary(visitor, **typed)
        # The 24th is a holiday, the 25th and 26th are its own.
        assert "27 March" in seen.text
        visitor.submit(seen, "/create")
    assert the_campaign(runtime).not_on == ["holidays", "2027-03-25", "2027-03-26"]
