"""The design that is not ours, to compare with: one asyncio script, without queue, database or safety.

`python -m ops.bench.plain_script URL KEY LIST CODES` reads the list, posts blocks of a thousand lines over two
connections that it keeps, asks for results twice a second, and writes a code a message to a file at its end. When an
answer is lost it stops, and nobody knows whether its block went; when it dies, it has forgotten what it posted. It
looks at no opt-out, window or repeat.
"""

import asyncio
import calendar
import csv
import itertools
import os
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

LINES = 1000
CONNECTIONS = 2
PAUSE = 0.5
ARGENTINA = 3 * 3600
"""Seconds behind UTC."""
OVERLAP = 2
"""Seconds of processing that are asked for again: a result may be written a moment after its fecha."""

ACCENTS = str.maketrans("áéíóúÁÉÍÓÚ", "aeiouAEIOU")
ESCAPES = (
    *((b"%", b"%25"), (b"+", b"%2B"), (b"&", b"%26"), (b"=", b"%3D"), (b"$", b"%24"), (b",", b"%2C")),
    *((b"\t", b"%09"), (b"\r", b"%0D"), (b"\n", b"%0A"), (b" ", b"+")),
)


class Connection:
    """A connection that is kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80

    async def open(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=1 << 24)
        return self

    async def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        await self.writer.drain()
        headers = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = headers.partition(b"content-length:")
        if length:
            return await self.reader.readexactly(int(length.split(b"\r\n", 1)[0]))
        parts = []
        while size := int(await self.reader.readline(), 16):
            parts.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return b"".join(parts)


def blocks(path: str) -> Iterator[bytes]:
    """The list in blocks, escaped."""
    with open(path, encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream, delimiter=";")
        next(rows)
        while chunk := list(itertools.islice(rows, LINES)):
            lines = [
                f"{own_id}\t{number.replace(' ', '')[-10:]}\tHola {name}, su saldo es ${saldo}. Empresa SA"
                for own_id, number, name, saldo in chunk
            ]
            raw = "\r\n".join(lines).translate(ACCENTS).encode("latin-1")
            for byte, escape in ESCAPES:
                raw = raw.replace(byte, escape)
            yield raw


async def send(connection: Connection, key: str, todo: Iterator[bytes]) -> None:
    """Post blocks until none is left."""
    for block in todo:
        body = b"apikey=%s&separadorcampos=tab&bloque=%s" % (key.encode(), block)
        answer = await connection.post("/enviar_sms_bloque.asp", body)
        if answer.strip() != b"OK":
            raise SystemExit(f"the provider said {answer[:200]!r}")


async def collect(connection: Connection, key: str, codes: dict[bytes, bytes], sent: asyncio.Event, total: int) -> None:
    """Ask for results until every message has one."""
    since = time.time() - 60
    while not (sent.is_set() and len(codes) == total):
        await asyncio.sleep(PAUSE)
        fecha = time.strftime("%Y%m%d%H%M%S", time.gmtime(since - ARGENTINA))
        answer = await connection.post("/obtener_respuestaapi_bloque.asp", f"apikey={key}&fecha={fecha}".encode())
        if answer.strip() == b"PENDIENTE":
            continue
        for line in answer.splitlines():
            own_id, processed, words = line.split(b"\t")
            codes[own_id] = words
        last = calendar.timegm(time.strptime(processed.decode(), "%Y%m%d%H%M%S")) + ARGENTINA
        since = max(since, last - OVERLAP)


async def main(url: str, key: str, path: str, out: str) -> None:
    """Send the list and write down what became of it."""
    with open(path, encoding="utf-8") as stream:
        total = sum(1 for _ in stream) - 1
    codes: dict[bytes, bytes] = {}
    sent = asyncio.Event()
    todo = blocks(path)
    collecting = asyncio.create_task(collect(await Connection(url).open(), key, codes, sent, total))
    await asyncio.gather(*[send(await Connection(url).open(), key, todo) for _ in range(CONNECTIONS)])
    sent.set()
    await collecting
    with open(out + ".part", "wb") as stream:
        stream.writelines(b"%s,%s\n" % pair for pair in codes.items())
    os.replace(out + ".part", out)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
