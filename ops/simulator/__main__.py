"""`python -m ops.simulator`: run the simulated provider by hand."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import click
from pydantic import ValidationError

from ops.simulator.application import Application
from ops.simulator.options import Options
from ops.simulator.provider import Provider


async def serve(provider: Provider, host: str, port: int, smtp_port: int, *, until_eof: bool) -> None:
    """Run until SIGTERM or SIGINT (or the end of stdin), after one JSON line that says where."""
    application = Application(provider, host=host, port=port, smtp_port=smtp_port)
    await application.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def stdin_moved() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            stop.set()

    if until_eof:
        loop.add_reader(sys.stdin.fileno(), stdin_moved)
    ready = {
        "url": application.url,
        "smtp_url": application.smtp_url,
        "control_url": application.control_url,
        "pid": os.getpid(),
    }
    click.echo(json.dumps(ready))
    await stop.wait()
    await application.stop()


def _option_of(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One command-line option per setting of `Options`, with its default and its words."""
    info = Options.model_fields[name]
    kind = info.annotation
    flag = "--" + name.replace("_", "-")
    default = info.default
    shown = default if default not in (None, [], {}) else "none"
    if isinstance(shown, list):
        shown = ", ".join(shown)
    words = f"{info.description}  [default: {shown}]"
    if kind is bool:
        return click.option(f"{flag}/--no-{name.replace('_', '-')}", default=None, help=words)
    if get_origin(kind) is list:
        return click.option(flag, multiple=True, help=words)
    if get_origin(kind) is dict:
        return click.option(flag, metavar="JSON", help=words)
    members = get_args(kind)
    if members and get_origin(kind) not in (Union, types.UnionType):
        return click.option(flag, type=click.Choice([str(member) for member in members]), help=words)
    return click.option(flag, type=kind if kind in (int, float) else str, help=words)


def _all_options(command: Callable[..., None]) -> Callable[..., None]:
    for name in reversed(Options.model_fields):
        command = _option_of(name)(command)
    return command


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """The settings that the command line gave, JSON ones read."""
    given = {name: value for name, value in values.items() if value not in (None, ())}
    if "mix" in given:
        given["mix"] = json.loads(given["mix"])
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


@click.command(context_settings={"max_content_width": 110})
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, show_default=True, help="0 = a free one")
@click.option("--smtp-port", default=0, show_default=True, help="of the mail server; 0 = a free one")
@click.option("--ledger", type=click.Path(path_type=Path, dir_okay=False), help="file that survives a restart")
@click.option("--clock-offset", default=0.0, help="seconds that the provider's clock is ahead of ours")
@click.option("--clock-at", metavar='"YYYY-MM-DD HH:MM:SS"', help="start at this provider-local time")
@click.option("--clock-speed", default=1.0, show_default=True, help="provider seconds per real second")
@click.option("--options", "more", metavar="JSON", help="the settings below as one object; flags win")
@click.option("--until-eof", is_flag=True, help="stop when stdin ends, so as not to outlive a parent")
@_all_options
def main(
    host: str,
    port: int,
    smtp_port: int,
    ledger: Path | None,
    clock_offset: float,
    clock_at: str | None,
    clock_speed: float,
    more: str | None,
    until_eof: bool,
    **values: Any,
) -> None:
    """The SMS Masivos simulator: every page of the guide and the Web Service on one port, the mailbox on another.

    Prints one JSON line with its url, its smtp_url, its control_url (pages under /_sim/) and its pid, then serves
    until it is stopped.
    """
    try:
        options = Options.model_validate({**json.loads(more or "{}"), **_given(values)})
        provider = Provider(options, ledger=ledger, offset=clock_offset, speed=clock_speed)
        if clock_at is not None:
            provider.clock.change(at=clock_at)
    except ValidationError as error:
        problem = error.errors()[0]
        raise click.UsageError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    asyncio.run(serve(provider, host, port, smtp_port, until_eof=until_eof))


if __name__ == "__main__":
    main()
