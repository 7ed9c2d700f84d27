"""Rollback: undo a group's live writes, the last completed first, and claim no more than was seen."""

from collections.abc import Iterable
from functools import partial

from buddy.core.catalogue import claims_of
from buddy.core.rollback import RESTORED, Done, result_of
from buddy.engine.attempts import Passed, StillRunning, attempt, error_of, with_secrets
from buddy.engine.plans import PlanState
from buddy.engine.run import Run
from buddy.errors import ChangedSince, InvalidArguments
from buddy.journal.events import UndoIntent, UndoOutcome
from buddy.journal.times import millis
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import Call, Restored, StepStatus, UndoResult
from buddy.ports import ToolRuntime


async def roll_back(
    run: Run,
    plan: PlanState,
    calls: Iterable[Done],
    trigger: str,
    *,
    under_lock: bool = False,
    tried: set[str] | None = None,
) -> bool:
    """Undo live writes; returns whether it got through (False: the lock stopped it).

    Args:
        run: the run.
        plan: the plan.
        calls: of the plan, the last completed first.
        trigger: why, one sentence.
        under_lock: a person said to undo although the system is locked.
        tried: steps that were tried to undo and are left alone; those that are tried now are added.
    """
    tried = set() if tried is None else tried
    for done in calls:
        if done.step_id in tried:
            continue
        await run.interrupt.go_on()
        result = await _undo(run, plan, done, trigger, under_lock=under_lock)
        if result is None:
            return False
        tried.add(done.step_id)
        if result in RESTORED:
            plan.done.remove(done)
            place = plan.schedule.index.get(done.step_id.split("[")[0])
            if place is not None and plan.status(place) is StepStatus.SUCCEEDED:
                # A fan-out of which an item failed stays FAILED, whatever became of the others.
                plan.put(place, StepStatus.ROLLED_BACK, Mode.LIVE)
            plan.actions.free(done.digest)
            run.free_action(f"{plan.plan_id}/{done.step_id}", done.digest)
    return True


async def _undo(
    run: Run, plan: PlanState, done: Done, trigger: str, *, under_lock: bool
) -> UndoResult | None:
    """Undo a call; returns None where the lock stopped it."""
    if run.lock().engaged and not under_lock:
        return None
    tool = plan.tools.get(done.tool)
    if tool is not None and "undo" in tool.handlers:
        holder = f"{run.run_id}/{plan.plan_id}/{done.step_id}/undo"
        claims = () if run.config.isolate else claims_of(tool.contract, done.args)
        await run.claims.take(holder, claims)
        try:
            await run.interrupt.go_on()
            with run.interrupt.acts():
                return await _act(run, plan, done, tool, trigger, under_lock=under_lock)
        finally:
            if claims:
                # A thread may be at it still, where its time was up or its loop ended.
                run.claims.give_after(holder, partial(tool.acts, done.key))
    _record(run, plan, done, trigger, (UndoResult.NOT_REVERSIBLE, False, "the tool cannot undo it"), 0.0)
    await run.durable()
    return UndoResult.NOT_REVERSIBLE


async def _act(
    run: Run, plan: PlanState, done: Done, tool: ToolRuntime, trigger: str, *, under_lock: bool
) -> UndoResult | None:
    # Once more, as somebody may have locked the system while the claims were another's.
    lock = run.look()
    if lock.engaged and not under_lock:
        return None
    started = run.clock.monotonic()
    run.record(
        UndoIntent(
            plan=plan.plan_id,
            step=done.step_id,
            agent=done.agent,
            tool=done.tool,
            trigger=trigger,
            lock_epoch=lock.epoch,
            under_lock=under_lock,
        )
    )
    await run.durable()
    found = await _call(run, tool, done)
    _record(run, plan, done, trigger, found, run.clock.monotonic() - started)
    await run.durable()
    return found[0]


def _record(
    run: Run, plan: PlanState, done: Done, trigger: str, found: tuple[UndoResult, bool, str], seconds: float
) -> None:
    result, verified, error = found
    run.record(
        UndoOutcome(
            plan=plan.plan_id,
            step=done.step_id,
            agent=done.agent,
            tool=done.tool,
            trigger=trigger,
            result=result,
            verified=verified,
            error=error,
            duration_ms=millis(seconds),
            status=StepStatus.ROLLED_BACK if result in RESTORED else None,
        )
    )


async def _call(run: Run, tool: ToolRuntime, done: Done) -> tuple[UndoResult, bool, str]:
    contract: ToolContract = tool.contract
    try:
        args, secrets = with_secrets(done.args, contract.secret_args, run.secrets)
    except InvalidArguments as problem:
        return UndoResult.FAILED, False, str(problem)
    call = Call(
        tool=done.tool,
        args=args,
        agent=done.agent,
        run_id=run.run_id,
        step_id=done.step_id,
        idempotency_key=done.key,
    )

    async def undo() -> Restored | str:
        try:
            return await tool.undo(call, done.result)
        except ChangedSince as changed:
            return error_of(changed, contract, Mode.LIVE, secrets).message

    found = await attempt(undo(), contract, Mode.LIVE, in_thread=tool.sync, redact=secrets)
    if isinstance(found, StillRunning):
        return UndoResult.FAILED, False, f"the undo did not end within {contract.timeout_s:g} s"
    if not isinstance(found, Passed):
        return UndoResult.FAILED, False, found.message
    if isinstance(found.value, str):
        return UndoResult.CHANGED_SINCE, False, found.value
    return result_of(contract.undo, found.value), found.value.verified, ""
