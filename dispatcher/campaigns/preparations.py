"""Campaigns that somebody prepares on the page: a list of the upload store, and what was filled in so far.

Anyone with the role continues one. Each change carries the version that it was made from: of two people who change the
same, the second is told. A campaign comes of it once, however often its button is pressed: the request has its key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Text, cast, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from dispatcher import audit_trail
from dispatcher.config import Settings
from dispatcher.db.storable import storable_json
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.uploads import store
from schemas import tables

_MOST_SHOWN = 50
_KEY = "page "
_preparation = tables.preparation


@dataclass(frozen=True, slots=True)
class Preparation:
    """A campaign as far as it is prepared; `spec` has the fields of `CampaignSpec` that were filled in."""

    id: str
    version: int
    upload_id: str
    inspection: dict[str, Any]
    spec: dict[str, Any]
    check_id: str | None
    request_key: str | None
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str

    @property
    def name(self) -> str:
        """What it is called: its name, else its list's."""
        return str(self.spec.get("name") or self.inspection["name"])

    @property
    def key(self) -> str:
        """The idempotency_key of the campaign that comes of it."""
        return f"{_KEY}{self.id}"


def number_of(key: str) -> str | None:
    """The preparation whose campaign has this idempotency_key; None when it came another way."""
    number = key.removeprefix(_KEY)
    return number if key.startswith(_KEY) and len(number) == 32 and number.isalnum() else None


class NoPreparation(UsageError):
    """There is no such preparation, or its list is not kept any longer."""


class ChangedMeanwhile(UsageError):
    """Somebody else changed it meanwhile."""


def begin(connection: Connection, number: str, upload_id: str, inspection: dict[str, Any]) -> None:
    """Take a list under a number that the form drew; a form that comes twice begins one, with the list that came last.

    Raises:
        UsageError: a campaign was made of it already.
    """
    who = str(audit_trail.current())
    new = insert(_preparation).values(
        id=number, upload_id=upload_id, inspection=_json(inspection), created_by=who, changed_by=who
    )
    anew = {
        "upload_id": new.excluded.upload_id,
        "inspection": new.excluded.inspection,
        "check_id": None,
        "version": _preparation.c.version + 1,
        "changed_at": func.now(),
        "changed_by": who,
    }
    kept = new.on_conflict_do_update(index_elements=["id"], set_=anew, where=_preparation.c.request_key.is_(None))
    if connection.execute(kept.returning(_preparation.c.id)).first() is None:
        raise UsageError(translated("A campaign was made of this form already."))
    audit_trail.record(connection, "preparation.list", detail={"preparation": number})


def get(connection: Connection, number: str) -> Preparation:
    """The preparation of this number.

    Raises:
        NoPreparation: there is none.
    """
    row = connection.execute(select(_preparation).where(_preparation.c.id == number)).first()
    if row is None:
        raise NoPreparation(translated("There is no such preparation, or its list is not kept any longer."))
    return Preparation(**row._mapping)


def open_ones(connection: Connection) -> list[Preparation]:
    """Those of which no campaign was made, the one that changed last first."""
    chosen = select(_preparation).where(_preparation.c.request_key.is_(None))
    newest = chosen.order_by(_preparation.c.changed_at.desc()).limit(_MOST_SHOWN)
    return [Preparation(**row._mapping) for row in connection.execute(newest)]


def change(connection: Connection, known: Preparation, version: int, changes: dict[str, Any]) -> Preparation:
    """Fill in fields of its spec; None takes one out. A check of what it was before counts no more.

    Raises:
        ChangedMeanwhile: it is not of this version any longer.
        UsageError: a campaign was made of it already.
    """
    spec = {name: value for name, value in {**known.spec, **changes}.items() if value is not None}
    if spec == known.spec and version == known.version:
        return known
    same_check = {name: value for name, value in spec.items() if name not in _NOT_CHECKED} == {
        name: value for name, value in known.spec.items() if name not in _NOT_CHECKED
    }
    values: dict[str, Any] = {"spec": _json(spec)} | ({} if same_check else {"check_id": None})
    return _write(connection, known, version, values)


_NOT_CHECKED = (
    *("name", "canary", "max_reject_rate", "priority", "tags", "on_doubt", "again"),
    *("start", "expires", "rate", "test", "not_on"),
)
"""Fields that change nothing about who gets which text: the check still holds."""


def inspected(
    connection: Connection, known: Preparation, version: int, inspection: dict[str, Any], changes: dict[str, Any]
) -> Preparation:
    """Keep what its list looks like when it is read otherwise, such as from another sheet."""
    spec = {name: value for name, value in {**known.spec, **changes}.items() if value is not None}
    values = {"inspection": _json(inspection), "spec": _json(spec), "check_id": None}
    return _write(connection, known, version, values)


def checked(connection: Connection, known: Preparation, check_id: str) -> Preparation:
    """Note the check of what it is now; nothing that somebody fills in changes by it.

    Raises:
        ChangedMeanwhile: it is not what was checked any longer.
    """
    same = (_preparation.c.id == known.id, _preparation.c.version == known.version)
    noted = update(_preparation).where(*same, _preparation.c.request_key.is_(None)).values(check_id=check_id)
    row = connection.execute(noted.returning(_preparation)).first()
    if row is None:
        raise ChangedMeanwhile(_meanwhile(get(connection, known.id)))
    return Preparation(**row._mapping)


def requested(connection: Connection, known: Preparation, version: int) -> None:
    """A campaign comes of it: from now on it stays as it is. Asked again, nothing changes.

    Raises:
        ChangedMeanwhile: it is not of this version any longer.
    """
    if known.request_key is None:
        _write(connection, known, version, {"request_key": known.key})


def reopen(engine: Engine, number: str, *, after: timedelta = timedelta()) -> bool:
    """No campaign came of it: it can be changed again. False while its button was pressed less than that ago."""
    pressed = _preparation.c.request_key.is_not(None) & (_preparation.c.changed_at > func.now() - after)
    with engine.begin() as connection:
        opened = connection.execute(
            update(_preparation)
            .where(_preparation.c.id == number, ~pressed)
            .values(request_key=None, version=_preparation.c.version + 1)
        )
        return bool(opened.rowcount)


def _write(connection: Connection, known: Preparation, version: int, values: dict[str, Any]) -> Preparation:
    who = str(audit_trail.current())
    if version < known.version and known.changed_by == who:
        version = known.version  # the own back button: what was typed last is meant
    fresh = (
        update(_preparation)
        .where(_preparation.c.id == known.id, _preparation.c.version == version, _preparation.c.request_key.is_(None))
        .values(
            version=_preparation.c.version + 1,
            changed_at=func.now(),
            changed_by=who,
            **values,
        )
        .returning(_preparation)
    )
    row = connection.execute(fresh).first()
    if row is not None:
        audit_trail.record(connection, "preparation.change", detail={"preparation": known.id, "fields": sorted(values)})
        return Preparation(**row._mapping)
    now = get(connection, known.id)
    if now.request_key is not None:
        raise UsageError(translated("A campaign was made of this form already."))
    raise ChangedMeanwhile(_meanwhile(now))


def _meanwhile(now: Preparation) -> str:
    return worded("{who} changed this meanwhile: look at it again.", who=now.changed_by.partition(" ")[2])


def drop(connection: Connection, number: str) -> None:
    """Throw one away, with its list, unless a campaign was made of it."""
    known = get(connection, number)
    gone = delete(_preparation).where(_preparation.c.id == number, _preparation.c.request_key.is_(None))
    if connection.execute(gone).rowcount:
        upload = store.find(connection, known.upload_id)
        if upload is not None:
            store.expire(connection, upload.id)
        audit_trail.record(connection, "preparation.drop", detail={"preparation": number})


def drop_old(engine: Engine, settings: Settings) -> None:
    """Delete those whose lists are not kept any longer: they hold numbers and texts, as their lists do."""
    kept = timedelta(days=max(settings.lists_kept, store.UNUSED_DAYS))
    with engine.begin() as connection:
        connection.execute(delete(_preparation).where(_preparation.c.changed_at < func.now() - kept))


def _json(value: Any) -> Any:
    return cast(literal(storable_json(value), Text), JSONB)
