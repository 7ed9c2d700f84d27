"""Seeds of the simulation: nothing may be wrong in any, and the checker must see what is taken out."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.mutations import MUTATIONS
from crash.simulation import Simulation

SEEDS = int(os.environ.get("BUDDY_SIMULATION_SEEDS", "2000"))
CHUNKS = 20
MEMORY = Path("/dev/shm")


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: the simulation has a disk of its own."""
    gc.freeze()
    yield MEMORY / f"buddy-{os.getpid()}" if os.access(MEMORY, os.W_OK) else tmp_path
    gc.unfreeze()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_is_wrong_whatever_fails_and_whenever(chunk: int, place: Path) -> None:
    wrong = {}
    for seed in range(chunk, SEEDS, CHUNKS):
        found = Simulation(seed, place).run().wrong
        if found:
            wrong[seed] = found
    assert not wrong


@pytest.mark.parametrize("seed", [16740])
def test_what_only_a_rare_seed_found(seed: int, place: Path) -> None:
    # A call that may be repeated was cut off, told as UNKNOWN, repeated, and cut off again.
    assert Simulation(seed, place).run().wrong == []


def test_a_seed_is_always_the_same(place: Path) -> None:
    for seed in range(20):
        assert Simulation(seed, place).run() == Simulation(seed, place).run()


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_protection_that_is_taken_out_is_missed(mutation: str, place: Path) -> None:
    with MUTATIONS[mutation]():
        assert any(Simulation(seed, place).run().wrong for seed in range(400))
