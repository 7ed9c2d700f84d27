"""How a live call ended: on disk before anyone is told, and what is done where nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from buddy.core.rollback import Done
from buddy.engine.attempts import (
    Passed,
    StillRunning,
    attempt,
    error_of,
    hidden_value,
    is_large,
    timed_out,
)
from buddy.engine.ending import Ending
from buddy.engine.records import record_settled
from buddy.errors import ClosedStop
from buddy.journal.events import Outcome, Resolved
from buddy.journal.times import iso, millis
from buddy.model.mode import DRY_RUN, LIVE
from buddy.model.outcome import FAILED, SUCCEEDED, UNKNOWN, Call, CallError, OutcomeKind, StepStatus

if TYPE_CHECKING:
    from buddy.engine.climb import Climb
    from buddy.model.contract import ToolContract


async def succeed(
    climb: Climb, contract: ToolContract, started: float, result: Any, *, late: bool = False
) -> Ending:
    """Record that a live call did what it should."""
    assert climb.tool is not None
    climb.plan.repeats.pop(climb.step_id, None)
    warning = climb.tool.check_result(result)
    ended = record_outcome(
        climb,
        OutcomeKind.SUCCEEDED,
        started,
        result=result,
        late=late,
        warning=warning,
        status=SUCCEEDED,
    )
    if late or climb.plan.awaited[climb.place]:
        await climb.run.durable()
    else:
        climb.rides = True
        await climb.run.ride()
    climb.promote()
    climb.result = result
    note_done(climb, contract, result, ended)
    return Ending(status=SUCCEEDED, reached=LIVE, result=result, preview=climb.preview)


def note_done(climb: Climb, contract: ToolContract, result: Any, ended: int) -> None:
    """Remember a live write, should it have to be undone.

    Args:
        climb: that made it.
        contract: of its tool.
        result: what it returned.
        ended: number of the journal's line that says so.
    """
    climb.plan.done.append(
        Done(
            step_id=climb.step_id,
            tool=contract.name,
            agent=climb.step.agent,
            group=climb.step.group,
            order=ended,
            args=climb.args,
            digest=climb.digest,
            result=result,
            key=climb.key,
        )
    )


def leave(climb: Climb) -> None:
    """Record that nobody saw how a call ended, before what it holds is let go of: its event loop ends."""
    with suppress(ClosedStop):  # the run may be over too
        record_settled(
            climb.run,
            climb.plan.plan_id,
            climb.step_id,
            climb.step,
            UNKNOWN,
            climb.passed,
            "live",
            "its event loop ended during the call",
        )


def free(climb: Climb) -> None:
    """Let the action be taken again: it had no effect."""
    climb.plan.actions.free(climb.digest)
    climb.run.free_action(f"{climb.plan.plan_id}/{climb.step_id}", climb.digest)


def record_outcome(
    climb: Climb,
    kind: OutcomeKind,
    started: float,
    *,
    result: Any = UNSET,
    error: CallError | None = None,
    status: StepStatus | None = None,
    reason: str = "",
    warning: str = "",
    late: bool = False,
) -> int:
    """Record how a live call ended, on disk after the next flush; returns the number of the line."""
    run, blob, ended = climb.run, "", climb.run.now()
    large = None if result is UNSET else is_large(result)
    if large is not None:
        blob, result = run.keep(large), UNSET
    return run.record(
        Outcome(
            plan=climb.plan.plan_id,
            step=climb.step_id,
            agent=climb.step.agent,
            tool=climb.step.tool,
            attempt=climb.live_attempts,
            outcome=kind,
            started_at=iso(started),
            duration_ms=millis(max(0.0, ended - started)),
            result=result,
            result_blob=blob,
            error=error,
            late=late,
            warning=warning,
            status=status,
            reason=reason,
        ),
        ended,
    ).seq


async def probe(climb: Climb, contract: ToolContract, error: CallError) -> Ending:
    """Ask the tool whether a call that nobody knows the end of happened."""
    assert climb.tool is not None
    call = Call(
        tool=contract.name,
        args=climb.args,
        agent=climb.step.agent,
        run_id=climb.run.run_id,
        step_id=climb.step_id,
        idempotency_key=climb.key,
    )
    found = await attempt(climb.tool.probe(call), contract, DRY_RUN)
    happened = found.value if isinstance(found, Passed) else None
    if happened is None:
        reason = f"{error.message}; 'buddy resolve' records what a person finds out"
        return climb.settle(UNKNOWN, "live", reason)
    status = SUCCEEDED if happened else FAILED
    climb.plan.repeats.pop(climb.step_id, None)
    found_out = climb.run.record(
        Resolved(
            plan=climb.plan.plan_id,
            step=climb.step_id,
            agent=climb.step.agent,
            tool=contract.name,
            happened=happened,
            by="probe",
            status=status,
        )
    )
    if happened:
        climb.promote()
        note_done(climb, contract, None, found_out.seq)
    else:
        free(climb)
    await climb.run.durable()
    return Ending(
        status=status,
        reached=climb.passed,
        preview=climb.preview,
        rule="" if happened else "live",
        reason="" if happened else f"{error.message}; the probe found that nothing happened",
    )


def give_up(
    climb: Climb,
    contract: ToolContract,
    running: StillRunning,
    secrets: tuple[str, ...],
    release: Callable[[], None],
) -> Ending:
    """Settle as UNKNOWN a call whose thread cannot be stopped; its end settles it for good.

    Args:
        climb: that made it.
        contract: of its tool.
        running: the thread.
        secrets: that it was given, which no record may tell.
        release: gives back what the call holds.
    """
    error = timed_out(contract)
    started = climb.run.now() - contract.timeout_s
    record_outcome(climb, OutcomeKind.UNKNOWN, started, error=error, status=UNKNOWN, reason=error.message)
    climb.run.flush()

    async def late() -> None:
        try:
            result = await running.task
        except Exception as problem:  # noqa: BLE001 - a tool may raise anything
            with suppress(ClosedStop):  # later than the run
                await _late_failure(climb, contract, started, problem, secrets)
        else:
            with suppress(ClosedStop):  # later than the run
                await succeed(climb, contract, started, hidden_value(result, secrets), late=True)
                _late_status(climb, SUCCEEDED)
        finally:
            release()

    task = asyncio.get_running_loop().create_task(late())
    climb.run.late.add(task)
    task.add_done_callback(climb.run.late.discard)
    return Ending(
        status=UNKNOWN,
        reached=climb.passed,
        result=climb.result,
        preview=climb.preview,
        rule="live",
        reason=error.message,
    )


async def _late_failure(
    climb: Climb, contract: ToolContract, started: float, problem: Exception, secrets: tuple[str, ...]
) -> None:
    error = error_of(problem, contract, LIVE, secrets)
    if not error.no_effect:
        return
    status = climb.told(FAILED)
    record_outcome(
        climb, OutcomeKind.FAILED, started, error=error, late=True, status=status, reason=error.message
    )
    if status is None:
        return
    free(climb)
    await climb.run.durable()
    _late_status(climb, FAILED)


def _late_status(climb: Climb, status: StepStatus) -> None:
    """Settle a call that was UNKNOWN; a fan-out stays UNKNOWN until a resume looks at all of its items."""
    plan = climb.plan
    if climb.step_id in plan.item_status:
        plan.item_status[climb.step_id] = (status, climb.passed, climb.result)
    elif climb.step_id == climb.step.step_id:
        plan.put(climb.place, status, climb.passed)
        plan.results[climb.place] = climb.result if status is SUCCEEDED else None
