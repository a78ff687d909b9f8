"""Answers that may have gone out, filters that stay, and downloads of replies on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from dispatcher.single_messages import send
from dispatcher.single_messages.records import Sent
from dispatcher.web.page.typed import LARGEST_ID
from ops.simulator.process import SimulatorProcess
from schemas import tables
from schemas.single import SingleMessage
from tests.integration.web.page.test_people_pages import EVIL, NUMBER, actions, reply
from tests.integration.web.page.visiting import Seen, visiting

TEXT = "A las 15. Empresa SA"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def messages(runtime: Runtime) -> int:
    with runtime.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(tables.single_message)).scalar_one()


def once(seen: Seen) -> str:
    return str(seen.tree.xpath("//input[@name='once']/@value")[0])


def test_an_answer_that_may_have_gone_out_is_not_sent_again(runtime: Runtime, simulator: SimulatorProcess) -> None:
    number = reply(runtime, "a qué hora?")
    with visiting(runtime, Role.SENDER) as visitor:
        form = visitor.get(f"/replies/{number}")
        simulator.set_faults({"kind": "close", "endpoint": "unit", "take": "all", "times": 1})
        seen = form
        for _ in range(2):
            seen = visitor.submit(seen, "/answer", text=TEXT)
            assert seen.status == 422
            assert "not known whether" in seen.text
            assert once(seen) == once(form)
            assert seen.tree.xpath("//textarea")[0].text.strip() == TEXT
        assert "the provider gave no result" in visitor.look_for(NUMBER).text
    assert len(list(simulator.posts())) == 1
    assert messages(runtime) == 1


def test_an_answer_has_a_status_in_words(runtime: Runtime) -> None:
    number = reply(runtime, "a qué hora?")
    with visiting(runtime, Role.SENDER, "es") as visitor:
        visitor.submit(visitor.get(f"/replies/{number}"), "/answer", text=TEXT)
        seen = visitor.look_for(NUMBER)
        assert "entregado a la compañía telefónica" in seen.text
        assert "accepted" not in seen.text


def test_an_answer_that_is_on_its_way_is_not_sent_again(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    number = reply(runtime, "a qué hora?")
    really = send.send

    def busy(own: Runtime, wanted: SingleMessage) -> Sent:
        return replace(really(own, wanted), status="sending")

    with visiting(runtime, Role.SENDER) as visitor:
        form = visitor.get(f"/replies/{number}")
        monkeypatch.setattr(send, "send", busy)
        seen = visitor.submit(form, "/answer", text=TEXT)
        assert seen.status == 422
        assert "on its way" in seen.text
        monkeypatch.setattr(send, "send", really)
        assert "The answer was sent" in visitor.submit(seen, "/answer", text=TEXT).text
    assert messages(runtime) == 1


def test_what_was_typed_stays_when_the_provider_cannot_be_asked(
    make_runtime: Callable[..., Runtime],
) -> None:
    runtime = make_runtime(provider_url="http://127.0.0.1:9")
    number = reply(runtime, "a qué hora?")
    with visiting(runtime, Role.SENDER) as visitor:
        form = visitor.get(f"/replies/{number}")
        seen = visitor.submit(form, "/answer", text=TEXT)
        assert seen.status == 422
        assert "nothing went out" in seen.text
        assert seen.tree.xpath("//textarea")[0].text.strip() == TEXT
        assert once(seen) == once(form)


def test_who_takes_the_replies_is_recorded(runtime: Runtime) -> None:
    reply(runtime, EVIL)
    reply(runtime, "=1+1")
    with visiting(runtime, Role.OPERATOR) as visitor:
        answer = visitor.session.get(f"{visitor.base}/replies.csv", timeout=10)
        assert answer.headers["Content-Disposition"] == 'attachment; filename="respuestas.csv"'
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert EVIL in answer.content.decode("utf-8-sig")
    assert ("operator person", "reply.download") in actions(runtime)
    assert not list((runtime.settings.home / "spool").glob("download-*"))


def test_the_filters_stay_when_one_is_done(runtime: Runtime) -> None:
    number = reply(runtime, "no me manden más", "review")
    with visiting(runtime, Role.OPERATOR) as visitor:
        seen = visitor.get("/replies?kind=review&state=all&campaign=")
        form = next(each for each in seen.tree.forms if (each.action or "").endswith(f"/replies/{number}/done"))
        fields = {**dict(form.form_values()), "campaign": "7"}
        seen = visitor.post(form.action, fields)
        assert {"kind=review", "state=all", "campaign=7"} <= set(seen.path.partition("?")[2].split("&"))


@pytest.mark.parametrize("number", [LARGEST_ID + 1, 10**30])
def test_a_number_that_no_reply_can_have_is_not_found(runtime: Runtime, number: int) -> None:
    with visiting(runtime, Role.SENDER) as visitor:
        assert visitor.get(f"/replies/{number}").status == 404
        csrf = visitor.get("/me").tree.xpath("//input[@name='csrf']/@value")[0]
        for action in ("done", "answer"):
            assert visitor.post(f"/replies/{number}/{action}", {"csrf": csrf, "text": TEXT}).status == 404
