"""The simulated provider without its wire: options, clock, accounts, ledger and faults in one place."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops.simulator import clock
from ops.simulator.account import Account
from ops.simulator.bloque import Ignored
from ops.simulator.faults import Faults
from ops.simulator.ledger import Ledger, Post
from ops.simulator.options import Options
from ops.simulator.replies import FIRST_NUMBER, Inbox, Reply
from ops.simulator.rules import Rules


class Provider:
    """What survives a connection. Not thread-safe: one event loop owns it."""

    def __init__(
        self, options: Options, *, ledger: Path | None = None, offset: float = 0.0, speed: float = 1.0
    ) -> None:
        self.options = options
        self.clock = clock.ProviderClock(offset=offset, speed=speed)
        self.ledger = Ledger(ledger)
        self.faults = Faults()
        self.accounts: dict[str, Account] = {}
        self.inboxes: dict[str, Inbox] = {}
        self.pushes: deque[dict[str, Any]] = deque(maxlen=10_000)
        self._replies = 0
        self._opted_out: set[str] = set()
        self.life = 0  # grows with every reset, so that a call in flight knows it belongs to the past
        self.calls: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self.recent: deque[dict[str, Any]] = deque(maxlen=200_000)
        self.rules = Rules(options)
        self._apply_rules()
        self._replay()

    def account(self, name: str) -> Account:
        if name not in self.accounts:
            self.accounts[name] = Account(name, self.rules, self.ledger)
        return self.accounts[name]

    def open_post(self, account: str, body_bytes: int, transport: str) -> Post:
        """A ledger entry for a call that brings messages, before it is known what becomes of them."""
        now = self.clock.now()
        event = {"event": "post", "account": account, "received": now, "bytes": body_bytes, "transport": transport}
        self.ledger.write(event)
        return self.ledger.post(account, now, body_bytes, transport)

    def inbox(self, account: str) -> Inbox:
        return self.inboxes.setdefault(account, Inbox())

    def reply(self, origen: str, texto: str, *, idinterno: str | None, received: float, account: str = "main") -> Reply:
        """Take what a person answered. Without an idinterno it gets that of the last message to the number.

        The word BAJA alone closes the number from now on (-3).
        """
        self.process()  # what is due was judged before
        if idinterno is None:
            idinterno = self.ledger.last_idinterno(account, origen)
        row = {"origen": origen, "texto": texto, "idinterno": idinterno, "received": received, "account": account}
        self.ledger.write({"event": "reply", "reply": row})
        return self._keep_reply(row)

    def _keep_reply(self, row: dict[str, Any]) -> Reply:
        number = FIRST_NUMBER + self._replies
        self._replies += 1
        reply = Reply(number, row["origen"], row["texto"], row["received"], row["idinterno"])
        self.inbox(row["account"]).add(reply)
        if reply.texto.strip().upper() == "BAJA":
            self._opted_out.add(reply.origen)
            self._apply_rules()
        return reply

    def fill(self, account: str, count: int, *, size: int, texto: str, received: float, read: bool) -> None:
        """Put many replies into an inbox, each from a number of its own, with `size` characters of text."""
        row = {
            "account": account,
            "count": count,
            "size": size,
            "texto": texto,
            "received": received,
            "read": read,
        }
        self.ledger.write({"event": "fill", "fill": row})
        self._keep_fill(row)

    def _keep_fill(self, row: dict[str, Any]) -> None:
        first = FIRST_NUMBER + self._replies
        self._replies += row["count"]
        self.inbox(row["account"]).fill(
            range(first, first + row["count"]),
            size=row["size"],
            texto=row["texto"],
            received=row["received"],
            read=row["read"],
        )

    def release_lines(self) -> int:
        """Give their results to the lines that a stuck carrier keeps; how many."""
        now = self.clock.now()
        return sum(account.release_lines(now) for account in self.accounts.values())

    def change(self, changes: dict[str, Any]) -> None:
        """Change options now; pydantic.ValidationError on a bad one, and nothing is changed."""
        self.options = Options.model_validate({**self.options.model_dump(), **changes})
        self._apply_rules()
        self.process()  # strangers at a new rate begin now

    def _apply_rules(self) -> None:
        self.rules = Rules(self.options, self._opted_out)
        for name in self.options.accounts():
            self.account(name)  # strangers spend before anybody asks
        for account in self.accounts.values():
            account.rules = self.rules

    def process(self, *, batches: int | None = None) -> bool:
        """Give results to what is due; True when a bounded run left some."""
        now = self.clock.now()
        left = [account.process(now, batches=batches) for account in self.accounts.values()]
        return any(left)

    def count(self, endpoint: str, detail: str, fault: str | None) -> None:
        """Note one call, for rates and storms."""
        self.calls[endpoint] += 1
        self.recent.append(
            {
                "at": self.clock.now(),
                "real": time.time(),
                "endpoint": endpoint,
                "detail": detail,
                "fault": fault,
            }
        )

    @contextmanager
    def flight(self, endpoint: str) -> Iterator[None]:
        """Count a call as in flight while it lasts, for limits of concurrency."""
        self.in_flight[endpoint] += 1
        self.most_in_flight[endpoint] = max(self.most_in_flight[endpoint], self.in_flight[endpoint])
        try:
            yield
        finally:
            self.in_flight[endpoint] -= 1

    def reset(self) -> None:
        """Forget every line, result, call and fault; options and clock stay. Calls in flight come to nothing."""
        self.life += 1
        self.accounts.clear()
        self.calls.clear()
        self.most_in_flight.clear()
        self.recent.clear()
        self.inboxes.clear()
        self.pushes.clear()
        self._replies = 0
        self._opted_out.clear()
        self._apply_rules()
        self.faults.clear()
        self.ledger.clear()

    def stats(self) -> dict[str, Any]:
        self.process()
        posts, now = self.ledger.posts, self.clock.now()
        return {
            "now": clock.iso(now),
            "posts": len(posts),
            "taken": sum(post.taken for post in posts),
            "ignored": sum(len(post.ignored) for post in posts),
            "outside_window": sum(post.taken for post in posts if not post.in_window),
            "waiting": sum(account.waiting for account in self.accounts.values()),
            "rows": sum(account.book.rows for account in self.accounts.values()),
            "sent": sum(account.used for account in self.accounts.values()),
            "accounts": {name: account.figures(now) for name, account in self.accounts.items()},
            "calls": dict(self.calls),
            "in_flight": dict(+self.in_flight),  # without those that are at zero again
            "most_in_flight": dict(self.most_in_flight),
            "faults": [
                {"kind": switch.fault.kind, "endpoint": switch.fault.endpoint, "hits": switch.hits}
                for switch in self.faults.switches
            ],
        }

    def _replay(self) -> None:
        """Become what the ledger's file remembers. Read flags and the clock are not in it."""
        for event in self.ledger.open():
            kind = event["event"]
            if kind == "post":
                self.ledger.post(event["account"], event["received"], event["bytes"], event.get("transport", "bulk"))
            elif kind == "reply":
                self._keep_reply(event["reply"])
            elif kind == "fill":
                self._keep_fill(event["fill"])
            elif kind == "done":
                batch = self.ledger.batches[event["batch"]]
                self.account(batch.post.account).replay_done(batch, event)
            elif kind in ("taken", "answered"):
                self._replay_of_post(event)
            else:
                self.account(event["account"]).replay(event)
        for account in self.accounts.values():
            account.replay_ends()

    def _replay_of_post(self, event: dict[str, Any]) -> None:
        post = self.ledger.posts[event["post"] - 1]
        if event["event"] == "answered":
            post.answered, post.fault = event["answered"], event["fault"]
            return
        post.offered, post.in_window, post.test = event["offered"], event["in_window"], event["test"]
        post.extras = event.get("extras", {})
        post.ignored = [Ignored(raw.encode("utf-8"), reason) for raw, reason in event["ignored"]]
        self.account(post.account).replay_taken(post, event)
