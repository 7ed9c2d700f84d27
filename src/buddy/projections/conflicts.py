"""`tool_conflicts.json`: the conflicts of a run, and which steps keep getting in each other's way."""

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from msgspec import Raw, Struct

from buddy.journal.events import ConflictFound, Record
from buddy.model.conflict import Conflict, ConflictType, Strategy
from buddy.projections.approvals import EVIDENCE


class Pattern(Struct, kw_only=True):
    """The conflicts of one type.

    Attributes:
        count: how many.
        unresolved: of those.
        by_resolution: of those.
        resources: what they are about, counted; the first `MOST_RESOURCES` different ones.
        pairs: rows of neighbours in a conflict, two numbers a pair.
        evidence: seqs of the first.
    """

    count: int = 0
    unresolved: int = 0
    by_resolution: dict[Strategy, int] = {}
    resources: dict[str, int] = {}
    pairs: "array[int]"
    evidence: list[int] = []


MOST_RESOURCES = 1_000


class Conflicts:
    """The conflicts of a run, counted.

    Attributes:
        patterns: by type, in the order of `ConflictType`.
        unlisted: steps in a conflict that its record does not name, because it names so many.
    """

    def __init__(self) -> None:
        self.patterns = {kind: Pattern(pairs=array("Q")) for kind in ConflictType}
        self.unlisted = 0

    def add(self, conflict: Conflict, rows: Sequence[int], seq: int) -> None:
        """Count a conflict.

        Args:
            conflict: what was found.
            rows: of its steps, in its order.
            seq: of its record.
        """
        pattern = self.patterns[conflict.type]
        pattern.count += 1
        pattern.unresolved += not conflict.resolved
        pattern.by_resolution[conflict.resolution] = pattern.by_resolution.get(conflict.resolution, 0) + 1
        if conflict.resource in pattern.resources or len(pattern.resources) < MOST_RESOURCES:
            pattern.resources[conflict.resource] = pattern.resources.get(conflict.resource, 0) + 1
        for pair in pairwise(rows):
            pattern.pairs.extend(pair)
        if len(pattern.evidence) < EVIDENCE:
            pattern.evidence.append(seq)
        self.unlisted += max(conflict.step_count - len(conflict.steps), 0)

    @property
    def evidence(self) -> list[int]:
        """Seqs of the first conflicts."""
        return sorted(seq for pattern in self.patterns.values() for seq in pattern.evidence)[:EVIDENCE]

    @property
    def total(self) -> int:
        """How many conflicts."""
        return sum(pattern.count for pattern in self.patterns.values())

    @property
    def unresolved(self) -> int:
        """How many of them nothing could be done about."""
        return sum(pattern.unresolved for pattern in self.patterns.values())

    @property
    def by_type(self) -> dict[ConflictType, int]:
        """Conflicts by type, all types."""
        return {kind: pattern.count for kind, pattern in self.patterns.items()}

    @property
    def by_resolution(self) -> dict[Strategy, int]:
        """Conflicts by what is done about them, all strategies."""
        counts = dict.fromkeys(Strategy, 0)
        for pattern in self.patterns.values():
            for strategy, count in pattern.by_resolution.items():
                counts[strategy] += count
        return counts


class StepName(Struct, frozen=True):
    """A step in an output."""

    plan_id: str
    step_id: str


class ConflictLine(Struct, frozen=True, kw_only=True):
    """One conflict, in `tool_conflicts.json`.

    Attributes:
        id: `c1`, `c2`, ... in the order found.
        type: what it is about.
        steps: in it, in execution order; at most 50.
        step_count: how many steps are in it.
        agents: theirs, sorted.
        resource: what they are at odds over.
        resolution: what is done.
        reason: one sentence.
        resolved: False where nothing could be done and the steps are held.
        found_at: `plan` before anything ran, `admission` when a step was about to run.
        ts: when it was written down.
    """

    id: str
    type: ConflictType
    steps: list[StepName]
    step_count: int
    agents: tuple[str, ...]
    resource: str
    resolution: Strategy
    reason: str
    resolved: bool
    found_at: str
    ts: str


class ConflictFile(Struct, frozen=True, kw_only=True):
    """`tool_conflicts.json`.

    Attributes:
        run_id: of which run.
        total: how many conflicts.
        by_type, by_resolution: counts, zero where there are none.
        unresolved: ids of those about which nothing could be done.
        conflicts: in the order found.
    """

    run_id: str
    total: int
    by_type: dict[ConflictType, int]
    by_resolution: dict[Strategy, int]
    unresolved: list[str]
    conflicts: list[ConflictLine]


def conflict_line(record: Record, event: ConflictFound) -> ConflictLine:
    """Return a conflict as the file shows it."""
    found = event.conflict
    return ConflictLine(
        id=found.conflict_id,
        type=found.type,
        steps=[StepName(ref.plan, ref.step) for ref in found.steps],
        step_count=max(found.step_count, len(found.steps)),
        agents=found.agents,
        resource=found.resource,
        resolution=found.resolution,
        reason=found.reason,
        resolved=found.resolved,
        found_at=event.at,
        ts=record.time,
    )


def conflict_file(run_id: str, counts: Conflicts, unresolved: list[str], lines: list[bytes]) -> ConflictFile:
    """Return the whole file.

    Args:
        run_id: of which run.
        counts: of its conflicts.
        unresolved: ids.
        lines: the conflicts, each as JSON already, which takes a fraction of the memory of records.
    """
    return ConflictFile(
        run_id=run_id,
        total=counts.total,
        by_type=counts.by_type,
        by_resolution=counts.by_resolution,
        unresolved=unresolved,
        conflicts=cast("list[ConflictLine]", [Raw(line) for line in lines]),
    )
