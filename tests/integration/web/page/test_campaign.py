"""One campaign in a browser: its progress, what can be done with it, and who may."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.accounts import binding
from dispatcher.campaigns import lifecycle, request_intake, request_loading, summary
from dispatcher.domain.window import Window
from dispatcher.i18n.words import speaking
from dispatcher.runtime import Runtime
from dispatcher.web.page import shared_looks
from dispatcher.web.page.campaign import again_in
from dispatcher.web.page.words import hours
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper
from tests.integration.web.page.signed_in import Pages, links_of, serving_pages, text_of

HOSTILE = "<script>alert(1)</script>\u202e{{7*7}} &amp; 'x' \"y\""
_SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e{{7*7}} &amp;amp; &#39;x&#39; &#34;y&#34;"


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime())


@pytest.fixture
def pages(stepper: Stepper) -> Iterator[Pages]:
    with serving_pages(stepper.runtime) as pages:
        yield pages


def rejected(stepper: Stepper, simulator: SimulatorProcess, **spec: object) -> int:
    """A campaign that is over, with every message rejected with -10."""
    simulator.set_option(mix={"-10": 1.0})
    campaign = stepper.load(4, **spec)  # type: ignore[arg-type]
    stepper.finish(campaign)
    simulator.set_option(mix={})
    return campaign


def test_it_says_on_which_days_and_at_which_hours_it_sends(make_runtime: Callable[..., Runtime]) -> None:
    stepper = Stepper(make_runtime(window="mon-fri 09:00-20:00, sat 10:00-13:00"))
    with serving_pages(stepper.runtime) as pages:
        campaign = stepper.load(4, not_on=["holidays", "2030-12-24"])
        seen = text_of(pages.as_(Role.VIEWER).get(f"/campaigns/{campaign}"))
        assert "Hours of sending Mon to Fri 09:00-20:00, Sat 10:00-13:00" in seen
        assert "Nothing is sent on national holidays, 2030-12-24" in seen
        spanish = text_of(pages.as_(Role.VIEWER, language="es").get(f"/campaigns/{campaign}"))
        assert "Horario de envío lun a vie 09:00-20:00, sáb 10:00-13:00" in spanish
        assert "No se envía nada los feriados nacionales, 24/12/2030" in spanish
        assert "lun a vie 09:00-20:00" in text_of(pages.as_(Role.VIEWER, language="es").get("/"))


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("08:00-22:00", "08:00-22:00"),
        ("00:00-24:00", "00:00-24:00"),
        ("sat-sun 10:00-18:00", "Sat to Sun 10:00-18:00"),
        ("mon 08:00-12:00, wed 08:00-12:00", "Mon 08:00-12:00, Wed 08:00-12:00"),
    ],
)
def test_hours_of_sending_are_said_by_weekday(window: str, said: str) -> None:
    with speaking("en"):
        assert hours(Window.parse(window)) == said


def test_its_counts_are_links_for_those_who_may_see_numbers(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(4)
    stepper.finish(campaign)
    answer = pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}")
    assert {f"/campaigns/{campaign}/messages?status=ok", f"/campaigns/{campaign}/messages?code=0"} <= set(
        links_of(answer)
    )
    assert "completed" in text_of(answer)
    assert "4 of 4 final (100 %)" in text_of(answer)
    assert "handed in" in text_of(answer)
    assert "<svg" in answer.text
    assert "polyline" in answer.text
    viewer = pages.as_(Role.VIEWER).get(f"/campaigns/{campaign}")
    assert "4 of 4 final" in text_of(viewer)
    assert not [each for each in links_of(viewer) if "messages" in each or "results" in each or "pdf" in each]


def test_it_speaks_spanish(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(1)
    words = text_of(pages.as_(Role.OPERATOR, language="es").get(f"/campaigns/{campaign}"))
    assert "Avance" in words
    assert "Pausar" in words
    assert "Estado" in words


def test_a_viewer_sees_no_number_and_no_text_and_changes_nothing(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(2)
    viewer = pages.as_(Role.VIEWER)
    for path in (
        *("messages", "messages/1", "messages/1/certificate.pdf", "certificate.pdf", "invalid", "invalid-1.csv"),
        *("results.csv", "results.xlsx", "results.jsonl", "pause", "cancel", "send", "resume", "retry", "doubts/1"),
    ):
        answer = viewer.get(f"/campaigns/{campaign}/{path}", 403)
        assert "1120000000" not in answer.text
        assert "Hola" not in answer.text
    for action in ("pause", "cancel", "send", "resume", "retry", "doubts/1"):
        viewer.post(f"/campaigns/{campaign}/{action}", 403)
    for action in ("send", "resume", "retry", "doubts/1"):
        pages.as_(Role.OPERATOR).post(f"/campaigns/{campaign}/{action}", 403)
    assert stepper.show(campaign).state == "scheduled"
    assert not stepper.sql("SELECT FROM audit_entry WHERE action LIKE 'campaign.%' AND action <> 'campaign.create'")


def test_pausing_asks_with_the_number_and_leaves_who_and_why(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(3)
    browser = pages.as_(Role.OPERATOR, "Ana")
    asked = text_of(browser.get(f"/campaigns/{campaign}/pause"))
    assert "3 messages were not handed in yet" in asked
    assert "Nothing is being handed over" in asked
    assert stepper.show(campaign).state == "scheduled"
    answer = browser.post(f"/campaigns/{campaign}/pause", why=HOSTILE)
    assert "Paused." in text_of(answer)
    assert answer.url.endswith(f"/campaigns/{campaign}?done=pause")
    assert _SHOWN in answer.text
    assert "<script>alert" not in answer.text
    (entry,) = stepper.sql("SELECT actor, reason FROM audit_entry WHERE action = 'campaign.pause'")
    assert (entry.actor, entry.reason) == ("Ana", HOSTILE)


def test_resuming_and_cancelling_from_the_page(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(3)
    browser = pages.as_(Role.SENDER)
    browser.post(f"/campaigns/{campaign}/pause")
    assert "Go on with 3 messages?" in text_of(browser.get(f"/campaigns/{campaign}/resume"))
    assert "Resumed." in text_of(browser.post(f"/campaigns/{campaign}/resume"))
    assert stepper.show(campaign).state == "scheduled"
    asked = browser.get(f"/campaigns/{campaign}/cancel")
    assert "will never be sent. This cannot be undone." in text_of(asked)
    assert "Cancel 3 messages" in text_of(asked)
    browser.post(f"/campaigns/{campaign}/cancel")
    assert stepper.show(campaign).counts == {"cancelled": 3}


def test_what_another_person_did_meanwhile_is_said(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(1)
    browser = pages.as_(Role.SENDER)
    lifecycle.cancel(stepper.runtime.engine, campaign, wait=0)
    for action in ("pause", "resume", "send"):
        said = text_of(browser.post(f"/campaigns/{campaign}/{action}"))
        assert "Nothing was changed" in said
        assert "It is cancelled now." in said
        assert "Nothing was changed" in text_of(browser.get(f"/campaigns/{campaign}/{action}"))


def test_what_is_in_flight_is_said_before_and_after(
    stepper: Stepper, pages: Pages, simulator: SimulatorProcess
) -> None:
    campaign = stepper.load(2)
    stepper.submit()
    stepper.sql(
        "UPDATE chunk SET state = 'sending', accepted_at = NULL, lease_until = now() + interval '1 minute' "
        "WHERE campaign_id = :id",
        id=campaign,
    )
    said = text_of(pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}/pause"))
    assert "1 block is being handed over just now" in said


def test_a_draft_is_looked_at_and_released(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(5, draft=True, template="Hola {nombre}!")
    browser = pages.as_(Role.SENDER)
    asked = browser.get(f"/campaigns/{campaign}/send")
    assert "Release 5 messages?" in text_of(asked)
    assert "Hola N0!" in text_of(asked)
    assert "Send 5 messages" in text_of(asked)
    assert "Released." in text_of(browser.post(f"/campaigns/{campaign}/send"))
    assert stepper.show(campaign).state == "scheduled"
    operator = text_of(pages.as_(Role.OPERATOR).get(f"/campaigns/{stepper.load(1, first=90, draft=True)}"))
    assert "Somebody with the role sender releases it." in operator


def test_with_two_approvals_nobody_releases_what_they_prepared(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime(approval="two")
    payload = {"template": "Hola", "recipients": [{"telefono": "1144445555"}], "idempotency_key": "k", "draft": True}
    with audit_trail.acting_as(audit_trail.Actor("user", "Ana")):
        campaign = request_intake.receive(runtime.engine, runtime.settings, payload).campaign_id
    with serving_pages(runtime) as pages:
        ana, bea = pages.as_(Role.SENDER, "Ana"), pages.as_(Role.SENDER, "Bea")
        own = ana.get(f"/campaigns/{campaign}")
        assert "somebody else must release it" in text_of(own)
        assert f"/campaigns/{campaign}/send" not in links_of(own)
        assert "<button>" not in ana.get(f"/campaigns/{campaign}/send").text.partition("<main")[2]
        assert "somebody else must release it" in text_of(ana.post(f"/campaigns/{campaign}/send", 422))
        assert Stepper(runtime).show(int(campaign or 0)).state == "draft"
        assert "Released." in text_of(bea.post(f"/campaigns/{campaign}/send"))


def test_a_retry_makes_a_draft_of_those_with_the_code(
    stepper: Stepper, pages: Pages, simulator: SimulatorProcess
) -> None:
    campaign = rejected(stepper, simulator, name="Cobros")
    browser = pages.as_(Role.SENDER)
    assert f"/campaigns/{campaign}/retry?code=-10" in links_of(browser.get(f"/campaigns/{campaign}"))
    assert "Retry the 4 messages that failed with -10?" in text_of(browser.get(f"/campaigns/{campaign}/retry?code=-10"))
    answer = browser.post(f"/campaigns/{campaign}/retry", code="-10")
    draft = int(answer.url.partition("/campaigns/")[2].partition("?")[0])
    assert draft != campaign
    assert "This is the draft" in text_of(answer)
    assert stepper.show(draft).retry_of == campaign
    assert f"/campaigns/{draft}" in links_of(browser.get(f"/campaigns/{campaign}"))
    assert "in another draft already" in text_of(browser.post(f"/campaigns/{campaign}/retry", 422, code="-10"))
    for odd in ("", "0", "-3", "x", "-10000"):
        browser.post(f"/campaigns/{campaign}/retry", 422, code=odd)
    assert len(stepper.sql("SELECT FROM campaign")) == 2


def test_while_it_is_loaded_the_page_says_so_and_goes_on(stepper: Stepper, pages: Pages) -> None:
    engine, settings = stepper.runtime.engine, stepper.runtime.settings
    payload = {"template": "Hola", "recipients": [{"telefono": "1144445555"}], "idempotency_key": "k"}
    campaign = request_intake.receive(engine, settings, payload, load=False).campaign_id
    browser = pages.as_(Role.OPERATOR)
    assert "is being loaded" in text_of(browser.get(f"/campaigns/{campaign}"))
    assert f"/campaigns/{campaign}" in links_of(browser.get("/campaigns"))
    assert "Being loaded" in text_of(browser.get("/campaigns"))
    fragment = browser.get(f"/campaigns/{campaign}/live?loading=1", headers={"HX-Request": "true"})
    assert "hx-trigger" in fragment.text
    assert "<html" not in fragment.text
    assert "HX-Refresh" not in fragment.headers
    request_loading.load_request(engine, settings, "k")
    fragment = browser.get(f"/campaigns/{campaign}/live?loading=1", headers={"HX-Request": "true"})
    assert fragment.headers["HX-Refresh"] == "true"
    assert "Being loaded" not in text_of(browser.get("/campaigns"))
    assert "0 of 1 final" in text_of(browser.get(f"/campaigns/{campaign}"))


def test_a_list_that_was_refused_says_why_and_leads_back(stepper: Stepper, pages: Pages) -> None:
    engine, settings = stepper.runtime.engine, stepper.runtime.settings
    key = f"page {'a' * 32}"
    payload = {"template": "Hola {falta}", "recipients": [{"telefono": "1144445555"}], "idempotency_key": key}
    campaign = request_intake.receive(engine, settings, payload, load=False).campaign_id
    request_loading.load_request(engine, settings, key)
    answer = pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}", 410)
    assert "The list was refused" in text_of(answer)
    assert "falta" in text_of(answer)
    assert f"/prepare/{'a' * 32}/made" in links_of(answer)
    assert "data-live" not in answer.text


def test_the_server_chooses_when_to_look_again(stepper: Stepper, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_looks, "_SECONDS", 0)
    campaign = stepper.load(1)
    shown, now = stepper.show(campaign), datetime.now(UTC)
    ages = [again_in(shown, now + timedelta(minutes=minutes)) for minutes in (0, 5, 60)]
    assert ages == [2, 5, 10]
    browser = pages.as_(Role.VIEWER)
    assert 'data-live="2"' in browser.get(f"/campaigns/{campaign}/live").text
    stepper.finish(campaign)
    over = browser.get(f"/campaigns/{campaign}/live").text
    assert "data-live" not in over
    assert "hx-get" not in over


def test_strings_from_outside_are_text(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(1, name=HOSTILE, tags={"<b>": HOSTILE}, draft=True)
    stepper.sql("UPDATE campaign_list SET name = :words", words=HOSTILE)
    stepper.sql("UPDATE message SET external_id = :words, texto = :words", words=HOSTILE)
    stepper.sql("UPDATE campaign SET created_by = :words", words=HOSTILE)
    with stepper.runtime.engine.begin() as connection:
        binding.bind(connection, stepper.runtime.settings)
    browser = pages.as_(Role.ADMIN)
    for path in ("", "/messages", "/messages/1", "/send", "/cancel", "/doubts", "/invalid", "/live"):
        answer = browser.get(f"/campaigns/{campaign}{path}")
        assert not [each for each in ("<script>alert", "\u202e") if each in answer.text], path
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert _SHOWN in browser.get("/campaigns").text


def test_many_live_pages_at_once_are_served(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(3)
    browsers = [pages.as_(Role.VIEWER, f"v{n}") for n in range(5)]
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda each=each: seen.append(each.get(f"/campaigns/{campaign}/live").status_code))  # type: ignore[misc]
        for each in browsers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [200] * 5


def test_a_look_serves_those_who_would_see_the_same_and_nobody_else(
    stepper: Stepper, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = stepper.load(2)
    looks: list[int] = []
    show = summary.show

    def counted(connection: Connection, campaign_id: int) -> summary.Summary:
        looks.append(campaign_id)
        return show(connection, campaign_id)

    monkeypatch.setattr(summary, "show", counted)
    monkeypatch.setattr(shared_looks, "_SECONDS", 60)
    people = [pages.as_(Role.OPERATOR, name) for name in ("Ana", "Bea", "Eva")]
    first, *others = [each.get(f"/campaigns/{campaign}/live").text for each in people]
    assert others == [first, first]
    assert looks == [campaign]
    assert "/messages?" not in pages.as_(Role.VIEWER).get(f"/campaigns/{campaign}/live").text
    assert "Pausar" in pages.as_(Role.OPERATOR, "Leo", language="es").get(f"/campaigns/{campaign}/live").text
    assert len(looks) == 3
    monkeypatch.setattr(shared_looks, "_SECONDS", 0)
    people[0].get(f"/campaigns/{campaign}/live")
    assert len(looks) == 4
