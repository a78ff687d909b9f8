"""The No Llame registry (Ley 26.951): numbers that get no marketing. Campaigns and messages of service go to them.

It is one for the installation: the law's registry is national, whatever the account. An import replaces it whole
(`no_llame_import.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from dispatcher.domain.window import provider_local
from dispatcher.i18n.words import counted, translated, worded
from schemas import tables

Intent = Literal["service", "marketing"]

MARKETING: Intent = "marketing"
WARN_AFTER = timedelta(days=25)
"""Age from which the registry should be taken anew: the law wants it consulted every 30 days (Ley 26.951, art. 7)."""

_no_llame, _registry = tables.no_llame, tables.no_llame_registry


@dataclass(frozen=True, slots=True)
class Registry:
    """Where the registry stands; `age` is that of its file now."""

    numbers: int
    taken_at: datetime
    imported_at: datetime
    imported_by: str
    source: str
    age: timedelta

    @property
    def old(self) -> bool:
        """Whether it should be taken anew."""
        return self.age >= WARN_AFTER

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {
            "numbers": self.numbers,
            "taken_at": self.taken_at.isoformat(),
            "imported_at": self.imported_at.isoformat(),
            "imported_by": self.imported_by,
            "source": self.source,
            "age_days": self.age.days,
            "old": self.old,
        }


def registry(connection: Connection) -> Registry | None:
    """Where the registry stands; None when none was imported."""
    known = (_registry.c[name] for name in ("numbers", "taken_at", "imported_at", "imported_by", "source"))
    row = connection.execute(select(*known, (func.now() - _registry.c.taken_at).label("age"))).first()
    return Registry(**row._mapping) if row else None


def holds(connection: Connection, number: str) -> bool:
    """Whether a number (national digits) is in the registry."""
    return connection.execute(select(_no_llame.c.destino).where(_no_llame.c.destino == number)).first() is not None


def warnings(connection: Connection, intent: str) -> list[str]:
    """What speaks against sending marketing by the registry as it is: there is none, or it is old."""
    return complaints(registry(connection)) if intent == MARKETING else []


def complaints(known: Registry | None) -> list[str]:
    """What is wrong with a registry for marketing, with what to do; empty when nothing is."""
    if known is None:
        what = translated("There is no No Llame registry here, so marketing leaves nobody out for it (Ley 26.951).")
    elif known.old:
        days = counted(known.age.days, "{n:,} day", "{n:,} days")
        what = worded(
            "The No Llame registry is {days} old (of {taken:%Y-%m-%d}), and the law wants it consulted every 30 days "
            "(Ley 26.951, art. 7).",
            days=days,
            taken=provider_local(known.taken_at),
        )
    else:
        return []
    return [
        f"{what} {translated('Take the file from nollame.aaip.gob.ar and load it: dispatcher nollame import FILE')}"
    ]
