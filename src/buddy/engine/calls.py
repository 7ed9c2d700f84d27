"""Calls one at a time: each is a plan of one step, and all of them are one run."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import UNSET

from buddy.core.canonical import canonical
from buddy.core.findings import Findings
from buddy.core.ordering import Schedule
from buddy.core.permissions import effective_agents
from buddy.engine import doubts
from buddy.engine.board import Board
from buddy.engine.climb import idempotency_key
from buddy.engine.ending import Ending
from buddy.engine.orchestrator import exit_code
from buddy.engine.plans import PlanState
from buddy.engine.records import record_settled
from buddy.engine.recovery import Past, StepPast
from buddy.engine.run import Run
from buddy.engine.scheduler import PlanDriver
from buddy.errors import BadInput
from buddy.journal.events import ContractSeen, PlanStarted, RunFinished
from buddy.model.outcome import CallResult, Preview, StepStatus
from buddy.model.plan import Plan, Step

PLAN = "calls"
LEAVE_S = 0.05
"""Seconds in which a call that does not act any more comes to its end."""
UNSEEN = "nobody saw how it ended; 'buddy resolve' records what a person finds out"
GOES_ON = frozenset({StepStatus.HELD, StepStatus.PENDING, StepStatus.UNKNOWN})


class Desk:
    """Takes calls for one run.

    Args:
        run: the run; its journal has begun.
        past: what an earlier process left of it.
        look_back: reads the run's journal as it is on disk.
    """

    def __init__(self, run: Run, past: Past | None, look_back: Callable[[], Past]) -> None:
        self._run = run
        self._past = past
        self._look_back = look_back
        self._given_up: dict[str, Step] = {}
        self._looked: Past | None = None
        self._closing = False
        self._board = Board(run, Findings(), waits=run.config.approvals != "exit")
        self._states: dict[str, PlanState] = {}
        self._asked: dict[str, str] = {}
        self._answers: dict[str, CallResult] = {}
        self._under_way: dict[str, asyncio.Task[CallResult]] = {}
        self._seen = set(past.contracts) if past else set[str]()
        self._count = 0
        self._begun = past is not None and PLAN in past.plans

    async def call(self, step: Step) -> CallResult:
        """Make a call, or go on with one that was held.

        Args:
            step: the call; its id names it. A call that came to its end is answered from what it gave.

        Raises:
            BadInput: the id was used for another call, or calls are under way in another event loop.
        """
        call_id = step.step_id
        self.leave_other_loops()
        if not self._is_the_same(step):
            raise BadInput(f"call {call_id!r}: expected the tool, agent and arguments that it began with")
        answered = self._answers.get(call_id)
        if answered is not None and answered.status not in GOES_ON:
            return answered
        task = self._under_way.get(call_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._drive(step))
            self._under_way[call_id] = task
            task.add_done_callback(lambda done: self._over(call_id, done))
        return await asyncio.shield(task)

    def _over(self, call_id: str, task: "asyncio.Task[CallResult]") -> None:
        if self._under_way.get(call_id) is task:
            del self._under_way[call_id]

    def leave_other_loops(self) -> None:
        """Give up what a loop left that stopped without ending what it had begun.

        Raises:
            BadInput: such a loop runs, in another thread.
        """
        first = next(iter(self._under_way.items()), None)
        # All that is under way is of one loop.
        if first is None or first[1].get_loop() is asyncio.get_running_loop():
            return
        loop = first[1].get_loop()
        if loop.is_running():
            raise BadInput(f"call {first[0]!r} is under way in another event loop; use one at a time")
        left, self._under_way = self._under_way, {}
        self._run.flush()
        past = self._look_back().plans.get(PLAN, {})
        for name, task in left.items():
            if not loop.is_closed():
                task.cancel()  # should it be run again
            if name in self._states:
                self._part_with(self._states[name], past.get(name))
                self._give_up(name)
        # What they had of these, nobody gives back.
        self._board = Board(self._run, Findings(), waits=self._board.waits)
        self._run.interrupt.acting = 0

    def _part_with(self, state: PlanState, past: StepPast | None) -> None:
        """Say that nobody will see how a call ended, and let go of what it holds once it acts no more."""
        run, step, tool = self._run, state.steps[0], state.tools.get(state.steps[0].tool)
        if past is not None and past.in_doubt:
            reached, why = past.reached, "its event loop stopped during the call"
            record_settled(run, PLAN, step.step_id, step, StepStatus.UNKNOWN, reached, "live", why)
        if tool is not None and not run.config.isolate:
            key = idempotency_key(run.run_id, PLAN, step.step_id)
            run.claims.give_after(f"{run.run_id}/{PLAN}/{step.step_id}", partial(tool.acts, key))

    def _give_up(self, call_id: str) -> None:
        """Forget how far a call has come: what the journal tells of it is all that is sure."""
        state = self._states.pop(call_id, None)
        if state is not None:
            self._given_up[call_id] = state.steps[0]
            self._looked = None

    def _is_the_same(self, step: Step) -> bool:
        """Whether an id that was used before was used for this call, in this process or an earlier one."""
        known = self._asked.get(step.step_id)
        if known is not None:
            return known == self._print(step)
        past = self._past.plans.get(PLAN, {}).get(step.step_id) if self._past else None
        if past is None:
            return True
        same = past.asked is None or canonical(past.asked) == canonical(step.args)
        return (past.tool, past.agent) == (step.tool, step.agent) and same

    def _print(self, step: Step) -> str:
        return self._run.digest(step.tool, [step.agent, step.args])

    async def _drive(self, step: Step) -> CallResult:
        state = self._states.get(step.step_id) or self._admit(step)
        self._states[step.step_id] = state
        self._asked[step.step_id] = self._print(step)
        driver = PlanDriver(self._board, state)
        try:
            await self._go_on(state, driver)
        except asyncio.CancelledError:
            if self._states.get(step.step_id) is not state:
                raise
            if not self._closing:
                self._give_up(step.step_id)
                raise
            self._hold(state, driver)
            self._run.flush()
        answer = self._answer(step, state, driver)
        self._answers[step.step_id] = answer
        if answer.status not in GOES_ON:
            # Its answer is all that anybody can still ask for; a run may take calls for months.
            del self._states[step.step_id]
        return answer

    async def _go_on(self, state: PlanState, driver: PlanDriver) -> None:
        await doubts.settle(self._run, state)
        if state.status(0) is StepStatus.HELD or (state.repeats and state.status(0) is StepStatus.UNKNOWN):
            state.put(0, StepStatus.PENDING, state.reached(0))
        if state.status(0) is StepStatus.PENDING:
            await driver.drive()
        await self._run.durable()

    def _hold(self, state: PlanState, driver: PlanDriver) -> None:
        """Record that a call which waits goes no further in this process."""
        if state.status(0) is not StepStatus.PENDING:
            return
        step, ending = state.steps[0], driver.last
        status = state.standing(step.step_id, StepStatus.HELD)
        reached = ending.reached if ending else state.reached(0)
        rule, reason = (ending.rule, ending.reason) if ending else ("closed", "its run of calls was closed")
        record_settled(self._run, PLAN, step.step_id, step, status, reached, rule, reason)
        state.put(0, status, reached)
        driver.last = Ending(
            status=status,
            reached=reached,
            preview=ending.preview if ending else None,
            rule=rule,
            reason=reason,
            waits_for=ending.waits_for if ending else None,
        )

    def _admit(self, step: Step) -> PlanState:
        run = self._run
        if not self._begun:
            run.record(PlanStarted(plan=PLAN, steps=0, chain=False))
            self._begun = True
        tool = run.world(PLAN).get(step.tool)
        if tool is not None and step.tool not in self._seen:
            run.record(ContractSeen(contract=tool.contract, handlers=sorted(tool.handlers)))
        self._seen.add(step.tool)
        plan = Plan(plan_id=PLAN, steps=(step,), chain=False)
        agents = effective_agents(plan, run.config.agents)
        if run.config.agents and step.agent not in run.config.agents:
            known = ", ".join(sorted(run.config.agents))
            raise BadInput(f"agent: expected one of the configuration ({known}), found {step.agent!r}")
        plan = Plan(plan_id=PLAN, steps=(step,), chain=False, agents=agents)
        self._count += 1
        state = PlanState(self._count, Schedule(plan, lambda tool: ()), run.world(PLAN), Findings())
        past = self._past
        if self._given_up.pop(step.step_id, None) is not None:
            if self._looked is None:
                run.flush()
                self._looked = self._look_back()
            past = self._looked
        if past is not None and step.step_id in past.plans.get(PLAN, {}):
            past.put_back_one(state, run, step.step_id)
        return state

    def _answer(self, step: Step, state: PlanState, driver: PlanDriver) -> CallResult:
        ending = driver.last
        preview: Preview | None = ending.preview if ending else None
        result: Any = ending.result if ending else state.results.get(0)
        return CallResult(
            status=state.status(0),
            final_mode=state.reached(0),
            rule=ending.rule if ending else "",
            result=None if result is UNSET else result,
            preview=preview,
            approval_id=ending.waits_for if ending else None,
            call_id=step.step_id,
            reason=ending.reason if ending else UNSEEN if state.status(0) is StepStatus.UNKNOWN else "",
        )

    async def finish(self) -> int:
        """Record that no more calls come; returns the exit code of the run.

        What acts comes to its end, and what waits is held: its caller is told, and may call again when the
        run is taken up.
        """
        await self._leave()
        await self._run.hear_late_ends()
        for step in list(self._given_up.values()):
            state = self._states[step.step_id] = self._admit(step)
            await doubts.settle(self._run, state)
            if state.status(0) is StepStatus.PENDING:
                self._hold(state, PlanDriver(self._board, state))
        statuses = {name: answer.status for name, answer in self._answers.items()}
        statuses |= {name: state.status(0) for name, state in self._states.items()}
        code = exit_code(Counter(statuses.values()))
        self._run.record(
            RunFinished(reason="no more calls", exit_code=code, duration_s=round(self._run.elapsed(), 6))
        )
        self._run.flush()
        return code

    async def _leave(self) -> None:
        """Let what is under way come to its end where it acts, and give it up where it waits."""
        self._closing = True
        under_way = list(self._under_way.values())
        if not under_way:
            return
        self._run.interrupt.ask("the end of the calls")
        await self._run.interrupt.over()
        await asyncio.wait(under_way, timeout=LEAVE_S)
        for task in under_way:
            task.cancel()
        await asyncio.wait(under_way)
