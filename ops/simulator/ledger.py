"""Everything that reached the provider, kept for counting: every POST, every line, and what became of it.

With a file it survives a restart: one JSON object per event, appended before the answer leaves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from ops.simulator import clock, sentences
from ops.simulator.bloque import Ignored


@dataclass(slots=True)
class Post:
    """One call that brings messages. Times are provider unix seconds; `answered` is None while (or when never)
    answered. `transport` is bulk, http, soap or smtp; `extras` what came beside a unit message."""

    number: int
    account: str
    received: float
    body_bytes: int
    test: bool = False
    offered: int = 0
    taken: int = 0
    in_window: bool = True
    fault: str | None = None
    answered: str | None = None
    transport: str = "bulk"
    extras: dict[str, str] = field(default_factory=dict)
    ignored: list[Ignored] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """Lines of one POST that are processed at one moment: two packed columns, about 75 bytes a line."""

    post: Post
    size: int  # lines
    packed_ids: bytes
    packed_rests: bytes  # destino TAB texto, UTF-8
    due: float
    plain: bool  # beyond reproach by content alone
    copies: int = 1  # result rows per line
    paid: int = 0  # lines debited when they were taken
    number: int = 0
    fecha: int | None = None  # None until processed
    verdicts: list[str | None] | None = None  # per line; None = OK. The whole list None = all OK

    @classmethod
    def of(cls, post: Post, ids: list[bytes], rests: list[bytes], *, due: float, plain: bool, copies: int = 1) -> Batch:
        """Pack the columns. A line of a bloque has no line end in it; a unit message may, and is alone."""
        return cls(post, len(ids), b"\n".join(ids), b"\n".join(rests), due, plain, copies)

    @property
    def ids(self) -> list[bytes]:
        return [self.packed_ids] if self.size == 1 else self.packed_ids.split(b"\n")

    @property
    def rests(self) -> list[bytes]:
        return [self.packed_rests] if self.size == 1 else self.packed_rests.split(b"\n")

    def verdict(self, line: int) -> str | None:
        """What the provider says of this line, without the number; None until processed."""
        if self.fecha is None:
            return None
        return (self.verdicts[line] if self.verdicts else None) or sentences.OK


class Ledger:
    """All POSTs and batches of one simulator, in order of arrival."""

    def __init__(self, path: Path | None = None) -> None:
        self.posts: list[Post] = []
        self.batches: list[Batch] = []
        self._path = path
        self._file: TextIO | None = None

    def open(self) -> Iterator[dict[str, Any]]:
        """Yield the events of an earlier run, then append to them. A torn last line is dropped."""
        if self._path is None:
            return
        good = 0
        if self._path.exists():
            with self._path.open("rb") as old:
                for line in old:
                    if not line.endswith(b"\n"):
                        break
                    event = json.loads(line)
                    good += len(line)
                    yield event
            with self._path.open("r+b") as old:
                old.truncate(good)
        self._file = self._path.open("a", encoding="utf-8")

    @property
    def kept(self) -> bool:
        """Whether events are written anywhere: only then are they worth making."""
        return self._file is not None

    def write(self, event: dict[str, Any]) -> None:
        """Append one event and hand it to the kernel: it survives a kill -9 of this process."""
        if self._file is not None:
            self._file.write(json.dumps(event, ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def clear(self) -> None:
        """Forget everything, the file too."""
        self.posts.clear()
        self.batches.clear()
        if self._file is not None:
            self._file.truncate(0)

    def post(self, account: str, received: float, body_bytes: int, transport: str = "bulk") -> Post:
        post = Post(len(self.posts) + 1, account, received, body_bytes, transport=transport)
        self.posts.append(post)
        return post

    def note(self, post: Post, answered: str) -> None:
        """Remember what a call was answered."""
        post.answered = answered
        self.write({"event": "answered", "post": post.number, "answered": answered, "fault": post.fault})

    def keep(self, batch: Batch) -> None:
        batch.number = len(self.batches)
        self.batches.append(batch)

    def lines(self) -> Iterator[dict[str, Any]]:
        """One object per line of every POST, taken or ignored."""
        for batch in list(self.batches):
            yield from lines_of(batch)
        for post in list(self.posts):
            for ignored in post.ignored:
                yield {**_of_post(post), "raw": _text(ignored.raw), "ignored": ignored.reason}

    def table(self) -> Iterator[bytes]:
        """What was taken, for millions of lines: post, in_window, fecha (0 = not processed), verdict, idinterno,
        destino and texto, parted by TABs; a piece per batch. Bulk lines alone: a unit message may hold a TAB.
        """
        for batch in list(self.batches):
            if batch.post.transport != "bulk":
                continue
            head = f"{batch.post.number}\t{int(batch.post.in_window)}\t{batch.fecha or 0}\t".encode()
            verdicts = (batch.verdict(at) or "" for at in range(batch.size))
            lines = zip(verdicts, batch.ids, batch.rests, strict=True)
            yield b"".join(b"%b%b\t%b\t%b\n" % (head, verdict.encode(), name, rest) for verdict, name, rest in lines)

    def last_idinterno(self, account: str, destino: str) -> str:
        """The idinterno of the latest line taken for a number; "" when there is none."""
        wanted = destino.encode() + b"\t"
        for batch in reversed(self.batches):
            if batch.post.account == account:
                for idinterno, rest in zip(reversed(batch.ids), reversed(batch.rests), strict=True):
                    if rest.startswith(wanted):
                        return _text(idinterno)
        return ""

    def sends(self, *, pairs: bool) -> Iterator[dict[str, Any]]:
        """How often each idinterno (case-blind), or each pair of destino and texto, was taken and really sent.

        TEST lines count as neither.
        """
        taken: Counter[bytes] = Counter()
        sent: Counter[bytes] = Counter()
        for batch in self.batches:
            if batch.post.test:
                continue
            keys = batch.rests if pairs else [idinterno.upper() for idinterno in batch.ids]
            taken.update(keys)
            sent.update(key for at, key in enumerate(keys) if batch.verdict(at) == sentences.OK)
        taken.pop(b"", None)  # a unit message may have no idinterno
        for key, times in taken.items():
            destino, _, texto = _text(key).partition("\t")
            named = {"destino": destino, "texto": texto} if pairs else {"idinterno": _text(key)}
            yield {**named, "taken": times, "sent": sent[key]}

    def sent(self) -> dict[str, Any]:
        """What was taken or sent more than once, by idinterno and by (destino, texto)."""
        ids: Counter[bytes] = Counter()
        ids_ok: Counter[bytes] = Counter()
        pairs_ok: Counter[bytes] = Counter()
        for batch in self.batches:
            upper = [idinterno.upper() for idinterno in batch.ids]
            ids.update(upper)
            if batch.fecha is None or batch.post.test:
                continue
            for at, rest in enumerate(batch.rests):
                if batch.verdict(at) == sentences.OK:
                    ids_ok[upper[at]] += 1
                    pairs_ok[rest] += 1
        lines, ok = ids.total(), ids_ok.total()
        for counter in (ids, ids_ok):
            counter.pop(b"", None)  # a unit message may have no idinterno
        return {
            "lines": lines,
            "idinternos": len(ids),
            "ok": ok,
            "taken_twice": _more_than_once(ids),
            "sent_twice": _more_than_once(ids_ok),
            "pairs_sent_twice": [[*pair.split("\t", 1), times] for pair, times in _more_than_once(pairs_ok).items()],
        }


def lines_of(batch: Batch) -> Iterator[dict[str, Any]]:
    """Each line with the moment it was taken (`received`) and processed (`processed`), provider unix seconds."""
    shared = _of_post(batch.post)
    fecha = None if batch.fecha is None else clock.stamp(batch.fecha)
    for at, (idinterno, rest) in enumerate(zip(batch.ids, batch.rests, strict=True)):
        destino, _, texto = _text(rest).partition("\t")
        yield {
            **shared,
            "idinterno": _text(idinterno),
            "destino": destino,
            "texto": texto,
            "verdict": batch.verdict(at),
            "fecha": fecha,
            "processed": batch.fecha,
            "ignored": None,
        }


def describe(post: Post) -> dict[str, Any]:
    return {
        **_of_post(post),
        **post.extras,
        "bytes": post.body_bytes,
        "offered": post.offered,
        "taken": post.taken,
        "ignored": len(post.ignored),
        "fault": post.fault,
        "answered": post.answered,
    }


def _of_post(post: Post) -> dict[str, Any]:
    return {
        "post": post.number,
        "account": post.account,
        "received_at": clock.iso(post.received),
        "received": post.received,
        "in_window": post.in_window,
        "test": post.test,
        "transport": post.transport,
    }


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _more_than_once(counter: Counter[bytes]) -> dict[str, int]:
    return {_text(key): times for key, times in counter.items() if times > 1}
