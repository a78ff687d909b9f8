"""Replies, people, opt-outs, the account, users, keys and webhooks on the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from dispatcher.access import keys, users
from dispatcher.access.roles import Role
from dispatcher.access.scopes import Scope
from dispatcher.accounts import binding
from dispatcher.replies import handling
from dispatcher.runtime import Runtime
from dispatcher.suppression import optouts
from dispatcher.webhooks import endpoints
from dispatcher.webhooks.event_types import EventType
from schemas import tables
from tests.integration.web.page.visiting import signed_in, visiting

NUMBER = "1144445555"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def reply(runtime: Runtime, words: str, kind: str = "reply", number: str = NUMBER) -> int:
    with runtime.engine.begin() as connection:
        account = binding.bind(connection, runtime.settings)
        new = tables.reply.insert().values(
            account_id=account.id,
            origen=number,
            texto=words,
            plain=words,
            received_at=datetime.now(UTC),
            kind=kind,
            source="push",
            pushed_at=datetime.now(UTC),
        )
        return int(connection.execute(new.returning(tables.reply.c.id)).scalar_one())


def actions(runtime: Runtime) -> set[tuple[str, str]]:
    entry = tables.audit_entry
    with runtime.engine.connect() as connection:
        return {(row.actor, row.action) for row in connection.execute(select(entry.c.actor, entry.c.action))}


def test_replies_are_dealt_with_in_place(runtime: Runtime) -> None:
    first, second = reply(runtime, f"a qué hora? {EVIL}"), reply(runtime, "no me manden más", "review")
    with visiting(runtime, Role.SENDER) as visitor:
        seen = visitor.get("/replies")
        assert EVIL in seen.text
        assert EVIL not in seen.answer.text
        assert "might be an opt-out" in seen.text
        assert len(visitor.get("/replies?kind=review").tree.xpath("//tbody/tr")) == 1
        seen = visitor.submit(seen, f"/replies/{second}/done")
        assert len(seen.tree.xpath("//tbody/tr")) == 1
        form = visitor.get(f"/replies/{first}")
        answered = visitor.submit(form, "/answer", text="A las 15. Empresa SA")
        assert "The answer was sent" in answered.text
        again = visitor.submit(form, "/answer", text="A las 15. Empresa SA")  # the back button
        assert again.status in (200, 422)
        assert visitor.get("/replies").tree.xpath("//tbody/tr") == []
        assert EVIL.encode() in visitor.session.get(f"{visitor.base}/replies.csv", timeout=10).content
    with runtime.engine.connect() as connection:
        assert len(connection.execute(select(tables.single_message)).all()) == 1
        assert handling.find(connection, first).answered_by == "user sender person"
    assert {("sender person", "reply.done"), ("sender person", "reply.answer")} <= actions(runtime)


@pytest.mark.parametrize(("typed", "words"), [("", "Write the text"), ("x" * 161, "too long")])
def test_an_answer_that_cannot_go_is_shown_again(runtime: Runtime, typed: str, words: str) -> None:
    number = reply(runtime, "hola")
    with visiting(runtime, Role.SENDER) as visitor:
        seen = visitor.submit(visitor.get(f"/replies/{number}"), "/answer", text=typed)
        assert seen.status == 422
        assert words in seen.text


def test_roles_on_these_pages(runtime: Runtime) -> None:
    number = reply(runtime, "hola")
    with visiting(runtime, Role.VIEWER) as viewer:
        for path in ("/replies", f"/replies/{number}", "/replies.csv", "/people", "/optouts"):
            assert viewer.get(path).status == 403
        operator = signed_in(runtime, viewer.base, Role.OPERATOR)
        assert not operator.get(f"/replies/{number}").tree.xpath("//textarea")
        csrf = dict(operator.get(f"/replies/{number}").tree.forms[-1].form_values())["csrf"]
        assert operator.post(f"/replies/{number}/answer", {"csrf": csrf, "text": "x"}).status == 403
        for path in ("/users", "/keys", "/webhooks"):
            assert operator.get(path).status == 403
            assert viewer.get(path).status == 403
        assert viewer.get("/system").status == 200


def test_a_person_is_found_by_the_number_in_any_form(runtime: Runtime) -> None:
    reply(runtime, "BAJA por favor", "optout")
    with visiting(runtime, Role.OPERATOR) as visitor:
        for written in (NUMBER, "+54 9 11 4444-5555", "011 15 4444-5555"):
            seen = visitor.look_for(written)
            assert "BAJA por favor" in seen.text
        assert visitor.look_for(EVIL).status == 422
        seen = visitor.submit(seen, "/people/out", reason="phoned us")
        assert "On the opt-out list" in seen.text
        assert "phoned us" in seen.text
        seen = visitor.submit(seen, "/people/in", reason="asked in the shop")
        assert "may get messages again" in seen.text
    with runtime.engine.connect() as connection:
        assert optouts.find(connection, NUMBER) is None
    assert {("operator person", "optout.add"), ("operator person", "optout.remove")} <= actions(runtime)


def test_a_file_of_opt_outs_is_looked_at_first(runtime: Runtime) -> None:
    content = "celular\n1144445555\n1144446666\nnada\n"
    with visiting(runtime, Role.OPERATOR) as visitor:
        form = visitor.get("/optouts")
        looked = visitor.submit(form, "/optouts/file", press="look", files={"file": ("bajas.csv", content)})
        assert [each.text for each in looked.tree.xpath("//ul[@class='numbers']//b")] == ["2", "0", "1"]
        assert "Only checked" in looked.text
        assert visitor.get("/optouts").tree.xpath("//tbody/tr") == []
        visitor.submit(form, "/optouts/file", files={"file": ("bajas.csv", content)})
        assert len(visitor.get("/optouts").tree.xpath("//tbody/tr")) == 2
        assert visitor.submit(form, "/optouts/file", files={"file": ("x.pdf", b"%PDF-1.7")}).status == 422
    assert ("operator person", "optout.import") in actions(runtime)


def test_many_opt_outs_come_in_pages(runtime: Runtime) -> None:
    with runtime.engine.begin() as connection:
        optouts.add_many(connection, [f"11{20_000_000 + n}" for n in range(120)], source="import", reason=EVIL)
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen, found = visitor.get("/optouts"), []
        while True:
            assert EVIL not in seen.answer.text
            found += seen.tree.xpath("//table[1]//tbody/tr/td[2]/a/text()")
            following = seen.tree.xpath("//a[@rel='next']/@href")
            if not following:
                break
            seen = visitor.get(following[0])
        assert len(found) == len(set(found)) == 120


def test_the_account_its_use_and_the_doctor(runtime: Runtime) -> None:
    with runtime.engine.begin() as connection:
        account = binding.bind(connection, runtime.settings)
        for days, saldo in ((2, 9_000), (1, 8_000), (0, 7_654)):
            connection.execute(
                text("INSERT INTO balance (account_id, at, saldo) VALUES (:a, now() - make_interval(days => :d), :s)"),
                {"a": account.id, "d": days, "s": saldo},
            )
    with visiting(runtime, Role.VIEWER, "es") as visitor:
        seen = visitor.get("/system")
        assert "7.654" in seen.text
        assert seen.tree.xpath("//*[local-name()='polyline']")
        assert seen.tree.xpath("//tr[th='submit']/td")
        checks = visitor.get("/system/checks")
        assert "database" in checks.text
        csv = visitor.session.get(f"{visitor.base}/system/usage.csv?month=2026-11", timeout=10).content.decode(
            "utf-8-sig"
        )
        assert csv.startswith("campaña;nombre;creada por;entregados")


def test_an_admin_makes_users_who_come_in_by_a_link(runtime: Runtime) -> None:
    with visiting(runtime, Role.ADMIN) as admin:
        made = admin.submit(admin.get("/users"), "/users", name=EVIL, role="operator")
        assert EVIL not in made.answer.text
        link = made.tree.xpath("//p[@role='status']/code")[0].text
        assert link.startswith(f"{admin.base}/sign-in/")
        with runtime.engine.connect() as connection:
            number = users.named(connection, EVIL).id
        seen = admin.get("/users")
        csrf = dict(seen.tree.forms[-1].form_values())["csrf"]
        admin.post(f"/users/{number}/role", {"csrf": csrf, "role": "sender"})
        admin.post(f"/users/{number}/disable", {"csrf": csrf})
        with runtime.engine.connect() as connection:
            changed = users.get(connection, number)
        assert changed is not None
        assert (changed.role, changed.disabled_at is not None) == (Role.SENDER, True)
        assert admin.post(f"/users/{number}/link", {"csrf": csrf}).status == 422  # shut out
        me = users.named(runtime.engine.connect(), "admin person").id
        assert "only admin" in admin.post(f"/users/{me}/disable", {"csrf": csrf}).text
        assert admin.submit(admin.get("/users"), "/users", name=EVIL, role="viewer").status == 422
    assert {("admin person", each) for each in ("user.create", "user.role", "user.disable")} <= actions(runtime)


def test_an_admin_makes_and_revokes_keys(runtime: Runtime) -> None:
    with visiting(runtime, Role.ADMIN) as admin:
        made = admin.submit(admin.get("/keys"), "/keys", name="ERP", scope="campaigns:read")
        key = made.tree.xpath("//p[@role='status']/code")[0].text
        with runtime.engine.connect() as connection:
            assert keys.check(connection, key, None).scopes == {Scope.CAMPAIGNS_READ}
        assert key not in admin.get("/keys").answer.text
        admin.submit(admin.get("/keys"), "/revoke")
        with runtime.engine.connect() as connection, pytest.raises(keys.KeyRefused):
            keys.check(connection, key, None)
        assert admin.submit(admin.get("/keys"), "/keys", name="none").status == 422


def test_webhooks_are_disabled_enabled_and_tested(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime(webhook_allow="127.0.0.0/8")
    with runtime.engine.begin() as connection:
        made, _ = endpoints.create(connection, runtime.settings, "http://127.0.0.1:9/x", [EventType.PING])
    with visiting(runtime, Role.ADMIN) as admin:
        path = f"/webhooks/{made.webhook_id}"
        assert "127.0.0.1:9" in admin.get("/webhooks").text
        seen = admin.submit(admin.get(path), "/test")
        assert len(seen.tree.xpath("//tbody/tr")) == 1
        seen = admin.submit(seen, "/disable")
        assert "A person disabled it" in seen.text
        seen = admin.submit(seen, "/enable")
        assert "A person disabled it" not in seen.text
        assert admin.get("/webhooks/wh_none").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/replies/999",
        "/webhooks/none",
        "/campaigns/999",
        "/prepare/" + "0" * 32,
        "/nothing",
        "/replies?before=x&campaign=y",
        "/optouts?before=z",
        "/people?who=%00",
        "/people?who=" + "A" * 3_000,
    ],
)
def test_addresses_that_lead_nowhere(runtime: Runtime, path: str) -> None:
    with visiting(runtime, Role.ADMIN) as admin:
        assert admin.get(path).status in (200, 404, 422)
