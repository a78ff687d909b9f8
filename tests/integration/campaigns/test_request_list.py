"""The list of a request: found on any host, whole or not at all, kept for the days that were asked for."""

import io
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dispatcher.campaigns import loading, request_intake, request_list, request_loading
from dispatcher.campaigns.request_intake import Outcome
from dispatcher.errors import UsageError
from dispatcher.ingest import from_recipients, open_source
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.uploads import dropping, reading, store
from dispatcher.uploads.store import PART_BYTES, Upload
from schemas.payload import CampaignSpec
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness

Make = Callable[..., CoreHarness]
LIST = "telefono,n\n1144445555,Ana\n1144446666,Eva\n"


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_list, "QUIET", 0.05)


@pytest.fixture
def hosts(core: CoreHarness, make_core: Make, tmp_path: Path) -> tuple[CoreHarness, CoreHarness]:
    """Two hosts on one database, each with a home of its own."""
    assert core.account
    there = make_core(home=tmp_path / "elsewhere", chunk_size=10)
    for host in (core, there):
        folder(host).mkdir(parents=True)
    return core, there


def folder(core: CoreHarness) -> Path:
    return core.settings.home / "lists"


def put(core: CoreHarness, content: str = LIST, name: str = "list.csv") -> Path:
    folder(core).mkdir(parents=True, exist_ok=True)
    path = folder(core) / name
    path.write_text(content)
    return path


def receive(core: CoreHarness, key: str = "k1", template: str = "Hola {n}", **fields: Any) -> Outcome:
    raw = {"idempotency_key": key, "template": template, **fields}
    return request_intake.receive(core.engine, core.settings, raw)


def look(core: CoreHarness) -> None:
    """What a tick of that host does in the background, and the hint after it."""
    request_loading.look_for_files(core.engine, core.settings)
    for key in request_loading.pending(core.engine):
        request_loading.load_request(core.engine, core.settings, key)


def request(core: CoreHarness, key: str = "k1") -> Any:
    return core.rows("SELECT * FROM campaign_request WHERE idempotency_key = :key", key=key)[0]


def upload(core: CoreHarness, content: bytes, name: str = "list.csv", media_type: str = "text/csv") -> Upload:
    with core.engine.begin() as connection:
        pieces = store.pieces_of(io.BytesIO(content))
        return store.store(connection, core.settings, pieces, name=name, media_type=media_type)


def content_of(core: CoreHarness, campaign_id: int | None) -> bytes:
    """The list that a campaign was made from, as the store has it."""
    with core.engine.connect() as connection:
        number = core.one("SELECT upload_id FROM campaign WHERE id = :id", id=campaign_id)
        found = store.get(connection, number)
    assert found is not None
    with reading.open_file(core.engine, found) as file:
        return file.read()


def nothing_is_kept(core: CoreHarness) -> bool:
    return bool(core.one("SELECT count(*) FROM upload_part") == 0)


# -- another host's file ---------------------------------------------------------------------------------------------


def test_a_file_of_another_host_is_no_refusal_and_that_host_hands_it_in(hosts: tuple[CoreHarness, CoreHarness]) -> None:
    here, there = hosts
    put(there)
    assert receive(here, file="list.csv").state == "received"
    assert request(here).looked_on == [f"{socket.gethostname()}:{folder(here)}"]
    look(here)
    assert request(here).state == "received"
    request_loading.look_for_files(there.engine, there.settings)
    (key,) = request_loading.pending(here.engine)
    campaign = request_loading.load_request(here.engine, here.settings, key)  # by the host that never had it
    assert campaign is not None
    row = request(here)
    assert (row.state, row.campaign_id, row.error) == ("created", campaign, None)
    assert here.statuses(campaign) == {"pending": 2}
    assert content_of(here, campaign) == LIST.encode()
    assert here.one("SELECT name FROM campaign") == "list"


def test_a_file_that_nobody_has_is_refused_after_a_while_with_the_places(
    hosts: tuple[CoreHarness, CoreHarness],
) -> None:
    here, there = hosts
    receive(here, file="list.csv")
    look(there)
    here.do("UPDATE campaign_request SET file_awaited_since = now() - interval '9 minutes'")
    look(here)
    assert request(here).state == "received"
    here.do("UPDATE campaign_request SET file_awaited_since = now() - interval '11 minutes'")
    look(here)
    row = request(here)
    assert (row.state, row.payload, row.file_awaited_since) == ("refused", None, None)
    for host in hosts:
        assert f"{socket.gethostname()}:{folder(host)}" in row.error
    assert "'list.csv'" in row.error
    put(here)
    assert receive(here, file="list.csv").state == "created", "the key may be used again"


def test_the_wait_does_not_count_while_no_worker_looks(core: CoreHarness) -> None:
    assert core.account
    receive(core, file="list.csv")
    core.do(
        "UPDATE campaign_request SET file_awaited_since = now() - interval '1 hour', looked_at = now() - interval '1 hour'"
    )
    look(core)
    assert request(core).state == "received"
    put(core)
    look(core)
    assert request(core).state == "created"


def test_a_tick_looks_for_the_files_that_are_awaited(core: CoreHarness) -> None:
    assert core.account
    receive(core, file="list.csv")
    put(core)
    hints = wait_until(lambda: maintenance_tick.tick(core.runtime).requests, 15, "the file was taken")
    assert hints == ["k1"]
    assert request(core).upload_id is not None


def test_two_hosts_that_have_the_file_make_one_campaign(hosts: tuple[CoreHarness, CoreHarness]) -> None:
    for host in hosts:
        put(host)
    threads = [threading.Thread(target=receive, args=(host,), kwargs={"file": "list.csv"}) for host in hosts * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    here = hosts[0]
    assert request(here).state == "created"
    assert here.one("SELECT count(*) FROM campaign") == 1
    assert here.one("SELECT count(*) FROM upload") == 1


# -- a file that is still being written -----------------------------------------------------------------------------------


def test_a_file_that_grows_between_two_looks_is_not_taken(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    assert core.account
    path = put(core)
    pause = request_list.time.sleep  # type: ignore[attr-defined]

    def write_meanwhile(seconds: float) -> None:
        with path.open("a") as stream:
            stream.write("1144447777,Sol\n")
        pause(seconds)

    with monkeypatch.context() as growing:
        growing.setattr(request_list.time, "sleep", write_meanwhile)  # type: ignore[attr-defined]
        assert receive(core, file="list.csv").state == "received"
        core.do("UPDATE campaign_request SET file_awaited_since = now() - interval '11 minutes'")
        look(core)
        assert request(core).state == "received", "a copy may take longer than ten minutes"
    assert nothing_is_kept(core)
    look(core)
    assert request(core).state == "created"
    assert core.one("SELECT rows FROM campaign") > 2


def test_a_file_that_is_written_to_while_it_is_stored_is_not_taken(
    core: CoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert core.account
    path = put(core)
    original = store.store

    def write_meanwhile(*arguments: Any, **options: Any) -> Upload:
        kept = original(*arguments, **options)
        with path.open("a") as stream:
            stream.write("1144447777,Sol\n")
        return kept

    with monkeypatch.context() as growing:
        growing.setattr(store, "store", write_meanwhile)
        assert receive(core, file="list.csv").state == "received"
    assert nothing_is_kept(core)
    look(core)
    assert core.statuses(request(core).campaign_id) == {"pending": 3}


@pytest.mark.parametrize(("content", "words"), [("%PDF-1.7", "PDF"), ("", "empty")])
def test_a_file_that_is_no_list_is_refused_and_not_kept(core: CoreHarness, content: str, words: str) -> None:
    assert core.account
    put(core, content)
    refused = receive(core, file="list.csv")
    assert refused.state == "refused"
    assert words in str(refused.error)
    assert nothing_is_kept(core)


def test_a_file_that_is_too_large_is_refused_in_words(make_core: Make) -> None:
    core = make_core(upload_max=20)
    assert core.account
    put(core)
    refused = receive(core, file="list.csv")
    assert refused.state == "refused"
    assert "DISPATCHER_UPLOAD_MAX" in str(refused.error)
    large = pytest.raises(UsageError, match="DISPATCHER_UPLOAD_MAX")
    with open_source(folder(core) / "list.csv") as source, large, core.engine.begin() as connection:
        loading.load(connection, core.settings, CampaignSpec(template="x"), source)


def test_a_list_that_is_refused_goes_with_its_file(core: CoreHarness) -> None:
    assert core.account
    put(core)
    assert receive(core, file="list.csv", template="Hola {apellido}").state == "refused"
    assert request(core).upload_id is None
    dropping.drop_old(core.engine)
    assert nothing_is_kept(core)


# -- by upload_id -----------------------------------------------------------------------------------------------------


def test_an_upload_becomes_a_campaign(core: CoreHarness) -> None:
    assert core.account
    kept = upload(core, LIST.encode(), "marzo.csv")
    made = receive(core, upload_id=kept.public_id)
    assert made.state == "created"
    assert core.statuses(int(made.campaign_id or 0)) == {"pending": 2}
    assert core.one("SELECT name FROM campaign") == "marzo"
    assert core.one("SELECT upload_id FROM campaign") == kept.id
    assert receive(core, upload_id=kept.public_id) == made


@pytest.mark.parametrize("public_id", ["up_" + "0" * 32, "", "1", "a\x00b"])
def test_an_upload_that_is_not_there_is_refused(core: CoreHarness, public_id: str) -> None:
    assert core.account
    refused = receive(core, upload_id=public_id)
    assert refused.state == "refused"
    assert refused.error
    assert core.one("SELECT count(*) FROM campaign") == 0


def test_the_bytes_of_an_upload_are_part_of_the_payload_and_its_number_is_not(core: CoreHarness) -> None:
    assert core.account
    made = receive(core, upload_id=upload(core, LIST.encode()).public_id)
    assert receive(core, upload_id=upload(core, LIST.encode()).public_id) == made
    other = receive(core, upload_id=upload(core, LIST.replace("Ana", "Sol").encode()).public_id)
    assert other.state == "other_payload"
    assert core.one("SELECT count(*) FROM campaign") == 1


def test_an_upload_that_a_request_waits_for_is_not_dropped(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    assert core.account
    kept = upload(core, LIST.encode())
    with monkeypatch.context() as dying:
        dying.setattr(request_loading, "load_request", lambda *_: None)
        assert receive(core, upload_id=kept.public_id).state == "received"
    core.do("UPDATE upload SET expires_at = now() - interval '1 day'")
    dropping.drop_old(core.engine)
    core.do("UPDATE upload SET expires_at = now() + interval '1 day'")
    core.do("UPDATE campaign_request SET updated_at = now() - interval '1 minute'")
    look(core)
    assert request(core).state == "created"


# -- kept for days ----------------------------------------------------------------------------------------------------


def days_left(core: CoreHarness) -> int:
    return int(core.one("SELECT round(extract(epoch FROM expires_at - now()) / 86400) FROM upload"))


def test_every_list_that_makes_a_campaign_is_kept_as_it_came(core: CoreHarness, tmp_path: Path) -> None:
    path = tmp_path / "clientes.csv"
    path.write_bytes("telefono;n\n1144445555;José\n".encode("latin-1"))
    with open_source(path) as source, core.engine.begin() as connection:
        by_hand = loading.load(connection, core.settings, CampaignSpec(template="Hola {n}"), source)
    assert content_of(core, by_hand.campaign_id) == path.read_bytes()
    row = core.rows("SELECT name, media_type FROM upload")[0]
    assert tuple(row) == ("clientes.csv", "text/csv")
    assert days_left(core) == 7

    people: list[dict[str, Any]] = [{"telefono": "1144446666", "n": "Ñandú"}, {"telefono": 1144447777, "n": None}]
    inline = receive(core, recipients=people).campaign_id
    lines = content_of(core, inline).decode().splitlines()
    assert [json.loads(line) for line in lines] == people


def test_a_workbook_is_kept_as_it_came(core: CoreHarness, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["telefono", "n"], ["1144445555", "Ana"]):
        book.worksheets[0].append(row)
    book.save(tmp_path / "clientes.xlsx")
    with open_source(tmp_path / "clientes.xlsx") as source, core.engine.begin() as connection:
        loaded = loading.load(connection, core.settings, CampaignSpec(template="Hola {n}"), source)
    assert content_of(core, loaded.campaign_id) == (tmp_path / "clientes.xlsx").read_bytes()
    again = receive(core, upload_id=core.one("SELECT public_id FROM upload"), name="otra")
    assert core.statuses(int(again.campaign_id or 0)) == {"pending": 1}


def test_a_list_that_changes_while_it_is_read_loads_nothing(core: CoreHarness, tmp_path: Path) -> None:
    path = tmp_path / "clientes.csv"
    path.write_text(LIST)
    with open_source(path) as source:
        path.write_text(LIST + "1144447777,Sol\n")
        with pytest.raises(UsageError, match="changed while it was read"), core.engine.begin() as connection:
            loading.load(connection, core.settings, CampaignSpec(template="Hola {n}"), source)
    assert core.one("SELECT count(*) FROM campaign") == 0
    assert nothing_is_kept(core)


def test_zero_days_keep_no_list_and_refuse_none(make_core: Make, tmp_path: Path) -> None:
    core = make_core(lists_kept=0)
    assert core.account
    put(core)
    made = receive(core, file="list.csv")
    assert made.state == "created"
    assert dropping.drop_old(core.engine) == 1
    assert nothing_is_kept(core)
    with from_recipients([{"telefono": "1144445555"}]) as source, core.engine.begin() as connection:
        loading.load(connection, core.settings, CampaignSpec(template="x"), source)
    assert nothing_is_kept(core)
    # The hash stays: the same payload is the same campaign, and another file is another payload.
    assert receive(core, file="list.csv") == made
    put(core, LIST.replace("Ana", "Sol"))
    assert receive(core, file="list.csv").state == "other_payload"


def test_a_list_is_dropped_when_its_days_are_over_and_what_it_was_is_still_known(core: CoreHarness) -> None:
    assert core.account
    put(core)
    made = receive(core, file="list.csv")
    assert dropping.drop_old(core.engine) == 0
    core.do("UPDATE upload SET expires_at = now() - interval '1 second'")
    dropping.drop_old(core.engine)
    assert nothing_is_kept(core)
    row = core.rows("SELECT bytes, dropped_at FROM upload")[0]
    assert (row.bytes, row.dropped_at is None) == (len(LIST), False)
    (folder(core) / "list.csv").unlink()
    assert receive(core, file="list.csv") == made


def test_a_campaign_makes_the_time_of_its_list_longer_and_never_shorter(core: CoreHarness) -> None:
    assert core.account
    kept = upload(core, LIST.encode())
    for days, left in ((1, 7), (30, 30)):
        core.do("UPDATE upload SET expires_at = now() + make_interval(days => :days)", days=days)
        receive(core, f"k{days}", upload_id=kept.public_id)
        assert days_left(core) == left


def test_a_large_list_comes_back_from_the_store_whole(core: CoreHarness) -> None:
    assert core.account
    rows = "".join(f"11{20_000_000 + n},{'x' * 60}\n" for n in range(40_000))
    content = f"telefono,n\n{rows}"
    assert len(content) > 2 * PART_BYTES
    put(core, content)
    made = receive(core, file="list.csv", template="{n}")
    assert core.statuses(int(made.campaign_id or 0)) == {"pending": 40_000}
    assert content_of(core, made.campaign_id) == content.encode()


def test_no_log_line_has_a_number_of_a_list(core: CoreHarness, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    assert core.account
    put(core)
    receive(core, file="list.csv")
    core.do("UPDATE upload SET expires_at = now() - interval '1 second'")
    dropping.drop_old(core.engine)
    assert "list_taken" in caplog.text
    assert "list_dropped" in caplog.text
    assert "1144445555" not in caplog.text
