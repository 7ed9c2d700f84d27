"""What people do to a run by hand: undo, cancel, resolve."""

from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from buddy.core.conflicts import Detector
from buddy.core.findings import Findings
from buddy.engine import doubts
from buddy.engine.fleet import tell_all
from buddy.engine.orchestrator import EXIT_INTERRUPTED, exit_code
from buddy.engine.plans import PlanState
from buddy.engine.records import record_settled
from buddy.engine.recovery import Past, StepPast
from buddy.engine.run import Run
from buddy.engine.undoing import roll_back
from buddy.errors import BadInput, Interrupted
from buddy.journal.events import ApprovalDecided, Resolved, RunFinished
from buddy.model.approval import ApprovalState
from buddy.model.outcome import StepStatus
from buddy.ports import Freed, PlanSource

LISTED = 10
"""Calls that a sentence names."""


async def in_good_order(run: Run, work: Coroutine[Any, Any, int], command: str) -> int:
    """Do what a person asked for; a signal stops it as it stops a run, and the command goes on with it.

    Args:
        run: the run.
        work: what to do; returns the exit code.
        command: that a person said, `rollback` for example.

    Raises:
        Interrupted: a signal stopped it, which the journal says.
    """
    try:
        return await run.interrupt.unless_over(work)
    except Interrupted as stopped:
        _end(run, f"{stopped}; 'buddy {command}' goes on", EXIT_INTERRUPTED)
        raise


def tools_to_undo(past: Past, step: str | None, handlers: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tools that undoing takes, in order of first use: what they did is in the world, or may be.

    Args:
        past: where the steps stand.
        step: `STEP` or `PLAN/STEP`; None is everything.
        handlers: tool -> its handlers, when the run began.

    Raises:
        BadInput: there is no such step, or nothing to undo.
    """
    wanted = _find(past, step) if step is not None else None
    used: dict[str, None] = {}
    found = False
    for plan, steps in past.plans.items():
        for name, known in steps.items():
            contract, has = past.contracts.get(known.tool), handlers.get(known.tool, ())
            if wanted in (None, (plan, name)) and contract is not None and contract.writes:
                done = known.outcome >= 0 and not known.undone
                found = found or done or known.in_doubt
                if (done and "undo" in has) or (known.in_doubt and "probe" in has):
                    used[known.tool] = None
    if not found:
        raise _nothing_to_undo(step, [], [])
    return list(used)


async def undo_by_hand(
    run: Run,
    source: PlanSource,
    detector: Detector,
    past: Past,
    *,
    by: str,
    step: str | None,
    under_lock: bool,
) -> int:
    """Undo live writes, the last completed first.

    Args:
        run: the run.
        source: its plans.
        detector: for their schedules.
        past: where the steps stand.
        by: the person.
        step: `STEP` or `PLAN/STEP`; None is everything.
        under_lock: undo although the system is locked.

    Raises:
        BadInput: the step has nothing to undo, or the system is locked.
    """
    wanted = _find(past, step) if step is not None else None
    undone = 0
    unknown: list[str] = []
    lost: list[str] = []
    tally: Counter[StepStatus] = Counter()
    for ordinal, plan in enumerate(source.plans()):
        state = PlanState(ordinal, detector.plan(ordinal, plan), run.world(plan.plan_id), Findings())
        past.put_back(state, run)
        only = wanted[1] if wanted else None
        undone += await doubts.settle(run, state, again=only)
        for place in list(state.places(StepStatus.PENDING)):
            if state.is_lost(state.steps[place].step_id):
                state.put(place, StepStatus.UNKNOWN, state.reached(place))
        if wanted is None or wanted[0] == plan.plan_id:
            unknown += _unknown(state, only)
            lost += [f"{plan.plan_id}/{name}" for name in sorted(state.undo_lost) if only in (None, name)]
            calls = [done for done in reversed(state.done) if only in (None, done.step_id)]
            undone += len(calls)
            if not await roll_back(run, state, calls, f"by hand, {by}", under_lock=under_lock):
                raise BadInput("the system is locked; 'buddy unlock' first, or say --under-lock")
        tally.update(state.statuses())
    if not undone:
        raise _nothing_to_undo(step, unknown, lost)
    return _finish(run, tally, f"rolled back by {by}")


def _unknown(state: PlanState, only: str | None) -> list[str]:
    """Return the calls of a plan of which nobody knows how they ended, as `buddy resolve` takes them."""
    items = [name for name, (status, *_) in state.item_status.items() if status is StepStatus.UNKNOWN]
    many = {name.rsplit("[", 1)[0] for name in items}
    steps = [state.steps[place].step_id for place in state.places(StepStatus.UNKNOWN)]
    found = [*(name for name in steps if name not in many), *items]
    return [f"{state.plan_id}/{name}" for name in found if only in (None, name, name.rsplit("[", 1)[0])]


def _nothing_to_undo(step: str | None, unknown: list[str], lost: list[str]) -> BadInput:
    expected = f"expected a live write to undo{f' in {step!r}' if step else ''}"
    if lost and not unknown:
        named = ", ".join(lost[:LISTED])
        return BadInput(
            f"{expected}, found only what may have been undone when Buddy stopped ({named}); look, then say"
            " `--step` where it was not"
        )
    if not unknown:
        return BadInput(f"{expected}, found none")
    named = ", ".join(unknown[:LISTED])
    more = f" and {len(unknown) - LISTED:,} more" if len(unknown) > LISTED else ""
    return BadInput(
        f"{expected}, found only calls of which nobody knows how they ended: {named}{more};"
        " look, then say `buddy resolve RUN STEP --happened` or `--did-not`"
    )


async def cancel_all(run: Run, source: PlanSource, past: Past, by: str) -> int:
    """Abort every step that is held or was never tried, and close what was asked."""
    _close_requests(run, by)
    tally: Counter[StepStatus] = Counter()
    for plan in source.plans():
        steps = past.plans.get(plan.plan_id, {})
        expanded = {name.rsplit("[", 1)[0] for name in steps if name.endswith("]")}
        for step in plan.steps:
            if step.step_id not in steps and step.step_id not in expanded:
                steps[step.step_id] = StepPast(step.tool, step.agent)
        for name, known in steps.items():
            if known.status in (StepStatus.PENDING, StepStatus.HELD):
                # Whether a call in doubt happened nobody knows, cancelled or not.
                lost = known.in_doubt
                known.status = StepStatus.UNKNOWN if lost else StepStatus.ABORTED
                why = "Buddy stopped during the call; 'buddy resolve' records what a person finds out"
                record_settled(
                    run,
                    plan.plan_id,
                    name,
                    known,
                    known.status,
                    known.reached,
                    "live" if lost else "cancel",
                    why if lost else f"cancelled by {by}",
                )
            tally[known.status] += 1
        if plan.fleet:
            tell_all(run, plan)
    return _finish(run, tally, f"cancelled by {by}")


def _close_requests(run: Run, by: str) -> None:
    run.home.cancel_approvals(run.run_id)
    for approval in run.home.approvals(run.clock.now(), run.run_id, ApprovalState.CANCELLED):
        request = approval.request
        run.record(
            ApprovalDecided(
                approval=request.approval_id,
                plan=request.plan_id,
                step=request.step_id,
                tool=request.tool,
                state=approval.state,
                reason=f"the run was cancelled by {by}",
            )
        )


async def resolve_step(run: Run, past: Past, step: str, happened: bool, by: str) -> int:
    """Record how an UNKNOWN call ended.

    Raises:
        BadInput: there is no such step, or its end is known.
    """
    plan, name = _find(past, step)
    known = past.plans[plan][name]
    if known.status is not StepStatus.UNKNOWN and not known.in_doubt:
        raise BadInput(
            f"step {step!r}: expected a step whose live call is UNKNOWN, found {known.status.value}"
        )
    known.status = StepStatus.SUCCEEDED if happened else StepStatus.FAILED
    run.record(
        Resolved(
            plan=plan,
            step=name,
            agent=known.agent,
            tool=known.tool,
            happened=happened,
            by=by,
            status=known.status,
        )
    )
    if not happened:
        run.home.settle(run.run_id, [Freed(f"{plan}/{name}", known.digest)])
    tally = Counter(one.status for steps in past.plans.values() for one in steps.values())
    return _finish(run, tally, f"'{name}' was resolved by {by}; 'buddy resume' goes on")


def _finish(run: Run, tally: Counter[StepStatus], reason: str) -> int:
    code = exit_code(tally)
    _end(run, reason, code)
    return code


def _end(run: Run, reason: str, code: int) -> None:
    run.record(RunFinished(reason=reason, exit_code=code, duration_s=round(run.elapsed(), 6)))
    run.flush()


def _find(past: Past, step: str) -> tuple[str, str]:
    found = [
        (plan, name)
        for plan, steps in past.plans.items()
        for name in steps
        if step in (name, f"{plan}/{name}")
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadInput(f"expected a step of the run, found {step!r}")
    plans = ", ".join(f"{plan}/{name}" for plan, name in found[:5])
    raise BadInput(f"step {step!r} is in {len(found)} plans; say which: {plans}")
