"""Seeds of the simulation: nothing may be wrong in any, and the checker must miss what is taken out."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash import many
from crash.mutations import MUTATIONS
from crash.simulation import Simulation

SEEDS = int(os.environ.get("BUDDY_SIMULATION_SEEDS", "2000"))
CHUNK = 50


@pytest.fixture
def place() -> Iterator[Path]:
    folder = many.memory()
    yield folder / "run"
    shutil.rmtree(folder)


def test_nothing_is_wrong_whatever_fails_and_whenever() -> None:
    chunks = (range(first, min(first + CHUNK, SEEDS)) for first in range(0, SEEDS, CHUNK))
    assert many.all_wrong(many.in_seeds, chunks) == {}


def test_a_seed_is_always_the_same(place: Path) -> None:
    for seed in range(20):
        assert Simulation(seed, place).run() == Simulation(seed, place).run()


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_protection_that_is_taken_out_is_missed(mutation: str) -> None:
    with MUTATIONS[mutation]():
        assert any(many.in_seeds(range(first, first + 5)) for first in range(0, 400, 5))
