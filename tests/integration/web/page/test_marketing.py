"""A campaign of marketing on the page: what it leaves out, and the warning of an old registry."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pyroaring import BitMap64

from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from dispatcher.suppression import no_llame_import
from dispatcher.suppression.number_files import Unread
from tests.integration.web.page.test_prepare import TEXT, the_campaign, to_message
from tests.integration.web.page.visiting import Seen, visiting


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def register(runtime: Runtime, days: int, *numbers: int) -> None:
    taken = datetime.now(UTC) - timedelta(days=days, minutes=1)
    with runtime.engine.begin() as connection:
        no_llame_import.replace(connection, BitMap64(array("Q", numbers)), Unread(), "x", taken, force=True)


def warned(seen: Seen) -> str:
    found = seen.tree.xpath("//p[@class='warning' or @class='notice']")
    return " ".join(each.text_content() for each in found)


@pytest.mark.parametrize(("days", "said"), [(None, "There is no No Llame registry"), (26, "26 days old"), (3, "")])
def test_marketing_is_chosen_with_the_text_and_warned_of_at_each_step(
    runtime: Runtime, days: int | None, said: str
) -> None:
    if days is not None:
        register(runtime, days, 1_144_445_555)
    gone = 0 if days is None else 1
    with visiting(runtime, Role.SENDER) as visitor:
        check = visitor.submit(to_message(visitor), "/message", template=TEXT, intent="marketing")
        assert [each.text for each in check.tree.xpath("//ul[@class='numbers']//b")] == [str(2 - gone), str(gone), "2"]
        assert ("in the No Llame registry: 1" in check.text) is bool(gone)
        summary = visitor.submit(visitor.submit(check, "/check"), "/when")
        assert "Marketing: numbers of the No Llame registry are left out." in summary.text
        campaign = visitor.submit(summary, "/create")
        assert campaign.tree.xpath("//*[@id='intent']")[0].text == "marketing"
        assert ("in the No Llame registry: 1" in campaign.text) is bool(gone)
        for seen in (check, summary, campaign):
            assert (said in warned(seen), "nollame.aaip.gob.ar" in warned(seen)) == (True, bool(said)), seen.path
        person = visitor.look_for("1144445555")
        assert ("In the No Llame registry" in person.text) is bool(gone)
    assert the_campaign(runtime).intent == "marketing"


def test_what_it_is_for_is_kept_and_another_choice_is_checked_anew(runtime: Runtime) -> None:
    register(runtime, 3, 1_144_445_555)
    with visiting(runtime, Role.SENDER) as visitor:
        check = visitor.submit(to_message(visitor), "/message", template=TEXT, intent="marketing")
        again = visitor.get(check.path.replace("/check", "/message"))
        assert again.tree.xpath("//input[@name='intent' and @checked]/@value") == ["marketing"]
        check = visitor.submit(again, "/message", intent="service")
        assert [each.text for each in check.tree.xpath("//ul[@class='numbers']//b")] == ["2", "0", "2"]
        campaign = visitor.submit(visitor.submit(visitor.submit(check, "/check"), "/when"), "/create")
        assert campaign.tree.xpath("//*[@id='intent']") == []
    assert the_campaign(runtime).intent == "service"
