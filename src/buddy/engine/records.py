"""What an attempt at a rung looks like in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import UNSET
from msgspec.structs import replace

from buddy.core import references
from buddy.core.ladder import Trigger
from buddy.engine.attempts import is_large
from buddy.journal.events import Rung, Settled
from buddy.journal.times import iso, millis
from buddy.model.decision import Ceiling
from buddy.model.mode import MOCK, Mode
from buddy.model.outcome import CallError, Preview, StepStatus

if TYPE_CHECKING:
    from buddy.engine.climb import Climb
    from buddy.engine.run import Run

_PROMOTE = Trigger.PROMOTE.value


def record_rung(
    climb: Climb,
    mode: Mode,
    number: int,
    started: float,
    *,
    result: Any = UNSET,
    preview: Preview | None = None,
    error: CallError | None = None,
    status: StepStatus | None = None,
    moved_from: Mode | None = None,
    rehearsal: bool = False,
    reused: bool = False,
    limit: Ceiling | None = None,
    threshold: float | None = None,
) -> None:
    """Record one attempt at MOCK or DRY_RUN, or a read that is LIVE by its DRY_RUN."""
    run, step = climb.run, climb.step
    blob = ""
    large = None if result is UNSET else is_large(result)
    if large is not None:
        blob, result = run.keep(large), UNSET
    ended = run.now()
    # In three parts: a call with more than 15 keywords makes CPython build a dict first, which costs more
    # than all the rest, and most attempts have no use for the third.
    rung = Rung(
        plan=climb.plan.plan_id,
        step=climb.step_id,
        agent=step.agent,
        tool=step.tool,
        mode=mode,
        attempt=number,
        digest=climb.digest,
        args=UNSET if mode is not MOCK else writable(climb.args, step.args),
        started_at=iso(started),
        duration_ms=0.0 if reused else millis(ended - started),
        confidence=step.confidence,
        rehearsal=rehearsal,
        result=result,
        result_blob=blob,
    )
    if mode is not MOCK:
        rung = replace(
            rung,
            threshold=threshold,
            moved_from=moved_from,
            trigger=_PROMOTE if moved_from else "",
            reused=reused,
            preview=preview,
            sources=climb.plan.sources(climb.place),
            approval=climb.granted.request.approval_id if climb.granted else None,
        )
    if error is not None or status is not None:
        stopped = limit if status is not None else None
        rung = replace(
            rung,
            error=error,
            status=status,
            rule=stopped.rule if stopped else "",
            reason=stopped.reason if stopped else "",
        )
    run.record(rung, ended)


class Doer(Protocol):
    """What knows whose a step is, and of which tool: the step, a call that it made, what is left of one."""

    @property
    def agent(self) -> str:
        """Who acts."""
        ...

    @property
    def tool(self) -> str:
        """With which tool."""
        ...


def record_settled(
    run: Run,
    plan: str,
    step: str,
    doer: Doer,
    status: StepStatus,
    reached: Mode | None,
    rule: str = "",
    reason: str = "",
) -> None:
    """Record where a step, or an item of its fan-out, came to rest without an attempt that says so.

    Args:
        run: the run.
        plan: id of its plan.
        step: its id, or the item's.
        doer: whose it is, and of which tool.
        status: where it stands.
        reached: the highest rung that it passed.
        rule: that stopped it.
        reason: one sentence.
    """
    run.record(
        Settled(
            plan=plan,
            step=step,
            agent=doer.agent,
            tool=doer.tool,
            status=status,
            final_mode=reached,
            rule=rule,
            reason=reason,
        )
    )


def writable(args: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments, or the plan's own where a rehearsal does not know them all."""
    return planned if args is not planned and references.has_unknown(args) else args
