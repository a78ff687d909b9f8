"""`dispatcher provider …`: the provider's own answers, asked by hand."""

import re
from datetime import datetime
from typing import Any

import click

from dispatcher import config
from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider.frames import parse_slice
from dispatcher.provider.http import HttpProvider
from dispatcher.runtime import Runtime

_SHOWN = 50


@click.group(cls=WholeGroup)
def provider() -> None:
    """Ask the provider directly; nothing is stored or marked as read."""


@provider.command()
@click.option("--idinterno", help="The results of one message.")
@click.option("--fecha", help="The results of a moment: YYYYMMDDHHMMSS in provider time.")
@command
def status(output: Output, idinterno: str | None, fecha: str | None) -> None:
    """The results of a bulk message, by its idinterno or by the moment of its processing."""
    if (idinterno is None) == (fecha is None):
        raise UsageError("Give either --idinterno or --fecha.", hint="--fecha 20261201090000")
    if idinterno is not None and not re.fullmatch(r"[0-9A-Za-z]{1,50}", idinterno):
        raise UsageError("--idinterno must be 1 to 50 letters and digits.")
    if fecha is not None and not _is_moment(fecha):
        raise UsageError("--fecha must be YYYYMMDDHHMMSS, such as 20261201090000.")
    runtime = Runtime(config.load())
    try:
        results = _by_idinterno(runtime.provider, idinterno) if idinterno else _by_fecha(runtime.provider, str(fecha))
    finally:
        runtime.close()
    output.answer({"pending": not results, "results": results})
    output.table(
        worded("Results (the first {shown:,} of {n:,})", shown=_SHOWN, n=len(results))
        if len(results) > _SHOWN
        else "Results",
        ["idinterno", "fecha", "code", "text"],
        [[r["idinterno"], r["fecha"], r["code"], r["text"]] for r in results[:_SHOWN]],
        right=("code",),
    )
    if not results:
        output.say("PENDIENTE: no results, or nothing of that name was ever sent.")


def _is_moment(fecha: str) -> bool:
    try:
        datetime.strptime(fecha, "%Y%m%d%H%M%S")
    except ValueError:
        return False
    return re.fullmatch(r"\d{14}", fecha, re.ASCII) is not None


def _by_idinterno(provider: HttpProvider, idinterno: str) -> list[dict[str, Any]]:
    return [
        {"idinterno": line.idinterno, "fecha": f"{line.fecha:%Y%m%d%H%M%S}", "text": line.text, "code": line.code}
        for line in provider.status_by_idinterno(idinterno)
    ]


def _by_fecha(provider: HttpProvider, fecha: str) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    with provider.status_by_fecha(fecha) as slices:
        for piece in slices:
            frame = parse_slice(piece).frame
            results += [
                {"idinterno": idinterno, "fecha": f"{moment:%Y%m%d%H%M%S}", "text": text, "code": code}
                for idinterno, moment, text, code in frame.select("idinterno", "fecha", "text", "code").iter_rows()
            ]
    return results
