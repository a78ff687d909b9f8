"""What is wrong with a set-up is said in a sentence, with an exit code."""

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.cli.commands import TEMPLATE, Run, answer
from tests.integration.core_harness import CoreHarness


@pytest.mark.parametrize(
    "arguments",
    [
        ("campaign", "show", "x", "--json"),
        ("campaign", "show", "--json"),
        ("nothing", "--json"),
        ("campaign", "results", "1", "--format", "pdf", "--json"),
    ],
)
def test_bad_arguments_are_one_object_too(run: Run, arguments: tuple[str, ...]) -> None:
    assert answer(run(*arguments), code=2)["error"]


def test_a_bad_setting_exits_2_with_its_name(run: Run, good: str) -> None:
    told = answer(run("campaign", "create", good, *TEMPLATE, "--json", DISPATCHER_WINDOW="always"), code=2)
    assert "DISPATCHER_WINDOW" in told["error"]


def test_the_doctor_tells_a_bad_setting_as_a_finding(run: Run) -> None:
    found = answer(run("doctor", "--json", DISPATCHER_CHUNK_SIZE="0"), code=1)
    assert found["ok"] is False
    (check,) = found["checks"]
    assert (check["name"], check["ok"]) == ("settings", False)
    assert "DISPATCHER_CHUNK_SIZE" in check["detail"]


def test_a_home_that_is_no_folder_is_named(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    nowhere = {"DISPATCHER_HOME": str(file / "home"), "DISPATCHER_DATABASE_URL": ""}
    told = answer(run("campaign", "list", "--json", **nowhere), code=2)
    assert str(file / "home") in told["error"]
    (check,) = answer(run("doctor", "--json", **nowhere), code=1)["checks"]
    assert str(file / "home") in check["detail"]


def test_without_a_key_create_exits_2(run: Run, good: str) -> None:
    told = answer(run("campaign", "create", good, *TEMPLATE, "--json", DISPATCHER_APIKEY=""), code=2)
    assert "DISPATCHER_APIKEY" in told["error"]


@pytest.fixture
def refusing_postgres() -> Iterator[str]:
    """A server that speaks enough of Postgres to refuse a password."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                while (first := peer.recv(1024)) and first[4:8] in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):
                    peer.sendall(b"N")  # no TLS, no GSS
                words = b'SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed for user "u"\x00\x00'
                peer.sendall(b"E" + (len(words) + 4).to_bytes(4, "big") + words)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    yield f"postgresql://u:hunter2@127.0.0.1:{listener.getsockname()[1]}/x"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_a_wrong_password_exits_1_names_the_setting_and_shows_no_secret(
    run: Run, good: str, refusing_postgres: str
) -> None:
    for arguments in (("campaign", "list"), ("campaign", "create", good, *TEMPLATE), ("db", "upgrade")):
        result = run(*arguments, "--json", DISPATCHER_DATABASE_URL=refusing_postgres)
        told = answer(result, code=1)
        assert "password authentication failed" in told["error"]
        assert "DISPATCHER_DATABASE_URL" in told["hint"]
        assert "hunter2" not in result.output


def test_a_database_that_is_not_there_exits_1(run: Run) -> None:
    told = answer(
        run("campaign", "list", "--json", DISPATCHER_DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/x"), code=1
    )
    assert "database" in told["error"]
    assert "Connection refused" in told["error"]


def test_a_database_without_the_schema_says_db_upgrade(run: Run, core: CoreHarness) -> None:
    core.do("DELETE FROM alembic_version")
    told = answer(run("campaign", "list", "--json"), code=2)
    assert "dispatcher db upgrade" in told["hint"]


def test_upgrading_twice_is_fine(run: Run) -> None:
    first = answer(run("db", "upgrade", "--json"))
    assert first["before"] == first["after"]


def test_another_key_is_refused_until_rekey(run: Run, good: str, core: CoreHarness) -> None:
    core.load(1)
    told = answer(run("campaign", "create", good, *TEMPLATE, "--json", DISPATCHER_APIKEY="OTHER"), code=2)
    assert "rekey" in told["hint"]
    assert core.one("SELECT count(*) FROM campaign") == 1
    answer(run("account", "rekey", "--json", DISPATCHER_APIKEY="OTHER"))
    answer(run("campaign", "create", good, *TEMPLATE, "--json", DISPATCHER_APIKEY="OTHER"))
