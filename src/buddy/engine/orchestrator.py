"""The flow of a run, from plans to outputs.

    survey -> start -> (admit plan -> rehearse -> climb step by step -> undo what failed)* -> finish

`survey` finds every conflict before anything runs; `carry_out` is the whole run.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from buddy.core import coordination, permissions
from buddy.core.conflicts import Detector, Known
from buddy.core.findings import Findings
from buddy.core.ordering import Schedule
from buddy.engine import doubts
from buddy.engine.board import Board
from buddy.engine.fleet import ContinuousDriver, WaveDriver
from buddy.engine.plans import PlanState
from buddy.engine.recovery import Past
from buddy.engine.run import Run
from buddy.engine.scheduler import PlanDriver
from buddy.errors import BadInput, Interrupted
from buddy.journal.events import ConflictFound, FleetPlan, PlanStarted, Reassigned, RunFinished
from buddy.journal.times import iso
from buddy.model.config import ExecutionConfig
from buddy.model.contract import ToolContract
from buddy.model.outcome import StepStatus
from buddy.model.plan import Plan
from buddy.ports import HomeStore, PlanSource, Toolbox

LONGEST_SIMULATION_S = 1e9
"""Work whose retries, one after another, still end before the year 9999."""

EXIT_OK, EXIT_NOT_ALL, EXIT_HELD, EXIT_UNKNOWN, EXIT_INTERRUPTED = 0, 1, 3, 4, 130
_REASONS = {
    EXIT_OK: "every step got as far as it should",
    EXIT_NOT_ALL: "some steps failed, were refused, skipped or rolled back",
    EXIT_HELD: "some steps are held; 'buddy resume' goes on when what holds them is gone",
    EXIT_UNKNOWN: "nobody knows how some live calls ended; 'buddy resolve' records what a person finds out",
}


class Survey(Struct, kw_only=True):
    """What is known about a run before it starts.

    Attributes:
        findings: the conflicts.
        tools: names of the tools that the plans name, in order of first use.
        plans: how many.
        steps: how many they declare.
        plan: the only one, where there is no other.
        schedule: of the only plan, where there is one.
        fleet: of the plan of a fleet, where there is one.
        fleet_at: its number among the plans.
    """

    findings: Findings
    tools: tuple[str, ...]
    plans: int
    steps: int
    plan: Plan | None
    schedule: Schedule | None
    fleet: Schedule | None
    fleet_at: int

    def again(self, source: PlanSource) -> Iterable[Plan]:
        """Return the plans once more; the only one of a run is at hand, and is not read again."""
        return source.plans() if self.plan is None else (self.plan,)


def detector(
    config: ExecutionConfig,
    tools: Toolbox,
    home: HomeStore,
    key: bytes,
    now: float,
    run_id: str,
    *,
    environment: bool = False,
    ledger: bool = True,
) -> Detector:
    """Return a conflict detector that knows the tools and the home's action ledger."""

    def earlier(digest: str, resources: tuple[str, ...]) -> str:
        if not ledger or config.isolate:
            return ""
        found = home.earlier(digest, run_id, "", resources, now, config.duplicate_window_s)
        recent = [one for one in found if now - one.at <= config.duplicate_window_s]
        if not recent:
            return ""
        return f"the same action as {recent[0].step} of {recent[0].run_id} at {iso(recent[0].at)}"

    known = Known(
        contract=lambda name: found.contract if (found := tools.get(name)) else None,
        runnable=lambda name: "live" in found.handlers if (found := tools.get(name)) else False,
    )
    return Detector(config, known, key, earlier, environment=environment)


def survey(source: PlanSource, config: ExecutionConfig, watch: Detector) -> Survey:
    """Look at every plan and find all conflicts; nothing runs.

    Raises:
        BadInput: a plan names an agent that the operator does not, or there are two fleets.
    """
    used: dict[str, None] = {}
    plans = steps = 0
    only: Plan | None = None
    schedule: Schedule | None = None
    fleet: Schedule | None = None
    fleet_at = 0
    problems: list[str] = []
    simulated_s = 0.0
    for ordinal, plan in enumerate(source.plans()):
        for name in permissions.unknown_agents(plan, config.agents):
            known = ", ".join(sorted(config.agents))
            problems.append(
                f"plan '{plan.plan_id}': expected agents of the configuration ({known}), found '{name}'"
            )
        if plan.fleet and fleet is not None:
            other = fleet.plan.plan_id
            problems.append(f"plan '{plan.plan_id}': expected one fleet a run, found that of '{other}' too")
        if problems:
            continue
        only, schedule = plan, watch.plan(ordinal, plan)
        if plan.fleet:
            fleet, fleet_at = schedule, ordinal
        simulated_s += sum(step.estimated_duration_s or 0.0 for step in plan.steps)
        used.update(dict.fromkeys(step.tool for step in plan.steps))
        plans, steps = plans + 1, steps + len(plan.steps)
    if config.clock == "virtual" and simulated_s > LONGEST_SIMULATION_S:
        problems.append(
            f"clock: expected at most {LONGEST_SIMULATION_S:,.0f} s of estimated work in virtual time, found"
            f" {simulated_s:,.0f}"
        )
    if problems:
        raise BadInput(problems[:100], max(0, len(problems) - 100))
    return Survey(
        findings=watch.finish(),
        tools=tuple(used),
        plans=plans,
        steps=steps,
        plan=only if plans == 1 else None,
        schedule=schedule if plans == 1 else None,
        fleet=fleet,
        fleet_at=fleet_at,
    )


async def carry_out(
    run: Run, source: PlanSource, known: Survey, again: Detector, past: Past | None = None
) -> int:
    """Run every plan and return the exit code.

    Args:
        run: what the parts of the run share; its journal has begun.
        source: the plans, which are read once more where there are several.
        known: what the survey found.
        again: a fresh detector, for the schedules of the plans.
        past: what an earlier part of the run left, when it is resumed.
    """
    if past is None:
        for conflict in known.findings.conflicts:
            run.record(ConflictFound(conflict=conflict))
    run.conflicts = len(known.findings.conflicts)
    board = Board(run, known.findings, waits=run.config.approvals in ("wait", "ask"))
    board.total = known.steps
    try:
        tally = await _drive_all(run, source, known, again, board, past)
    except Interrupted as stopped:
        _finish(run, f"{stopped}; 'buddy resume' goes on", EXIT_INTERRUPTED)
        raise
    code = exit_code(tally)
    _finish(run, _REASONS[code], code)
    return code


def _finish(run: Run, reason: str, code: int) -> None:
    run.record(RunFinished(reason=reason, exit_code=code, duration_s=round(run.elapsed(), 6)))
    run.flush()


async def _drive_all(
    run: Run, source: PlanSource, known: Survey, again: Detector, board: Board, past: Past | None
) -> Counter[StepStatus]:
    """Keep up to `max_parallel_plans` plans under way until none is left."""
    tally: Counter[StepStatus] = Counter()
    under_way: set[asyncio.Task[Counter[StepStatus]]] = set()
    over = asyncio.get_running_loop().create_task(run.interrupt.over())
    try:
        for ordinal, plan in enumerate(known.again(source)):
            schedule = known.schedule or again.plan(ordinal, plan)
            state = _admit(run, ordinal, plan, schedule, known.findings, past)
            task = asyncio.get_running_loop().create_task(_drive(board, state))
            under_way.add(task)
            while len(under_way) >= run.config.max_parallel_plans:
                under_way = await _collect(under_way, over, tally)
        while under_way:
            under_way = await _collect(under_way, over, tally)
    finally:
        open_ones: tuple[asyncio.Task[Any], ...] = (over, *under_way)
        for task in open_ones:
            task.cancel()
        await asyncio.wait(open_ones)
    return tally


async def _collect(
    under_way: set[asyncio.Task[Counter[StepStatus]]],
    over: "asyncio.Task[str]",
    tally: Counter[StepStatus],
) -> set[asyncio.Task[Counter[StepStatus]]]:
    """Wait for a plan to end; returns those that have not.

    Raises:
        Interrupted: the run was asked to stop, and nothing acts any more.
    """
    done, _ = await asyncio.wait((over, *under_way), return_when=asyncio.FIRST_COMPLETED)
    if over in done:
        raise Interrupted(over.result())
    for task in under_way & done:
        tally.update(task.result())
    return under_way - done


def _admit(
    run: Run, ordinal: int, plan: Plan, schedule: Schedule, findings: Findings, past: Past | None
) -> PlanState:
    state = PlanState(ordinal, schedule, run.world(plan.plan_id), findings)
    if past is not None and past.put_back(state, run):
        return state
    run.record(
        PlanStarted(
            plan=plan.plan_id,
            steps=len(plan.steps),
            chain=plan.chain,
            validation=plan.validation_results,
            fleet=outlook(schedule, run.config, findings, ordinal) if plan.fleet else None,
        )
    )
    given = {step.step_id: step.agent for step in plan.steps} if schedule.steps else {}
    for step in schedule.steps:
        if given[step.step_id] != step.agent:
            run.record(
                Reassigned(
                    plan=plan.plan_id,
                    step=step.step_id,
                    from_agent=given[step.step_id],
                    to_agent=step.agent,
                    reason="permission",
                )
            )
    return state


async def _drive(board: Board, state: PlanState) -> Counter[StepStatus]:
    await doubts.settle(board.run, state)
    driver = _driver(board, state)
    await driver.drive()
    if board.run.late and next(state.places(StepStatus.UNKNOWN), None) is not None:
        await board.run.hear_late_ends()
        await driver.undo_failed()
    return Counter(state.statuses())


def _driver(board: Board, state: PlanState) -> PlanDriver:
    kind, fleet = state.schedule.plan.fleet, board.run.fleet
    if kind is None or fleet is None:
        return PlanDriver(board, state)
    parallel = parallel_tasks(board.run.config)
    match kind:
        case "waves":
            return WaveDriver(board, state, fleet, parallel)
        case "continuous":
            return ContinuousDriver(board, state, fleet, parallel)


def outlook(schedule: Schedule, config: ExecutionConfig, findings: Findings, ordinal: int) -> FleetPlan:
    """Say what the plan of a fleet sets out with, the conflicts that were found included."""
    edges = findings.within(ordinal)
    return coordination.outlook(schedule, config, parallel_tasks(config), edges)


def parallel_tasks(config: ExecutionConfig) -> int:
    """Return how many tasks of a fleet may be under way at once."""
    hands = sum(agent.capacity for agent in config.agents.values()) or config.num_agents
    return config.max_parallel_tasks or max(4, hands)


def exit_code(tally: Counter[StepStatus]) -> int:
    """Return the first that applies: 4 an UNKNOWN, 3 a HELD, 1 anything that did not succeed, 0."""
    if tally[StepStatus.UNKNOWN]:
        return EXIT_UNKNOWN
    if tally[StepStatus.HELD]:
        return EXIT_HELD
    return EXIT_NOT_ALL if sum(tally.values()) > tally[StepStatus.SUCCEEDED] else EXIT_OK


def contracts_of(tools: Toolbox, names: Iterable[str]) -> tuple[list[ToolContract], dict[str, list[str]]]:
    """Return the contracts and the handlers of tools, as `run_started` keeps them."""
    found = [tool for name in names if (tool := tools.get(name)) is not None]
    return [tool.contract for tool in found], {tool.contract.name: sorted(tool.handlers) for tool in found}
