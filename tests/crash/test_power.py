"""Power loss at every point of a run, with every part of the unsynced lines on the disk."""

import gc
import os
from collections.abc import Iterator
from itertools import accumulate, count, pairwise
from pathlib import Path

import pytest

from crash.machine import Fault
from crash.simulation import Simulation

SEED = 18
"""Of a run with two plans, retries, approvals, a lock and undos, which goes on twice."""
PARTS = 3
MEMORY = Path("/dev/shm")


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: the simulation has a disk of its own."""
    gc.freeze()
    yield MEMORY / f"buddy-{os.getpid()}" if os.access(MEMORY, os.W_OK) else tmp_path
    gc.unfreeze()


def ends(lines: bytes) -> list[int]:
    """Where lines end; the first is 0."""
    return [0, *accumulate(len(line) for line in lines.splitlines(keepends=True))]


def cuts(lost: bytes) -> Iterator[int]:
    """Where the disk may have stopped: at each end of a line, and up to three times within each."""
    yield from ends(lost)
    for before, after in pairwise(ends(lost)):
        yield from {before + 1, (before + after) // 2, after - 1} - {before, after}


@pytest.mark.parametrize("part", range(PARTS))
def test_power_lost_at_any_point_with_any_part_of_what_was_not_synced(part: int, place: Path) -> None:
    wrong, seen, before = {}, set(), None
    for at in count(1):
        stand = Simulation(SEED, place).until(part, at)
        if stand.over:
            break
        if stand.is_as(before):
            continue
        before, lost = stand, stand.journal[stand.synced :]
        for cut in cuts(lost):
            seen.add(stand.synced + cut)
            fault = Fault(at, "power", cut / len(lost) if lost else 0.0)
            found = Simulation(SEED, place).run_into(part, fault).wrong
            if found:
                wrong[at, cut] = found
    assert not wrong
    assert {end for end in ends(stand.journal) if end >= min(seen)} <= seen
