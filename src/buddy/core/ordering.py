"""The order in which a plan's steps are meant, as a graph that always has a way forward.

Steps are numbered by their place in a *schedule order*: dependencies first, and among what is free the
execution order. An edge always leads from a smaller number to a larger one, so that no set of edges added
later (by conflicts, say) can make a cycle.
"""

import heapq
from array import array
from collections.abc import Callable, Iterable

from buddy.model.contract import ToolContract
from buddy.model.plan import Plan

Edges = list[tuple[int, ...]]


class Schedule:
    """A plan's steps in schedule order.

    Attributes:
        plan: the plan.
        steps: its steps in schedule order.
        index: step id -> place in schedule order.
        needs: place -> places of the steps that it depends on (its sources).
        after: place -> places that must settle first, sources, chain and agent order included.
        moved: (step, what it stood before) places whose execution order contradicts a dependency.
    """

    __slots__ = ("_reach", "after", "index", "moved", "needs", "plan", "steps")

    def __init__(self, plan: Plan, tool_needs: Callable[[str], Iterable[str]]) -> None:
        declared = {step.step_id: place for place, step in enumerate(plan.steps)}
        sources = [tuple(declared[name] for name in step.depends_on) for step in plan.steps]
        tool_sources, self.moved = _tool_edges(plan, tool_needs)
        order, contradicted = _topological(sources, tool_sources)
        place_of = [0] * len(order)
        for place, was in enumerate(order):
            place_of[was] = place
        self.moved = sorted({(place_of[a], place_of[b]) for a, b in (*contradicted, *self.moved)})
        self.plan = plan
        self.steps = [plan.steps[was] for was in order] if contradicted or self.moved else list(plan.steps)
        self.index = {step.step_id: place for place, step in enumerate(self.steps)}
        self.needs: Edges = [tuple(sorted(place_of[s] for s in sources[was])) for was in order]
        self.after: Edges = _with_implied_order(self, [tuple(place_of[s] for s in tool_sources[was]) for was in order])
        self._reach: list[dict[str, int]] | None = None

    def __len__(self) -> int:
        return len(self.steps)

    def ordered(self, earlier: int, later: int) -> bool:
        """Whether the plan itself makes `later` wait for `earlier` (both places, earlier < later)."""
        if self.plan.chain or self.steps[earlier].agent == self.steps[later].agent:
            return True
        if earlier in self.after[later]:
            return True
        if self._reach is None:
            self._reach = _reachable_from(self)
        return self._reach[later].get(self.steps[earlier].agent, -1) >= earlier


def _tool_edges(plan: Plan, tool_needs: Callable[[str], Iterable[str]]) -> tuple[Edges, list[tuple[int, int]]]:
    """Edges that the tools' own dependency graph asks for: to the nearest call of the needed tool.

    The nearest one before the step where there is one; otherwise the first after it, which then moves.
    """
    needed = {step.tool: frozenset(tool_needs(step.tool)) for step in plan.steps}
    edges: Edges = [()] * len(plan.steps)
    if not any(needed.values()):
        return edges, []
    places: dict[str, list[int]] = {}
    for place, step in enumerate(plan.steps):
        places.setdefault(step.tool, []).append(place)
    moved: list[tuple[int, int]] = []
    seen: dict[str, int] = {}
    for place, step in enumerate(plan.steps):
        found: list[int] = []
        for tool in sorted(needed[step.tool]):
            if tool in seen:
                found.append(seen[tool])
            elif tool in places:
                found.append(places[tool][0])
                moved.append((place, places[tool][0]))
        edges[place] = tuple(found)
        seen[step.tool] = place
    return edges, moved


def _topological(sources: Edges, more: Edges) -> tuple[list[int], list[tuple[int, int]]]:
    """Order places so that sources come first, in place order where nothing says otherwise.

    Edges of `more` that would close a cycle are dropped: they come from the tools' own graph.
    """
    contradicted = [(place, source) for place, found in enumerate(sources) for source in found if source > place]
    late = any(source > place for place, found in enumerate(more) for source in found)
    if not contradicted and not late:
        return list(range(len(sources))), []
    order = _kahn([(*one, *other) for one, other in zip(sources, more, strict=True)])
    if len(order) < len(sources):
        for place, found in enumerate(more):
            more[place] = tuple(source for source in found if source < place)
        order = _kahn([(*one, *other) for one, other in zip(sources, more, strict=True)])
    if len(order) < len(sources):
        for place in range(len(more)):
            more[place] = ()
        order = _kahn(sources)
    return order, contradicted


def _kahn(sources: Edges) -> list[int]:
    waiting = array("l", (len(found) for found in sources))
    followers: dict[int, list[int]] = {}
    for place, found in enumerate(sources):
        for source in found:
            followers.setdefault(source, []).append(place)
    free = [place for place, count in enumerate(waiting) if count == 0]
    order: list[int] = []
    while free:
        place = heapq.heappop(free)
        order.append(place)
        for follower in followers.get(place, ()):
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(free, follower)
    return order


def _with_implied_order(schedule: Schedule, tool_edges: Edges) -> Edges:
    chain = schedule.plan.chain
    last: dict[str, int] = {}
    after: Edges = []
    for place, step in enumerate(schedule.steps):
        edges = (*schedule.needs[place], *tool_edges[place])
        if chain:
            edges = (place - 1,) if place else ()
        else:
            before = last.get(step.agent)
            if before is not None and _sequential(schedule.plan, step.agent):
                edges = (*edges, before)
            last[step.agent] = place
        after.append(tuple(dict.fromkeys(edges)) if len(edges) > 1 else edges)
    return after


def _sequential(plan: Plan, agent: str) -> bool:
    known = plan.agents.get(agent)
    return known is None or known.capacity == 1


def _reachable_from(schedule: Schedule) -> list[dict[str, int]]:
    """For each place, agent -> the latest of its places that comes before; agents' own order included.

    A vector clock per step, shared with the step before where nothing joins, so that only joins cost
    memory: O(steps + joins x agents).
    """
    reach: list[dict[str, int]] = []
    for place, step in enumerate(schedule.steps):
        merged: dict[str, int] | None = None
        for source in schedule.after[place]:
            base, agent = reach[source], schedule.steps[source].agent
            if merged is None:
                merged = base
                if agent != step.agent:
                    merged = {**merged, agent: max(source, merged.get(agent, -1))}
                continue
            joined = dict(merged)
            for name, latest in (*base.items(), (agent, source)):
                if latest > joined.get(name, -1):
                    joined[name] = latest
            merged = joined
        reach.append(merged if merged is not None else {})
    return reach


def needs_of(contracts: Callable[[str], ToolContract | None]) -> Callable[[str], tuple[str, ...]]:
    """Return a function from a tool's name to the tools that it needs before it."""

    def needed(tool: str) -> tuple[str, ...]:
        contract = contracts(tool)
        return contract.depends_on if contract else ()

    return needed
