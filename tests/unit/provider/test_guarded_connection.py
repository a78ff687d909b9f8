"""urllib3 still has the private parts that the guard before the first byte is built on.

A failure here means that the installed urllib3 works in another way: read `dispatcher/provider/guarded_connection.py`
before you let it post anything.
"""

from __future__ import annotations

import http.client
import inspect
import socket
from collections.abc import Callable
from typing import Any

import pytest
import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from dispatcher.provider import transport
from dispatcher.provider.call import Call, Stopped
from dispatcher.provider.guarded_connection import CallPool, GuardedConnection, GuardedTLSConnection, TLSCallPool
from tests.contract.wire import answering, wire
from tests.contract.wire import http as answer


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (HTTPConnection._new_conn, ["self"]),
        (HTTPConnection.connect, ["self"]),
        (HTTPConnectionPool._get_conn, ["self", "timeout"]),
        (HTTPConnectionPool._put_conn, ["self", "conn"]),
        (http.client.HTTPConnection.send, ["self", "data"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_what_is_overridden_has_the_parameters_that_the_override_has(
    function: Callable[..., Any], expected: list[str]
) -> None:
    assert parameters(function) == expected


@pytest.mark.parametrize("ours", [GuardedConnection, GuardedTLSConnection])
@pytest.mark.parametrize("name", ["_new_conn", "request", "send"])
def test_ours_come_before_urllib3_s(ours: type, name: str) -> None:
    assert getattr(ours, name) is getattr(GuardedConnection, name)
    assert callable(getattr(HTTPConnection, name))


@pytest.mark.parametrize("owner", [HTTPConnection, HTTPSConnection])
def test_each_kind_of_connection_opens_its_socket_there(owner: type[HTTPConnection]) -> None:
    assert "_new_conn" in inspect.unwrap(owner.connect).__code__.co_names


def test_a_pool_takes_and_returns_its_connections_there() -> None:
    assert {"_get_conn", "_put_conn"} <= set(inspect.unwrap(HTTPConnectionPool.urlopen).__code__.co_names)


def test_the_manager_makes_our_pools() -> None:
    assert PoolManager().pool_classes_by_scheme == {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
    adapter = transport.Adapter(fresh=True, context=None)
    made = {scheme: adapter.poolmanager.connection_from_url(f"{scheme}://127.0.0.1:1") for scheme in ("http", "https")}
    assert {scheme: type(pool) for scheme, pool in made.items()} == {"http": CallPool, "https": TLSCallPool}


def exchange(url: str, call: Call) -> requests.Response:
    request = requests.Request("POST", url, data=b"apikey=x").prepare()
    return transport.Adapter(fresh=True, context=None).exchange(request, call)


def test_a_guard_that_refuses_lets_no_byte_through() -> None:
    def refuse() -> None:
        raise ValueError("no")

    with wire(answering(answer(body=b"OK"))) as server, pytest.raises(Stopped):
        exchange(server.url, Call(5, refuse))
    assert server.received == b""


def test_a_request_that_went_past_the_guard_does_not_count_as_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A urllib3 that writes to the socket itself, and not by way of `send`."""

    def request(self: HTTPConnection, *_: Any, **__: Any) -> None:
        self.connect()
        sock = self.sock
        assert isinstance(sock, socket.socket)
        sock.sendall(b"POST / HTTP/1.1\r\n\r\n")

    monkeypatch.setattr(HTTPConnection, "request", request)
    asked: list[bool] = []
    call = Call(5, lambda: asked.append(True))
    with wire(answering(answer(body=b"OK"))) as server, pytest.raises(RuntimeError, match="guard"):
        exchange(server.url, call)
    assert (call.sent, asked) == (False, [])
