"""The listeners over real HTTP: uvicorn in a thread, a plain client on the other side."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
import uvicorn
from fastapi import FastAPI

from dispatcher.access import keys
from dispatcher.access.scopes import Scope
from dispatcher.runtime import Runtime
from dispatcher.web import push_app, web_app
from dispatcher.web.listener import LISTENER
from tests.conftest import wait_until


@contextmanager
def serving(runtime: Runtime, create_app: Callable[[Runtime], FastAPI] = push_app.create_app) -> Iterator[str]:
    """A listener on a port of its own; by default the one for PUSH."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(runtime), host="127.0.0.1", port=0, log_level="error", **LISTENER)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, 10)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


class Api:
    """A caller of the API with a key of its own."""

    def __init__(self, base: str, key: str | None) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False
        if key is not None:
            self.session.headers["Authorization"] = f"Bearer {key}"

    def call(self, method: str, path: str, **given: Any) -> requests.Response:
        """An answer, whatever its status."""
        return self.session.request(method, f"{self.base}/api/v1{path}", **{"timeout": 30, **given})

    def get(self, path: str, **given: Any) -> requests.Response:
        return self.call("GET", path, **given)

    def post(self, path: str, body: Any = None, *, once: str | None = None, **given: Any) -> requests.Response:
        """A POST of JSON; `once` is its Idempotency-Key."""
        headers = {**given.pop("headers", {}), **({"Idempotency-Key": once} if once is not None else {})}
        return self.call("POST", path, json=body, headers=headers, **given)


def make_key(runtime: Runtime, scopes: Iterable[Scope] = tuple(Scope), **more: Any) -> str:
    """A key, as its holder sends it."""
    return keys.create(runtime.engine, "test", scopes, **more)[1]


@contextmanager
def serving_api(runtime: Runtime, scopes: Iterable[Scope] = tuple(Scope)) -> Iterator[Api]:
    """The web listener, and a caller with a key of these scopes."""
    key = make_key(runtime, scopes)
    with serving(runtime, web_app.create_app) as base:
        yield Api(base, key)
