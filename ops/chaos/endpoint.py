"""Another service's endpoint for webhooks: it keeps what comes, and can be slow, or away."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from ops.chaos.tcp_postgres import free_port


class Call(NamedTuple):
    """One call that was taken."""

    event_id: str
    type: str
    data: dict[str, Any]


@dataclass
class Endpoint:
    """What came, in the order of the answers; `most` is how many calls there were at once."""

    port: int = field(default_factory=free_port)
    slow: float = 0.0
    taken: list[Call] = field(default_factory=list)
    begun: int = 0
    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where it is, whether it listens or not."""
        return f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take calls for the length of a block."""
        server = _Server(("127.0.0.1", self.port), _Taker)
        server.endpoint = self
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()

    def begin(self) -> None:
        """A call has come."""
        with self._lock:
            self.begun += 1
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self.slow)

    def end(self, call: Call) -> None:
        """It is taken."""
        with self._lock:
            self._now -= 1
            self.taken.append(call)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    endpoint: Endpoint


class _Taker(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.endpoint.begin()
        self.server.endpoint.end(Call(self.headers["webhook-id"], body["type"], body["data"]))
        try:
            self.send_response(204)
            self.end_headers()
        except OSError:
            pass  # whoever called is dead; it was taken all the same

    def log_message(self, *_: object) -> None:
        """Say nothing."""
