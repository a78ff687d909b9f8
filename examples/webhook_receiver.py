"""Take the events of a webhook, and believe only what is signed. Nothing but Python's own library.

    WEBHOOK_SECRET=whsec_… python webhook_receiver.py [PORT]

`dispatcher webhook create URL --event message.results` prints the secret once. Put TLS in front of this before the URL
is used: only https is called, unless DISPATCHER_WEBHOOK_ALLOW names this machine's network.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds: older calls may be somebody's replay
LARGEST = 65_536  # bytes of a body; ours have 20,000 at most

seen: set[str] = set()  # ids of events that were taken; keep them in your database


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the dispatcher signed this, just now."""
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    # While a secret is rotated there are two signatures; one that fits is enough.
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(each, expected.encode()) for each in given)


def take(event: dict[str, object]) -> None:
    """Your own work: put it into a queue of yours, and answer at once."""
    print(event["type"], json.dumps(event["data"], ensure_ascii=False), flush=True)


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 for what was taken, 401 for what is not genuine."""

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > LARGEST:
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_genuine(os.environ["WEBHOOK_SECRET"], headers, body):
            self._answer(401)
            return
        # The same event may come twice, after an answer that got lost: it has the same id.
        if headers["webhook-id"] not in seen:
            take(json.loads(body))
            seen.add(headers["webhook-id"])
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each call."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9001
    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()
