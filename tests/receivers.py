"""A receiver of webhooks: a real HTTP or HTTPS server in a thread, which keeps what came and verifies its signature."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook as Verifier

Answering = Callable[[BaseHTTPRequestHandler, "Received"], None]


@dataclass(frozen=True)
class Received:
    """One call."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["data"]
        return found

    def verify(self, secret: str) -> None:
        """Raise unless the package of Standard Webhooks takes it for genuine."""
        Verifier(secret).verify(self.raw, self.headers)


def status(code: int, text: bytes = b"", **headers: str) -> Answering:
    """Answer always the same."""

    def answer(handler: BaseHTTPRequestHandler, _: Received) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(text)

    return answer


class Receiver:
    """What came, and what is answered to it."""

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.calls: list[Received] = []
        self.answer: Answering = status(200, b"thank you")
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                call = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
                receiver.calls.append(call)
                receiver.answer(self, call)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "https" if context is not None else "http"
        self.port: int = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    @property
    def types(self) -> list[str]:
        return [call.type for call in self.calls]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def receiver(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver for the length of a block."""
    made = Receiver(port, context)
    try:
        yield made
    finally:
        made.close()
