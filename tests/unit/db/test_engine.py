"""Addresses as libpq reads them, with our keepalives; nothing here needs a server."""

import pytest

from dispatcher.db.engine import connect, conninfo
from dispatcher.errors import UsageError


def test_several_hosts_and_the_wanted_kind_of_server_reach_the_driver() -> None:
    found = conninfo("postgresql+psycopg://u:p@a:5433,b:5434/db?target_session_attrs=read-write&sslmode=require")
    assert (found["host"], found["port"], found["dbname"]) == ("a,b", "5433,5434", "db")
    assert (found["target_session_attrs"], found["sslmode"]) == ("read-write", "require")


def test_a_vanished_host_is_looked_for_unless_the_url_says_otherwise() -> None:
    found = conninfo("postgres://u@h/db")
    assert {name: found[name] for name in found if "keepalive" in name or "timeout" in name} == {
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "connect_timeout": 10,
    }
    assert conninfo("postgresql://u@h/db?keepalives_idle=60&connect_timeout=3")["keepalives_idle"] == "60"


PASSWORDS = [
    ("postgresql://u:hunter2@h/db", "hunter2"),
    ("postgresql://u:hun%2Fter%402@h/db", "hun/ter@2"),
    ("postgresql://u:hun/t?e#r%2@h/db", "hun/t?e#r%2"),
    ("postgresql://u:@h/db", None),
]


@pytest.mark.parametrize(("url", "password"), PASSWORDS)
def test_a_password_may_hold_what_a_url_would_escape(url: str, password: str | None) -> None:
    found = conninfo(url)
    assert (found.get("user"), found.get("password") or None, found["host"], found["dbname"]) == (
        "u",
        password,
        "h",
        "db",
    )


def test_a_port_is_no_password() -> None:
    found = conninfo("postgresql://a:5433,b:5434/db?user=x@y")
    assert (found["host"], found["port"], found["user"]) == ("a,b", "5433,5434", "x@y")


@pytest.mark.parametrize("url", ["postgresql://h/db?colour=red", "postgresql://u:p@[::1/db"])
def test_what_cannot_be_read_is_told_without_the_password(url: str) -> None:
    with pytest.raises(UsageError, match="DISPATCHER_DATABASE_URL") as caught:
        connect(url)
    assert "red" not in str(caught.value)
    assert "postgresql://user:password@host" in str(caught.value.hint)


def test_neither_the_engine_nor_its_address_shows_the_password() -> None:
    engine = connect("postgresql://u:hunter2@h/db")
    assert "hunter2" not in repr(engine) + str(engine.url)
    assert engine.url.database == "db"
    assert engine.hide_parameters
