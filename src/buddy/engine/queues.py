"""The ready tasks of a fleet without waves: who may take which, the most urgent first."""

import heapq
from collections.abc import Iterator, Mapping

Heap = list[int]


class Queues:
    """Positions of ready tasks, the smaller the more urgent, apart by who may take them.

    Attributes:
        size: how many are ready.
    """

    def __init__(self) -> None:
        self.size = 0
        self._bound: dict[str, Heap] = {}
        self._wanted: dict[tuple[str, frozenset[str]], Heap] = {}
        self._free: dict[frozenset[str], Heap] = {}

    def bound(self, agent: str, position: int) -> None:
        """Put in a task that is this agent's, whatever its standing."""
        self._push(self._bound.setdefault(agent, []), position)

    def wanted(self, agent: str, may: frozenset[str], position: int) -> None:
        """Put in a task that the schedule wants this agent for; others may take it while that one is out."""
        self._push(self._wanted.setdefault((agent, may), []), position)

    def free(self, may: frozenset[str], position: int) -> None:
        """Put in a task that any of these agents may take."""
        self._push(self._free.setdefault(may, []), position)

    def _push(self, heap: Heap, position: int) -> None:
        heapq.heappush(heap, position)
        self.size += 1

    def first(self, agent: str, quota: Mapping[str, int]) -> Heap | None:
        """Return the heap with the most urgent task that an agent may take now, None where there is none.

        Args:
            agent: who looks.
            quota: agents that are out or on probation -> tasks that they may still take.
        """
        return min(
            (heap for heap in self._open_to(agent, quota) if heap), key=lambda heap: heap[0], default=None
        )

    def _open_to(self, agent: str, quota: Mapping[str, int]) -> Iterator[Heap]:
        yield self._bound.get(agent, [])
        if quota.get(agent, 1) <= 0:
            return
        for (wanted, may), heap in self._wanted.items():
            if wanted == agent or (wanted in quota and agent in may):
                yield heap
        for may, heap in self._free.items():
            if agent in may:
                yield heap

    def pop(self, heap: Heap) -> int:
        """Take the most urgent task out; returns its position."""
        self.size -= 1
        return heapq.heappop(heap)
