"""One account of the provider: lines wait for their result, are judged in turn, show up in its status book.

Nothing here runs on a timer: whoever asks first calls `process`, and a result's `fecha` is the moment it was
due, not the moment somebody looked. So time may be fast-forwarded and the outcome stays the same.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from functools import partial
from typing import Any

from ops.simulator import bloque, clock, sentences, verdicts
from ops.simulator.ledger import Batch, Ledger, Post
from ops.simulator.rules import Rules
from ops.simulator.status import StatusBook

# A delay range spreads one POST's lines over so many moments.
GROUPS = 16
_KEY_BITS = (1 << 60) - 1


class Account:
    """State of one account; times are provider unix seconds."""

    def __init__(self, name: str, rules: Rules, ledger: Ledger) -> None:
        self.name, self.rules, self._ledger = name, rules, ledger
        self.book = StatusBook(lambda: self.rules.options.results)
        self.used = 0  # SMS really sent, which is what credit pays for
        self._sent: dict[int, int] = {}  # hash of destino TAB texto -> fecha of its last OK
        self._by_month: Counter[int] = Counter()
        self._waiting: list[tuple[float, int, Batch]] = []

    # -- taking ----------------------------------------------------------------------------------------------

    def take(
        self,
        post: Post,
        lines: list[bytes],
        separator: bytes,
        *,
        late: float = 0.0,
        copies: int = 1,
        lose: float = 0.0,
    ) -> None:
        """Take the lines of a POST: results come `late` seconds later than usual, `copies` times each, and a
        share `lose` of the lines is dropped without a word."""
        parsed = bloque.parse(lines, separator)
        if lose:
            _lose(parsed, lose, self.rules.options.seed + post.number)
        post.taken, post.ignored = len(parsed.ids), parsed.ignored
        post.in_window = self.rules.window.contains(post.received)
        batches = self._deal(post, parsed, late, copies)
        for batch in batches:
            self._wait(batch)
        if self._ledger.kept:
            self._ledger.write(_taken_event(post, batches))

    def take_one(self, post: Post, idinterno: bytes, rest: bytes, due: float) -> str | None:
        """Take a unit message that goes out at `due`; the sentence that refuses it now, or None.

        One that goes out later is judged once more when its time has come.
        """
        options, now = self.rules.options, post.received
        self.process(now)
        post.in_window = self.rules.window.contains(due)
        if options.outside_window == "hold":
            due = self.rules.window.next_opening(due)
        plain = verdicts.all_plain([rest], options.country)
        batch = Batch.of(post, [idinterno], [rest], due=max(due, now), plain=plain)
        verdict = self._judge(batch, [rest], _keys([rest]), int(now))[0]
        if verdict is not None:
            batch.due = now
        post.taken = 1
        self._wait(batch)
        self._ledger.write(_taken_event(post, [batch]))
        self.process(now)
        return verdict

    def _deal(self, post: Post, parsed: bloque.Lines, late: float, copies: int) -> list[Batch]:
        if not parsed.ids:
            return []
        options = self.rules.options
        start = post.received + late
        if options.outside_window == "hold":
            start = self.rules.window.next_opening(start)
        spread = max(options.delay_max - options.delay_min, 0.0)
        groups = min(GROUPS, len(parsed.ids)) if spread else 1
        dice = random.Random(options.seed * 1_000_003 + post.number)
        plain = verdicts.all_plain(parsed.rests, options.country)
        return [
            Batch.of(
                post,
                parsed.ids[group::groups],
                parsed.rests[group::groups],
                due=start + options.delay_min + spread * dice.random(),
                plain=plain,
                copies=copies,
            )
            for group in range(groups)
        ]

    def _wait(self, batch: Batch) -> None:
        self._ledger.keep(batch)
        heapq.heappush(self._waiting, (batch.due, batch.number, batch))

    @property
    def waiting(self) -> int:
        """Lines taken that have no result yet."""
        return sum(batch.size for _, _, batch in self._waiting)

    # -- judging ---------------------------------------------------------------------------------------------

    def process(self, now: float, *, batches: int | None = None) -> bool:
        """Give results to what is due, at most so many batches; True when more is due."""
        while self._waiting and self._waiting[0][0] <= now:
            if batches is not None and batches <= 0:
                return True
            self._settle(heapq.heappop(self._waiting)[2])
            batches = None if batches is None else batches - 1
        return False

    def _settle(self, batch: Batch) -> None:
        fecha = self._fecha_of(batch)
        rests = batch.rests
        keys = _keys(rests)
        judged = None if self._all_good(batch, keys, fecha) else self._judge(batch, rests, keys, fecha)
        self._record(batch, keys, fecha, judged)
        self._ledger.write({"event": "done", "batch": batch.number, "fecha": fecha, "verdicts": judged})

    def _fecha_of(self, batch: Batch) -> int:
        lag = self.rules.options.fecha_lag
        if not lag:
            return int(batch.due)
        dice = random.Random(self.rules.options.seed * 1_000_003 + batch.number)
        return int(max(batch.due - lag * dice.random(), min(batch.post.received, batch.due)))

    def _all_good(self, batch: Batch, keys: list[int], fecha: int) -> bool:
        """Whether the whole batch is OK, decided without looking at single lines."""
        credit = self.rules.options.credit
        return (
            batch.plain
            and self.rules.content_only
            and not batch.post.test
            and not self._refuses_batch(batch, fecha)
            and (credit is None or self.used + batch.size <= credit)
            and (not self.rules.dup_seconds or (self._sent.keys().isdisjoint(keys) and len(set(keys)) == batch.size))
        )

    def _refuses_batch(self, batch: Batch, fecha: int) -> str | None:
        if not batch.post.in_window and self.rules.options.outside_window == "refuse":
            return sentences.outside_window(self.rules.window.text)
        return self.rules.expired(fecha)

    def _judge(self, batch: Batch, rests: list[bytes], keys: list[int], fecha: int) -> list[str | None]:
        refusal = self._refuses_batch(batch, fecha)
        spent = 0
        good: set[int] = set()
        judged: list[str | None] = []
        for rest, key in zip(rests, keys, strict=True):
            verdict = (
                self.rules.refuses_content(rest, plain=batch.plain)
                or refusal
                or self._refuses_now(rest, key, fecha, repeated=key in good, spent=spent)
                or (sentences.TEST if batch.post.test else None)
            )
            judged.append(verdict)
            if verdict is None:
                spent += 1
                good.add(key)
        return judged

    def _refuses_now(self, rest: bytes, key: int, fecha: int, *, repeated: bool, spent: int) -> str | None:
        """What the account's state says, given what the batch before this line has already spent."""
        rules = self.rules
        if rules.dup_seconds:
            last = self._sent.get(key)
            if repeated or (last is not None and fecha - last < rules.dup_seconds):
                return sentences.identical(rules.options.dup_hours)
        if rules.options.credit is not None and self.used + spent >= rules.options.credit:
            return sentences.exhausted(rules.options.credit)
        return rules.mix.draw(rest) if rules.mix else None

    def _record(self, batch: Batch, keys: list[int], fecha: int, judged: list[str | None] | None) -> None:
        batch.fecha, batch.verdicts = fecha, judged
        good = keys
        if judged is not None:
            good = [key for key, verdict in zip(keys, judged, strict=True) if verdict is None]
        self._sent.update(dict.fromkeys(good, fecha))
        self.used += len(good)
        self._by_month[clock.first_of_month(fecha)] += len(good)
        if batch.post.transport != "bulk" and not (self.rules.options.unit_status and batch.packed_ids):
            return
        self.book.add(fecha, partial(rows_of, batch), batch.size * batch.copies)

    # -- questions -------------------------------------------------------------------------------------------

    def credit_left(self) -> int | None:
        """SMS left of the package; None on an open plan."""
        credit = self.rules.options.credit
        return None if credit is None else max(credit - self.used, 0)

    def closed(self, now: float) -> str | None:
        """The sentence for a whole call when the account has no credit or no contract left."""
        credit = self.rules.options.credit
        if credit is not None and self.used >= credit:
            return sentences.exhausted(credit)
        return self.rules.expired(now)

    def sent_this_month(self, now: float) -> int:
        return self._by_month[clock.first_of_month(now)]

    # -- what did not come by POST ---------------------------------------------------------------------------

    def inject(self, rows: list[tuple[str, int, str]], *, remember: bool = True) -> None:
        """Add result rows (idinterno, fecha, text) as another system, or a confused provider, would."""
        for idinterno, fecha, text in rows:
            row = f"{idinterno}\t{clock.stamp(fecha)}\t{text}\r\n".encode("latin-1", "replace")
            self.book.add(fecha, partial(bytes, row), 1)
        if remember:
            self._ledger.write({"event": "inject", "account": self.name, "rows": rows})

    # -- a former life ---------------------------------------------------------------------------------------

    def replay_taken(self, post: Post, event: dict[str, Any]) -> None:
        for kept in event["batches"]:
            batch = Batch.of(
                post,
                _unpack(kept["ids"]),
                _unpack(kept["rests"]),
                due=kept["due"],
                plain=kept["plain"],
                copies=kept["copies"],
            )
            post.taken += batch.size
            self._wait(batch)

    def replay_done(self, batch: Batch, event: dict[str, Any]) -> None:
        """Give a batch the results that it had."""
        self._record(batch, _keys(batch.rests), event["fecha"], event["verdicts"])

    def replay_ends(self) -> None:
        self._waiting = [entry for entry in self._waiting if entry[2].fecha is None]
        heapq.heapify(self._waiting)


def _keys(rests: list[bytes]) -> list[int]:
    """60 bits of a hash of each line: what Python keeps in 32 bytes."""
    return [hash(rest) & _KEY_BITS for rest in rests]


def rows_of(batch: Batch) -> bytes:
    """The batch's status rows, `idinterno TAB fecha TAB answer CRLF`, as ISO-8859-1, each `copies` times."""
    if batch.fecha is None:
        raise ValueError("the batch has not been processed")
    fecha = b"\t" + clock.stamp(batch.fecha).encode() + b"\t"
    good = fecha + b"OK\r\n"
    if batch.verdicts is None:
        rows = batch.packed_ids.replace(b"\n", good) + good
    else:
        rows = b"".join(
            idinterno + (good if verdict is None else fecha + _refusal(rest, verdict))
            for idinterno, rest, verdict in zip(batch.ids, batch.rests, batch.verdicts, strict=True)
        )
    return rows * batch.copies


def _refusal(rest: bytes, sentence: str) -> bytes:
    destino = rest.partition(b"\t")[0].decode("utf-8")
    return f"{destino}: {sentence}\r\n".encode("latin-1", "replace")


def _lose(parsed: bloque.Lines, share: float, seed: int) -> None:
    dice = random.Random(seed)
    kept = bloque.Lines(ignored=list(parsed.ignored))
    for idinterno, rest in zip(parsed.ids, parsed.rests, strict=True):
        if dice.random() < share:
            kept.ignored.append(bloque.Ignored(idinterno + b"\t" + rest, "fault"))
        else:
            kept.ids.append(idinterno)
            kept.rests.append(rest)
    parsed.ids, parsed.rests, parsed.ignored = kept.ids, kept.rests, kept.ignored


def _taken_event(post: Post, batches: list[Batch]) -> dict[str, Any]:
    bulk = post.transport == "bulk"
    return {
        "event": "taken",
        "post": post.number,
        "offered": post.offered,
        "in_window": post.in_window,
        "test": post.test,
        "extras": post.extras,
        "ignored": [[_text(line.raw), line.reason] for line in post.ignored],
        "batches": [
            {
                "ids": _text(batch.packed_ids),
                # A line of a bloque has no line end in it, a unit message may.
                "rests": _text(batch.packed_rests) if bulk else [_text(rest) for rest in batch.rests],
                "due": batch.due,
                "plain": batch.plain,
                "copies": batch.copies,
            }
            for batch in batches
        ],
    }


def _text(raw: bytes) -> str:
    return raw.decode("utf-8")


def _unpack(column: str | list[str]) -> list[bytes]:
    if isinstance(column, list):
        return [value.encode("utf-8") for value in column]
    return column.encode("utf-8").split(b"\n")
