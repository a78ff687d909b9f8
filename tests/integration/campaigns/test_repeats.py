"""A list that repeats a campaign is noticed before it goes out a second time."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.campaigns import lifecycle, loading
from dispatcher.campaigns.filling import Loaded
from dispatcher.campaigns.repeats import RepeatFound
from dispatcher.ingest import from_recipients
from schemas.payload import CampaignSpec
from tests.integration.core_harness import CoreHarness


def people(*numbers: int, n: str = "x") -> list[dict[str, Any]]:
    return [{"telefono": f"11{20_000_000 + number}", "n": n} for number in numbers]


def load(core: CoreHarness, rows: list[dict[str, Any]], *, ask: bool = False, **spec: Any) -> Loaded:
    assert core.account
    spec = {"template": "Hola {n}", **spec}
    with from_recipients(rows) as source, core.engine.begin() as connection:
        return loading.load(connection, core.settings, CampaignSpec(**spec), source, ask=ask)


def found(loaded: Loaded) -> list[tuple[str, int]]:
    return [(each.code, each.campaign_id) for each in loaded.repeats]


def test_the_same_list_is_noticed_under_another_name_and_in_another_order(core: CoreHarness) -> None:
    first = load(core, people(*range(30)), name="uno")
    core.do("UPDATE campaign SET state = 'completed', completed_at = now()")
    again = load(core, people(*reversed(range(30))), name="dos")
    assert found(again) == [("same_list", first.campaign_id)]
    assert any(f"campaign {first.campaign_id} «uno»" in warning for warning in again.warnings)


def test_another_text_another_person_and_an_old_campaign_are_no_repeat(core: CoreHarness) -> None:
    load(core, people(*range(30)))
    core.do("UPDATE campaign SET state = 'completed', completed_at = now()")
    assert found(load(core, people(*range(30)), template="Chau {n}")) == []
    core.do("UPDATE campaign SET state = 'completed', completed_at = now() WHERE state = 'scheduled'")
    assert found(load(core, people(*range(29)))) == []
    core.do("UPDATE campaign SET state = 'completed', completed_at = now() WHERE state = 'scheduled'")
    core.do("UPDATE campaign_list SET loaded_at = now() - interval '8 days'")
    assert found(load(core, people(*range(30)))) == []


def test_numbers_that_wait_in_another_open_campaign_are_noticed(core: CoreHarness) -> None:
    waiting = load(core, people(*range(100)), name="espera")
    some = load(core, people(*range(49), *range(1000, 1051)), template="Otro {n}", test=False)
    assert found(some) == []
    core.do("UPDATE campaign SET state = 'completed', completed_at = now() WHERE id = :id", id=some.campaign_id)
    most = load(core, people(*range(60), *range(1000, 1040)), template="Otro {n}")
    assert found(most) == [("numbers_waiting", waiting.campaign_id)]
    assert "60%" in most.warnings[-1]


def test_a_few_numbers_within_a_large_campaign_are_noticed(core: CoreHarness) -> None:
    waiting = load(core, people(*range(3000)))
    assert found(load(core, people(5, 2000, 2999), template="Otro {n}")) == [("numbers_waiting", waiting.campaign_id)]
    assert found(load(core, people(5000, 5001, 2999), template="Otro {n}")) == []


def test_what_was_handed_in_or_cancelled_does_not_wait(core: CoreHarness) -> None:
    first = load(core, people(*range(10)))
    while core.one("SELECT count(*) FROM chunk WHERE state = 'due'"):
        core.send()
    assert found(load(core, people(*range(10)), template="Otro {n}")) == []
    core.do("UPDATE campaign SET state = 'completed', completed_at = now() WHERE id <> :id", id=first.campaign_id)
    lifecycle.cancel(core.engine, first.campaign_id, wait=0)
    assert found(load(core, people(*range(10)))) == []


def test_who_means_it_and_who_never_does_say_so(core: CoreHarness) -> None:
    load(core, people(*range(10)))
    assert found(load(core, people(*range(10)), again=True)) == []
    before = core.one("SELECT count(*) FROM campaign")
    for options in ({"ask": True}, {"refuse_repeats": True}):
        with pytest.raises(RepeatFound, match="same list") as caught:
            load(core, people(*range(10)), **options)
        assert "--again" in str(caught.value.hint)
    assert core.one("SELECT count(*) FROM campaign") == before


def test_a_test_campaign_is_no_repeat_and_has_none(core: CoreHarness) -> None:
    load(core, people(*range(10)), test=True)
    assert found(load(core, people(*range(10)))) == []
    assert found(load(core, people(*range(10)), test=True)) == []
