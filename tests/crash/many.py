"""Many simulations at once, on every processor, and out of sight of what measures coverage, which is slow."""

import gc
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from crash.machine import Fault
from crash.mutations import MUTATIONS
from crash.simulation import Outcome, Simulation, Stand

Job = TypeVar("Job")
Found = TypeVar("Found")
Wrong = dict[str, list[str]]
MEMORY = Path("/dev/shm")
ENOUGH = 2_000
"""Seeds in one of which what is taken out must be missed."""


def each(look: Callable[[Job], Found], jobs: Iterable[Job], processes: int | None = None) -> Iterator[Found]:
    """Yield what is found in each job, in their order.

    Args:
        look: a function of a module.
        jobs: what it is called with, in a process of its own each or not.
        processes: as many as there are processors where it is not said.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=gc.freeze) as pool:
        yield from pool.map(look, jobs)


def all_wrong(look: Callable[[Job], Wrong], jobs: Iterable[Job]) -> Wrong:
    """Return what every job finds wrong."""
    wrong: Wrong = {}
    for found in each(look, jobs):
        wrong |= found
    return wrong


def outcomes(seeds: range) -> Iterator[tuple[int, Outcome]]:
    """Yield what became of each seed."""
    with memory() as place:
        for seed in seeds:
            yield seed, Simulation(seed, place / "run").run()


def in_seeds(seeds: range) -> Wrong:
    """Return what is wrong in some seeds."""
    return {f"{seed}": outcome.wrong for seed, outcome in outcomes(seeds) if outcome.wrong}


def first_missed(mutation: str) -> tuple[int, str] | None:
    """Return the first seed that misses a protection that is taken out, and how; None where none does.

    Only a seed in which nothing is wrong with the protection there misses it.
    """
    with memory() as place:
        for seed in range(ENOUGH):
            with MUTATIONS[mutation]():
                try:
                    wrong = Simulation(seed, place / "run").run().wrong
                except (LookupError, TypeError, ValueError) as fell:
                    # Over what nobody checked any more, as names in a journal that was changed.
                    wrong = [f"fell over {fell!r}"]
            if wrong and not Simulation(seed, place / "run").run().wrong:
                return seed, wrong[0]
    return None


def after_a_fault(job: tuple[int, int, Fault]) -> Wrong:
    """Return what is wrong after a fault, given a seed, the part of its run, and the fault."""
    seed, part, fault = job
    with memory() as place:
        wrong = Simulation(seed, place / "run").run_into(part, fault).wrong
    return {f"{fault}": wrong} if wrong else {}


def up_to(job: tuple[int, int, int]) -> Stand:
    """Return how everything stands, given a seed, the part of its run, and the number of a point in it."""
    seed, part, at = job
    with memory() as place:
        return Simulation(seed, place / "run").until(part, at)


@contextmanager
def memory() -> Iterator[Path]:
    """Have a fresh folder, in memory where there is one: the simulation has a disk of its own."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="buddy-", dir=where, ignore_cleanup_errors=True) as place:
        yield Path(place)
