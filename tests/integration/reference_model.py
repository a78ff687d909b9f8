"""A plain Python model of chunks and messages: what the rules say should be, with no SQL and no clock.

`test_reference_model.py` takes each step here and in the dispatcher, and holds the two against each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

GOOD = (0, 1)
REFUSED = -4
FINAL = ("settled", "split", "cancelled", "expired")
STATUS = {"due": "pending", "sending": "submitted", "accepted": "submitted", "split": "unknown", "settled": "unknown"}


@dataclass(eq=False)
class Line:
    """One message."""

    seq: int
    destino: str
    chunk: "Chunk"
    code: int | None = None
    suppressed: bool = False
    generation: int = 0
    traces: set[int] = field(default_factory=set)  # generations of which a line was seen that does not count
    absent_in: set[int] = field(default_factory=set)  # chunk numbers in which it was found absent

    @property
    def open(self) -> bool:
        """Still without an end."""
        return self.code is None and not self.suppressed

    @property
    def status(self) -> str:
        """As message_status has it."""
        if self.code is not None:
            return "ok" if self.code == 0 else "simulated" if self.code == 1 else "rejected"
        if self.suppressed:
            return "suppressed"
        return STATUS.get(self.chunk.state, self.chunk.state)

    @property
    def proven_absent(self) -> bool:
        """Found absent in the chunk where it is, and never seen."""
        return self.chunk.number in self.absent_in and self.generation not in self.traces


@dataclass(eq=False)
class Chunk:
    """The lines of one POST."""

    campaign: "Campaign"
    number: int
    root: int
    state: str = "due"
    attempt: int = 0
    resends: int = 0
    refusals: int = 0  # how often the account was refused for these lines
    traced: int = 0  # the last of its lines that had a result of its own
    goes_last: bool = False  # the campaign's last line, posted after all others have ended
    parent: int | None = None
    flying: bool = False  # its last POST has no outcome yet

    @property
    def shows_taken(self) -> int:
        """Up to which line its results show what was taken: a resent line's result may be the first one's."""
        return self.traced if self.resends == 0 else 0

    @property
    def candidates(self) -> list[Line]:
        """Open lines that may be absent."""
        return [line for line in self.open_lines if line.seq > self.shows_taken]

    @property
    def lines(self) -> list[Line]:
        """The lines that are in it now."""
        return [line for line in self.campaign.lines if line.chunk is self]

    @property
    def open_lines(self) -> list[Line]:
        """Those of them without an end."""
        return [line for line in self.lines if line.open]

    def settle_if_done(self) -> None:
        """Nothing open: settled, where results decide."""
        if self.state in ("accepted", "in_doubt", "held") and not self.open_lines:
            self.state = "settled"


@dataclass(eq=False)
class Campaign:
    """A campaign with its chunks and lines."""

    id: int
    on_doubt: str
    state: str = "scheduled"
    over: bool = False  # past its deadline
    chunks: list[Chunk] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    posted_roots: set[int] = field(default_factory=set)  # roots of which something was ever claimed
    restored_roots: set[int] = field(default_factory=set)  # roots that the database may have posted before its restore

    @property
    def runs(self) -> bool:
        """Whether its due chunks may be claimed."""
        return self.state in ("scheduled", "running") and not self.over

    def may_have_results(self, chunk: Chunk) -> bool:
        """Whether something of its family was posted, as far as anybody knows."""
        return chunk.root in self.posted_roots | self.restored_roots

    def next_due(self) -> Chunk | None:
        """What a claim takes: what is sent again goes where its lines were at first, the last line after all."""
        due = sorted((c for c in self.chunks if c.state == "due"), key=lambda chunk: (chunk.root, chunk.number))
        sending = any(chunk.state == "sending" for chunk in self.chunks)
        if not due or (due[0].goes_last and sending):
            return None
        return next((chunk for chunk in due if not chunk.goes_last or (len(due) == 1 and not sending)), None)

    def child(self, parent: Chunk, lines: list[Line], resends: int) -> Chunk:
        """Move lines to a new due chunk."""
        child = Chunk(self, len(self.chunks) + 1, parent.root, resends=resends, parent=parent.number)
        self.chunks.append(child)
        for line in lines:
            line.chunk = child
        return child

    def complete_if_done(self) -> None:
        """Every chunk at its end."""
        if self.state in ("scheduled", "running", "paused") and all(chunk.state in FINAL for chunk in self.chunks):
            self.state = "completed"


@dataclass
class World:
    """Everything; each method is one thing that can happen."""

    max_resends: int
    campaigns: dict[int, Campaign] = field(default_factory=dict)
    optouts: set[str] = field(default_factory=set)

    def chunks(self, *states: str) -> Iterator[Chunk]:
        """Chunks in one of these states."""
        return (c for campaign in self.campaigns.values() for c in campaign.chunks if c.state in states)

    def load(self, campaign_id: int, on_doubt: str, numbers: list[str], size: int) -> None:
        """A campaign of these numbers comes in."""
        campaign = Campaign(campaign_id, on_doubt)
        for at, destino in enumerate(numbers):
            if at % size == 0:
                campaign.chunks.append(Chunk(campaign, at // size + 1, at // size + 1))
            campaign.lines.append(Line(at + 1, destino, campaign.chunks[-1], suppressed=destino in self.optouts))
        sendable = [line for line in campaign.lines if line.open]
        if len(sendable) > 1:
            last = sendable[-1]
            if len(last.chunk.open_lines) > 1:  # beside it only those who are left out: a chunk of its own already
                number = len(campaign.chunks) + 1
                campaign.chunks.append(Chunk(campaign, number, number))
                last.chunk = campaign.chunks[-1]
            last.chunk.goes_last = True
        self.campaigns[campaign_id] = campaign

    def claimable(self) -> list[Chunk]:
        """Each running campaign's next due chunk."""
        due = [campaign.next_due() for campaign in self.campaigns.values() if campaign.runs]
        return [chunk for chunk in due if chunk]

    def claim(self, chunk: Chunk) -> list[Line]:
        """due -> sending, less those who opted out; the lines to send."""
        chunk.campaign.state = "running"
        chunk.campaign.posted_roots.add(chunk.number)
        chunk.attempt += 1
        for line in chunk.open_lines:
            line.suppressed = line.destino in self.optouts
        # A resent line that left a trace meanwhile is not sent again.
        lines = [line for line in chunk.open_lines if not (chunk.resends and line.generation in line.traces)]
        chunk.state = "sending" if lines else "settled"
        chunk.flying = bool(lines)
        return lines

    def answered(self, chunk: Chunk, attempt: int, outcome: str) -> str | None:
        """A POST's outcome, perhaps late; None when it no longer counts. OK counts for a held chunk, too."""
        if chunk.attempt != attempt:
            return None
        chunk.flying = False
        counts = {"in_doubt": ("sending",), "ok": ("sending", "in_doubt", "held")}.get(outcome, ("sending", "in_doubt"))
        if chunk.state not in counts:
            return self.take_back(chunk) if outcome == "ok" else None
        chunk.state = {"ok": "accepted", "in_doubt": "in_doubt"}.get(outcome, "due")
        if chunk.state == "due":  # absence found meanwhile proves nothing of the next attempt
            for line in chunk.lines:
                line.absent_in.discard(chunk.number)
        chunk.settle_if_done()
        return chunk.state

    def take_back(self, chunk: Chunk) -> str | None:
        """An OK after the doubt was decided: what is due again, or held, was taken. The state that it comes to."""
        state = None
        for child in self.chunks("due", "held"):
            if child.campaign is chunk.campaign and child.parent == chunk.number and child.resends == chunk.resends + 1:
                child.state = "accepted"
                child.settle_if_done()
                state = child.state
        return state

    def crashed(self, chunk: Chunk) -> None:
        """The lease ran out."""
        chunk.state, chunk.flying = "in_doubt", False
        chunk.settle_if_done()

    def result(self, line: Line, generation: int, code: int) -> None:
        """A result line that is not early."""
        if not line.chunk.campaign.may_have_results(line.chunk):
            return
        moved = line.chunk.number != line.chunk.root
        if generation < line.generation and line.open and code in GOOD:
            line.traces.add(generation)
            line.code = code  # it was sent after all
        elif generation != line.generation or (line.open and code == REFUSED and moved):
            line.traces.add(generation)
        elif line.open:
            line.code = code
            line.chunk.traced = max(line.chunk.traced, line.seq)
        elif line.code is not None and line.code not in GOOD and code in GOOD:
            line.code = code
        line.chunk.settle_if_done()

    def refused(self, answers: list[tuple[Line, int]]) -> None:
        """Results that speak of the account: their lines move to a child chunk, under the next generation."""
        groups: dict[Chunk, list[Line]] = {}
        for line, generation in answers:
            if not line.chunk.campaign.may_have_results(line.chunk):
                continue
            if generation == line.generation and line.open and line not in groups.get(line.chunk, []):
                groups.setdefault(line.chunk, []).append(line)
            elif generation != line.generation or line.open:
                line.traces.add(generation)
        for chunk, lines in sorted(groups.items(), key=lambda group: group[0].number):
            child = chunk.campaign.child(chunk, lines, 0)
            child.refusals = chunk.refusals + 1
            child.state = "held" if child.refusals >= 5 else "due"
            for line in lines:
                line.traces.add(line.generation)
                line.generation += 1
            chunk.traced = max(chunk.traced, *(line.seq for line in lines))
            if chunk.state in ("accepted", "in_doubt", "held"):
                chunk.settle_if_done()

    def look(self) -> None:
        """Nothing open behind the last line with a result: the whole POST was taken."""
        for chunk in list(self.chunks("in_doubt")):
            if chunk.shows_taken and not chunk.candidates:
                chunk.state = "accepted"

    def decide(self, chunk: Chunk) -> None:
        """The prober asked for what it could, with evidence: resend what is proven absent, or hold."""
        if chunk.campaign.on_doubt == "hold" or chunk.resends >= self.max_resends:
            chunk.state = "held"
        elif not any(line.seq < chunk.shows_taken for line in chunk.open_lines):
            self.split(chunk, chunk.candidates)

    def split(self, chunk: Chunk, lines: list[Line]) -> bool:
        """Only when every one of these lines is proven absent do they move to a child."""
        if not lines or not all(line.proven_absent for line in lines):
            return False
        chunk.campaign.child(chunk, lines, chunk.resends + 1)
        chunk.state = "accepted" if chunk.open_lines else "split"
        return True

    def unsent(self, chunk: Chunk) -> bool:
        """The operator's word is a proof of absence, against which a trace still holds."""
        lines = chunk.open_lines
        if not lines:  # nothing is left to send: it ends here
            chunk.state = "settled"
            return True
        if chunk.attempt == 0:  # held because the account was refused again and again: never posted
            chunk.state, chunk.refusals = "due", 0
            return True
        if any(line.generation in line.traces for line in lines):
            return False
        for line in lines:
            line.absent_in.add(chunk.number)
        return self.split(chunk, lines)

    def restored(self) -> None:
        """The database is older than what was posted, and the operator said so: nobody knows of what is unfinished."""
        for chunk in list(self.chunks("due", "sending", "in_doubt")):
            chunk.state = "held"
            chunk.campaign.restored_roots.add(chunk.root)
            chunk.settle_if_done()

    def tick(self) -> None:
        """What is over is retired, what is done completes."""
        for chunk in self.chunks("due"):
            if chunk.campaign.state == "cancelled":
                chunk.state = "cancelled"
            elif chunk.campaign.over and chunk.campaign.state != "completed":
                chunk.state = "expired"
        for campaign in self.campaigns.values():
            campaign.complete_if_done()
