"""Who uses what, and who is in whose way: RESOURCE conflicts."""

from typing import NamedTuple

from buddy.core.findings import Findings, Place
from buddy.core.ordering import Schedule
from buddy.model.conflict import ConflictType, StepRef, Strategy


class Access(NamedTuple):
    """One step's use of one resource."""

    place: Place
    writes: bool


class Contention:
    """The accesses of a run to its resources, in execution order."""

    def __init__(self) -> None:
        self._accesses: dict[str, list[Access]] = {}
        self._schedules: dict[int, Schedule] = {}

    def add(self, place: Place, schedule: Schedule, claims: tuple[tuple[str, bool], ...]) -> None:
        """Note what a step claims: (resource, is it a write)."""
        self._schedules[place[0]] = schedule
        for resource, writes in claims:
            self._accesses.setdefault(resource, []).append(Access(place, writes))

    def settle(self, findings: Findings, strategy: Strategy) -> None:
        """Find the conflicts among what was noted, and forget it."""
        for resource, accesses in self._accesses.items():
            if len(accesses) > 1:
                self._resource(resource, accesses, findings, strategy)
        self._accesses.clear()
        self._schedules.clear()

    def _resource(
        self, resource: str, accesses: list[Access], findings: Findings, strategy: Strategy
    ) -> None:
        """Order the accesses to one resource.

        The order within an agent is meant, so one that may do several things at once is held to it
        without a conflict.
        """
        unordered = [pair for pair in _incompatible(accesses) if not self._ordered(*pair)]
        rivals = [pair for pair in unordered if self._are_rivals(*pair)]
        if rivals:
            writers = sum(access.writes for access in accesses)
            conflict = findings.add(
                ConflictType.RESOURCE,
                [self._ref(access) for access in accesses],
                {self._agent(access) for access in accesses},
                resource,
                strategy,
                f"{len(accesses)} steps use it, {writers} of them write, and nothing orders them",
            )
            for _, later in rivals:
                findings.restrict(later.place, conflict)
        delays = strategy in (Strategy.DELAY, Strategy.REASSIGN)
        for earlier, later in unordered if delays or not rivals else []:
            findings.edges.setdefault(later.place, []).append(earlier.place)

    def _ordered(self, earlier: Access, later: Access) -> bool:
        if earlier.place[0] != later.place[0]:
            return False
        return self._schedules[later.place[0]].ordered(earlier.place[1], later.place[1])

    def _are_rivals(self, earlier: Access, later: Access) -> bool:
        return earlier.place[0] != later.place[0] or self._agent(earlier) != self._agent(later)

    def _agent(self, access: Access) -> str:
        return self._schedules[access.place[0]].steps[access.place[1]].agent

    def _ref(self, access: Access) -> StepRef:
        schedule = self._schedules[access.place[0]]
        return StepRef(schedule.plan.plan_id, schedule.steps[access.place[1]].step_id)


def _incompatible(accesses: list[Access]) -> list[tuple[Access, Access]]:
    """Return pairs that must not overlap: a read after the last write, a write after all since it.

    All other incompatible pairs follow from these.
    """
    pairs: list[tuple[Access, Access]] = []
    write: Access | None = None
    reads: list[Access] = []
    for access in accesses:
        if access.writes and reads:
            pairs += [(read, access) for read in reads]
        elif write is not None:
            pairs.append((write, access))
        if access.writes:
            write, reads = access, []
        else:
            reads.append(access)
    return pairs
