"""A real browser that is interrupted while a list is on its way: the session ended, the database is away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from dispatcher.access import users
from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from tests.browser import Browser, chromium
from tests.conftest import wait_until
from tests.integration.web.page.visiting import Visitor, visiting

pytestmark = pytest.mark.xdist_group("page")

BUTTON = "main form.stacked > button"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def enter(browser: Browser, runtime: Runtime, visitor: Visitor) -> None:
    with runtime.engine.connect() as connection:
        user = users.named(connection, "sender person")
    browser.go(f"{visitor.base}/sign-in/{users.make_link(runtime.engine, user)}")
    browser.click("main form button")
    wait_until(lambda: "/sign-in" not in browser.path)


def choose(browser: Browser, visitor: Visitor, folder: Path) -> None:
    path = folder / "lista.csv"
    path.write_text("celular;nombre\n1144445555;Ana\n", encoding="utf-8")
    browser.go(f"{visitor.base}/campaigns/new")
    browser.one("#file").send_keys(str(path))


def test_a_chosen_file_stays_when_the_session_ends(runtime: Runtime, tmp_path: Path) -> None:
    with visiting(runtime, Role.SENDER) as visitor, chromium() as browser:
        enter(browser, runtime, visitor)
        choose(browser, visitor, tmp_path)
        with runtime.engine.begin() as connection:
            users.end_sessions(connection, users.named(connection, "sender person").id)
        browser.click(BUTTON)
        browser.sees("todo lo que eligió y escribió sigue aquí")
        list_tab = browser.driver.current_window_handle
        browser.driver.switch_to.new_window("tab")
        enter(browser, runtime, visitor)
        browser.driver.switch_to.window(list_tab)
        browser.click(BUTTON)
        browser.sees("Mientras tanto inició sesión de nuevo")
        browser.click(BUTTON)
        browser.wait_for("/columns")
        browser.sees("lista.csv")
        assert browser.console() == []


def test_a_chosen_file_stays_while_the_database_is_away(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with visiting(runtime, Role.SENDER) as visitor, chromium() as browser:
        enter(browser, runtime, visitor)
        choose(browser, visitor, tmp_path)
        with monkeypatch.context() as away:
            runtime.engine.dispose()
            away.setattr(runtime.engine.pool, "_creator", _refused)
            browser.click(BUTTON)
            browser.sees("La base de datos no responde en este momento")
        browser.click(BUTTON)
        browser.wait_for("/columns")
        browser.sees("lista.csv")


def _refused(*_: object) -> None:
    raise psycopg.OperationalError("connection refused")
