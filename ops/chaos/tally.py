"""The count: what came in, what the database says of it, and what the provider's ledger has. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from ops.simulator import sentences

FINAL = ("ok", "simulated", "rejected", "suppressed", "expired", "cancelled", "unknown")
NEVER_SENT = ("suppressed", "expired", "cancelled", "pending")
WITH_RESULT = ("ok", "simulated", "rejected")


class Pair(NamedTuple):
    """A number with its text: the scenarios see to it that each belongs to one message only."""

    destino: str
    texto: str


@dataclass(frozen=True)
class Forbidden:
    """A span of the provider's clock (unix seconds) in which nothing of a campaign may have arrived."""

    campaign_id: int
    begins: float
    ends: float
    why: str


@dataclass
class Tally:
    """One scenario's row; all but the first two and the last must be zero."""

    messages: int = 0
    posts: int = 0
    lost: int = 0
    twice: int = 0
    outside: int = 0
    wrong: int = 0
    held: int = 0
    recovery: float = 0.0
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was measured beside the counts."""

    def clean(self, *, held_is_right: bool = False) -> bool:
        """Whether every promise was kept."""
        broken = self.lost or self.twice or self.outside or self.wrong or self.complaints
        return not broken and (held_is_right or not self.held)

    def __iadd__(self, other: "Tally") -> Self:
        """Add another count; the longer recovery stays."""
        for name in ("messages", "posts", "lost", "twice", "outside", "wrong", "held"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.recovery = max(self.recovery, other.recovery)
        for words in other.complaints:
            self.complain(words)
        return self

    def complain(self, words: str) -> None:
        """Keep an example of what is wrong; a dozen is enough."""
        if len(self.complaints) < 12:
            self.complaints.append(words)


def count(
    inputs: Mapping[int, Sequence[Pair]],
    messages: Iterable[Any],
    ledger: Iterable[dict[str, Any]],
    forbidden: Sequence[Forbidden] = (),
) -> Tally:
    """Compare the three.

    Args:
        inputs: the rows of each campaign.
        messages: rows of message_status of those campaigns.
        ledger: the simulator's lines, taken and ignored.
    """
    tally = Tally(messages=sum(map(len, inputs.values())))
    taken, ignored = _ledger(ledger)
    found = {Pair(row.destino, row.texto): row for row in messages}
    for campaign_id, pairs in inputs.items():
        for pair in pairs:
            row = found.pop(pair, None)
            if row is None:
                tally.lost += 1
                tally.complain(f"lost: no message for campaign {campaign_id} {pair}")
            else:
                _judge(tally, row, taken.get(pair, []), ignored)
    for row in found.values():
        tally.wrong += 1
        tally.complain(f"wrong: campaign {row.campaign_id} seq {row.seq} was never handed in")
    campaign_of = {pair: campaign_id for campaign_id, pairs in inputs.items() for pair in pairs}
    _judge_times(tally, taken, campaign_of, forbidden)
    return tally


def _ledger(ledger: Iterable[dict[str, Any]]) -> tuple[dict[Pair, list[dict[str, Any]]], set[str]]:
    """Lines taken by pair, and idinternos that the provider dropped without a word."""
    taken: dict[Pair, list[dict[str, Any]]] = defaultdict(list)
    ignored: set[str] = set()
    for line in ledger:
        if line["ignored"]:
            ignored.add(line["raw"].split("\t", 1)[0].upper())
        else:
            taken[Pair(line["destino"], line["texto"])].append(line)
    return taken, ignored


def _judge(tally: Tally, row: Any, lines: list[dict[str, Any]], ignored: set[str]) -> None:
    subject = f"campaign {row.campaign_id} seq {row.seq} chunk {row.chunk_no}"
    references = Counter(line["idinterno"].upper() for line in lines)
    good = {line["idinterno"].upper() for line in lines if line["verdict"] == sentences.OK}
    more = len(lines) - len(references) + max(0, len(good) - 1)
    if more:
        tally.twice += more
        tally.complain(f"twice: {subject} was taken in posts {[line['post'] for line in lines]}")
    own = [line for line in lines if line["idinterno"].upper() == row.idinterno]
    if row.status == "held":
        tally.held += 1
    elif row.status not in FINAL:
        tally.lost += 1
        tally.complain(f"lost: {subject} is still {row.status}")
    elif not own and (row.status in WITH_RESULT or (row.status == "unknown" and row.idinterno not in ignored)):
        tally.lost += 1
        tally.complain(f"lost: {subject} is {row.status}, and the provider never had it")
    elif words := _wrong(row, own):
        tally.wrong += 1
        tally.complain(f"wrong: {subject} {words}")


def _wrong(row: Any, own: list[dict[str, Any]]) -> str | None:
    """What the message says against what the provider said of its line."""
    if not own:
        return None
    if row.status in NEVER_SENT:
        return f"is {row.status}, yet the provider took it"
    verdicts = [line["verdict"] for line in sorted(own, key=lambda line: line["fecha"] or "9")]
    best = sentences.OK if sentences.OK in verdicts else verdicts[0]
    if best is None:
        return None if row.result_code is None else f"has result {row.result_code} before the provider had one"
    text = best if best == sentences.OK else f"{row.destino}: {best}"
    if (row.result_code, row.result_text) == (sentences.code_of(best), text):
        return None
    return f"is {row.status} {row.result_code} {row.result_text!r}, the provider said {text!r}"


def _judge_times(
    tally: Tally,
    taken: Mapping[Pair, list[dict[str, Any]]],
    campaign_of: Mapping[Pair, int],
    spans: Sequence[Forbidden],
) -> None:
    for pair, lines in taken.items():
        for line in lines:
            broken = [
                span.why
                for span in spans
                if campaign_of.get(pair) == span.campaign_id and span.begins <= line["received"] < span.ends
            ]
            if not line["in_window"] or broken:
                tally.outside += 1
                tally.complain(f"outside: post {line['post']} at {line['received_at']} {broken or 'window'}")
