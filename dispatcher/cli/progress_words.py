"""How a campaign is coming along, in lines that fit 60 columns: progress, pace, end, what went wrong, why it waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from dispatcher.campaigns import reason_words, summary, waits
from dispatcher.campaigns.progress import Progress, progress
from dispatcher.campaigns.summary import Summary
from dispatcher.campaigns.waits import Wait
from dispatcher.config import Settings
from dispatcher.domain.window import provider_local
from dispatcher.i18n.terms import state_word
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.maintenance import workers_seen

_BAR = 20


@dataclass(frozen=True, slots=True)
class Seen:
    """A campaign at one moment; `unseen` says that no worker is at work."""

    shown: Summary
    progress: Progress
    wait: Wait | None
    unseen: str | None = None

    @classmethod
    def read(cls, connection: Connection, settings: Settings, campaign_id: int) -> Seen:
        """Look at one campaign.

        Raises:
            NoCampaign: there is no campaign with this number.
        """
        seen = cls.of(connection, settings, summary.show(connection, campaign_id))
        return cls(seen.shown, seen.progress, seen.wait, workers_seen.complaint(connection))

    @classmethod
    def of(cls, connection: Connection, settings: Settings, shown: Summary) -> Seen:
        """Add how it is coming along to what is known of a campaign."""
        return cls(shown, progress(connection, settings, shown), waits.wait_now(connection, settings, shown))

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.shown.state in ("completed", "cancelled") and not self.shown.in_flight

    def as_json(self) -> dict[str, Any]:
        """The campaign, ready for JSON, with its progress as the API names it."""
        ends = self.progress.ends_about
        return {
            **self.shown.as_json(),
            "progress": self.progress.share,
            "rate_per_minute": self.progress.rate_per_minute,
            "ends_about": ends.isoformat() if ends else None,
            "waits_for": self.wait.why if self.wait else None,
        }


def state(seen: Seen) -> str:
    """The state in a word; an account that is blocked comes first."""
    blocked = seen.shown.blocked and seen.shown.state in ("scheduled", "running")
    return translated("BLOCKED") if blocked else state_word(seen.shown.state)


def lines(seen: Seen) -> list[str]:
    """What a terminal shows, from the bar to why it waits."""
    filled = int(seen.progress.share * _BAR)
    bar = "█" * filled + "░" * (_BAR - filled)
    troubles = troubles_of(seen.shown)
    said = [f"{state(seen)}  {bar} {share(seen)}", "; ".join([final(seen.shown), *pace(seen)])]
    return [*said, *([", ".join(troubles)] if troubles else []), *why(seen)]


def line(seen: Seen) -> str:
    """The same in one line, for a pipe or a log."""
    parts = [f"{state(seen)} {share(seen)}", final(seen.shown), *pace(seen), *troubles_of(seen.shown), *why(seen)]
    return "; ".join(part.removesuffix(".") for part in parts)


def share(seen: Seen) -> str:
    """How much is final; 100 % only when all is."""
    return worded("{percent} %", percent=int(seen.progress.share * 100 + 1e-9))


def final(shown: Summary) -> str:
    """How many are final, of how many."""
    return worded("{final:,} of {messages:,} final", final=shown.final, messages=shown.messages)


def pace(seen: Seen) -> list[str]:
    """How fast it goes and when it would end, as far as that is known."""
    found = seen.progress
    said = [worded("{n:,.0f} a minute", n=found.rate_per_minute)] if found.rate_per_minute else []
    if found.ends_about is not None and seen.shown.state in ("scheduled", "running"):
        said.append(worded("ends about {at}", at=short(found.ends_about)))
    return said


def troubles_of(shown: Summary) -> list[str]:
    """What was rejected, is in doubt, or waits for a decision."""
    counts = shown.counts
    rejected, doubtful = counts.get("rejected", 0), counts.get("in_doubt", 0)
    return [
        *([worded("{n:,} rejected", n=rejected)] if rejected else []),
        *([worded("{n:,} in doubt", n=doubtful)] if doubtful else []),
        *([counted(shown.held, "{n:,} held: decide it", "{n:,} held: decide them")] if shown.held else []),
    ]


def why(seen: Seen) -> list[str]:
    """Why nothing is sent at this moment; nothing when it goes on."""
    wait = seen.wait
    if wait is None:
        return []
    at = short(wait.until) if wait.until is not None else ""
    said = {
        "draft": translated("It is a draft: somebody must release it."),
        "paused": translated("It is paused."),
        "blocked": translated("The provider refuses the account."),
        "results": translated("All is handed in; results are awaited."),
        "start": worded("It begins on {at}.", at=at),
        "window": worded("Outside the hours of sending: it goes on at {at}.", at=at),
        "day": worded("It sends nothing on this day: it goes on at {at}.", at=at),
        "rate": translated("The rate lets the next ones go in a moment."),
    }[wait.why]
    return [said, *([reason_words.why(wait.words)] if wait.words else [])]


def short(moment: datetime) -> str:
    """A moment in Argentine time: the hour today, the day as well on any other."""
    local = provider_local(moment)
    today = local.date() == provider_local(datetime.now(UTC)).date()
    return f"{local:%H:%M}" if today else f"{local:%d/%m %H:%M}"
