"""The same action again: found while running, where the plan could not show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buddy.core import references
from buddy.core.conflicts import duplicate_strategy
from buddy.journal.times import iso
from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.decision import Ceiling
from buddy.model.mode import DRY_RUN, LIVE, MOCK

if TYPE_CHECKING:
    from buddy.engine.climb import Climb


def late_duplicate(climb: Climb) -> Ceiling | None:
    """Look for an identical action in this run that the plan could not show before.

    An action that the plan did show may still be a repeat: a write that was to come in between failed.
    """
    contract = climb.contract
    if contract is None or not contract.writes or contract.idempotent or climb.step.repeat:
        return None
    if climb.run.config.mode is not LIVE:
        return None
    who = climb.plan.actions.find(climb.digest, climb.resources())
    if who is None or who.step == climb.step_id:
        return None
    if duplicate_strategy(climb.run.config, contract) is Strategy.ALLOW and _was_known(climb):
        return None
    return duplicate(climb, f"the same action as {who}")


def _was_known(climb: Climb) -> bool:
    """Whether the plan showed the action already; what was allowed then is not noted again."""
    planned = climb.step.for_each is None and not references.has_references(climb.step.args)
    return planned and climb.args == climb.step.args


def duplicate(climb: Climb, told: str) -> Ceiling | None:
    """Note a duplicate found while running; returns its ceiling, None where it is allowed."""
    assert climb.contract is not None
    strategy = duplicate_strategy(climb.run.config, climb.contract)
    conflict = Conflict(
        conflict_id=climb.run.next_conflict(),
        type=ConflictType.DUPLICATE_ACTION,
        steps=(StepRef(climb.plan.plan_id, climb.step_id),),
        agents=(climb.step.agent,),
        resource=f"tool:{climb.step.tool}",
        resolution=strategy,
        reason=f"'{climb.step.tool}' with these arguments is {told}, with no other write in between",
        step_count=1,
    )
    climb.run.note_conflict(conflict)
    if strategy is Strategy.ALLOW:
        return None
    mode = MOCK if strategy is Strategy.ABORT else DRY_RUN
    return Ceiling(
        mode,
        "duplicate" if strategy is Strategy.ABORT else "conflict",
        f"{conflict.conflict_id}: {conflict.reason}",
    )


def look_for_earlier(climb: Climb) -> None:
    """An irreversible action that was taken before, however long ago, is named to the person asked."""
    run, contract = climb.run, climb.contract
    if contract is None or not contract.irreversible or run.config.isolate or run.config.mode is not LIVE:
        return
    found = run.home.earlier(
        climb.digest,
        run.run_id,
        f"{climb.plan.plan_id}/{climb.step_id}",
        climb.resources(),
        run.clock.now(),
        run.config.duplicate_window_s,
    )
    climb.earlier_count = len(found)
    climb.reasons = None
    # Of other arguments, which a person may have asked for, this may not be so any more.
    climb.earlier = ""
    if found:
        climb.earlier = (
            f"the same action was taken by {found[0].step} of {found[0].run_id} at {iso(found[0].at)}"
        )
