"""Finds out which rows a question by fecha returns. The guide does not say; three questions about a settled line do."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from dispatcher.db.statements import query
from dispatcher.domain import idinterno
from dispatcher.domain.window import PROVIDER_ZONE, fecha_digits
from dispatcher.provider.answers import ResultLine
from dispatcher.provider.frames import SCHEMA, parse_slice
from dispatcher.results.settle import Settler
from dispatcher.runtime import Runtime

log = logging.getLogger(__name__)

_LINES_TO_TRY = 3


@dataclass(frozen=True, slots=True)
class Detection:
    """The reading, if it could be found, and how many messages were settled on the way.

    `nothing_yet`: the provider answered, and has no result for any line that was asked for.
    """

    reading: str | None
    settled: int
    nothing_yet: bool = False


def frame_of(lines: list[ResultLine]) -> pl.DataFrame:
    """Single result lines in the shape of `parse_slice`'s frame."""
    return pl.DataFrame([(x.idinterno, x.fecha, x.text, x.code) for x in lines], schema=SCHEMA, orient="row")


def detect(runtime: Runtime, account_id: int, settler: Settler) -> Detection:
    """Take one settled idinterno's fecha f and ask for f-1, f and f+1.

    With no settled line yet, a few accepted ones are asked for by idinterno; what they say settles them.

    Raises:
        ProviderError: a question got no usable answer.
    """
    settled = 0
    with runtime.engine.connect() as connection:
        known = connection.execute(query("known_result"), {"account_id": account_id}).first()
        waiting = (
            connection.execute(query("oldest_accepted"), {"account_id": account_id, "limit": _LINES_TO_TRY}).all()
            if known is None
            else []
        )
    if known is not None:
        reference = idinterno.encode(known.prefix, known.campaign_id, known.generation, known.seq)
        fecha: datetime = known.processed_at
    else:
        for line in waiting:
            reference = idinterno.encode(line.prefix, line.campaign_id, line.generation, line.seq)
            answer = runtime.provider.status_by_idinterno(reference)
            if answer:
                settled += settler.settle(frame_of(answer)).settled
                fecha = answer[0].fecha.replace(tzinfo=PROVIDER_ZONE)
                break
        else:
            return Detection(None, settled, nothing_yet=bool(waiting))
    reading = _reading(runtime, reference, fecha)
    if reading is not None:
        log.info("fecha_reading account=%s reading=%s", account_id, reading)
        with runtime.engine.begin() as connection:
            connection.execute(query("set_reading"), {"account_id": account_id, "reading": reading})
    return Detection(reading, settled)


def _reading(runtime: Runtime, reference: str, fecha: datetime) -> str | None:
    """What the three answers say together; None when they contradict every reading, or fall on a midnight."""
    second = timedelta(seconds=1)
    local = fecha.astimezone(PROVIDER_ZONE)
    if (local - second).date() != (local + second).date():
        return None
    if not _includes(runtime, fecha, reference):
        return None
    before = _includes(runtime, fecha - second, reference)
    after = _includes(runtime, fecha + second, reference)
    return {(True, True): "day", (True, False): "since", (False, False): "second"}.get((before, after))


def _includes(runtime: Runtime, fecha: datetime, reference: str) -> bool:
    """Whether the answer for a fecha has this idinterno; stops reading as soon as it does."""
    with runtime.provider.status_by_fecha(fecha_digits(fecha)) as slices:
        return any((parse_slice(piece).frame["idinterno"].str.to_uppercase() == reference).any() for piece in slices)
