"""How long a graph of tasks takes: ranks, the critical path, a bound from below, and a list schedule."""

import heapq
from collections.abc import Sequence

from msgspec import Struct

Graph = Sequence[tuple[int, ...]]
"""Place -> the places that it depends on, each smaller than itself."""


def upward_ranks(seconds: Sequence[float], needs: Graph) -> list[float]:
    """Return for each task the length of the longest path from its start to the end of the graph, in seconds.

    Upward rank without communication costs (Topcuoglu, Hariri and Wu 2002, HEFT).
    """
    ranks = list(seconds)
    for place in reversed(range(len(ranks))):
        for source in needs[place]:
            ranks[source] = max(ranks[source], seconds[source] + ranks[place])
    return ranks


def critical_path(seconds: Sequence[float], needs: Graph) -> list[int]:
    """Return the places of the longest path, in order; empty for an empty graph."""
    if not seconds:
        return []
    ranks = upward_ranks(seconds, needs)
    followers: dict[int, list[int]] = {}
    for place, sources in enumerate(needs):
        for source in sources:
            followers.setdefault(source, []).append(place)
    path = [max(range(len(ranks)), key=lambda place: (ranks[place], -place))]
    while after := followers.get(path[-1]):
        path.append(max(after, key=lambda place: (ranks[place], -place)))
    return path


def lower_bound(seconds: Sequence[float], needs: Graph, agents: int) -> float:
    """Return seconds below which no schedule comes: the critical path, or the work shared evenly."""
    return max(max(upward_ranks(seconds, needs), default=0.0), sum(seconds) / agents)


class Slot(Struct, frozen=True):
    """When a task is expected to run, in seconds from the start, and by whom."""

    start: float
    end: float
    agent: int


def expected(
    seconds: Sequence[float],
    needs: Graph,
    agents: Sequence[int | None],
    hands: Sequence[int],
    *,
    waves: Sequence[int] | None = None,
    parallel: int | None = None,
) -> list[Slot]:
    """Return when each task is expected to run, if everything takes as long as was estimated.

    Args:
        seconds: by place.
        needs: the graph.
        agents: by place, from 0; None goes to whoever is free first, the largest rank first.
        hands: tasks at once, by agent.
        waves: by place; one wave waits for the one before it. None is no waves.
        parallel: tasks at once of all agents; None is as many as they have hands.
    """
    plan = _Floor(seconds, needs, agents, hands, parallel or sum(hands))
    number = waves or [1] * len(seconds)
    members: dict[int, list[int]] = {}
    for place, wave in enumerate(number):
        members.setdefault(wave, []).append(place)
    for wave in sorted(members):
        plan.run(members[wave])
    return [plan.done[place] for place in range(len(seconds))]


class _Floor:
    """The simulation: at each moment the idle agents take what is ready, the largest rank first."""

    def __init__(
        self,
        seconds: Sequence[float],
        needs: Graph,
        agents: Sequence[int | None],
        hands: Sequence[int],
        parallel: int,
    ) -> None:
        self.done: dict[int, Slot] = {}
        self._seconds = seconds
        self._needs = needs
        self._agents = agents
        self._ranks = upward_ranks(seconds, needs)
        self._followers: dict[int, list[int]] = {}
        for place, sources in enumerate(needs):
            for source in sources:
                self._followers.setdefault(source, []).append(place)
        self._parallel = parallel
        self._now = 0.0
        self._hands = list(hands)  # free ones, by agent
        self._by_number = list(range(len(hands)))  # a heap of the agents with a free hand, and of others
        self._called: list[
            int
        ] = []  # a heap of those with a free hand for a task of their own, and of others
        self._own: list[list[tuple[float, int]]] = [[] for _ in hands]
        self._shared: list[tuple[float, int]] = []
        self._running: list[tuple[float, int]] = []

    def run(self, members: Sequence[int]) -> None:
        """Run tasks to the end; what they need is among them or done."""
        waiting = {place: sum(source not in self.done for source in self._needs[place]) for place in members}
        for place, count in waiting.items():
            if not count:
                self._ready(place)
        self._hand_out()
        while self._running:
            self._now = self._running[0][0]
            while self._running and self._running[0][0] <= self._now:
                _, ended = heapq.heappop(self._running)
                self._leave(self.done[ended].agent)
                for follower in self._followers.get(ended, ()):
                    if follower in waiting:
                        waiting[follower] -= 1
                        if not waiting[follower]:
                            self._ready(follower)
            self._hand_out()

    def _ready(self, place: int) -> None:
        agent = self._agents[place]
        heapq.heappush(self._shared if agent is None else self._own[agent], (-self._ranks[place], place))
        if agent is not None and self._hands[agent]:
            heapq.heappush(self._called, agent)

    def _leave(self, agent: int) -> None:
        self._hands[agent] += 1
        heapq.heappush(self._by_number, agent)
        if self._own[agent]:
            heapq.heappush(self._called, agent)

    def _hand_out(self) -> None:
        while self._called and len(self._running) < self._parallel:
            agent = heapq.heappop(self._called)
            if self._hands[agent] and self._own[agent]:
                self._start(agent, self._own[agent])
        while self._shared and self._by_number and len(self._running) < self._parallel:
            agent = heapq.heappop(self._by_number)
            if self._hands[agent]:
                self._start(agent, self._shared)
                if self._hands[agent]:
                    heapq.heappush(self._by_number, agent)

    def _start(self, agent: int, queue: list[tuple[float, int]]) -> None:
        _, place = heapq.heappop(queue)
        self._hands[agent] -= 1
        end = self._now + self._seconds[place]
        self.done[place] = Slot(self._now, end, agent)
        heapq.heappush(self._running, (end, place))
