"""Coming in: links, passwords, sessions, roles; and what a page of ours lets no other site do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text, update

from dispatcher.access import sign_in, users
from dispatcher.access.roles import Role
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from dispatcher.web.page.routing import SESSION_COOKIE
from schemas import tables
from tests.integration.web.page.visiting import Visitor, signed_in, visiting

PASSWORD = "cuatro palabras sin apuro"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def actions(runtime: Runtime) -> list[tuple[str, str]]:
    entry = tables.audit_entry
    with runtime.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(entry.c.actor, entry.c.action).order_by(entry.c.id))]


def test_without_a_session_every_page_asks_to_sign_in(runtime: Runtime) -> None:
    with visiting(runtime, None) as visitor:
        for path in ("/", "/campaigns/new", "/me"):
            seen = visitor.get(path)
            assert (seen.status, seen.answer.history[0].status_code) == (200, 303)
            assert seen.path.startswith("/sign-in")


def test_a_link_lets_in_once(runtime: Runtime) -> None:
    made = users.create(runtime.engine, "Ana", Role.OPERATOR)
    link = users.make_link(runtime.engine, made)
    with visiting(runtime, None) as visitor:
        for _ in range(2):  # a program that looks at links does not use it up
            assert visitor.get(f"/sign-in/{link}").status == 200
        seen = visitor.submit(visitor.get(f"/sign-in/{link}"), link)
        assert seen.path == "/me"
        assert "Choose a password" in seen.text
        other = Visitor(visitor.base)
        assert other.post(f"/sign-in/{link}", {}).status == 410
        assert other.get("/me").path.startswith("/sign-in")
    assert ("Ana", "user.sign_in") in actions(runtime)


def test_a_link_is_good_for_ten_minutes(runtime: Runtime) -> None:
    link = users.make_link(runtime.engine, users.create(runtime.engine, "Ana", Role.OPERATOR))
    with runtime.engine.begin() as connection:
        assert connection.execute(
            text("SELECT max(expires_at) - now() <= interval '10 minutes' FROM sign_in_link")
        ).scalar()
        connection.execute(update(tables.sign_in_link).values(expires_at=text("now() - interval '1 second'")))
    assert sign_in.by_link(runtime.engine, link) is None


def test_a_password_is_chosen_and_lets_in(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        for bad in ("short", "sender person", "aaaaaaaaaaaa"):
            assert visitor.submit(visitor.get("/me"), "/me/password", new_password=bad).status == 422
        assert visitor.submit(visitor.get("/me"), "/me/password", new_password=PASSWORD).path.startswith("/")
        elsewhere = Visitor(visitor.base)
        assert (
            elsewhere.submit(elsewhere.get("/sign-in"), "/sign-in", name="Sender  PERSON", password=PASSWORD).path
            == "/"
        )
        # Another password ends the other sessions, and asks for the one before.
        changed = visitor.submit(visitor.get("/me"), "/me/password", password="no", new_password=PASSWORD + "!")
        assert "wrong" in changed.text
        visitor.submit(visitor.get("/me"), "/me/password", password=PASSWORD, new_password=PASSWORD + "!")
        assert elsewhere.get("/").path.startswith("/sign-in")
        assert visitor.get("/").path == "/"
    with runtime.engine.connect() as connection:
        kept = connection.execute(select(tables.page_user.c.password_hash)).scalar_one()
    assert kept.startswith("$argon2id$")


def test_whoever_guesses_has_to_wait(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as known:
        known.submit(known.get("/me"), "/me/password", new_password=PASSWORD)
        visitor = Visitor(known.base)
        answers = [
            visitor.post("/sign-in", {"name": "sender person", "password": f"wrong{n}"}).status for n in range(11)
        ]
        assert answers == [401] * 10 + [429]
        assert visitor.post("/sign-in", {"name": "SENDER person", "password": PASSWORD}).status == 429
        assert visitor.post("/sign-in", {"name": "nobody", "password": PASSWORD}).status == 401  # another name
        assert known.get("/").path == "/"  # whoever is in stays in


def test_an_unknown_name_is_answered_like_a_wrong_password(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as known:
        known.submit(known.get("/me"), "/me/password", new_password=PASSWORD)
        visitor = Visitor(known.base)
        wrong = visitor.post("/sign-in", {"name": "sender person", "password": "x"}).answer
        none = visitor.post("/sign-in", {"name": "nobody", "password": "x"}).answer
    assert wrong.status_code == none.status_code == 401
    assert wrong.text.replace("sender person", "nobody") == none.text


@pytest.mark.parametrize("how", ["sign out", "disabled", "idle", "ended"])
def test_a_session_ends(runtime: Runtime, how: str) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        seen = visitor.get("/")
        assert seen.path == "/"
        with runtime.engine.begin() as connection:
            if how == "idle":
                connection.execute(
                    update(tables.page_session).values(seen_at=text("now() - interval '12 hours 1 second'"))
                )
            if how == "ended":
                users.end_sessions(connection, users.named(connection, "sender person").id)
        if how == "disabled":
            users.disable(runtime.engine, "sender person")
        if how == "sign out":
            token = visitor.session.cookies[SESSION_COOKIE]
            visitor.submit(seen, "/sign-out")
            visitor.session.cookies.set(SESSION_COOKIE, token)
        assert visitor.get("/").path.startswith("/sign-in")


def test_what_was_typed_is_kept_when_the_session_ends_in_the_middle(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        visitor.submit(visitor.get("/me"), "/me/password", new_password=PASSWORD)
        form = visitor.get("/me")
        with runtime.engine.begin() as connection:
            users.end_sessions(connection, users.named(connection, "sender person").id)
        asked = visitor.submit(form, "/me/password", username="typed <b>this</b>", new_password="another one, please")
        assert asked.status == 401
        kept = visitor.submit(asked, "/sign-in", name="sender person", password=PASSWORD)
        assert "What you typed is kept" in kept.text
        fields = dict(kept.tree.forms[-1].form_values())
        assert fields["username"] == "typed <b>this</b>"
        assert "new_password" not in fields  # no password is written into a page


def test_a_form_of_another_site_does_nothing(runtime: Runtime) -> None:
    with visiting(runtime, Role.ADMIN) as visitor:
        csrf = dict(next(f for f in visitor.get("/me").tree.forms if f.action.endswith("/me/password")).form_values())[
            "csrf"
        ]
        given = {"csrf": csrf, "new_password": PASSWORD}
        for origin in ("https://evil.example", "null", f"{visitor.base}.evil.example"):
            assert visitor.post("/me/password", given, headers={"Origin": origin}).status == 403
        assert visitor.post("/me/password", {**given, "csrf": "0" * 64}).status == 409  # asked once more, on our page
        assert visitor.post("/me/password", {"new_password": PASSWORD}).status == 409
    with runtime.engine.connect() as connection:
        assert connection.execute(select(tables.page_user.c.password_hash)).scalar_one() is None


def test_cookies_and_headers(runtime: Runtime, make_runtime: Callable[..., Runtime]) -> None:
    with visiting(runtime, None) as visitor:
        link = users.make_link(runtime.engine, users.create(runtime.engine, "Ana", Role.VIEWER))
        answer = visitor.session.post(f"{visitor.base}/sign-in/{link}", allow_redirects=False, timeout=10)
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        page = visitor.get("/sign-in").answer
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["Cache-Control"] == "no-store"
    behind = make_runtime(trusted_hops=1)
    with visiting(behind, None) as visitor:
        link = users.make_link(behind.engine, users.named(behind.engine.connect(), "Ana"))
        forwarded = {
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "sms.example",
            "X-Forwarded-Prefix": "/sms",
            "Origin": "https://sms.example",
            "X-Forwarded-For": "1.2.3.4",
        }
        answer = visitor.session.post(
            f"{visitor.base}/sign-in/{link}", headers=forwarded, allow_redirects=False, timeout=10
        )
        assert answer.headers["Location"] == "/sms/me"
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "Path=/sms/" in answer.headers["Set-Cookie"]
        page = visitor.get("/sign-in", headers=forwarded).answer
        assert 'action="/sms/sign-in"' in page.text
        assert "/sms/static/" in page.text
        assert "Strict-Transport-Security" in page.headers


def test_a_role_sees_what_it_may(runtime: Runtime) -> None:
    with visiting(runtime, Role.VIEWER) as viewer:
        assert viewer.get("/").status == 200
        seen = viewer.get("/campaigns/new")
        assert seen.status == 403
        assert "role operator" in seen.text
        operator = signed_in(runtime, viewer.base, Role.OPERATOR)
        assert operator.get("/campaigns/new").status == 200


def test_the_last_admin_stays(runtime: Runtime) -> None:
    users.create(runtime.engine, "a", Role.ADMIN)
    for leave in (
        lambda: users.disable(runtime.engine, "a"),
        lambda: users.change_role(runtime.engine, "a", Role.VIEWER),
    ):
        with pytest.raises(UsageError, match="only admin"):
            leave()
    users.create(runtime.engine, "b", Role.ADMIN)
    assert users.change_role(runtime.engine, "a", Role.VIEWER).role is Role.VIEWER


@pytest.mark.parametrize(
    ("spoken", "title"),
    [
        ("", "Iniciar sesión"),
        ("es-AR,es;q=0.9", "Iniciar sesión"),
        ("en-US,en;q=0.9", "Sign in"),
        ("fr-FR", "Iniciar sesión"),
    ],
)
def test_the_language_is_the_readers(runtime: Runtime, spoken: str, title: str) -> None:
    with visiting(runtime, None, spoken) as visitor:
        seen = visitor.get("/sign-in?next=/me")
        assert seen.title.startswith(title)
        other = "en" if title.startswith("Iniciar") else "es"
        changed = visitor.submit(seen, "/language", press="language")
        assert changed.tree.get("lang", "")[:2] == other
        assert changed.path == "/sign-in?next=/me"


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/x y"]
)
def test_nobody_is_sent_elsewhere(runtime: Runtime, to: str) -> None:
    with visiting(runtime, None) as visitor:
        answer = visitor.session.post(f"{visitor.base}/language", data={"next": to}, allow_redirects=False, timeout=10)
        assert answer.headers["Location"] == "/"


def test_the_database_away_is_said_and_nothing_typed_is_lost(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    with visiting(runtime, Role.ADMIN) as visitor:
        form = visitor.get("/me")
        runtime.engine.dispose()
        monkeypatch.setattr(runtime.engine.pool, "_creator", _refused)
        seen = visitor.get("/me")
        assert seen.status == 503
        assert seen.tree.xpath("//meta[@http-equiv='refresh']")
        typed = visitor.submit(form, "/me/password", username="typed", new_password=PASSWORD)
        assert typed.status == 503
        assert dict(typed.tree.forms[-1].form_values())["username"] == "typed"
        monkeypatch.undo()
        assert visitor.get("/me").status == 200


def _refused(*_: object) -> None:
    raise psycopg.OperationalError("connection refused")


def test_nobody_fills_the_disk_without_having_signed_in(runtime: Runtime) -> None:
    path = f"/prepare/{'0' * 32}/list"
    with visiting(runtime, Role.VIEWER) as viewer:
        for visitor, status in ((Visitor(viewer.base), 401), (viewer, 403)):
            # It is answered before the file has come: this one never does.
            began = time.monotonic()
            with socket.create_connection(viewer.base.removeprefix("http://").split(":")) as peer:
                cookies = "; ".join(f"{name}={value}" for name, value in visitor.session.cookies.items())
                head = f"POST {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nCookie: {cookies}\r\n"
                head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 500000000\r\n\r\n--b\r\n"
                peer.sendall(head.encode())
                assert peer.recv(200).startswith(f"HTTP/1.1 {status} ".encode())
            assert time.monotonic() - began < 10
        assert Visitor(viewer.base).post("/sign-in", {"x": "1"}, files={"file": ("a.csv", b"x" * 1000)}).status == 401


def test_a_live_part_after_the_session_leads_back_to_its_page(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        visitor.submit(visitor.get("/me"), "/me/password", new_password=PASSWORD)
        visitor.session.cookies.clear()
        asked: dict[str, Any] = {"HX-Request": "true", "HX-Current-URL": f"{visitor.base}/replies?kind=optout"}
        to = visitor.get("/campaigns/7/live", headers=asked).answer.headers["HX-Redirect"]
        back = visitor.submit(visitor.get(to), "/sign-in", name="sender person", password=PASSWORD)
        assert (back.status, back.path) == (200, "/replies?kind=optout")
        visitor.session.cookies.clear()
        for page in ("", "/", "x", "https://evil.test", "https://evil.test//evil.test/x"):
            to = visitor.get("/live", headers=asked | {"HX-Current-URL": page}).answer.headers.get("HX-Redirect", "")
            assert visitor.submit(visitor.get(to), "/sign-in", name="sender person", password=PASSWORD).path == "/"
            visitor.session.cookies.clear()


def test_what_is_sealed_in_an_address_is_opened_by_its_session_alone(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = visitor.look_for("011 15 4444-5555")
        assert "11 4444 5555" in seen.text
        assert "4444" not in seen.path
        assert visitor.get(seen.path).text == seen.text == visitor.look_for("1144445555").text
        other = signed_in(runtime, visitor.base, Role.OPERATOR, name="other")
        for path in (seen.path, seen.path[:-1], f"{seen.path[:-1]}A", "/people?who=A", "/people?who=ñ"):
            assert "Search again" in other.get(path).text
            assert "4444" not in other.get(path).text
