"""Campaigns from other services: one campaign a key, whole or not at all, whatever dies in between."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from pyroaring import BitMap64

from dispatcher.campaigns import request_intake, request_list, request_loading
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.suppression import no_llame_import
from dispatcher.suppression.number_files import Unread
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness
from tests.processes import ROOT

Make = Callable[..., CoreHarness]


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two looks at a file are 2 s apart, which is a wait for each file."""
    monkeypatch.setattr(request_list, "QUIET", 0.05)


def payload(key: str = "k1", **fields: Any) -> dict[str, Any]:
    people = [{"telefono": "1144445555", "n": "Ana"}, {"telefono": "123", "n": "Corto"}]
    given = {"idempotency_key": key, "template": "Hola {n}", **fields}
    return given if "file" in given else {"recipients": people, **given}


def receive(core: CoreHarness, raw: Any) -> int | None:
    return request_intake.receive(core.engine, core.settings, raw).campaign_id


def request(core: CoreHarness, key: str = "k1") -> Any:
    return core.rows("SELECT * FROM campaign_request WHERE idempotency_key = :key", key=key)[0]


def campaigns_in(core: CoreHarness) -> int:
    return int(core.one("SELECT count(*) FROM campaign"))


def lists(core: CoreHarness) -> Path:
    folder = core.settings.home / "lists"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_payload_becomes_a_campaign_and_its_request_says_which(core: CoreHarness) -> None:
    campaign = receive(core, payload(name="Promo", priority="high", on_doubt="hold", test=True))
    assert campaign is not None
    row = request(core)
    assert (row.state, row.campaign_id, row.error) == ("created", campaign, None)
    made = core.rows("SELECT name, priority, on_doubt, test, messages, invalid FROM campaign")
    assert [tuple(r) for r in made] == [("Promo", "high", "hold", True, 1, 1)]
    assert core.one("SELECT line FROM invalid_row") == 2
    core.check_sums(campaign)


def test_a_payload_says_what_its_campaign_is_for(core: CoreHarness) -> None:
    with core.engine.begin() as connection:
        no_llame_import.replace(connection, BitMap64([1_144_445_555]), Unread(), "lista.txt")
    receive(core, payload(template="Turno, {n}"))
    receive(core, payload("k2", intent="marketing"))
    receive(core, payload("k3", intent="spam"))
    made = core.rows(
        "SELECT c.intent, l.reason FROM campaign c LEFT JOIN left_out l ON l.campaign_id = c.id ORDER BY c.id"
    )
    assert [tuple(row) for row in made] == [("service", None), ("marketing", "no_llame_at_load")]
    assert (request(core, "k3").state, request(core, "k3").error.split(":")[0]) == ("refused", "intent")


def test_the_same_key_and_payload_make_one_campaign(core: CoreHarness) -> None:
    first = receive(core, payload())
    assert first is not None
    assert [receive(core, payload()) for _ in range(3)] == [first] * 3
    assert campaigns_in(core) == 1


def test_ten_calls_at_once_make_one_campaign(core: CoreHarness) -> None:
    assert core.account
    start, answers = Barrier(10), []

    def call() -> None:
        start.wait()
        try:
            answers.append(receive(core, payload()))
        except BaseException as error:
            answers.append(error)

    threads = [Thread(target=call) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 10
    assert [answer for answer in answers if isinstance(answer, BaseException)] == []
    assert campaigns_in(core) == 1
    created = request(core).campaign_id
    assert created is not None
    assert set(answers) <= {created, None}
    assert created in answers


@pytest.mark.parametrize(
    "other",
    [
        {"template": "Chau {n}"},
        {"priority": "high"},
        {"recipients": [{"telefono": "1144446666", "n": "Eva"}]},
        {"test": True},
        {"name": "x"},
    ],
)
def test_another_payload_under_the_same_key_is_refused(core: CoreHarness, other: dict[str, Any]) -> None:
    campaign = receive(core, payload())
    assert receive(core, payload(**other)) is None
    assert campaigns_in(core) == 1
    row = request(core)
    assert (row.state, row.campaign_id) == ("created", campaign)
    assert "another payload" in row.error


@pytest.mark.parametrize(
    "broken",
    [
        {"recipients": []},
        {"recipients": None},
        {"template": ""},
        {"priority": "urgent"},
        {"start": "mañana"},
        {"expires": "2020-01-01 00:00:00"},
        {"surprise": 1},
        {"to_column": "none"},
        {"template": "Hola {missing}"},
        {"recipients": [{"telefono": "1144445555"}] * 10_001},
        {"recipients": [{"n": "no number"}]},
        {"file": "both.csv", "recipients": [{"telefono": "1144445555", "n": "x"}]},
    ],
    ids=lambda fields: "+".join(fields),
)
def test_a_bad_payload_is_refused_where_the_caller_looks_for_it(core: CoreHarness, broken: dict[str, Any]) -> None:
    assert receive(core, payload(**broken)) is None
    row = request(core)
    assert (row.state, row.campaign_id) == ("refused", None)
    assert row.error
    assert campaigns_in(core) == 0


def test_a_corrected_payload_may_use_the_key_of_a_refused_one(core: CoreHarness) -> None:
    assert receive(core, payload(start="mañana")) is None
    assert receive(core, payload()) is not None
    assert request(core).error is None


def test_a_refused_payload_does_not_touch_the_campaign_of_its_key(core: CoreHarness) -> None:
    campaign = receive(core, payload())
    assert receive(core, payload(start="mañana")) is None
    row = request(core)
    assert (row.state, row.campaign_id) == ("created", campaign)


@pytest.mark.parametrize(
    "raw", [None, [], "text", {}, {"idempotency_key": ""}, {"idempotency_key": None}, {"idempotency_key": []}]
)
def test_what_has_no_key_makes_nothing(core: CoreHarness, raw: Any) -> None:
    assert receive(core, raw) is None
    assert campaigns_in(core) == 0


@pytest.mark.parametrize(
    ("key", "shown"), [("a\x00b", "a\\x00b"), ("\x00", "\\x00"), ("a\ud800", "a?"), ("x" * 201, "x" * 200)]
)
def test_a_key_that_nothing_can_hold_is_refused_under_what_its_sender_can_recognise(
    core: CoreHarness, key: str, shown: str
) -> None:
    assert receive(core, payload(idempotency_key=key)) is None
    found = core.rows("SELECT idempotency_key, state, error FROM campaign_request")
    assert [(row.idempotency_key, row.state) for row in found] == [(shown, "refused")]
    assert "idempotency_key" in found[0].error


@pytest.mark.parametrize(
    "odd",
    ["a\x00b", "\ud800", float("nan"), 1e400, 10**400],
    ids=["nul", "half a character", "nan", "infinity", "huge"],
)
def test_what_json_carries_and_the_database_cannot_hold_is_no_crash(core: CoreHarness, odd: Any) -> None:
    good = {"telefono": "1144446666", "n": "Eva"}
    receive(core, payload(recipients=[{"telefono": "1144445555", "n": odd}, good]))
    row = request(core)
    if row.state == "created":
        assert core.one("SELECT rows FROM campaign") == 2
        assert core.one("SELECT count(*) FROM message WHERE destino = '1144446666'") == 1
        core.check_sums(row.campaign_id)
    else:
        assert (row.state, campaigns_in(core)) == ("refused", 0)
        assert row.error


def nested(depth: int) -> Any:
    found: Any = "x"
    for _ in range(depth):
        found = [found]
    return found


NEVER_STORABLE: list[dict[str, Any]] = [
    {"a\x00b": 1},
    {"\ud800": 1},
    {"surprise": nested(900)},
    {"name": "\ud800"},
    {"start": "a\x00b"},
    {"file": "\ud800", "recipients": None},
    {"priority": nested(900)},
]


@pytest.mark.parametrize("fields", NEVER_STORABLE, ids=lambda fields: ascii(next(iter(fields))))
def test_what_can_never_be_stored_is_refused_and_no_crash(core: CoreHarness, fields: dict[str, Any]) -> None:
    outcome = request_intake.receive(core.engine, core.settings, payload(**fields))
    assert outcome.state == "refused"
    row = request(core)
    assert (row.state, row.error) == ("refused", outcome.error)
    assert campaigns_in(core) == 0


def test_what_is_nested_too_deep_for_a_row_is_no_crash(core: CoreHarness) -> None:
    receive(core, payload(recipients=[{"telefono": "1144445555", "n": nested(900)}]))
    assert request(core).state in ("created", "refused")


def test_a_file_of_the_inbox_is_loaded(core: CoreHarness) -> None:
    (lists(core) / "list.csv").write_text("telefono,n\n1144445555,Ana\n1144446666,Eva\n")
    campaign = receive(core, payload(file="list.csv"))
    assert campaign is not None
    assert core.statuses(campaign) == {"pending": 2}


def test_the_bytes_of_the_file_are_part_of_the_payload(core: CoreHarness) -> None:
    path = lists(core) / "list.csv"
    path.write_text("telefono,n\n1144445555,Ana\n")
    campaign = receive(core, payload(file="list.csv"))
    assert receive(core, payload(file="list.csv")) == campaign
    path.write_text("telefono,n\n1144445555,Eva\n")
    assert receive(core, payload(file="list.csv")) is None
    assert campaigns_in(core) == 1
    assert "another payload" in request(core).error


@pytest.mark.parametrize(
    "name",
    [
        "../secret.csv",
        "/etc/hostname",
        "sub/../../secret.csv",
        "link.csv",
        "",
        ".",
        "a\x00b.csv",
        "x" * 5000,
    ],
)
def test_a_file_outside_the_lists_folder_is_refused(core: CoreHarness, name: str) -> None:
    secret = lists(core).parent / "secret.csv"
    secret.write_text("telefono,n\n1144445555,Ana\n")
    (lists(core) / "link.csv").symlink_to(secret)
    assert receive(core, payload(file=name)) is None
    assert request(core).state == "refused"
    assert campaigns_in(core) == 0


_LOADER = """
import json, sys, time
from dispatcher import config
from dispatcher.campaigns import loading, request_intake
from dispatcher.runtime import Runtime
real = loading.ingest
def slow(source, options, left_out, **more):
    for number, batch in enumerate(real(source, options, left_out, batch_rows=100, **more)):
        yield batch
        if number == 1:
            print("in the middle", flush=True)
            time.sleep(60)
loading.ingest = slow
runtime = Runtime(config.load())
request_intake.receive(runtime.engine, runtime.settings, json.loads(sys.stdin.read()))
"""


@pytest.fixture
def killed_in_the_middle(core: CoreHarness, environment: dict[str, str]) -> CoreHarness:
    """A core on which a loader has been killed with 200 of 1,000 rows in its transaction."""
    lines = ["telefono,n", *(f"11{20_000_000 + n},x{n}" for n in range(1000))]
    (lists(core) / "list.csv").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(
        [sys.executable, "-c", _LOADER],
        env={**environment, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(payload(file="list.csv")).encode())
    process.stdin.close()
    assert process.stdout.readline() == b"in the middle\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert campaigns_in(core) == 0
    assert request(core).state == "received"
    return core


def let_leases_run_out(core: CoreHarness) -> None:
    """What the clock does in half a minute, when nobody renews them."""
    core.do("UPDATE campaign_request SET lease_until = now() - interval '1 second' WHERE holder IS NOT NULL")


def finish(core: CoreHarness) -> bool:
    """What the tick does a few seconds later."""
    let_leases_run_out(core)
    core.do("UPDATE campaign_request SET updated_at = now() - interval '1 minute' WHERE state = 'received'")
    for key in maintenance_tick.tick(core.runtime).requests:
        request_loading.load_request(core.engine, core.settings, key)
    return bool(request(core).state != "received")


def test_a_loader_killed_in_the_middle_leaves_none_and_the_tick_makes_it_whole(
    killed_in_the_middle: CoreHarness,
) -> None:
    core = killed_in_the_middle
    wait_until(lambda: finish(core), 15)
    row = request(core)
    assert row.state == "created"
    assert core.statuses(row.campaign_id) == {"pending": 1000}
    core.check_sums(row.campaign_id)


def test_the_callers_own_retry_after_a_kill_makes_it_whole(killed_in_the_middle: CoreHarness) -> None:
    core = killed_in_the_middle
    assert receive(core, payload(file="list.csv")) is None, "its lease still runs"
    let_leases_run_out(core)
    campaign = wait_until(lambda: receive(core, payload(file="list.csv")), 15)
    assert campaigns_in(core) == 1
    assert core.statuses(campaign) == {"pending": 1000}


def test_a_file_that_changed_after_it_was_taken_is_loaded_as_it_was(killed_in_the_middle: CoreHarness) -> None:
    core = killed_in_the_middle
    (lists(core) / "list.csv").unlink()
    wait_until(lambda: finish(core), 15)
    row = request(core)
    assert row.state == "created"
    assert core.statuses(row.campaign_id) == {"pending": 1000}


def test_a_payload_that_kills_every_loader_is_given_up(core: CoreHarness) -> None:
    assert core.account
    core.do(
        "INSERT INTO campaign_request (idempotency_key, payload_hash, payload, state, tries, updated_at) "
        "VALUES ('k1', 'h', CAST(:p AS jsonb), 'received', 3, now() - interval '1 minute')",
        p=json.dumps(payload()),
    )
    assert request_loading.load_request(core.engine, core.settings, "k1") is None
    assert request(core).state == "failed"
    assert campaigns_in(core) == 0


def test_a_key_is_one_campaign_also_when_two_tell_it_differently(core: CoreHarness) -> None:
    """Ten callers, two payloads, one key: one campaign of one of them."""
    assert core.account
    start, answers = Barrier(10), Counter[str]()

    def call(number: int) -> None:
        start.wait()
        answers[str(receive(core, payload(template=f"Hola {{n}} {number % 2}")) is not None)] += 1

    threads = [Thread(target=call, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert campaigns_in(core) == 1
    assert answers["True"] >= 1
