"""The list of numbers that cannot be reached, in pages; who is taken off it; forms that come back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from dispatcher.suppression import do_not_send, optouts
from tests.integration.web.page.test_people_pages import EVIL, NUMBER, actions
from tests.integration.web.page.visiting import signed_in, visiting


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def test_many_unreachable_numbers_come_in_pages(runtime: Runtime) -> None:
    at = datetime.now(UTC) - timedelta(days=1)
    with runtime.engine.begin() as connection:
        for n in range(110):  # several at one moment
            do_not_send.add(connection, f"11{30_000_000 + n}", -1, at + timedelta(seconds=n // 7))
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen, found = visitor.get("/optouts"), []
        while True:
            found += seen.tree.xpath("//table//tbody/tr/td[3]/a/text()")
            following = seen.tree.xpath("//a[@rel='next']/@href")
            if not following:
                break
            seen = visitor.get(following[0])
        assert len(found) == len(set(found)) == 110


def test_an_unreachable_number_is_tried_again(runtime: Runtime) -> None:
    with runtime.engine.begin() as connection:
        do_not_send.add(connection, NUMBER, -2, datetime.now(UTC))
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = visitor.look_for(NUMBER)
        assert "do-not-send list" in seen.text
        seen = visitor.submit(seen, "/people/reachable", reason=EVIL)
        assert "off the do-not-send list" in seen.text
        assert "On the do-not-send list" not in seen.text
        assert "may get messages again" not in seen.text  # it may have opted out
        viewer = signed_in(runtime, visitor.base, Role.VIEWER)
        csrf = viewer.get("/me").tree.xpath("//input[@name='csrf']/@value")[0]
        assert viewer.post("/people/reachable", {"csrf": csrf, "number": NUMBER}).status == 403
    with runtime.engine.connect() as connection:
        assert do_not_send.find(connection, NUMBER) is None
    assert ("operator person", "undeliverable.remove") in actions(runtime)


def test_a_wrong_number_comes_back_with_its_form(runtime: Runtime) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = visitor.submit(visitor.get("/optouts"), "/people/out", number=f"12{EVIL}", reason=f"letter {EVIL}")
        assert seen.status == 422
        assert EVIL not in seen.answer.text
        field = seen.tree.get_element_by_id("out")
        assert field.value == f"12{EVIL}"
        assert seen.tree.get_element_by_id(field.get("aria-describedby")).text_content()
        seen = visitor.submit(seen, "/people/out", number="011 15 4444-5555")
        assert "The number is on the list" in seen.text
        assert f"letter {EVIL}" in seen.text
        history = visitor.look_for(NUMBER)
        assert "a person" in history.text
        assert EVIL not in history.answer.text
    with runtime.engine.connect() as connection:
        assert optouts.find(connection, NUMBER) is not None


@pytest.mark.parametrize("month", ["9999-12", "0000-01", "x", ""])
def test_a_month_that_cannot_be_is_this_one(runtime: Runtime, month: str) -> None:
    with visiting(runtime, Role.VIEWER) as visitor:
        answer = visitor.session.get(f"{visitor.base}/system/usage.csv", params={"month": month}, timeout=10)
        assert answer.status_code == 200
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="uso-2')


def test_a_file_that_was_checked_is_added_without_choosing_it_again(runtime: Runtime) -> None:
    content = "celular\n1144445555\n1144446666\nnada\n"
    with visiting(runtime, Role.OPERATOR) as visitor:
        form = visitor.get("/optouts")
        looked = visitor.submit(
            form, "/optouts/file", press="look", files={"file": ("bajas.csv", content)}, reason="carta"
        )
        assert "Add 2 numbers" in looked.text
        added = visitor.submit(looked, "/optouts/file")
        assert "bajas.csv" in added.text
        assert "Add 2 numbers" not in added.text
        page = visitor.get("/optouts")
        assert len(page.tree.xpath("//tbody/tr")) == 2
        assert "carta" in page.text
        assert visitor.submit(looked, "/optouts/file").status == 422  # it is not kept any longer
        assert visitor.post("/optouts/file", {"csrf": "", "kept": "up_x"}).status == 409
    with runtime.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM upload WHERE expires_at > now()")).scalar() == 0
