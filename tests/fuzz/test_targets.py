"""Every seed, and some seconds of mutations of them: the long run is `make fuzz`."""

import random
import time

import pytest

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import CORPUS, TARGETS, corpus

SECONDS = 2.0


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_read_or_refused(name: str) -> None:
    seeds = corpus(name)
    assert seeds, f"{CORPUS / name} has no seed"
    for seed in seeds:
        TARGETS[name](seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_mutations_of_the_seeds_are_read_or_refused(name: str) -> None:
    draw, seeds, ends = random.Random(name), corpus(name), time.process_time() + SECONDS
    while time.process_time() < ends:
        data = mutated(seeds, draw)
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{name} breaks on {data[:2000]!r}") from error


def test_a_reader_that_breaks_is_found_out() -> None:
    """What a fuzzer would miss, it would miss silently."""
    draw, seeds = random.Random(1), [b"abc;def"]
    assert any(b"\x00" in mutated(seeds, draw) for _ in range(500))
