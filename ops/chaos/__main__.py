"""`make chaos SCENARIO=… SEED=…`: play scenarios, print a row for each, fail when a promise was broken."""

import sys
import time

import click

from ops.chaos.arena import arena
from ops.chaos.scenario import play
from ops.chaos.scenarios import SCENARIOS
from ops.chaos.tally import Tally

_HEADINGS = ("messages", "POSTs", "lost", "twice", "outside", "wrong", "held", "recovery")
_ROW = "{:<24}" + "{:>9}" * len(_HEADINGS)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seed", default=1, show_default=True, help="Of every random choice.")
@click.option("--list", "listing", is_flag=True, help="Name the scenarios and end.")
def main(names: tuple[str, ...], seed: int, listing: bool) -> None:
    """Play scenarios by NAMES, or all of them; a name may be the beginning of several."""
    if listing:
        for name, scenario in SCENARIOS.items():
            click.echo(f"{name:<24} {scenario.play.__doc__}")
        return
    chosen = _chosen(names)
    click.echo(_ROW.format("scenario", *_HEADINGS))
    broken = []
    with arena() as servers:
        for name in chosen:
            if why := SCENARIOS[name].missing():
                click.echo(f"{name:<24} skipped: {why}")
                continue
            began = time.monotonic()
            tally = play(servers, name, SCENARIOS[name], seed)
            good = tally.clean(held_is_right=SCENARIOS[name].held)
            click.echo(_row(name, tally) + ("" if good else "  FAILED") + f"   ({time.monotonic() - began:.0f} s)")
            for words in tally.notes:
                click.echo(f"    {words}")
            if not good:
                broken.append(name)
                for words in tally.complaints:
                    click.echo(f"    {words}")
                click.echo(f"    logs: {servers.folder / name}; again: make chaos SCENARIO={name} SEED={seed}")
    if broken:
        click.echo(f"Broken: {', '.join(broken)}")
        sys.exit(1)
    click.echo("Every promise was kept.")


def _chosen(names: tuple[str, ...]) -> list[str]:
    if not names or "all" in names:
        return list(SCENARIOS)
    chosen = [known for known in SCENARIOS if known in names or any(known.startswith(f"{name}-") for name in names)]
    if not chosen:
        raise click.UsageError(f"No scenario is called {' or '.join(names)}; --list names them.")
    return chosen


def _row(name: str, tally: Tally) -> str:
    numbers = (tally.messages, tally.posts, tally.lost, tally.twice, tally.outside, tally.wrong, tally.held)
    return _ROW.format(name, *numbers, f"{tally.recovery:.1f} s")


if __name__ == "__main__":
    main()
