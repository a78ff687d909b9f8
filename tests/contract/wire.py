"""A scripted TCP server: one side of a conversation, byte by byte, with everything it received kept."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Script = Callable[["Peer"], None]


@dataclass
class Peer:
    """The accepted connection as a script sees it."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    stop: threading.Event = field(default_factory=threading.Event)

    def read_request(self) -> bytes:
        """Read one whole request: headers, and as much body as Content-Length says."""
        start = len(self.received)
        while b"\r\n\r\n" not in self.received[start:]:
            self._receive()
        head, _, _ = bytes(self.received[start:]).partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(self.received) - start < len(head) + 4 + length:
            self._receive()
        return bytes(self.received[start:])

    def send(self, data: bytes) -> None:
        """Send all of it; a peer that has gone away is no failure of the script."""
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def drip(self, data: bytes, pause: float) -> None:
        """Send one byte every `pause` seconds until the client goes away or the test is over."""
        for byte in data:
            try:
                self.sock.sendall(bytes([byte]))
            except OSError:
                return
            if self.stop.wait(pause):
                return

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def hold(self) -> None:
        """Say nothing until the test is over."""
        self.stop.wait(60)

    def _receive(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the client closed before its request was whole")
        self.received += data


class Wire:
    """Listens on a free port of loopback and plays `script` on every connection."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        """Start at once."""
        self._script = script
        self._context = context
        self._stop = threading.Event()
        self.peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    @property
    def received(self) -> bytes:
        """Everything that came in, over all connections."""
        return b"".join(bytes(peer.received) for peer in self.peers)

    def close(self) -> None:
        """Stop listening and end every script."""
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5)
        for peer in self.peers:
            # This wakes a script that waits for a client which keeps its connection.
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for peer in self.peers:
            peer.sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._play, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, sock: socket.socket) -> None:
        peer = Peer(sock, stop=self._stop)
        self.peers.append(peer)
        with contextlib.suppress(OSError):
            if self._context is not None:
                peer.sock = self._context.wrap_socket(sock, server_side=True)
            self._script(peer)
        with contextlib.suppress(OSError):
            # A close with unread bytes would be a reset; scripts that want one say so.
            peer.sock.shutdown(socket.SHUT_WR)
            peer.sock.settimeout(5)
            while not self._stop.is_set() and (data := peer.sock.recv(65536)):
                peer.received += data
        peer.sock.close()


@contextlib.contextmanager
def wire(script: Script, context: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """A `Wire` for the length of a block."""
    server = Wire(script, context)
    try:
        yield server
    finally:
        server.close()


def answering(raw: bytes) -> Script:
    """Read the request, then send `raw` as it is."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(raw)

    return script


def http(status: str = "200 OK", body: bytes = b"", *headers: bytes, length: int | None = None) -> bytes:
    """An answer as classic ASP gives it: labelled text/html whatever it is."""
    size = len(body) if length is None else length
    lines = [
        b"HTTP/1.1 " + status.encode(),
        b"Content-Type: text/html",
        b"Content-Length: %d" % size,
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*pieces: bytes, whole: bool = True) -> bytes:
    """A chunked answer; without `whole` it stops before the last chunk."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head + body + (b"0\r\n\r\n" if whole else b"")


@contextlib.contextmanager
def blackhole() -> Iterator[int]:
    """A loopback port whose handshakes are never answered: its backlog is full and nobody accepts."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port: int = listener.getsockname()[1]
    fillers = []
    try:
        full_by = time.monotonic() + 5
        while time.monotonic() < full_by:
            filler = socket.socket()
            fillers.append(filler)
            filler.settimeout(0.2)
            try:
                filler.connect(("127.0.0.1", port))
            except TimeoutError:
                break
        yield port
    finally:
        for filler in fillers:
            filler.close()
        listener.close()


def refused_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
