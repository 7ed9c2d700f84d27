"""Which step runs when: by order, agents' capacity, and what conflicts make wait for what."""

import asyncio
import heapq
from collections.abc import Callable, Iterator, Sequence

from buddy.core import references
from buddy.core.rollback import undo_order
from buddy.engine import fanout
from buddy.engine.board import Board
from buddy.engine.climb import Climb
from buddy.engine.ending import Ending
from buddy.engine.plans import Edges, PlanState
from buddy.engine.records import record_settled
from buddy.engine.undoing import roll_back
from buddy.errors import InvalidArguments
from buddy.model.mode import LIVE, MOCK
from buddy.model.outcome import ABORTED, FAILED, HELD, PENDING, ROLLED_BACK, SKIPPED, UNKNOWN, StepStatus

OVER = (FAILED, ABORTED, SKIPPED)


class PlanDriver:
    """Takes one plan from its first step to its last.

    Args:
        board: shared by the plans of the run.
        plan: where its steps stand.

    Attributes:
        last: how the last turn of a step ended.
    """

    def __init__(self, board: Board, plan: PlanState) -> None:
        self.board = board
        self.run = board.run
        self.plan = plan
        self.last: Ending | None = None
        self._rehearsed: dict[int, Climb] = {}
        self._parked: set[int] = set()
        self._lanes: dict[str, int] = {}
        self._ready: dict[str, list[int]] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._undoing = asyncio.Lock()
        for place, befores in self._found_edges():
            own = [before for ordinal, before in befores if ordinal == plan.ordinal]
            if own:
                plan.schedule.after[place] = tuple(dict.fromkeys((*plan.schedule.after[place], *own)))
        self._edges = Edges(plan.schedule)
        if self.run.config.mode is LIVE:
            plan.note_awaited(board.awaited.get(plan.ordinal, ()))

    async def drive(self) -> None:
        """Rehearse the plan, run it, and undo what has to be undone."""
        plan = self.plan
        self.board.enter(self)
        try:
            if self.run.config.mode is not MOCK:
                await self._rehearse()
            self._start()
            await self._until_settled()
            await self.undo_failed()
        finally:
            for task in self._tasks:
                task.cancel()
            self.board.leave(self)
        assert plan.unsettled == 0

    async def undo_failed(self) -> None:
        """Undo the groups in which a step failed, unless the end of one of their calls is not known."""
        plan = self.plan
        if plan.failed_groups and self.run.late:
            await asyncio.wait(self.run.late, timeout=1.0)
        # Waves may end while an undo is under way; its writes are no longer there to be undone then.
        async with self._undoing:
            await self._undo_groups()

    async def _undo_groups(self) -> None:
        plan = self.plan
        for group in plan.to_undo():
            failed = next((p for p in plan.places(FAILED) if plan.steps[p].group == group), None)
            if failed is None or group in plan.groups_in_doubt():
                continue
            trigger = f"step '{plan.steps[failed].step_id}' failed"
            await roll_back(self.run, plan, undo_order(plan.done, group), trigger, tried=plan.undo_tried)

    # rehearsal

    async def _rehearse(self) -> None:
        plan = self.plan
        kept, plan.results = plan.results, dict(plan.results)
        failed = ""
        for place in range(len(plan)):
            if plan.status(place) is not PENDING or plan.refused(place) is not None:
                continue
            ending = await self._rehearse_step(place)
            if ending is not None:
                self.last = ending
                plan.put(place, ending.status, None)
                if ending.status is UNKNOWN:
                    self._lose(place)
                    continue
                self._fail(place, undo=False)
                failed = failed or plan.steps[place].step_id
            if place % 256 == 255:
                await asyncio.sleep(0)
        plan.results = kept
        if failed and self._stops() and plan.schedule.plan.fleet is None:
            plan.stopped = (
                SKIPPED,
                "rehearsal",
                f"the plan's rehearsal failed at step '{failed}'",
            )

    async def _rehearse_step(self, place: int) -> Ending | None:
        plan, step = self.plan, self.plan.steps[place]
        if step.for_each is None:
            args, problem = fanout.arguments(plan, place, plan.results)
            climb = Climb(self.run, plan, place, step.step_id, args, problem=problem)
            if climb.is_rehearsed():
                plan.keep(place, references.UNKNOWN)
                return None
            ending = await climb.rehearse()
            plan.keep(place, climb.result)
            if ending is None and not step.depends_on:
                self._rehearsed[place] = climb.afresh()
            return ending
        try:
            items = fanout.items_of(plan, place, plan.results)
        except InvalidArguments as problem:
            return await Climb(
                self.run, plan, place, step.step_id, step.args, problem=str(problem)
            ).rehearse()
        results = []
        for climb in fanout.climbs(self.run, plan, place, items or [], plan.results):
            known = climb.is_rehearsed()
            ending = None if known else await climb.rehearse()
            if ending is not None:
                return ending
            results.append(references.UNKNOWN if known else climb.result)
        plan.keep(place, results if items is not None else references.UNKNOWN)
        return None

    # the schedule

    def is_settled(self, place: int) -> bool:
        """Whether a step is out of the way: settled, or waiting for a person."""
        return place in self._parked or self.plan.status(place) is not PENDING

    def wake(self) -> None:
        """Look again at whether the plan is over."""
        self._wake.set()

    def unpark(self, place: int) -> None:
        """Go on with a step whose request was decided."""
        self._ready_now(place)

    def _start(self) -> None:
        plan = self.plan
        for place in range(len(plan) if plan.unsettled < len(plan) else 0):
            if plan.status(place) is not PENDING:
                # Only counted here: what this makes ready is made ready below, once.
                for follower in self._edges.after(place):
                    self._edges.waiting[follower] -= 1
        for place, befores in self._found_edges():
            for other in befores:
                if other[0] != plan.ordinal and self.board.wait_for(other, self._arrived(place)):
                    self._edges.waiting[place] += 1
        for place in plan.places(PENDING):
            if self._edges.waiting[place] == 0:
                self._ready_now(place)

    def _found_edges(self) -> Iterator[tuple[int, Sequence[tuple[int, int]]]]:
        """Yield the places that wait because of a conflict, with what they wait for: (plan, place) each."""
        edges = self.board.findings.edges
        for place in range(len(self.plan) if edges else 0):
            befores = edges.get((self.plan.ordinal, place))
            if befores:
                yield place, befores

    def _arrived(self, place: int) -> Callable[[], None]:
        def then() -> None:
            self._edges.waiting[place] -= 1
            if self._edges.waiting[place] == 0 and self.plan.status(place) is PENDING:
                self._ready_now(place)

        return then

    def _ready_now(self, place: int) -> None:
        agent = self.plan.steps[place].agent
        heapq.heappush(self._ready.setdefault(agent, []), place)
        self._open_lane(agent)

    def _open_lane(self, agent: str) -> None:
        """Have an agent work, where it has a hand free."""
        capacity = self.plan.agent(agent).capacity
        if self._lanes.get(agent, 0) < capacity:
            self._lanes[agent] = self._lanes.get(agent, 0) + 1
            task = asyncio.get_running_loop().create_task(self._lane(agent, capacity))
            self._tasks.add(task)
            task.add_done_callback(self._lane_over)

    def _lane_over(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
        self._wake.set()

    async def _lane(self, agent: str, capacity: int) -> None:
        """Take an agent's ready steps one after another, in order."""
        slots = self.board.agent(agent, capacity)
        try:
            while self._has(agent):
                if not slots.grab():
                    await slots.take()
                try:
                    place = self._next(agent)
                    if place is None:
                        break
                    ending = await self._turn(place)
                finally:
                    slots.give()
                self._arrive(place, ending)
        finally:
            self._lanes[agent] -= 1

    def _has(self, agent: str) -> bool:
        """Whether a step is ready for an agent."""
        return bool(self._ready.get(agent))

    def _next(self, agent: str) -> int | None:
        """Take the next ready step for an agent, None where there is none any more."""
        heap = self._ready[agent]
        return heapq.heappop(heap) if heap else None

    async def _until_settled(self) -> None:
        while self.plan.unsettled:
            self._wake.clear()
            if self._failure is not None:
                raise self._failure
            if self.run.failure is not None:
                raise self.run.failure
            if self.plan.stopped is not None and self._parked:
                self._unpark_all()
            assert self._tasks or self._parked or self._waits_elsewhere(), "the schedule has no way forward"
            await self._wake.wait()
        if self._failure is not None:
            raise self._failure

    def _waits_elsewhere(self) -> bool:
        return any(self._edges.waiting[place] for place in self.plan.places(PENDING))

    def _unpark_all(self) -> None:
        for place in list(self._parked):
            if self.board.parked.pop((self.plan.ordinal, place), None) is not None:
                self._ready_now(place)

    # one step

    async def _turn(self, place: int) -> Ending:
        if self.run.failure is not None:
            raise self.run.failure
        if self.run.interrupt.reason:
            await self.run.interrupt.go_on()
        plan, step = self.plan, self.plan.steps[place]
        skip = self._skipped(place)
        if skip is not None and plan.is_lost(step.step_id):
            return fanout.lost(self.run, plan, place, "and is not made again as its plan goes no further")
        if skip is not None:
            status, rule, reason = skip
            record_settled(
                self.run, plan.plan_id, step.step_id, step, status, plan.reached(place), rule, reason
            )
            return Ending(status=status, reached=plan.reached(place), rule=rule, reason=reason)
        if step.for_each is not None:
            return await fanout.climb_all(self.run, plan, place)
        climb = self._rehearsed.pop(place, None)
        if climb is None or climb.step is not step:  # in a fleet another agent may have taken the step
            args, problem = fanout.arguments(plan, place, plan.results)
            climb = Climb(self.run, plan, place, step.step_id, args, problem=problem)
        return await climb.climb()

    def _skipped(self, place: int) -> tuple[StepStatus, str, str] | None:
        plan = self.plan
        if plan.stopped is not None:
            return plan.stopped
        group = plan.steps[place].group
        if group is not None and group in plan.failed_groups:
            return SKIPPED, "group", f"a step of its group '{group}' failed"
        for source in plan.schedule.needs[place]:
            status = plan.status(source)
            undone = status is ROLLED_BACK
            if undone or (status in OVER and (status is not FAILED or self._stops())):
                name = plan.steps[source].step_id
                return (
                    SKIPPED,
                    "dependency",
                    f"step '{name}', which it depends on, is {status.value}",
                )
        return None

    def _stops(self) -> bool:
        return self.plan.stops(self.run.config.on_failure)

    def _arrive(self, place: int, ending: Ending) -> None:
        plan, step = self.plan, self.plan.steps[place]
        self.last = ending
        if ending.waits_for is not None and self.board.waits and plan.stopped is None:
            plan.put(place, PENDING, ending.reached)
            if place not in self._parked:
                self._parked.add(place)
                self._release(place, order_only=True)
                self.board.passed((plan.ordinal, place))
                self._out_of_the_way(place)
            self.board.park(self, place, ending.waits_for)
            self._wake.set()
            return
        status = UNKNOWN if plan.is_lost(step.step_id) else ending.status
        if ending.waits_for is not None:
            record_settled(
                self.run,
                plan.plan_id,
                step.step_id,
                step,
                plan.standing(step.step_id, HELD),
                ending.reached,
                ending.rule,
                ending.reason,
            )
        plan.put(place, status, ending.reached)
        if ending.reached is not None:
            plan.keep(place, ending.result)
        if status is FAILED:
            self._fail(place, undo=True)
        elif status is UNKNOWN:
            self._lose(place)
        self.board.progress()
        needs_only = place in self._parked
        self._parked.discard(place)
        self._release(place, needs_only=needs_only)
        self.board.passed((plan.ordinal, place))
        if not needs_only:
            self._out_of_the_way(place)
        if plan.unsettled == 0 or plan.stopped is not None:
            self._wake.set()

    def _out_of_the_way(self, place: int) -> None:
        """Hear that a step settled, or waits for a person, for the first time."""

    def _lose(self, place: int) -> None:
        """Draw the consequences of a step of which nobody knows how it ended."""
        if self._stops() and self.plan.schedule.plan.chain:
            self.plan.stop_at_unknown(place)

    def _fail(self, place: int, *, undo: bool) -> None:
        """Draw the consequences of a step that failed for good."""
        plan, step = self.plan, self.plan.steps[place]
        config = self.run.config
        rolls_back = undo and config.enable_rollback_on_failure and config.mode is LIVE
        if rolls_back:
            plan.failed_groups.add(step.group)
        if step.group is None and (rolls_back or (self._stops() and plan.schedule.plan.chain)):
            plan.stopped = plan.stopped or (SKIPPED, "failure", f"step '{step.step_id}' failed")

    def _release(self, place: int, *, needs_only: bool = False, order_only: bool = False) -> None:
        plan = self.plan
        for follower in self._edges.after(place):
            is_need = place in plan.schedule.needs[follower]
            if (needs_only and not is_need) or (order_only and is_need):
                continue
            self._edges.waiting[follower] -= 1
            free = self._edges.waiting[follower] == 0 and follower not in self._parked
            if free and plan.status(follower) is PENDING:
                self._ready_now(follower)
