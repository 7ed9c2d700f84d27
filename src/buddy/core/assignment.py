"""Who does which task: the four strategies, as functions of the tasks and of what agents measure."""

import heapq
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from buddy.model.fleet import AssignmentStrategy

BEYOND_FAIR = 1.05
"""How far above its fair share of the time an agent may be loaded because it measures best."""


class Work(Struct, frozen=True, gc=False):
    """A task, as far as its assignment depends on it.

    Attributes:
        place: in the plan; names it.
        seconds: estimated.
        confidence: that it succeeds, recalibrated.
        hardness: larger is harder.
        kind: of work, the tool's name.
        priority: larger comes first among equals.
    """

    place: int
    seconds: float
    confidence: float
    hardness: float
    kind: str
    priority: float = 0.0


class Worker(Struct):
    """An agent, as far as assignment depends on it.

    Attributes:
        name: its id.
        availability: share of the time that it was fit for work, in (0, 1].
        rates: kind of work -> share of first attempts that passed, as measured.
        limit: most tasks that it may get now, None is no limit.
        load: seconds assigned so far.
        tasks: assigned so far.
    """

    name: str
    availability: float = 1.0
    rates: dict[str, float] = field(default_factory=dict)
    limit: int | None = None
    load: float = 0.0
    tasks: int = 0

    @property
    def full(self) -> bool:
        """Whether it may get no more."""
        return self.limit is not None and self.tasks >= self.limit

    def take(self, work: Work) -> str:
        """Get a task; returns the agent's name."""
        self.load += work.seconds
        self.tasks += 1
        return self.name

    def rate(self, kind: str) -> float:
        """Share of first attempts that passed at a kind of work; of one never tried, at all work."""
        if kind in self.rates:
            return self.rates[kind]
        return sum(self.rates.values()) / len(self.rates) if self.rates else 0.5


Able = Callable[[Work, Worker], bool]


def assign(
    works: Sequence[Work],
    workers: Sequence[Worker],
    strategy: AssignmentStrategy,
    *,
    able: Able | None = None,
    turn: int = 0,
) -> dict[int, str]:
    """Give every task to an agent; the workers' loads and counts go up.

    Limits hold as long as somebody without one is there; a task that nobody is able to do, or may still
    get, goes to the agent with the least load all the same, and the gate has the last word.

    Args:
        works: the tasks, in order.
        workers: the agents, at least one.
        strategy: which rule.
        able: whether an agent may do a task; everybody may where it is left out.
        turn: whose turn it is by ROUND_ROBIN.

    Returns:
        Place -> the agent's name.
    """
    if all(worker.limit is not None for worker in workers):
        for worker in workers:
            worker.limit = None
    may = able or _anybody
    match strategy:
        case AssignmentStrategy.ROUND_ROBIN:
            return _in_turn(works, workers, may, turn)
        case AssignmentStrategy.LOAD_BALANCED:
            return _to_the_least_loaded(sorted(works, key=_longest), workers, may)
        case AssignmentStrategy.PRIORITY_BASED:
            return _to_the_least_loaded(sorted(works, key=_surest), workers, may, by_availability=True)
        case AssignmentStrategy.CONFIDENCE_BASED:
            return _to_the_best(sorted(works, key=_hardest), workers, may)


def _anybody(work: Work, worker: Worker) -> bool:
    return True


def _longest(work: Work) -> tuple[float, float, int]:
    return -work.seconds, -work.priority, work.place


def _surest(work: Work) -> tuple[float, float, int]:
    return -work.confidence, -work.priority, work.place


def _hardest(work: Work) -> tuple[float, float, int]:
    return -work.hardness, -work.priority, work.place


def _in_turn(works: Sequence[Work], workers: Sequence[Worker], may: Able, turn: int) -> dict[int, str]:
    given = {}
    for work in works:
        order = [workers[(turn + step) % len(workers)] for step in range(len(workers))]
        found = next((worker for worker in order if not worker.full and may(work, worker)), None)
        worker = found or _fallback(work, workers, may)
        turn = next(place for place, one in enumerate(workers) if one is worker) + 1
        given[work.place] = worker.take(work)
    return given


def _to_the_least_loaded(
    works: Sequence[Work], workers: Sequence[Worker], may: Able, *, by_availability: bool = False
) -> dict[int, str]:
    def entry(place: int) -> tuple[float, float, int]:
        worker = workers[place]
        if by_availability:
            return worker.load / worker.availability, -worker.availability, place
        return worker.load, 0.0, place

    heap = [entry(place) for place, worker in enumerate(workers) if not worker.full]
    heapq.heapify(heap)
    given = {}
    for work in works:
        passed_over = []
        while heap and not may(work, workers[heap[0][-1]]):
            passed_over.append(heapq.heappop(heap)[-1])
        if heap:
            place = heapq.heappop(heap)[-1]
            passed_over.append(place)
            given[work.place] = workers[place].take(work)
        else:
            given[work.place] = _fallback(work, workers, may).take(work)
        for place in passed_over:
            if not workers[place].full:
                heapq.heappush(heap, entry(place))
    return given


def _to_the_best(works: Sequence[Work], workers: Sequence[Worker], may: Able) -> dict[int, str]:
    """Give each task to the agent that measures best, among those who have not had their share of time."""
    fit = sum(1 for worker in workers if worker.limit is None)
    seconds = sum(work.seconds for work in works) + sum(worker.load for worker in workers)
    fair = BEYOND_FAIR * seconds / fit
    given = {}
    for work in works:
        free = [worker for worker in workers if not worker.full and may(work, worker)]
        fair_ones = [worker for worker in free if worker.load + work.seconds <= fair]
        if fair_ones:
            best = min(fair_ones, key=lambda worker: (-worker.rate(work.kind), worker.load))
        else:
            best = min(free, key=_load, default=None) or _fallback(work, workers, may)
        given[work.place] = best.take(work)
    return given


def _fallback(work: Work, workers: Sequence[Worker], may: Able) -> Worker:
    return min([worker for worker in workers if may(work, worker)] or workers, key=_load)


def _load(worker: Worker) -> float:
    return worker.load
