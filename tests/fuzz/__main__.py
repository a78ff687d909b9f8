"""`python -m tests.fuzz [TARGET …] --seconds N`: feed the readers; exit 1 when one breaks, with its input in a file.

With atheris, inputs are led by the code that they reach; without it, they are mutations of the corpus.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import click

from tests.fuzz.mutations import mutated

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(each.name for each in CORPUS.iterdir())


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--seconds", default=60.0, show_default=True, help="CPU seconds for each target.")
@click.option("--seed", default=1, show_default=True)
@click.option("--inside", is_flag=True, hidden=True)
def main(names: tuple[str, ...], seconds: float, seed: int, inside: bool) -> None:
    """Feed the targets NAMES, or all of them, for some time each."""
    if inside:
        _one(names[0], seconds, seed)
        return
    broken = []
    for name in names or NAMES:
        command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--seed", str(seed), "--inside"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        told = [line for line in lines if "executed_units" in line or "inputs in" in line]
        click.echo(f"{name:20} {told[-1] if done.returncode == 0 and told else 'BROKEN'}")
        if done.returncode:
            broken.append(name)
            click.echo("\n".join(lines[-40:]))
    sys.exit(1 if broken else 0)


def _one(name: str, seconds: float, seed: int) -> None:
    if find_spec("atheris"):
        _guided(name, seconds, seed)
    else:
        _mutations(name, seconds, seed)


def _guided(name: str, seconds: float, seed: int) -> None:
    import atheris  # type: ignore[import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["dispatcher"]):
        from tests.fuzz.targets import TARGETS

    grown = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    options = [f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}", "-rss_limit_mb=2048", "-timeout=20"]
    artifacts = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{name}-"
    atheris.Setup(
        [sys.argv[0], *options, artifacts, "-print_final_stats=1", str(grown), str(CORPUS / name)], TARGETS[name]
    )
    atheris.Fuzz()


def _mutations(name: str, seconds: float, seed: int) -> None:
    from tests.fuzz.targets import TARGETS, corpus

    draw, seeds, runs = random.Random(seed), corpus(name), 0
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        data = mutated(seeds, draw)
        try:
            TARGETS[name](data)
        except Exception:
            kept = Path(tempfile.mkstemp(prefix=f"fuzz-{name}-")[1])
            kept.write_bytes(data)
            click.echo(f"This input breaks it: {kept}")
            raise
        runs += 1
    click.echo(f"{runs:,} inputs in {seconds:g} s")


if __name__ == "__main__":
    main()
