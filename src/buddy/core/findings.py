"""What conflict detection finds: the conflicts, and what each means for the schedule that runs."""

from msgspec import Struct, field

from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.decision import Ceiling

LISTED_STEPS = 50

Place = tuple[int, int]
"""Ordinal of a plan in the run, and place of a step in its schedule."""


class Findings(Struct):
    """Conflicts and their resolutions, by place.

    Attributes:
        conflicts: in the order found.
        edges: place -> places that have to settle before it.
        ceilings: place -> how high it may climb because of a conflict.
        aborted: place -> why it must not run.
        held: place -> why it has to wait for somebody.
    """

    conflicts: list[Conflict] = field(default_factory=list)
    edges: dict[Place, list[Place]] = field(default_factory=dict)
    ceilings: dict[Place, Ceiling] = field(default_factory=dict)
    aborted: dict[Place, Ceiling] = field(default_factory=dict)

    def add(
        self,
        kind: ConflictType,
        steps: list[StepRef],
        agents: set[str],
        resource: str,
        resolution: Strategy,
        reason: str,
        *,
        resolved: bool = True,
    ) -> Conflict:
        """Note a conflict and give it its id."""
        conflict = Conflict(
            conflict_id=f"c{len(self.conflicts) + 1}",
            type=kind,
            steps=tuple(steps[:LISTED_STEPS]),
            agents=tuple(sorted(agents)),
            resource=resource,
            resolution=resolution,
            reason=reason,
            resolved=resolved,
            step_count=len(steps),
        )
        self.conflicts.append(conflict)
        return conflict
