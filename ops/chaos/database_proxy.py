"""A way to the database that a test can cut: as if Postgres were away, for those who come through it alone."""

import contextlib
import select
import socket
import threading
from urllib.parse import parse_qs, urlsplit, urlunsplit


class DatabaseProxy:
    """Listens on a port of loopback and hands every byte on to a Postgres on a Unix socket."""

    def __init__(self, database_url: str) -> None:
        """Take a free port and listen; `url` is the way through."""
        parts = urlsplit(database_url)
        self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._port = 0
        self._connections: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.open()
        self.url = urlunsplit((parts.scheme, f"postgres@127.0.0.1:{self._port}", parts.path, "", ""))

    def open(self) -> None:
        """Let everybody through, from now on."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Break every connection, and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._socket)
            self._connections += [client, server]
            while True:
                for readable in select.select([client, server], [], [])[0]:
                    data = readable.recv(65536)
                    if not data:
                        return
                    (server if readable is client else client).sendall(data)
