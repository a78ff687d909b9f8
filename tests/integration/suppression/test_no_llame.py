"""The No Llame registry: marketing passes over its numbers, at load and again at the claim; service does not."""

import os
import signal
import subprocess
import sys
from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyroaring import BitMap64

from dispatcher.campaigns import appending, rendering, retrying, summary
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.ingest import from_recipients, open_source
from dispatcher.suppression import no_llame, no_llame_import
from dispatcher.suppression.no_llame_import import FarSmaller, Older, Replaced
from dispatcher.suppression.number_files import Unread
from schemas.payload import CampaignSpec
from tests.conftest import wait_until
from tests.integration.core_harness import FIXED, CoreHarness
from tests.processes import ROOT

ANA, BETO, CARO = "1120000000", "1120000001", "1120000002"  # the first people of CoreHarness.load


def register(core: CoreHarness, *numbers: str, taken_at: datetime | None = None, force: bool = True) -> Replaced:
    every = BitMap64(array("Q", map(int, numbers)))
    with core.engine.begin() as connection:
        return no_llame_import.replace(connection, every, Unread(), "lista.txt", taken_at, force=force)


def registered(core: CoreHarness) -> set[str]:
    """The numbers of the table, which are those of the bitmap."""
    found = {str(row.destino) for row in core.rows("SELECT destino FROM no_llame")}
    kept = core.rows("SELECT numbers, bitmap FROM no_llame_registry")
    assert {str(each) for row in kept for each in BitMap64.deserialize(row.bitmap)} == found
    assert sum(row.numbers for row in kept) == len(found)
    return found


def left_out(core: CoreHarness, campaign: int) -> dict[str, int]:
    with core.engine.connect() as connection:
        return summary.show(connection, campaign).left_out


# -- load and claim --------------------------------------------------------------------------------------------------


def test_marketing_passes_over_the_registry_when_it_is_loaded_and_service_does_not(core: CoreHarness) -> None:
    register(core, ANA, BETO)
    core.do("INSERT INTO optout (destino, source) VALUES (:n, 'test')", n=BETO)
    marketing, service = core.load(5, intent="marketing"), core.load(5, template="Su turno, {n}")
    assert left_out(core, marketing) == {"no_llame_at_load": 1, "optout_at_load": 1}
    assert left_out(core, service) == {"optout_at_load": 1}
    claims = {claim.campaign_id: claim.lines for claim in (core.claim(), core.claim())}
    assert claims == {marketing: 3, service: 4}
    core.check_sums(marketing)
    core.check_sums(service)


def test_a_number_registered_after_the_load_is_not_posted_for_marketing_but_for_service(core: CoreHarness) -> None:
    marketing, service = core.load(5, intent="marketing"), core.load(5, template="Su turno, {n}")
    register(core, ANA, BETO)
    core.do("INSERT INTO optout (destino, source) VALUES (:n, 'test')", n=BETO)
    claims = {claim.campaign_id: claim for claim in (core.claim(), core.claim())}
    assert claims[marketing].lines == 3
    assert ANA.encode() not in claims[marketing].bloque
    assert claims[service].lines == 4
    assert ANA.encode() in claims[service].bloque
    assert left_out(core, marketing) == {"no_llame_at_claim": 1, "optout_at_claim": 1}
    assert left_out(core, service) == {"optout_at_claim": 1}
    core.check_sums(marketing)
    core.check_sums(service)


def test_the_registry_that_a_campaign_was_loaded_by_is_not_asked_again(core: CoreHarness) -> None:
    """It would answer the same; a number that is in no import shows that nobody asks."""
    register(core, CARO)
    campaign = core.load(15, intent="marketing")
    core.do("INSERT INTO no_llame VALUES (:n)", n=ANA)
    assert core.claim().lines == 9
    core.do("DELETE FROM no_llame WHERE destino = :n", n=ANA)
    register(core, CARO, "1120000012")
    assert core.claim().lines == 4
    assert left_out(core, campaign) == {"no_llame_at_load": 1, "no_llame_at_claim": 1}


def test_a_chunk_whose_numbers_were_all_registered_is_not_posted(core: CoreHarness) -> None:
    campaign = core.load(2, intent="marketing")
    register(core, ANA, BETO)
    assert "nothing" in str(core.try_claim()).lower()
    assert core.states(campaign) == ["settled"]
    assert core.message(campaign, 1).status == "suppressed"


def test_a_line_that_goes_again_is_looked_up_again(core: CoreHarness) -> None:
    """Between the POST that was lost and the one that resends its lines, the person registered."""
    campaign = core.load(3, intent="marketing")
    core.expire_lease(core.claim())
    core.settle((core.reference(campaign, 3), "OK"))
    core.do("UPDATE chunk SET state = 'due', lease_until = NULL, resends = 1 WHERE campaign_id = :c", c=campaign)
    register(core, ANA)
    assert core.claim().lines == 1
    assert core.message(campaign, 1).status == "suppressed"
    assert core.message(campaign, 3).status == "ok"


def test_the_registry_holds_for_appended_lists_new_texts_and_retries(core: CoreHarness) -> None:
    register(core, ANA, CARO)
    draft = core.load(3, intent="marketing", draft=True, last_line_alone=True)
    with core.engine.begin() as connection:
        made = rendering.render_anew(connection, core.engine, core.settings, draft, "Otra {n}")
    assert made.left_out == {"no_llame_at_load": 2}
    core.do("UPDATE campaign SET state = 'scheduled'")
    people = [{"telefono": ANA, "n": "x"}, {"telefono": "1120000099", "n": "y"}, {"telefono": CARO, "n": "z"}]
    register(core, "1120000099")
    with from_recipients(people) as source, core.engine.begin() as connection:
        spec = CampaignSpec(append_to=draft)
        assert appending.append(connection, core.settings, spec, source).left_out == {"no_llame_at_load": 1}
    core.send()
    core.settle((core.reference(draft, 2), FIXED))
    retry = retrying.draft(core.engine, core.settings, draft, codes=[-1])
    assert core.one("SELECT intent FROM campaign WHERE id = :id", id=retry.campaign_id) == "marketing"


def test_marketing_joins_no_campaign_of_service(core: CoreHarness) -> None:
    campaign = core.load(2)
    with from_recipients([{"telefono": "1120000099", "n": "y"}]) as source, core.engine.begin() as connection:
        spec = CampaignSpec(append_to=campaign, intent="marketing")
        with pytest.raises(UsageError, match="is of service"):
            appending.append(connection, core.settings, spec, source)


# -- the import ------------------------------------------------------------------------------------------------------


def test_an_import_replaces_the_registry_and_says_what_changed(core: CoreHarness) -> None:
    assert register(core, ANA, BETO) == Replaced(2, 0, 2, 0, Unread())
    assert register(core, BETO, CARO) == Replaced(2, 2, 1, 1, Unread())
    assert registered(core) == {BETO, CARO}
    audit = core.rows("SELECT detail FROM audit_entry WHERE action = 'nollame.import' ORDER BY id")
    assert audit[-1].detail == {"numbers": 2, "added": 1, "removed": 1, "invalid": 0}


def test_many_numbers_go_in_batches(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(no_llame_import, "_AT_ONCE", 7)
    numbers = {str(1_100_000_000 + n * 11) for n in range(50)}
    register(core, *numbers)
    register(core, *sorted(numbers)[25:], "2215555555")
    assert registered(core) == {*sorted(numbers)[25:], "2215555555"}


def test_a_registry_of_less_than_half_is_refused_unless_it_is_meant(core: CoreHarness) -> None:
    register(core, *(str(1_100_000_000 + n) for n in range(10)))
    with pytest.raises(FarSmaller, match="4 numbers, and the registry has 10"):
        register(core, *(str(1_100_000_000 + n) for n in range(4)), force=False)
    assert len(registered(core)) == 10
    register(core, *(str(1_100_000_000 + n) for n in range(5)), force=False)
    register(core, "1100000000", force=True)
    assert registered(core) == {"1100000000"}


def test_a_file_that_is_older_than_the_registry_is_refused_unless_it_is_meant(core: CoreHarness) -> None:
    now = datetime.now(UTC)
    register(core, ANA, taken_at=now - timedelta(days=5))
    with pytest.raises(Older, match="was taken on"):
        register(core, ANA, BETO, taken_at=now - timedelta(days=6), force=False)
    assert registered(core) == {ANA}
    register(core, ANA, CARO, taken_at=now - timedelta(days=4), force=False)
    register(core, ANA, BETO, taken_at=now - timedelta(days=6), force=True)
    assert registered(core) == {ANA, BETO}


def test_an_import_that_fails_half_way_leaves_the_registry_as_it_was(
    core: CoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(core, ANA, BETO)
    copied = no_llame_import.copy_frame

    def fail_later(*arguments: object) -> None:
        copied(*arguments)  # type: ignore[arg-type]
        raise OSError("disk")

    monkeypatch.setattr(no_llame_import, "copy_frame", fail_later)
    with pytest.raises(OSError, match="disk"):
        register(core, BETO, CARO)
    assert registered(core) == {ANA, BETO}


def test_a_killed_import_leaves_the_registry_as_it_was(
    core: CoreHarness, environment: dict[str, str], tmp_path: Path
) -> None:
    """It has written its rows, and waits for the last one: then it is killed."""
    register(core, ANA, BETO)
    path = tmp_path / "lista.txt"
    path.write_text(f"{BETO}\n{CARO}\n")
    with core.engine.begin() as connection:
        connection.exec_driver_sql("SELECT 1 FROM no_llame_registry FOR UPDATE")
        process = subprocess.Popen(
            [sys.executable, "-m", "dispatcher", "nollame", "import", str(path)],
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        )
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        try:
            wait_until(lambda: core.one(waiting) == 1, 60)
            # What it wrote so far is seen by nobody: a load and a claim go on by the registry before.
            assert registered(core) == {ANA, BETO}
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    wait_until(lambda: core.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0, 60)
    assert registered(core) == {ANA, BETO}


def test_a_registry_that_somebody_changed_by_hand_is_noticed(core: CoreHarness) -> None:
    register(core, ANA, BETO)
    core.do("DELETE FROM no_llame WHERE destino = :n", n=ANA)
    with pytest.raises(DispatcherError, match="do not agree"):
        register(core, BETO)


def test_a_file_is_read_whole_with_its_bad_rows(core: CoreHarness, tmp_path: Path) -> None:
    path = tmp_path / "nollame.csv"
    path.write_text(f"abonado\n{ANA}\n12\n(011) 15 2000-0001\n{ANA}\n")
    with open_source(path) as source:
        numbers, unread = no_llame_import.read(source, "AR", None)
    assert set(numbers) == {int(ANA), int(BETO)}
    assert (unread.invalid, unread.invalid_rows[0]["line"], unread.invalid_rows[0]["code"]) == (1, 3, -7)
    path.write_text("abonado\n12\n")
    with open_source(path) as source, pytest.raises(UsageError, match="has no numbers"):
        no_llame_import.read(source, "AR", None)


# -- its age ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "said"), [(None, "There is no"), (24, ""), (25, "is 25 days old"), (400, "400 days")])
def test_marketing_is_warned_of_a_registry_that_is_old_or_not_there(
    core: CoreHarness, days: int | None, said: str
) -> None:
    if days is not None:
        register(core, ANA, taken_at=datetime.now(UTC) - timedelta(days=days, minutes=1))
    with core.engine.connect() as connection:
        warnings = no_llame.warnings(connection, "marketing")
        assert no_llame.warnings(connection, "service") == []
    assert bool(warnings) == bool(said)
    assert said in "".join(warnings)
    assert all("dispatcher nollame import" in each for each in warnings)


def test_a_registry_of_the_future_is_refused(core: CoreHarness) -> None:
    with pytest.raises(UsageError, match="future"):
        register(core, ANA, taken_at=datetime.now(UTC) + timedelta(days=1))
