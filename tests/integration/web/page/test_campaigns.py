"""The list of campaigns: pages of them, by state and name, and what is being prepared for those who may go on."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from dispatcher.access.roles import Role
from dispatcher.campaigns import preparations, summary
from dispatcher.runtime import Runtime
from dispatcher.web.page import campaigns
from tests.integration.stepper import Stepper
from tests.integration.web.page.signed_in import Pages, links_of, serving_pages, text_of


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime())


@pytest.fixture
def pages(stepper: Stepper) -> Iterator[Pages]:
    with serving_pages(stepper.runtime) as pages:
        yield pages


def numbers(path_to: list[str]) -> list[int]:
    found = [int(each.rpartition("/")[2]) for each in path_to if each.rpartition("/")[2].isdigit()]
    return list(dict.fromkeys(found))


def test_every_campaign_is_on_one_of_its_pages_the_newest_first(
    stepper: Stepper, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "_SHOWN", 2)
    made = [stepper.load(1, first=10 * n, name=f"Campaign {n}") for n in range(5)]
    browser, path, seen = pages.as_(Role.VIEWER), "/campaigns", []
    while path:
        answer = browser.get(path)
        seen += numbers(links_of(answer))
        path = next((each for each in links_of(answer) if "before=" in each), "")
    assert seen == made[::-1]


def test_they_are_found_by_state_and_by_any_part_of_the_name(stepper: Stepper, pages: Pages) -> None:
    draft = stepper.load(1, name="Cobros 100% de marzo", draft=True)
    stepper.load(1, first=50, name="Turnos")
    browser = pages.as_(Role.VIEWER)
    for query in ("q=COBROS", "q=100%25", "state=draft", "q=marzo&state=draft"):
        assert numbers(links_of(browser.get(f"/campaigns?{query}"))) == [draft], query
    for query in ("q=10_%25", "q=marzo&state=paused", "q=\\", "before=-5"):
        assert not numbers(links_of(browser.get(f"/campaigns?{query}"))), query
    for query in ("state=nothing", "q=%00", "before=x", "before=9999999999999999999999"):
        assert len(numbers(links_of(browser.get(f"/campaigns?{query}")))) == 2, query


def test_what_is_being_prepared_is_for_those_who_may_go_on(stepper: Stepper, pages: Pages) -> None:
    number = secrets.token_hex(16)
    with stepper.runtime.engine.begin() as connection:
        preparations.begin(connection, number, "upl_x", {"name": "<i>lista</i>.csv"})
    answer = pages.as_(Role.OPERATOR).get("/campaigns")
    assert f"/prepare/{number}" in links_of(answer)
    assert "<i>lista" not in answer.text
    assert "<i>lista</i>.csv" in text_of(answer)
    assert number not in pages.as_(Role.VIEWER).get("/campaigns").text
    assert "/campaigns/new" not in links_of(pages.as_(Role.VIEWER).get("/campaigns"))


def test_new_is_no_number_of_a_campaign(pages: Pages) -> None:
    assert "list" in text_of(pages.as_(Role.OPERATOR).get("/campaigns/new")).lower()
    for path in ("/campaigns/999", "/campaigns/99999999999999999999", "/campaigns/-1", "/campaigns/1x"):
        pages.as_(Role.ADMIN).get(path, 404)


def test_nobody_sees_anything_without_a_session(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(1)
    browser = pages.as_(Role.VIEWER)
    browser.session.cookies.clear()
    for path in ("/campaigns", f"/campaigns/{campaign}", f"/campaigns/{campaign}/messages"):
        assert "/sign-in?" in browser.get(path).url
    with stepper.runtime.engine.connect() as connection:
        assert summary.show(connection, campaign).state == "scheduled"
