"""Power loss at every point of a run, with every part of the unsynced lines on the disk."""

import shutil
from collections.abc import Iterator
from itertools import accumulate, count, pairwise

import pytest

from crash import many
from crash.machine import Fault
from crash.simulation import Simulation

SEED = 26
"""Of a run with retries, approvals, a lock and undos, which goes on twice."""
PARTS = 3


def ends(lines: bytes) -> list[int]:
    """Where lines end; the first is 0."""
    return [0, *accumulate(len(line) for line in lines.splitlines(keepends=True))]


def cuts(lost: bytes) -> Iterator[int]:
    """Where the disk may have stopped: at each end of a line, and up to three times within each."""
    yield from ends(lost)
    for before, after in pairwise(ends(lost)):
        yield from {before + 1, (before + after) // 2, after - 1} - {before, after}


@pytest.mark.parametrize("part", range(PARTS))
def test_power_lost_at_any_point_with_any_part_of_what_was_not_synced(part: int) -> None:
    place = many.memory()
    jobs, seen, before = [], set(), None
    for at in count(1):
        stand = Simulation(SEED, place / "run").until(part, at)
        if stand.over:
            break
        if stand.is_as(before):
            continue
        before, lost = stand, stand.journal[stand.synced :]
        for cut in cuts(lost):
            seen.add(stand.synced + cut)
            jobs.append((SEED, part, Fault(at, "power", cut / len(lost) if lost else 0.0)))
    shutil.rmtree(place)
    assert {end for end in ends(stand.journal) if end >= min(seen)} <= seen
    assert many.all_wrong(many.after_a_fault, jobs) == {}
