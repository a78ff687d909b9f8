"""A request names a file, and there is more than one host: two homes, two workers, one database."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.live_system import LiveSystem
from tests.acceptance.test_campaign import write_list
from tests.acceptance.test_requests import outcome, request, service

__all__ = ["service"]

COPYING = "SELECT 1 FROM pg_stat_progress_copy WHERE relid = 'message'::regclass"


class Host:
    """A home of its own, and a worker with everything that `up` runs but beat."""

    def __init__(self, live: LiveSystem, name: str, folder: Path) -> None:
        self.live, self.name, self.home = live, name, folder / name
        self.lists.mkdir(parents=True)

    @property
    def lists(self) -> Path:
        return self.home / "lists"

    @property
    def place(self) -> str:
        return f"{socket.gethostname()}:{self.lists}"

    def start(self, **environment: str) -> None:
        self.live.cluster.worker(self.name, DISPATCHER_HOME=str(self.home), **environment)


@pytest.fixture
def hosts(live: LiveSystem, tmp_path: Path) -> tuple[Host, Host]:
    return Host(live, "a", tmp_path), Host(live, "b", tmp_path)


def test_a_file_on_one_host_is_loaded_whichever_host_takes_the_task(
    live: LiveSystem, service: Any, hosts: tuple[Host, Host]
) -> None:
    a, b = hosts
    write_list(a.lists / "lista.csv", 60)
    for number in range(4):
        service(idempotency_key=f"k{number}", template=f"Aviso {number} para {{nombre}}", file="lista.csv")
    live.cluster.beat()
    b.start()  # takes all tasks, and has no file
    live.wait_for(
        lambda: [row.looked_on for row in live.sql("SELECT looked_on FROM campaign_request")] == 4 * [[b.place]],
        30,
        "b has looked for each",
    )
    assert {request(live, f"k{number}").state for number in range(4)} == {"received"}
    a.start()
    for number in range(4):
        row = outcome(live, f"k{number}", 60)
        assert (row.state, row.error) == ("created", None)
        assert live.finish(row.campaign_id).messages == 60
        live.assert_every_line_once(row.campaign_id)
    assert live.value("SELECT count(*) FROM campaign") == 4


def test_a_host_that_is_killed_in_the_middle_of_loading_is_taken_over_by_one_without_the_file(
    live: LiveSystem, service: Any, hosts: tuple[Host, Host]
) -> None:
    a, b = hosts
    write_list(a.lists / "larga.csv", 300_000)
    service(idempotency_key="long", template="Hola {nombre}", file="larga.csv", start="2040-01-01 09:00:00")
    live.cluster.beat()
    a.start()
    live.wait_for(lambda: live.sql(COPYING), 60, "rows are being copied")
    live.cluster.kill("a")
    live.wait_for(lambda: not live.sql(COPYING), 20, "the database noticed")
    row = request(live, "long")
    assert (row.state, row.upload_id is None) == ("received", False)
    assert live.value("SELECT count(*) FROM message") == 0
    b.start()
    row = outcome(live, "long", 90)
    assert (row.state, row.error) == ("created", None)
    assert live.value("SELECT count(*) FROM campaign") == 1
    assert live.show(row.campaign_id).counts == {"pending": 300_000}


def test_a_file_that_grows_is_loaded_once_it_is_whole(live: LiveSystem, service: Any, hosts: tuple[Host, Host]) -> None:
    a, _ = hosts
    service(idempotency_key="growing", template="Hola {nombre}", file="crece.csv")
    for host in hosts:
        host.start()
    live.cluster.beat()
    rows = looked = 0
    ends = time.monotonic() + 8
    with (a.lists / "crece.csv").open("w", encoding="utf-8") as stream:
        stream.write("celular,nombre\n")

        def grow() -> bool:
            nonlocal rows, looked
            stream.write(f"11{30_000_000 + rows},Ana\n")
            stream.flush()
            rows += 1
            looked = max(looked, len(request(live, "growing").looked_on) if request(live, "growing") else 0)
            return time.monotonic() > ends and looked == 2

        live.wait_for(grow, 60, "it grew, and both hosts have looked")
        assert request(live, "growing").state == "received"
        assert live.value("SELECT count(*) FROM upload") == 0
    row = outcome(live, "growing", 60)
    assert row.state == "created"
    assert live.show(row.campaign_id).messages == rows


def test_a_list_that_is_not_to_be_kept_goes_once_its_campaign_is_loaded(
    live: LiveSystem, service: Any, hosts: tuple[Host, Host]
) -> None:
    a, _ = hosts
    write_list(a.lists / "lista.csv", 60)
    service(idempotency_key="k", template="Hola {nombre}", file="lista.csv")
    a.start(DISPATCHER_LISTS_KEPT="0")
    live.cluster.beat()
    row = outcome(live, "k", 60)
    assert row.state == "created"
    live.wait_for(lambda: live.value("SELECT count(*) FROM upload_part") == 0, 20, "the list is gone")
    assert live.value("SELECT dropped_at IS NOT NULL FROM upload")
    assert live.finish(row.campaign_id).messages == 60
