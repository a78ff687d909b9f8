"""A form with a file that is interrupted: the session ended, the database is away, the paste is long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from dispatcher.access import users
from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from tests.integration.web.page.visiting import Visitor, visiting

PASSWORD = "cuatro palabras sin apuro"
PASTED = "telefono;nombre\n1144445555;Ana"
NO_FILE: dict[str, Any] = {"file": ("", b"")}


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def test_a_pasted_list_comes_back_after_signing_in_again(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        visitor.submit(visitor.get("/me"), "/me/password", new_password=PASSWORD)
        form = visitor.get("/campaigns/new")
        with runtime.engine.begin() as connection:
            users.end_sessions(connection, users.named(connection, "sender person").id)
        asked = visitor.submit(form, "/list", files={"file": ("otra.csv", b"x" * 100)}, pasted=PASTED)
        assert asked.status == 401
        assert "The file must be chosen again: otra.csv" in asked.text
        kept = visitor.submit(asked, "/sign-in", name="sender person", password=PASSWORD)
        columns = visitor.submit(kept, "/list")
        assert columns.path.endswith("/columns")
        assert "1144445555" in columns.text


def test_a_pasted_list_comes_back_when_another_session_began(runtime: Runtime) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        form = visitor.get("/campaigns/new")
        users.enable(runtime.engine, "sender person")
        with runtime.engine.connect() as connection:
            user = users.named(connection, "sender person")
        visitor.post(f"/sign-in/{users.make_link(runtime.engine, user)}", {})
        again = visitor.submit(form, "/list", files=NO_FILE, pasted=PASTED)
        assert again.status == 409
        assert visitor.submit(again, "/list").path.endswith("/columns")


def test_a_pasted_list_comes_back_when_the_database_was_away(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        form = visitor.get("/campaigns/new")
        runtime.engine.dispose()
        with monkeypatch.context() as away:
            away.setattr(runtime.engine.pool, "_creator", _refused)
            kept = visitor.submit(form, "/list", files=NO_FILE, pasted=PASTED)
        assert kept.status == 503
        assert dict(kept.tree.forms[-1].form_values())["pasted"].replace("\r\n", "\n") == PASTED


def _refused(*_: object) -> None:
    raise psycopg.OperationalError("connection refused")


def test_thousands_of_rows_can_be_pasted(runtime: Runtime) -> None:
    rows = "\n".join(f"11{44440000 + n};Nombre y apellido {n}" for n in range(5000))
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = visitor.submit(visitor.get("/campaigns/new"), "/list", files=NO_FILE, pasted=f"telefono;nombre\n{rows}")
        assert seen.path.endswith("/columns")
        much = visitor.submit(visitor.get("/campaigns/new"), "/list", files=NO_FILE, pasted="x" * 600_000)
        assert (much.status, much.title) == (413, "That is too large. · SMS")


@pytest.mark.parametrize(
    ("form", "page"),
    [
        ("/people/out", "/people"),
        ("/users/1/role", "/users"),
        ("/keys/abc/revoke", "/keys"),
        ("/sign-out", "/"),
        ("/me/password", "/me"),
        ("/optouts/file", "/optouts"),
    ],
)
def test_the_address_of_a_form_leads_to_its_page(runtime: Runtime, form: str, page: str) -> None:
    """Such as after another language was chosen on a form that came back with an error."""
    with visiting(runtime, Role.ADMIN) as visitor:
        assert visitor.get(form).path == page
        assert Visitor(visitor.base).get("/api/v1/me/x").status in (404, 405)
