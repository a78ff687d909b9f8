"""Files of opt-outs: one that is only looked at waits in the store of lists, and is taken from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from dispatcher import audit_trail
from dispatcher.db.transactions import take_time
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import translated
from dispatcher.runtime import Runtime
from dispatcher.uploads import reading, store
from dispatcher.uploads.store import MEDIA_TYPES, Upload
from dispatcher.web.page.forms import Form, SentFile

if TYPE_CHECKING:
    from dispatcher.suppression.optout_import import Imported  # polars comes with it

FIELDS = ("to_column", "area", "reason")
"""What is typed beside the file."""


def take(runtime: Runtime, form: Form) -> tuple[str, Imported, str]:
    """Opt out every number of a file, or only look; its name, what came of it, and where it waits to be added.

    Raises:
        UsageError: there is no file, or it is no list.
    """
    only_look = form.has("look")
    with _opened(runtime, form) as (sent, known):
        # Polars comes with them, which starts threads when it is imported: no process may have it before it forks.
        from dispatcher.ingest import Reading, open_source
        from dispatcher.suppression import optout_import

        settings = runtime.settings
        reason = form.text("reason")[:500] or f"by {audit_trail.current()}"
        column, area = form.text("to_column")[:200] or None, form.text("area")[:10] or None
        how = Reading(to_column=column, unpacked_max=settings.unpacked_max)
        source = open_source(sent.content, name=sent.name, spool=spool(settings.home), reading=how)
        with runtime.engine.connect() as connection, connection.begin() as transaction:
            take_time(connection)
            done = optout_import.load(connection, source, settings.country, reason, column, area)
            if only_look:
                transaction.rollback()
            else:
                audit_trail.record(connection, "optout.import", reason=reason, detail={"added": done.added})
                if known is not None:
                    store.expire(connection, known.id)
        if not only_look:
            return sent.name, done, ""
        if known is not None:
            return sent.name, done, known.public_id
        with runtime.engine.begin() as connection:
            return sent.name, done, _keep(connection, runtime, sent, MEDIA_TYPES[source.format])


@contextmanager
def _opened(runtime: Runtime, form: Form) -> Iterator[tuple[SentFile, Upload | None]]:
    if form.file is not None and form.file.size:
        yield form.file, None
        return
    with runtime.engine.connect() as connection:
        known = store.find(connection, form.text("kept")) if form.text("kept") else None
    if known is None or not known.there:
        raise UsageError(translated("Choose a file."))
    with reading.open_file(runtime.engine, known) as stream:
        yield SentFile(known.name, stream, known.bytes), known


def _keep(connection: Connection, runtime: Runtime, sent: SentFile, media_type: str) -> str:
    sent.content.seek(0)
    pieces, who = store.pieces_of(sent.content), str(audit_trail.current())
    name = sent.name or "list.csv"
    made = store.store(connection, runtime.settings, pieces, name=name, media_type=media_type, created_by=who)
    audit_trail.record(connection, "upload.create", detail={"upload_id": made.public_id, "bytes": made.bytes})
    return made.public_id
