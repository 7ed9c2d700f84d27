"""Power loss at every point of a run, with every part of the unsynced lines on the disk."""

import json
from collections.abc import Iterator
from itertools import accumulate, pairwise

import pytest

from crash import many
from crash.machine import Fault
from crash.simulation import Stand

SEED = 683
"""Of a run with retries, approvals, an edit, a lock and undos, which goes on twice."""
PARTS = 3
AT_ONCE = 150
"""Points that are looked at before it is known whether the part was over by then."""


def ends(lines: bytes) -> list[int]:
    """Where lines end; the first is 0."""
    return [0, *accumulate(len(line) for line in lines.splitlines(keepends=True))]


def cuts(lost: bytes) -> Iterator[int]:
    """Where the disk may have stopped: at each end of a line, and up to three times within each."""
    yield from ends(lost)
    for before, after in pairwise(ends(lost)):
        yield from {before + 1, (before + after) // 2, after - 1} - {before, after}


def stands(part: int) -> list[Stand]:
    """How everything stands at each point of a part; the last is its end."""
    found: list[Stand] = []
    while not found or not found[-1].over:
        points = range(len(found) + 1, len(found) + 1 + AT_ONCE)
        found += many.each(many.up_to, [(SEED, part, at) for at in points])
    return found[: next(number for number, stand in enumerate(found, 1) if stand.over)]


def test_the_run_has_what_a_loss_could_hurt() -> None:
    over = many.up_to((SEED, PARTS - 1, 100_000))
    told = [json.loads(line) for line in over.journal.splitlines()]
    kinds = {event["type"] for event in told}
    assert {"undo", "approval_decided", "lock", "run_resumed"} <= kinds
    assert any(event["type"] == "intent" and event.get("attempt", 1) > 1 for event in told)
    assert any(event["type"] == "approval_requested" and event["request"]["supersedes"] for event in told)


@pytest.mark.parametrize("part", range(PARTS))
def test_power_lost_at_any_point_with_any_part_of_what_was_not_synced(part: int) -> None:
    jobs, seen, before = [], set(), None
    *under_way, last = stands(part)
    for at, stand in enumerate(under_way, 1):
        if stand.is_as(before):
            continue
        before, lost = stand, stand.journal[stand.synced :]
        for cut in cuts(lost):
            seen.add(stand.synced + cut)
            jobs.append((SEED, part, Fault(at, "power", cut / len(lost) if lost else 0.0)))
    assert {end for end in ends(last.journal) if end >= min(seen)} <= seen
    assert many.all_wrong(many.after_a_fault, jobs) == {}
