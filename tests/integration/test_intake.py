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

from dispatcher import intake, upkeep
from tests.conftest import wait_until
from tests.integration.bench import Bench
from tests.processes import ROOT

Make = Callable[..., Bench]


def payload(key: str = "k1", **fields: Any) -> dict[str, Any]:
    people = [{"telefono": "1144445555", "n": "Ana"}, {"telefono": "123", "n": "Corto"}]
    given = {"idempotency_key": key, "template": "Hola {n}", **fields}
    return given if "file" in given else {"recipients": people, **given}


def receive(bench: Bench, raw: Any) -> int | None:
    return intake.receive(bench.engine, bench.settings, raw).campaign_id


def request(bench: Bench, key: str = "k1") -> Any:
    return bench.rows("SELECT * FROM campaign_request WHERE idempotency_key = :key", key=key)[0]


def campaigns_in(bench: Bench) -> int:
    return int(bench.one("SELECT count(*) FROM campaign"))


def inbox(bench: Bench) -> Path:
    folder = bench.settings.home / "inbox"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_payload_becomes_a_campaign_and_its_request_says_which(bench: Bench) -> None:
    campaign = receive(bench, payload(name="Promo", priority="high", on_doubt="hold", test=True))
    assert campaign is not None
    row = request(bench)
    assert (row.state, row.campaign_id, row.error) == ("created", campaign, None)
    made = bench.rows("SELECT name, priority, on_doubt, test, messages, rejected FROM campaign")
    assert [tuple(r) for r in made] == [("Promo", "high", "hold", True, 1, 1)]
    assert bench.one("SELECT line FROM reject") == 2
    bench.check_sums(campaign)


def test_the_same_key_and_payload_make_one_campaign(bench: Bench) -> None:
    first = receive(bench, payload())
    assert first is not None
    assert [receive(bench, payload()) for _ in range(3)] == [first] * 3
    assert campaigns_in(bench) == 1


def test_ten_calls_at_once_make_one_campaign(bench: Bench) -> None:
    assert bench.account
    start, answers = Barrier(10), []

    def call() -> None:
        start.wait()
        try:
            answers.append(receive(bench, payload()))
        except BaseException as error:
            answers.append(error)

    threads = [Thread(target=call) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 10
    assert [answer for answer in answers if isinstance(answer, BaseException)] == []
    assert campaigns_in(bench) == 1
    created = request(bench).campaign_id
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
def test_another_payload_under_the_same_key_is_refused(bench: Bench, other: dict[str, Any]) -> None:
    campaign = receive(bench, payload())
    assert receive(bench, payload(**other)) is None
    assert campaigns_in(bench) == 1
    row = request(bench)
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
def test_a_bad_payload_is_refused_where_the_caller_looks_for_it(bench: Bench, broken: dict[str, Any]) -> None:
    assert receive(bench, payload(**broken)) is None
    row = request(bench)
    assert (row.state, row.campaign_id) == ("refused", None)
    assert row.error
    assert campaigns_in(bench) == 0


def test_a_corrected_payload_may_use_the_key_of_a_refused_one(bench: Bench) -> None:
    assert receive(bench, payload(start="mañana")) is None
    assert receive(bench, payload()) is not None
    assert request(bench).error is None


def test_a_refused_payload_does_not_touch_the_campaign_of_its_key(bench: Bench) -> None:
    campaign = receive(bench, payload())
    assert receive(bench, payload(start="mañana")) is None
    row = request(bench)
    assert (row.state, row.campaign_id) == ("created", campaign)


@pytest.mark.parametrize(
    "raw", [None, [], "text", {}, {"idempotency_key": ""}, {"idempotency_key": None}, {"idempotency_key": "\x00"}]
)
def test_what_has_no_key_makes_nothing(bench: Bench, raw: Any) -> None:
    assert receive(bench, raw) is None
    assert campaigns_in(bench) == 0


@pytest.mark.parametrize(
    "odd",
    ["a\x00b", "\ud800", float("nan"), 1e400, 10**400],
    ids=["nul", "half a character", "nan", "infinity", "huge"],
)
def test_what_json_carries_and_the_database_cannot_hold_is_no_crash(bench: Bench, odd: Any) -> None:
    good = {"telefono": "1144446666", "n": "Eva"}
    receive(bench, payload(recipients=[{"telefono": "1144445555", "n": odd}, good]))
    row = request(bench)
    if row.state == "created":
        assert bench.one("SELECT rows FROM campaign") == 2
        assert bench.one("SELECT count(*) FROM message WHERE destino = '1144446666'") == 1
        bench.check_sums(row.campaign_id)
    else:
        assert (row.state, campaigns_in(bench)) == ("refused", 0)
        assert row.error


def test_a_file_of_the_inbox_is_loaded(bench: Bench) -> None:
    (inbox(bench) / "list.csv").write_text("telefono,n\n1144445555,Ana\n1144446666,Eva\n")
    campaign = receive(bench, payload(file="list.csv"))
    assert campaign is not None
    assert bench.statuses(campaign) == {"pending": 2}


def test_the_bytes_of_the_file_are_part_of_the_payload(bench: Bench) -> None:
    path = inbox(bench) / "list.csv"
    path.write_text("telefono,n\n1144445555,Ana\n")
    campaign = receive(bench, payload(file="list.csv"))
    assert receive(bench, payload(file="list.csv")) == campaign
    path.write_text("telefono,n\n1144445555,Eva\n")
    assert receive(bench, payload(file="list.csv")) is None
    assert campaigns_in(bench) == 1
    assert "another payload" in request(bench).error


@pytest.mark.parametrize(
    "name",
    [
        "../secret.csv",
        "/etc/hostname",
        "sub/../../secret.csv",
        "link.csv",
        "",
        ".",
        "missing.csv",
        "a\x00b.csv",
        "x" * 5000,
    ],
)
def test_a_file_outside_the_inbox_is_refused(bench: Bench, name: str) -> None:
    secret = inbox(bench).parent / "secret.csv"
    secret.write_text("telefono,n\n1144445555,Ana\n")
    (inbox(bench) / "link.csv").symlink_to(secret)
    assert receive(bench, payload(file=name)) is None
    assert request(bench).state == "refused"
    assert campaigns_in(bench) == 0


_LOADER = """
import json, sys, time
from dispatcher import config, intake, loading
from dispatcher.runtime import Runtime
real = loading.ingest
def slow(source, options, left_out):
    for number, batch in enumerate(real(source, options, left_out, batch_rows=100)):
        yield batch
        if number == 1:
            print("in the middle", flush=True)
            time.sleep(60)
loading.ingest = slow
runtime = Runtime(config.load())
intake.receive(runtime.engine, runtime.settings, json.loads(sys.stdin.read()))
"""


@pytest.fixture
def killed_in_the_middle(bench: Bench, environment: dict[str, str]) -> Bench:
    """A bench on which a loader has been killed with 200 of 1,000 rows in its transaction."""
    lines = ["telefono,n", *(f"11{20_000_000 + n},x{n}" for n in range(1000))]
    (inbox(bench) / "list.csv").write_text("\n".join(lines) + "\n")
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
    assert campaigns_in(bench) == 0
    assert request(bench).state == "received"
    return bench


def finish(bench: Bench) -> bool:
    """What the tick does a few seconds later."""
    bench.do("UPDATE campaign_request SET updated_at = now() - interval '1 minute' WHERE state = 'received'")
    for key in upkeep.tick(bench.runtime).requests:
        intake.load_request(bench.engine, bench.settings, key)
    return bool(request(bench).state != "received")


def test_a_loader_killed_in_the_middle_leaves_none_and_the_tick_makes_it_whole(killed_in_the_middle: Bench) -> None:
    bench = killed_in_the_middle
    wait_until(lambda: finish(bench), 15)
    row = request(bench)
    assert row.state == "created"
    assert bench.statuses(row.campaign_id) == {"pending": 1000}
    bench.check_sums(row.campaign_id)


def test_the_callers_own_retry_after_a_kill_makes_it_whole(killed_in_the_middle: Bench) -> None:
    bench = killed_in_the_middle
    campaign = wait_until(lambda: receive(bench, payload(file="list.csv")), 15)
    assert campaigns_in(bench) == 1
    assert bench.statuses(campaign) == {"pending": 1000}


def test_a_file_that_changed_before_the_tick_came_is_refused(killed_in_the_middle: Bench) -> None:
    bench = killed_in_the_middle
    (inbox(bench) / "list.csv").write_text("telefono,n\n1144445555,x\n")
    wait_until(lambda: finish(bench), 15)
    row = request(bench)
    assert row.state == "refused"
    assert "changed" in row.error
    assert campaigns_in(bench) == 0


def test_a_payload_that_kills_every_loader_is_given_up(bench: Bench) -> None:
    assert bench.account
    bench.do(
        "INSERT INTO campaign_request (idempotency_key, payload_hash, payload, state, tries) "
        "VALUES ('k1', 'h', CAST(:p AS jsonb), 'received', 3)",
        p=json.dumps(payload()),
    )
    assert intake.load_request(bench.engine, bench.settings, "k1") is None
    assert request(bench).state == "failed"
    assert campaigns_in(bench) == 0


def test_a_key_is_one_campaign_also_when_two_tell_it_differently(bench: Bench) -> None:
    """Ten callers, two payloads, one key: one campaign of one of them."""
    assert bench.account
    start, answers = Barrier(10), Counter[str]()

    def call(number: int) -> None:
        start.wait()
        answers[str(receive(bench, payload(template=f"Hola {{n}} {number % 2}")) is not None)] += 1

    threads = [Thread(target=call, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert campaigns_in(bench) == 1
    assert answers["True"] >= 1
