"""What conflict detection finds: the conflicts, and what each means for the schedule that runs."""

from msgspec import Struct, field

from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.decision import Ceiling
from buddy.model.mode import Mode

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
    """

    conflicts: list[Conflict] = field(default_factory=list)
    edges: dict[Place, list[Place]] = field(default_factory=dict)
    ceilings: dict[Place, Ceiling] = field(default_factory=dict)
    aborted: dict[Place, Ceiling] = field(default_factory=dict)

    def within(self, ordinal: int) -> dict[int, list[int]]:
        """Return the edges between steps of one plan, by place in it.

        Args:
            ordinal: number of the plan.
        """
        found = {}
        for (plan, place), edges in self.edges.items():
            if plan == ordinal:
                found[place] = [before for other, before in edges if other == ordinal]
        return found

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
        count: int | None = None,
    ) -> Conflict:
        """Note a conflict and give it its id.

        Args:
            kind: what it is about.
            steps: in it, in execution order; the first `LISTED_STEPS` are kept.
            agents: theirs.
            resource: what they are at odds over.
            resolution: what is done.
            reason: one sentence.
            resolved: False where nothing could be done.
            count: how many steps are in it, where `steps` is not all of them.
        """
        conflict = Conflict(
            conflict_id=f"c{len(self.conflicts) + 1}",
            type=kind,
            steps=tuple(steps[:LISTED_STEPS]),
            agents=tuple(sorted(agents)),
            resource=resource,
            resolution=resolution,
            reason=reason,
            resolved=resolved,
            step_count=len(steps) if count is None else count,
        )
        self.conflicts.append(conflict)
        return conflict

    def restrict(self, place: Place, conflict: Conflict) -> None:
        """Lower what a step may do as its conflict's resolution says; of several the first stands."""
        limit = Ceiling(Mode.DRY_RUN, "conflict", f"{conflict.conflict_id}: {conflict.reason}")
        if conflict.resolution is Strategy.DOWNGRADE:
            self.ceilings.setdefault(place, limit)
        elif conflict.resolution is Strategy.ABORT:
            self.aborted.setdefault(place, limit)

    def is_restricted(self, place: Place) -> bool:
        """Whether a conflict keeps a step from going LIVE."""
        return place in self.ceilings or place in self.aborted
