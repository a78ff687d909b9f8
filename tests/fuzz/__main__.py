"""`python -m tests.fuzz [TARGET …] --seconds N`: feed the readers; exit 1 when one breaks, with its input in a file.

With atheris, inputs are led by the code that they reach; without it, they are mutations of the corpus.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import click

from tests.fuzz.mutations import feed

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(each.name for each in CORPUS.iterdir())


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--seconds", default=60.0, show_default=True, help="CPU seconds for each target.")
@click.option("--seed", default=1, show_default=True)
@click.option("--inside", type=click.Path(file_okay=False, path_type=Path), hidden=True)
def main(names: tuple[str, ...], seconds: float, seed: int, inside: Path | None) -> None:
    """Feed the targets NAMES, or all of them, for some time each."""
    if inside:
        _one(names[0], seconds, seed, inside)
        return
    broken = [name for name in names or NAMES if not _holds(name, seconds, seed)]
    sys.exit(1 if broken else 0)


def _holds(name: str, seconds: float, seed: int) -> bool:
    """Feed one target in a process of its own. What it writes goes with it, but for the input that breaks it."""
    findings = tempfile.gettempdir()
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--seed", str(seed)]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        done = subprocess.run(
            [*command, "--inside", findings],
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "TMPDIR": scratch},
        )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    told = [line for line in lines if "executed_units" in line or "inputs in" in line]
    click.echo(f"{name:20} {told[-1] if done.returncode == 0 and told else 'BROKEN'}")
    if done.returncode:
        click.echo("\n".join(lines[-40:]))
    return done.returncode == 0


def _one(name: str, seconds: float, seed: int, findings: Path) -> None:
    if find_spec("atheris"):
        _guided(name, seconds, seed, findings)
    else:
        _mutations(name, seconds, seed, findings)


def _guided(name: str, seconds: float, seed: int, findings: Path) -> None:
    import atheris  # type: ignore[import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["dispatcher"]):
        from tests.fuzz.targets import TARGETS

    grown = tempfile.mkdtemp()
    options = [f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}", "-rss_limit_mb=2048", "-timeout=20"]
    artifacts = f"-artifact_prefix={findings}/fuzz-{name}-"
    atheris.Setup([sys.argv[0], *options, artifacts, "-print_final_stats=1", grown, str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


def _mutations(name: str, seconds: float, seed: int, findings: Path) -> None:
    from tests.fuzz.targets import TARGETS, corpus

    runs, breaks, error = feed(TARGETS[name], corpus(name), random.Random(seed), seconds)
    if error is not None and breaks is not None:
        kept = Path(tempfile.mkstemp(prefix=f"fuzz-{name}-", dir=findings)[1])
        kept.write_bytes(breaks)
        click.echo(f"This input breaks it: {kept}")
        raise error
    click.echo(f"{runs:,} inputs in {seconds:g} s")


if __name__ == "__main__":
    main()
