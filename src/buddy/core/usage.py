"""How often a run calls its tools, and how many calls of one go at once: RATE_LIMIT conflicts."""

import heapq
from collections import Counter

from buddy.core.findings import LISTED_STEPS, Findings, Place
from buddy.core.ordering import Schedule
from buddy.model.conflict import ConflictType, StepRef, Strategy
from buddy.model.contract import ToolContract


class Usage:
    """The planned calls of one tool that has a rate or a limit of calls at once.

    Args:
        contract: of the tool.
    """

    __slots__ = ("agents", "contract", "count", "lanes", "places", "steps")

    def __init__(self, contract: ToolContract) -> None:
        self.contract = contract
        self.count = 0
        self.lanes: dict[tuple[int, str], int] = {}
        self.agents: set[str] = set()
        self.steps: list[StepRef] = []
        self.places: list[Place] = []

    def add(self, place: Place, schedule: Schedule) -> None:
        """Note a call."""
        ordinal, step, plan = place[0], schedule.steps[place[1]], schedule.plan
        lane, width = ("", 1) if plan.chain else (step.agent, plan.agents[step.agent].capacity)
        self.lanes[ordinal, lane] = width
        self.agents.add(step.agent)
        self.places.append(place)
        self.count += 1
        if len(self.steps) < LISTED_STEPS:
            self.steps.append(StepRef(plan.plan_id, step.step_id))

    def settle(self, findings: Findings, strategy: Strategy, max_parallel_plans: int) -> None:
        """Find the conflict of the tool, if there is one.

        What is downgraded or aborted are the calls beyond the first that the limits admit.
        """
        rate, allowed = self.contract.rate, self.contract.max_concurrency
        at_once = self._at_once(max_parallel_plans)
        reasons, admitted = [], self.count
        if rate is not None and self.count > rate.calls:
            reasons.append(f"{self.count} calls, {rate.calls} allowed in any {rate.seconds:g} s")
            admitted = rate.calls
        if allowed is not None and at_once > allowed:
            reasons.append(f"up to {at_once} calls at once, {allowed} allowed")
            admitted = min(admitted, allowed)
        if reasons:
            conflict = findings.add(
                ConflictType.RATE_LIMIT, self.steps, self.agents, f"tool:{self.contract.name}", strategy,
                "; ".join(reasons), count=self.count,
            )  # fmt: skip
            for place in self.places[admitted:]:
                findings.restrict(place, conflict)

    def _at_once(self, max_parallel_plans: int) -> int:
        by_plan: Counter[int] = Counter()
        for (ordinal, _), capacity in self.lanes.items():
            by_plan[ordinal] += capacity
        return min(self.count, sum(heapq.nlargest(max_parallel_plans, by_plan.values())))
