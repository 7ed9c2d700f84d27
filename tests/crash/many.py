"""Many simulations at once, on every processor, and out of sight of what measures coverage, which is slow."""

import gc
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from crash.machine import Fault
from crash.simulation import Simulation

Job = TypeVar("Job")
Wrong = dict[str, list[str]]
MEMORY = Path("/dev/shm")


def all_wrong(look: Callable[[Job], Wrong], jobs: Iterable[Job]) -> Wrong:
    """Return what every job finds wrong.

    Args:
        look: a function of a module.
        jobs: what it is called with, in a process of its own each or not.
    """
    wrong: Wrong = {}
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"), initializer=gc.freeze) as pool:
        for found in pool.map(look, jobs):
            wrong |= found
    return wrong


def in_seeds(seeds: range) -> Wrong:
    """Return what is wrong in some seeds."""
    place = memory()
    found = {f"{seed}": Simulation(seed, place / "run").run().wrong for seed in seeds}
    shutil.rmtree(place)
    return {seed: wrong for seed, wrong in found.items() if wrong}


def after_a_fault(job: tuple[int, int, Fault]) -> Wrong:
    """Return what is wrong after a fault, given a seed, the part of its run, and the fault."""
    seed, part, fault = job
    place = memory()
    wrong = Simulation(seed, place / "run").run_into(part, fault).wrong
    shutil.rmtree(place)
    return {f"{fault}": wrong} if wrong else {}


def memory() -> Path:
    """Return a fresh folder, in memory where there is one: the simulation has a disk of its own."""
    return Path(tempfile.mkdtemp(prefix="buddy-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
