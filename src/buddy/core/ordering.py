"""The order in which a plan's steps are meant, as a graph that always has a way forward.

Steps are numbered by their place in a *schedule order*: dependencies first, and among what is free the
execution order. An edge always leads from a smaller number to a larger one, so that no set of edges added
later (by conflicts, say) can make a cycle.
"""

import heapq
from array import array
from collections.abc import Callable, Iterable
from itertools import chain

from buddy.model.contract import ToolContract
from buddy.model.plan import Plan

Edges = list[tuple[int, ...]]
Pair = tuple[int, int]


class Schedule:
    """A plan's steps in schedule order.

    Args:
        plan: with known dependencies and without cycles among them.
        tool_needs: a tool's name -> the tools that have to run before it where they are in the plan.

    Attributes:
        plan: the plan.
        steps: its steps in schedule order.
        index: step id -> place in schedule order.
        needs: place -> places of the steps that it depends on (its sources).
        asked: place -> places of the calls that its tool needs before it.
        after: place -> places that must settle first; sources, tools' needs, chain and agent order included.
        moved: (step, what it stood before) places whose execution order contradicts a dependency.
        impossible: (step, call that its tool needs before it) places where the plan's own dependencies
            ask for the opposite.
    """

    __slots__ = ("_reach", "after", "asked", "impossible", "index", "moved", "needs", "plan", "steps")

    def __init__(self, plan: Plan, tool_needs: Callable[[str], Iterable[str]]) -> None:
        declared = {step.step_id: place for place, step in enumerate(plan.steps)}
        sources: Edges = [
            tuple(declared[name] for name in step.depends_on) if step.depends_on else ()
            for step in plan.steps
        ]
        tools = _tool_edges(plan, tool_needs)
        order, dropped = _topological(sources, tools)
        moved = {
            (place, source)
            for place, found in enumerate(zip(sources, tools, strict=True))
            for source in chain(*found)
            if source > place
        }
        self.plan = plan
        self._reach: list[dict[str, int]] | None = None
        if not moved and not dropped:
            self.moved: list[Pair] = []
            self.impossible: list[Pair] = []
            self.steps, self.index, self.needs = list(plan.steps), declared, sources
        else:
            place_of = array("l", order)
            for place, was in enumerate(order):
                place_of[was] = place
            self.moved, self.impossible = (
                sorted((place_of[one], place_of[other]) for one, other in pairs) for pairs in (moved, dropped)
            )
            self.steps = [plan.steps[was] for was in order]
            self.index = {step.step_id: place for place, step in enumerate(self.steps)}
            self.needs = [tuple(sorted(place_of[source] for source in sources[was])) for was in order]
            tools = [tuple(place_of[source] for source in tools[was]) for was in order]
        self.asked = tools
        self.after: Edges = self._with_implied_order(tools)

    def __len__(self) -> int:
        return len(self.steps)

    def ordered(self, earlier: int, later: int) -> bool:
        """Whether the plan itself makes `later` wait for `earlier` (both places, earlier < later)."""
        agent = self.steps[earlier].agent
        one_by_one = self._is_sequential(agent)
        if self.plan.chain or earlier in self.after[later]:
            return True
        one, other = self.steps[earlier].task, self.steps[later].task
        if self.plan.fleet == "waves" and one is not None and other is not None and one.wave < other.wave:
            return True
        if not one_by_one:
            return self._leads(earlier, later)
        if agent == self.steps[later].agent:
            return True
        if self._reach is None:
            self._reach = self._reachable_from()
        return self._reach[later].get(agent, -1) >= earlier

    def _is_sequential(self, agent: str) -> bool:
        known = self.plan.agents.get(agent)
        # The tasks of a fleet may change hands, so that no agent orders them.
        return self.plan.fleet is None and (known is None or known.capacity == 1)

    def _with_implied_order(self, tools: Edges) -> Edges:
        if self.plan.chain:
            return [(place - 1,) if place else () for place in range(len(self.steps))]
        last: dict[str, int] = {}
        after: Edges = []
        one_by_one = {
            name: self._is_sequential(name) for name in dict.fromkeys(step.agent for step in self.steps)
        }
        for step, needs, asked in zip(self.steps, self.needs, tools, strict=True):
            edges = (*needs, *asked) if asked else needs
            if one_by_one[step.agent]:
                before = last.get(step.agent)
                if before is not None:
                    edges = (*edges, before)
                last[step.agent] = len(after)
            after.append(tuple(dict.fromkeys(edges)) if len(edges) > 1 else edges)
        return after

    def _leads(self, earlier: int, later: int) -> bool:
        seen: set[int] = set()
        stack = [later]
        while stack:
            for source in self.after[stack.pop()]:
                if source == earlier:
                    return True
                if source > earlier and source not in seen:
                    seen.add(source)
                    stack.append(source)
        return False

    def _reachable_from(self) -> list[dict[str, int]]:
        """For each place, agent -> the latest of its places that comes before.

        A vector clock per step over the agents that do one thing at a time, for only with them does the
        latest stand for all before it. Shared with the step before where nothing joins, so that only
        joins cost memory: O(steps + joins x agents).
        """
        sequential = frozenset(step.agent for step in self.steps if self._is_sequential(step.agent))
        reach: list[dict[str, int]] = []
        for step, sources in zip(self.steps, self.after, strict=True):
            joined: dict[str, int] | None = None
            fresh = False
            for source in sources:
                base, agent = reach[source], self.steps[source].agent
                news = dict(base) if joined is not None and base is not joined else {}
                joined = base if joined is None else joined
                if agent in sequential and agent != step.agent:
                    news[agent] = max(source, news.get(agent, -1))
                for name, latest in news.items():
                    if latest > joined.get(name, -1):
                        joined, fresh = (joined if fresh else dict(joined)), True
                        joined[name] = latest
            reach.append({} if joined is None else joined)
        return reach


def _tool_edges(plan: Plan, tool_needs: Callable[[str], Iterable[str]]) -> Edges:
    """Edges that the tools' own dependency graph asks for: to the nearest call of the needed tool.

    The nearest one before the step where there is one; otherwise the first after it, which then moves.
    """
    places: dict[str, list[int]] = {}
    for place, step in enumerate(plan.steps):
        places.setdefault(step.tool, []).append(place)
    needed = {tool: _present(tool, tool_needs, places.keys()) for tool in places}
    edges: Edges = [()] * len(plan.steps)
    if not any(needed.values()):
        return edges
    seen: dict[str, int] = {}
    for place, step in enumerate(plan.steps):
        edges[place] = tuple(seen.get(tool, places[tool][0]) for tool in needed[step.tool])
        seen[step.tool] = place
    return edges


def _present(
    tool: str, tool_needs: Callable[[str], Iterable[str]], present: Iterable[str]
) -> tuple[str, ...]:
    """Return what a tool needs of what is there; for what is not there, what that needs."""
    found: set[str] = set()
    met = {tool}
    stack = list(tool_needs(tool))
    while stack:
        name = stack.pop()
        if name in met:
            continue
        met.add(name)
        if name in present:
            found.add(name)
        else:
            stack.extend(tool_needs(name))
    return tuple(sorted(found))


def _topological(sources: Edges, tools: Edges) -> tuple[list[int], list[Pair]]:
    """Order places so that sources come first, in place order where nothing says otherwise.

    Tools' edges on cycles with the plan's own are taken out of `tools` and returned.
    """
    if all(
        source < place
        for place, found in enumerate(zip(sources, tools, strict=True))
        for source in chain(*found)
    ):
        return list(range(len(sources))), []
    order, left = _kahn([(*own, *asked) for own, asked in zip(sources, tools, strict=True)])
    dropped: list[Pair] = []
    if left:
        for place in left:
            dropped += [(place, source) for source in tools[place] if source in left]
            tools[place] = tuple(source for source in tools[place] if source not in left)
        order, left = _kahn([(*own, *asked) for own, asked in zip(sources, tools, strict=True)])
    assert not left, "a plan's own dependencies form a cycle"
    return order, dropped


def _kahn(sources: Edges) -> tuple[list[int], set[int]]:
    """Return the places in order, and those that are on cycles or between them."""
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
    left = {place for place, count in enumerate(waiting) if count}
    led_to = {place: sum(follower in left for follower in followers.get(place, ())) for place in left}
    ends = [place for place, count in led_to.items() if count == 0]
    while ends:
        place = ends.pop()
        left.discard(place)
        for source in sources[place]:
            if source in left:
                led_to[source] -= 1
                if led_to[source] == 0:
                    ends.append(source)
    return order, left


def needs_of(contracts: Callable[[str], ToolContract | None]) -> Callable[[str], tuple[str, ...]]:
    """Return a function from a tool's name to the tools that it names as needed before it."""

    def needed(tool: str) -> tuple[str, ...]:
        contract = contracts(tool)
        return contract.depends_on if contract else ()

    return needed
