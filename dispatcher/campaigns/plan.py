"""When a campaign that is prepared would go out, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dispatcher.accounts.account_info import AccountInfo
from dispatcher.campaigns.estimate import estimate, shortfalls
from dispatcher.campaigns.schedule import Schedule
from dispatcher.config import Settings
from dispatcher.i18n.words import translated
from schemas.payload import CampaignSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """When the first and the last message would go (UTC); `warnings` are sentences."""

    begins: datetime
    ends: datetime
    warnings: list[str]


def plan(settings: Settings, spec: CampaignSpec, report: dict[str, Any], now: datetime | None = None) -> Plan:
    """The plan of a campaign whose list was checked with this report.

    Raises:
        UsageError: a date does not exist, or it could send nothing before its end.
    """
    now = now or datetime.now(UTC)
    schedule = Schedule.of(spec, now)
    sending = int(report["messages"]) - int(report["suppressed"])
    size = settings.effective_chunk_size()
    posts = -(-sending // size)
    would = estimate(
        settings, schedule.begins(now), sending=sending, posts=posts, rate=spec.rate, days_off=schedule.days_off
    )
    warnings = schedule.late_start(now) + schedule.within(settings.sending_window, now)
    if not spec.test:
        warnings += shortfalls(AccountInfo(saldo=report["balance"]), sending=sending, ends=would.ends)
    if schedule.expires_at and would.ends > schedule.expires_at:
        warnings.append(translated("It would not be through by its end: what was not sent by then would expire."))
    return Plan(would.begins, would.ends, warnings)
