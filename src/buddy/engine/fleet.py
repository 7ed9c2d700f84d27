"""Drives the plan of a fleet: wave by wave, or each task as soon as it can start."""

import asyncio
from collections import Counter

from msgspec.structs import replace

from buddy.core import permissions
from buddy.core.assignment import Work, Worker, assign
from buddy.core.fleet import recalibrated, seconds_of, work_of
from buddy.core.ranks import upward_ranks
from buddy.engine.board import Board
from buddy.engine.ending import Ending
from buddy.engine.limits import Slots
from buddy.engine.plans import PlanState
from buddy.engine.queues import Queues
from buddy.engine.run import Run
from buddy.engine.scheduler import PlanDriver
from buddy.journal.events import TaskAssigned, WaveFinished, WaveStarted
from buddy.model.fleet import AssignmentStrategy
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus
from buddy.model.plan import Plan, Prediction, Step
from buddy.projections.fleet.fold import Fleet


class FleetDriver(PlanDriver):
    """Takes the tasks of a fleet from the first to the last.

    Args:
        board: shared by the plans of the run.
        plan: where the tasks stand.
        fleet: the fold of the fleet, which the run keeps up to date.
        parallel: tasks at once.
    """

    def __init__(self, board: Board, plan: PlanState, fleet: Fleet, parallel: int) -> None:
        super().__init__(board, plan)
        self._fleet = fleet
        self._parallel = Slots(parallel)
        self._left: Counter[int] = Counter()
        self._given: set[int] = set()
        self._ending: set[asyncio.Task[None]] = set()

    def prediction(self, place: int) -> Prediction:
        """Return what was predicted of a task."""
        task = self.plan.steps[place].task
        assert task is not None
        return task

    def _start(self) -> None:
        for place in self.plan.places(StepStatus.PENDING):
            self._left[self.prediction(place).wave] += 1
        self._tell_settled()
        self._begin()
        super()._start()

    def _tell_settled(self) -> None:
        """Say whose the tasks are that settled before an assignment, and close waves with none left open."""
        for place in range(len(self.plan)):
            if self.is_settled(place) and not self._is_known(place):
                self._give(place, self.plan.steps[place].agent)
        for wave, known in sorted(self._fleet.waves.items()):
            if wave not in self._left and not known.seq:
                self.run.record(WaveFinished(plan=self.plan.plan_id, wave=wave))

    def _is_known(self, place: int) -> bool:
        """Whether the journal tells whose a task is."""
        known = self._fleet.tasks.get(self.plan.steps[place].step_id)
        return known is not None and known.assigned is not None

    def _is_bound(self, place: int) -> bool:
        """Whether a task stays with its agent, because a person was asked what that agent may do."""
        return self.plan.steps[place].step_id in self.plan.approvals

    def _begin(self) -> None:
        """Open what may begin."""

    async def _turn(self, place: int) -> Ending:
        await self._parallel.take()
        try:
            return await super()._turn(place)
        finally:
            self._parallel.give()

    def _out_of_the_way(self, place: int) -> None:
        wave = self.prediction(place).wave
        if place not in self._given:
            self._give(place, self.plan.steps[place].agent)
        self._left[wave] -= 1
        if self._left[wave]:
            return
        del self._left[wave]
        if self.plan.to_undo():
            task = asyncio.get_running_loop().create_task(self._end_undone(wave))
            self._ending.add(task)
            self._tasks.add(task)
            task.add_done_callback(self._ending.discard)
            task.add_done_callback(self._lane_over)
        else:
            self._end(wave)

    async def _end_undone(self, wave: int) -> None:
        await self.undo_failed()
        self._end(wave)

    def _end(self, wave: int) -> None:
        self.run.record(WaveFinished(plan=self.plan.plan_id, wave=wave))
        self._closed(wave)

    async def _until_settled(self) -> None:
        await super()._until_settled()
        while self._ending:
            await asyncio.wait(self._ending)
        if self._failure is not None:
            raise self._failure

    def _closed(self, wave: int) -> None:
        """Hear that a wave is over."""

    def _planned(self, place: int) -> str:
        """Return the agent that a task was meant for so far, empty where it was nobody's."""
        return self.plan.steps[place].agent

    def _give(self, place: int, agent: str) -> None:
        """Give a task to an agent, and say so."""
        plan, step = self.plan, self.plan.steps[place]
        self._given.add(place)
        moved = self._planned(place) if step.agent != agent else ""
        if step.agent != agent:
            step = plan.schedule.steps[place] = replace(step, agent=agent)
        self.run.record(_assigned(plan.plan_id, step, moved, self._fleet))

    def _limit_of(self, agent: str) -> int | None:
        """Return how many tasks an agent may have until the next wave is over, None is any number."""
        limit = self._fleet.standings[agent].limit
        if self.run.config.mode is not Mode.LIVE:
            return limit
        # What an open breaker would hold at DRY_RUN is better done by others; one task shows if it may close.
        match self.run.breaker_may_close(f"agent:{agent}"):
            case None:
                return limit
            case True:
                return 1
            case False:
                return 0

    def _may(self, agent: str, place: int) -> bool:
        """Whether an agent has the permissions for a task."""
        tool = self.plan.tools.get(self.plan.steps[place].tool)
        return not permissions.missing(self.plan.agent(agent), tool.contract if tool else None)


def _assigned(plan_id: str, step: Step, moved: str, fleet: Fleet) -> TaskAssigned:
    task = step.task
    assert task is not None
    return TaskAssigned(
        plan=plan_id,
        step=step.step_id,
        tool=step.tool,
        agent=step.agent,
        moved_from=moved,
        wave=task.wave,
        rate=task.rate,
        recalibrated=round(recalibrated(task.rate, fleet.error_of(step.tool)), 6),
        seconds=seconds_of(step),
        confidence=step.confidence,
        complexity=task.complexity,
        heuristic_id=task.heuristic_id,
        prediction_id=task.prediction_id,
    )


def tell_all(run: Run, plan: Plan) -> None:
    """Say whose the tasks of a fleet were that is given up, and close its waves.

    Args:
        run: of the fleet; its fold knows what was told.
        plan: of the fleet.
    """
    fleet = run.fleet
    if fleet is None:
        return
    waves = set()
    for step in plan.steps:
        known = fleet.tasks.get(step.step_id)
        if known is None or known.assigned is None:
            run.record(_assigned(plan.plan_id, step, "", fleet))
        assert step.task is not None
        waves.add(step.task.wave)
    for wave in sorted(waves):
        if wave not in fleet.waves or not fleet.waves[wave].seq:
            run.record(WaveFinished(plan=plan.plan_id, wave=wave))


class WaveDriver(FleetDriver):
    """Waves one after another: the next is assigned when the one before it is over."""

    def __init__(self, board: Board, plan: PlanState, fleet: Fleet, parallel: int) -> None:
        super().__init__(board, plan, fleet, parallel)
        self._wave = 0
        self._withheld: dict[int, list[int]] = {}
        self._by_wave: dict[int, list[int]] = {}
        self._turns = 0
        for place in range(len(plan)):
            self._by_wave.setdefault(self.prediction(place).wave, []).append(place)

    def _begin(self) -> None:
        self._open()

    def _ready_now(self, place: int) -> None:
        wave = self.prediction(place).wave
        if wave > self._wave:
            self._withheld.setdefault(wave, []).append(place)
        else:
            super()._ready_now(place)

    def _closed(self, wave: int) -> None:
        if wave == self._wave:
            self._open()

    def _open(self) -> None:
        """Assign the next wave that has anything to do, and let it go."""
        if not self._left:
            return
        self._wave = min(self._left)
        places = [place for place in self._by_wave[self._wave] if not self.is_settled(place)]
        uneven = self._fleet.last_imbalance > self.run.config.load_balance_threshold
        anew = uneven or self._fleet.rebalanced
        self.run.record(
            WaveStarted(plan=self.plan.plan_id, wave=self._wave, tasks=len(places), rebalanced=uneven)
        )
        for place, agent in sorted(self._assigned(places, anew=anew).items()):
            self._give(place, agent)
        for place in self._withheld.pop(self._wave, ()):
            super()._ready_now(place)

    def _assigned(self, places: list[int], *, anew: bool) -> dict[int, str]:
        """Return who does what; the schedule's agents keep their tasks unless all are shared out anew."""
        fleet = self._fleet
        workers = {
            agent: Worker(
                agent,
                availability=max(fleet.availability(agent), 0.01),
                rates=fleet.rates(agent),
                limit=self._limit_of(agent),
            )
            for agent in fleet.plan.agents
        }
        given: dict[int, str] = {}
        works = []
        for place in places:
            step, task = self.plan.steps[place], self.prediction(place)
            work = work_of(place, step, fleet.error_of(step.tool))
            keeps = task.scheduled and not anew and workers[step.agent].limit is None
            if keeps or self._is_bound(place):
                given[place] = workers[step.agent].take(work)
            else:
                works.append(work)
        strategy = AssignmentStrategy.LOAD_BALANCED if anew else fleet.plan.strategy
        given |= assign(works, list(workers.values()), strategy, able=self._able, turn=self._turns)
        self._turns += len(works)
        return given

    def _able(self, work: Work, worker: Worker) -> bool:
        return self._may(worker.name, work.place)


class ContinuousDriver(FleetDriver):
    """No barrier: a free agent takes the ready task of the largest upward rank."""

    def __init__(self, board: Board, plan: PlanState, fleet: Fleet, parallel: int) -> None:
        super().__init__(board, plan, fleet, parallel)
        steps = plan.schedule.steps
        ranks = upward_ranks([seconds_of(step) for step in steps], plan.schedule.needs)
        self._by_rank = sorted(range(len(plan)), key=lambda place: (-ranks[place], place))
        self._position = [0] * len(plan)
        for position, place in enumerate(self._by_rank):
            self._position[place] = position
        self._queue = Queues()
        self._able: dict[str, frozenset[str]] = {}
        self._begun: set[int] = set()
        self._quota: dict[str, int] = {}
        self._load = dict.fromkeys(fleet.plan.agents, 0.0)
        self._hands = sum(plan.agent(agent).capacity for agent in fleet.plan.agents)

    def _begin(self) -> None:
        self._limit()

    def _planned(self, place: int) -> str:
        named = self.prediction(place).scheduled or self._is_known(place)
        return self.plan.steps[place].agent if named else ""

    def _who_may(self, place: int) -> frozenset[str]:
        """Return the agents that may do a task; all where none may, and the gate has the last word."""
        tool = self.plan.steps[place].tool
        found = self._able.get(tool)
        if found is None:
            agents = frozenset(self._fleet.plan.agents)
            found = self._able[tool] = frozenset(a for a in agents if self._may(a, place)) or agents
        return found

    def _ready_now(self, place: int) -> None:
        agent, may = self.plan.steps[place].agent, self._who_may(place)
        if place in self._given or self._is_bound(place):
            self._queue.bound(agent, self._position[place])
        elif self.prediction(place).scheduled and agent in may:
            self._queue.wanted(agent, may, self._position[place])
        else:
            self._queue.free(may, self._position[place])
        self._call_somebody()

    def _call_somebody(self) -> None:
        """Have the idle agent with the least work so far who suits a ready task begin."""
        if not self._queue.size or sum(self._lanes.values()) >= self._hands:
            return
        idle = [
            agent
            for agent in self._fleet.plan.agents
            if self._lanes.get(agent, 0) < self.plan.agent(agent).capacity
        ]
        chosen = min((agent for agent in idle if self._has(agent)), key=self._load.__getitem__, default=None)
        if chosen is None and not any(self._lanes.values()):
            # Whoever would suit is out and nobody is at work: better a failing agent than no end.
            self._quota.clear()
            chosen = next(agent for agent in idle if self._has(agent))
        if chosen is not None:
            self._open_lane(chosen)

    def _lane_over(self, task: "asyncio.Task[None]") -> None:
        super()._lane_over(task)
        if self._failure is None and not task.cancelled():
            self._call_somebody()

    def _has(self, agent: str) -> bool:
        return self._queue.first(agent, self._quota) is not None

    def _next(self, agent: str) -> int | None:
        heap = self._queue.first(agent, self._quota)
        if heap is None:
            return None
        place = self._by_rank[self._queue.pop(heap)]
        self._take(agent, place)
        return place

    def _take(self, agent: str, place: int) -> None:
        wave = self.prediction(place).wave
        if wave not in self._begun:
            self._begun.add(wave)
            self.run.record(WaveStarted(plan=self.plan.plan_id, wave=wave, tasks=self._left[wave]))
        if place not in self._given:
            self._give(place, agent)
            self._load[agent] += seconds_of(self.plan.steps[place])
            if agent in self._quota:
                self._quota[agent] -= 1

    def _closed(self, wave: int) -> None:
        self._limit()
        self._call_somebody()

    def _limit(self) -> None:
        """Let each agent have as many tasks as its standing allows until the next wave is over."""
        limits = {agent: self._limit_of(agent) for agent in self._fleet.plan.agents}
        self._quota = {agent: limit for agent, limit in limits.items() if limit is not None}
        if len(self._quota) == len(limits):
            self._quota.clear()
