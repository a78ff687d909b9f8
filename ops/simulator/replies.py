"""An account's inbox: what people answered, with the provider's own numbers and the read flags."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FIRST_NUMBER = 1001


@dataclass(slots=True)
class Reply:
    """One reply. `number` is the ID SMS MASIVOS; `received` is provider unix seconds."""

    number: int
    origen: str
    texto: str
    received: float
    idinterno: str = ""
    read: bool = False


class Inbox:
    """Replies in order of arrival; numbers are the provider's, over all accounts."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    def add(self, reply: Reply) -> None:
        self.replies.append(reply)

    def fill(self, numbers: Iterable[int], *, size: int, texto: str, received: float, read: bool) -> None:
        """Add a reply for each of these numbers, `size` characters of text each."""
        filler = " lorem ipsum" * (size // 12 + 1)
        for number in numbers:
            text = f"{texto}{number}{filler}"[:size]
            self.add(Reply(number, f"11{number % 10**8:08d}", text, received, read=read))

    def ask(self, origen: str = "", *, only_unread: bool = False, mark: bool = False) -> list[Reply]:
        """The replies wanted, by date of reception and then number, the newest first."""
        wanted = [
            reply
            for reply in self.replies
            if (not origen or reply.origen == origen) and not (only_unread and reply.read)
        ]
        for reply in wanted:
            reply.read = reply.read or mark
        return sorted(wanted, key=lambda reply: (int(reply.received), reply.number), reverse=True)
