"""One account of the provider: lines wait for their result, are judged in turn, show up in its status book.

Nothing here runs on a timer: whoever asks first calls `process`, and a result's `fecha` is the moment it was
due, not the moment somebody looked. So time may be fast-forwarded and the outcome stays the same.
"""

from __future__ import annotations

import heapq
import random
from functools import partial
from typing import Any

from ops.simulator import bloque, clock, dealing, history, sentences, verdicts
from ops.simulator.ledger import Batch, Ledger, Post
from ops.simulator.plan import Plan
from ops.simulator.rows import rows_of
from ops.simulator.rules import Rules
from ops.simulator.status import StatusBook

_KEY_BITS = (1 << 60) - 1


class Account:
    """State of one account; times are provider unix seconds."""

    def __init__(self, name: str, rules: Rules, ledger: Ledger) -> None:
        self.name, self.rules, self._ledger = name, rules, ledger
        self.book = StatusBook(lambda: self.rules.options.results)
        self.plan = Plan(lambda: self.rules.options)
        self.used = 0  # SMS really sent for who posts here: strangers' are the plan's alone
        self._sent: dict[int, int] = {}  # hash of destino TAB texto -> fecha of its last OK
        self._waiting: list[tuple[float, int, Batch]] = []

    # -- taking ----------------------------------------------------------------------------------------------

    def take(
        self,
        post: Post,
        lines: list[bytes],
        separator: bytes,
        *,
        late: float = 0.0,
        backlog: float = 0.0,
        copies: int = 1,
        lose: float = 0.0,
    ) -> None:
        """Take the lines of a POST: results come `late` seconds later than usual, spread over `backlog` seconds
        more, `copies` times each, and a share `lose` of the lines is dropped silently."""
        parsed = bloque.parse(lines, separator)
        if lose:
            parsed = dealing.lose(parsed, lose, self.rules.options.seed + post.number)
        post.taken, post.ignored = len(parsed.ids), parsed.ignored
        post.in_window = self.rules.window.contains(post.received)
        batches = self._deal(post, parsed, late, backlog, copies)
        self._pay(batches, post)
        for batch in batches:
            self._wait(batch)
        if self._ledger.kept:
            self._ledger.write(history.taken(post, batches))

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
        if verdict is None:
            self._pay([batch], post)
        else:
            batch.due = now
        post.taken = 1
        self._wait(batch)
        self._ledger.write(history.taken(post, [batch]))
        self.process(now)
        return verdict

    def _deal(self, post: Post, parsed: bloque.Lines, late: float, backlog: float, copies: int) -> list[Batch]:
        start = post.received + late
        if self.rules.options.outside_window == "hold":
            start = self.rules.window.next_opening(start)
        plain = verdicts.all_plain(parsed.rests, self.rules.options.country)
        return [
            Batch.of(post, share.ids, share.rests, due=share.due, plain=plain, copies=copies)
            for share in dealing.deal(parsed, start, self.rules, post=post.number, backlog=backlog)
        ]

    def _pay(self, batches: list[Batch], post: Post) -> None:
        """Debit the lines at their POST, as far as the credit goes, where the account is of that kind."""
        if self.rules.options.debit != "on_taking" or post.test or self.rules.expired(post.received):
            return
        self.process(post.received)
        for batch in batches:
            batch.paid = self.plan.reserve(batch.size, post.received)

    def _wait(self, batch: Batch) -> None:
        self._ledger.keep(batch)
        heapq.heappush(self._waiting, (batch.due, batch.number, batch))

    @property
    def waiting(self) -> int:
        """Lines taken that have no result yet."""
        return sum(batch.size for _, _, batch in self._waiting)

    def release_lines(self, now: float) -> int:
        """Give their results to the lines that a stuck carrier keeps; how many."""
        stuck = [batch for due, _, batch in self._waiting if due == dealing.NEVER]
        for batch in stuck:
            batch.due = now
        self._waiting = [(batch.due, batch.number, batch) for _, _, batch in self._waiting]
        heapq.heapify(self._waiting)
        self.process(now)
        return sum(batch.size for batch in stuck)

    # -- judging ---------------------------------------------------------------------------------------------

    def process(self, now: float, *, batches: int | None = None) -> bool:
        """Give results to what is due, at most so many batches; True when more is due."""
        while self._waiting and self._waiting[0][0] <= now:
            if batches is not None and batches <= 0:
                return True
            batch = heapq.heappop(self._waiting)[2]
            self._count_strangers(batch.due)
            self._settle(batch)
            batches = None if batches is None else batches - 1
        self._count_strangers(now)
        return False

    def _count_strangers(self, until: float) -> None:
        for at, count in self.plan.count_strangers(until):
            self._ledger.write({"event": "strangers", "account": self.name, "count": count, "at": at})

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
        affordable = self.plan.affordable(batch.paid)
        return (
            batch.plain
            and self.rules.content_only
            and not batch.post.test
            and not self._refuses_batch(batch, fecha)
            and (affordable is None or batch.size <= affordable)
            and (not self.rules.dup_seconds or (self._sent.keys().isdisjoint(keys) and len(set(keys)) == batch.size))
        )

    def _refuses_batch(self, batch: Batch, fecha: int) -> str | None:
        if not batch.post.in_window and self.rules.options.outside_window == "refuse":
            return sentences.outside_window(self.rules.window.text)
        return self.rules.expired(fecha)

    def _judge(self, batch: Batch, rests: list[bytes], keys: list[int], fecha: int) -> list[str | None]:
        refusal = self._refuses_batch(batch, fecha)
        affordable = self.plan.affordable(batch.paid)
        good: set[int] = set()
        judged: list[str | None] = []
        spent = 0
        for rest, key in zip(rests, keys, strict=True):
            verdict = (
                self.rules.refuses_content(rest, plain=batch.plain)
                or refusal
                or self._refuses_now(
                    rest, key, fecha, repeated=key in good, paid=affordable is None or spent < affordable
                )
                or (sentences.TEST if batch.post.test else None)
            )
            judged.append(verdict)
            if verdict is None:
                spent += 1
                good.add(key)
        return judged

    def _refuses_now(self, rest: bytes, key: int, fecha: int, *, repeated: bool, paid: bool) -> str | None:
        """What the account's state says of a line: `repeated` in its batch, `paid` by the credit that is left."""
        rules = self.rules
        if rules.dup_seconds:
            last = self._sent.get(key)
            if repeated or (last is not None and fecha - last < rules.dup_seconds):
                return sentences.identical(rules.options.dup_hours)
        if not paid:
            return self.plan.exhausted()
        return rules.mix.draw(rest) if rules.mix else None

    def _record(self, batch: Batch, keys: list[int], fecha: int, judged: list[str | None] | None) -> None:
        batch.fecha, batch.verdicts = fecha, judged
        good = keys
        if judged is not None:
            good = [key for key, verdict in zip(keys, judged, strict=True) if verdict is None]
        self._sent.update(dict.fromkeys(good, fecha))
        self.used += len(good)
        self.plan.settle(paid=batch.paid, sent=len(good), taken=batch.post.received, fecha=fecha)
        if batch.post.transport != "bulk" and not (self.rules.options.unit_status and batch.packed_ids):
            return
        self.book.add(fecha, partial(rows_of, batch), batch.size * batch.copies)

    # -- questions -------------------------------------------------------------------------------------------

    def closed(self, now: float) -> str | None:
        """The sentence for a whole call when the account has no credit or no contract left."""
        return self.plan.exhausted() if self.plan.left() == 0 else self.rules.expired(now)

    def figures(self, now: float) -> dict[str, int | None]:
        """The account's numbers as its pages say them, and who made them."""
        return {
            "saldo": self.plan.left(),
            "envios": self.plan.sent_this_month(now),
            "contracted": self.plan.contracted,
            "sent": self.used,
            "strangers": self.plan.by_strangers,
        }

    def change_plan(self, now: float, *, top_up: int, new_month: bool) -> None:
        """Buy SMS, begin a new month; ValueError when there is nothing to top up."""
        if top_up and self.plan.contracted is None:
            raise ValueError("an open plan has nothing to top up: set the option credit first")
        self.process(now)
        self._change_plan(now, top_up, new_month=new_month)
        event = {"event": "plan", "account": self.name, "top_up": top_up, "new_month": new_month, "at": now}
        self._ledger.write(event)

    def _change_plan(self, now: float, top_up: int, *, new_month: bool) -> None:
        if top_up:
            self.plan.top_up(top_up)
        if new_month:
            self.plan.begin_month(now)

    # -- what did not come by POST ---------------------------------------------------------------------------

    def inject(self, rows: list[tuple[str, int, str]], *, remember: bool = True) -> None:
        """Add result rows (idinterno, fecha, text) as another system, or a confused provider, would."""
        for idinterno, fecha, text in rows:
            row = f"{idinterno}\t{clock.stamp(fecha)}\t{text}\r\n".encode("latin-1", "replace")
            self.book.add(fecha, partial(bytes, row), 1)
        if remember:
            self._ledger.write({"event": "inject", "account": self.name, "rows": rows})

    # -- an earlier run ----------------------------------------------------------------------------------------

    def replay(self, event: dict[str, Any]) -> None:
        """Live through an event that no POST brought."""
        kind, at = event["event"], event.get("at", 0.0)
        if kind == "inject":
            self.inject([(row[0], row[1], row[2]) for row in event["rows"]], remember=False)
        elif kind == "strangers":
            self.plan.strangers_sent(event["count"], at)
        elif kind == "plan":
            self._change_plan(at, event["top_up"], new_month=event["new_month"])
        else:
            raise ValueError(f"the ledger's file has an event of the kind {kind!r}")

    def replay_taken(self, post: Post, event: dict[str, Any]) -> None:
        for batch in history.batches(post, event):
            post.taken += batch.size
            self.plan.debit(batch.paid, post.received)
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
