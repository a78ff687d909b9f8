"""Files of a campaign: its results in three forms, its invalid rows, its certificates; who took them is recorded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.campaigns import summary
from dispatcher.home import spool
from dispatcher.runtime import Runtime
from dispatcher.web.page.routing import RuntimeOf, needs, page_router
from dispatcher.web.page.show import secure

routes = page_router()

_PIECE = 256 * 1024
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/x-ndjson",
    "pdf": "application/pdf",
}


@routes.get("/campaigns/{campaign_id:int}/results.{kind}", **needs(Role.OPERATOR))
def results(request: Request, runtime: RuntimeOf, campaign_id: int, kind: str) -> Response:
    """Every message with its result."""
    from dispatcher.campaigns import export

    if kind not in ("csv", "xlsx", "jsonl"):
        raise summary.NoCampaign(kind)
    separator = runtime.settings.csv_divider

    def write(path: Path) -> None:
        export.write_results(runtime.engine, campaign_id, kind, path, separator=separator)

    return _file(request, runtime, campaign_id, f"campaign-{campaign_id}.{kind}", write, {"format": kind})


@routes.get("/campaigns/{campaign_id:int}/list.{kind}", **needs(Role.OPERATOR))
def list_with_results(request: Request, runtime: RuntimeOf, campaign_id: int, kind: str) -> Response:
    """The list as it came, with what became of each row."""
    from dispatcher.campaigns import list_results

    if kind not in ("csv", "xlsx"):
        raise summary.NoCampaign(kind)

    def write(path: Path) -> None:
        list_results.write(runtime.engine, runtime.settings, campaign_id, kind, path)

    detail = {"format": kind, "list": True}
    return _file(request, runtime, campaign_id, f"campaign-{campaign_id}-list.{kind}", write, detail)


@routes.get("/campaigns/{campaign_id:int}/invalid-{list_no:int}.csv", **needs(Role.OPERATOR))
def invalid(request: Request, runtime: RuntimeOf, campaign_id: int, list_no: int) -> Response:
    """The invalid rows of a list, in a form that can be mended and loaded again."""
    from dispatcher.campaigns import invalid_file, list_record

    with runtime.engine.connect() as connection:
        known = 0 < list_no < 2**15 and list_record.read(connection, campaign_id, list_no)
    if not known:
        raise summary.NoCampaign(str(list_no))

    def write(path: Path) -> None:
        made = invalid_file.write(runtime.engine, campaign_id, path.parent, list_no=list_no)
        made.replace(path)

    name = f"campaign-{campaign_id}-invalid-{list_no}.csv"
    return _file(request, runtime, campaign_id, name, write, {"format": "csv", "invalid": list_no})


@routes.get("/campaigns/{campaign_id:int}/certificate.pdf", **needs(Role.OPERATOR))
def certificate(request: Request, runtime: RuntimeOf, campaign_id: int) -> Response:
    """What a campaign sent, as a document."""
    from dispatcher.campaigns.certificate import document

    def write(path: Path) -> None:
        document.of_campaign(runtime.engine, runtime.settings, campaign_id, path)

    return _file(request, runtime, campaign_id, f"constancia-{campaign_id}.pdf", write)


@routes.get("/campaigns/{campaign_id:int}/messages/{seq:int}/certificate.pdf", **needs(Role.OPERATOR))
def certificate_of_message(request: Request, runtime: RuntimeOf, campaign_id: int, seq: int) -> Response:
    """What became of one message, as a document."""
    from dispatcher.campaigns.certificate import document

    def write(path: Path) -> None:
        document.of_message(runtime.engine, runtime.settings, campaign_id, seq, path)

    return _file(request, runtime, campaign_id, f"constancia-{campaign_id}-{seq}.pdf", write, {"seq": seq})


def _file(
    request: Request,
    runtime: Runtime,
    campaign_id: int,
    name: str,
    write: Callable[[Path], None],
    detail: dict[str, object] | None = None,
) -> Response:
    """Make a file of a campaign, record who takes it, and hand it over."""
    with runtime.engine.connect() as connection:
        summary.show(connection, campaign_id)
    content = make(runtime, name.rpartition(".")[2], write)
    what = "campaign.certificate" if name.endswith(".pdf") else "campaign.download"
    with runtime.engine.begin() as connection:
        audit_trail.record(connection, what, campaign_id, detail=detail)
    return hand_over(request, name, content)


def make(runtime: Runtime, kind: str, write: Callable[[Path], None]) -> BinaryIO:
    """A file of that kind, open to be read; it has no name on the disk any more, so none stays behind."""
    folder = spool(runtime.settings.home)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=folder, ignore_cleanup_errors=True) as made:
        path = Path(made) / f"file.{kind}"
        write(path)
        return path.open("rb")


def hand_over(request: Request, name: str, content: BinaryIO) -> Response:
    """An open file as a download of that name, in pieces."""
    headers = {
        **secure(request),
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(os.fstat(content.fileno()).st_size),
    }
    return StreamingResponse(_pieces(content), media_type=_TYPES[name.rpartition(".")[2]], headers=headers)


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    with content:
        while piece := content.read(_PIECE):
            yield piece
