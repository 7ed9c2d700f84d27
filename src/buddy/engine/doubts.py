"""What nobody saw the end of when a run was cut off: live calls and undos, settled before anything goes on.

A call that may be repeated is simply made again. Any other is never made again unless the tool's probe
looked at the world and says that nothing happened.
"""

from buddy.core.rollback import Done, result_of
from buddy.engine.attempts import Passed, attempt
from buddy.engine.plans import Doubt, PlanState
from buddy.engine.records import record_settled
from buddy.engine.run import Run
from buddy.journal.events import Resolved, UndoOutcome
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import Call, Restored, StepStatus, UndoResult
from buddy.ports import ToolRuntime

TRIGGER = "the rollback that was cut off"


async def settle(run: Run, plan: PlanState, *, again: str | None = None) -> int:
    """Ask the probes about what is in doubt in a plan, say so where they cannot tell; returns undos settled.

    Args:
        run: that goes on.
        plan: as its journal left it; what is found out is put in.
        again: a step whose undo a person wants, although nobody may know whether it was undone already.
    """
    for doubt in plan.doubts:
        await _call(run, plan, doubt)
    settled = 0
    for done in plan.undo_doubts:
        settled += await _undo(run, plan, done, again=done.step_id == again)
    plan.doubts.clear()
    plan.undo_doubts.clear()
    unknown = next(plan.places(StepStatus.UNKNOWN), None)
    if unknown is not None and plan.schedule.plan.chain and plan.stops(run.config.on_failure):
        plan.stop_at_unknown(unknown)
    return settled


async def _call(run: Run, plan: PlanState, doubt: Doubt) -> None:
    done, tool = doubt.done, plan.tools.get(doubt.done.tool)
    if doubt.repeatable:
        # Told all the same: the call may never be made again, where the plan has stopped by now.
        plan.repeats[done.step_id] = done.digest
        if not doubt.told:
            _lost(run, plan, doubt, "Buddy stopped during the call, which may be made again")
        return
    happened = await _happened(run, tool, done)
    if happened is None:
        if not doubt.told:
            why = "Buddy stopped during the call; 'buddy resolve' records what a person finds out"
            _lost(run, plan, doubt, why)
        return
    status = StepStatus.SUCCEEDED if happened else StepStatus.PENDING
    run.record(
        Resolved(
            plan=plan.plan_id,
            step=done.step_id,
            agent=done.agent,
            tool=done.tool,
            happened=happened,
            by="probe",
            status=status,
        )
    )
    reached = Mode.LIVE if happened else doubt.reached
    if done.step_id not in plan.item_status:
        plan.restore(doubt.place, status, reached)
        plan.keep(doubt.place, None)
    elif happened:
        plan.item_status[done.step_id] = (status, reached, None)
    else:
        del plan.item_status[done.step_id]
    if happened:
        plan.done.append(done)
    else:
        run.free_action(f"{plan.plan_id}/{done.step_id}", done.digest)
    await run.durable()


def _lost(run: Run, plan: PlanState, doubt: Doubt, reason: str) -> None:
    done = doubt.done
    record_settled(run, plan.plan_id, done.step_id, done, StepStatus.UNKNOWN, doubt.reached, "live", reason)


async def _undo(run: Run, plan: PlanState, done: Done, *, again: bool) -> bool:
    """Settle an undo: it happened where what the call did is gone; where that is still there it goes on.

    Returns whether its end was recorded.
    """
    tool = plan.tools.get(done.tool)
    there = await _happened(run, tool, done)
    if there or (there is None and again):
        return False
    if there is None and done.step_id in plan.undo_lost:
        # Told already.
        plan.done.remove(done)
        return False
    if there is None or tool is None:
        result = UndoResult.FAILED
        error = (
            "Buddy stopped during the undo and nobody knows whether it happened; look, then undo this step"
            " alone (`--step`) where it did not"
        )
    else:
        result, error = result_of(tool.contract.undo, Restored(verified=False)), ""
    restored = not error
    run.record(
        UndoOutcome(
            plan=plan.plan_id,
            step=done.step_id,
            agent=done.agent,
            tool=done.tool,
            trigger=TRIGGER,
            result=result,
            verified=False,
            error=error,
            duration_ms=0.0,
            status=StepStatus.ROLLED_BACK if restored else None,
        )
    )
    plan.done.remove(done)
    if restored:
        plan.actions.free(done.digest)
        run.free_action(f"{plan.plan_id}/{done.step_id}", done.digest)
    place = plan.schedule.index.get(done.step_id.split("[")[0])
    if restored and place is not None and plan.status(place) is StepStatus.SUCCEEDED:
        plan.put(place, StepStatus.ROLLED_BACK, Mode.LIVE)
    await run.durable()
    return True


async def _happened(run: Run, tool: ToolRuntime | None, done: Done) -> bool | None:
    """Whether what a call did is in the world, None where nobody can tell."""
    if tool is None or "probe" not in tool.handlers:
        return None
    call = Call(
        tool=done.tool,
        args=done.args,
        agent=done.agent,
        run_id=run.run_id,
        step_id=done.step_id,
        idempotency_key=done.key,
    )
    contract: ToolContract = tool.contract
    found = await attempt(tool.probe(call), contract, Mode.DRY_RUN)
    return found.value if isinstance(found, Passed) and isinstance(found.value, bool) else None
