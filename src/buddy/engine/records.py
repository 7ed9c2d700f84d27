"""What an attempt at a rung looks like in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from buddy.core import gate, references
from buddy.core.ladder import Trigger
from buddy.engine.attempts import is_large
from buddy.journal.events import Rung
from buddy.journal.times import iso
from buddy.model.decision import Ceiling
from buddy.model.mode import Mode
from buddy.model.outcome import CallError, Preview, StepStatus

if TYPE_CHECKING:
    from buddy.engine.climb import Climb


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
) -> None:
    """Record one attempt at MOCK or DRY_RUN, or a read that is LIVE by its DRY_RUN."""
    run, step = climb.run, climb.step
    blob = ""
    large = None if result is UNSET else is_large(result)
    if large is not None:
        blob, result = run.journal.write_blob(large), UNSET
    above = mode is not Mode.MOCK
    run.record(
        Rung(
            plan=climb.plan.plan_id,
            step=climb.step_id,
            agent=step.agent,
            tool=step.tool,
            mode=mode,
            attempt=number,
            digest=climb.digest,
            args=UNSET if above else writable(climb.args, step.args),
            started_at=iso(started),
            duration_ms=0.0 if reused else round(max(0.0, run.now() - started) * 1000, 3),
            confidence=step.confidence,
            threshold=gate.threshold(climb.contract, mode, run.config.confidence_threshold_for_live)
            if above
            else None,
            moved_from=moved_from,
            trigger=Trigger.PROMOTE.value if moved_from else "",
            rehearsal=rehearsal,
            reused=reused,
            result=result,
            result_blob=blob,
            preview=preview,
            error=error,
            sources=climb.plan.sources(climb.place) if above else [],
            approval=climb.granted.request.approval_id if above and climb.granted else None,
            status=status,
            rule=limit.rule if limit and status is not None else "",
            reason=limit.reason if limit and status is not None else "",
        )
    )


def writable(args: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments, or the plan's own where a rehearsal does not know them all."""
    return planned if args is not planned and references.has_unknown(args) else args
