"""Seeds of the simulation: nothing may be wrong in any, and the checker must miss what is taken out."""

import os

import pytest

from crash import many
from crash.mutations import MUTATIONS
from crash.simulation import Simulation

SEEDS = int(os.environ.get("BUDDY_SIMULATION_SEEDS", "2000"))
CHUNK = 50


@pytest.fixture(scope="module")
def missed() -> dict[str, tuple[int, str] | None]:
    return dict(zip(MUTATIONS, many.each(many.first_missed, MUTATIONS), strict=True))


def test_nothing_is_wrong_whatever_fails_and_whenever() -> None:
    chunks = (range(first, min(first + CHUNK, SEEDS)) for first in range(0, SEEDS, CHUNK))
    assert many.all_wrong(many.in_seeds, chunks) == {}


def test_a_seed_is_always_the_same() -> None:
    with many.memory() as place:
        for seed in range(20):
            assert Simulation(seed, place / "run").run() == Simulation(seed, place / "run").run()


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_protection_that_is_taken_out_is_missed(
    mutation: str, missed: dict[str, tuple[int, str] | None]
) -> None:
    assert missed[mutation] is not None
