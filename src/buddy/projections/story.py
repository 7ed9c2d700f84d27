"""The story of one step, told in sentences from the journal alone."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from buddy.journal.events import (
    ApprovalRequested,
    BreakerMoved,
    ConflictFound,
    ContractSeen,
    LockSeen,
    PlanStarted,
    Record,
    RunFinished,
    RunResumed,
    RunStarted,
)
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus
from buddy.projections.telling import Teller


class Story(Struct, frozen=True, kw_only=True):
    """One step, told.

    Attributes:
        run_id, plan, step: whose story it is.
        status: where the step stands; None where it is not settled.
        final_mode: the highest rung passed, None where none was.
        rule: the rule that stopped it, empty where none did.
        sentences: in the order of time, each with its time in UTC; the last ones say where the step stands
            and what a person can do.
    """

    run_id: str
    plan: str
    step: str
    status: StepStatus | None
    final_mode: Mode | None
    rule: str
    sentences: list[str]


def story(records: Iterable[Record], plan: str | None, step: str) -> Story | list[str] | None:
    """Tell what happened to a step.

    Args:
        records: of its run, in order.
        plan: its plan, None where any will do.
        step: its id; `fill[3]` is the fourth item of a `for_each`.

    Returns:
        The story; the plans where several have such a step; None where none has.
    """
    around: list[Record] = []
    own: dict[str, list[Record]] = {}
    items: dict[str, dict[str, StepStatus]] = {}
    base = step.partition("[")[0]
    for record in records:
        event = record.event
        if type(event) in _AROUND:
            around.append(record)
            continue
        for name in _plans_of(event, step, base):
            if plan is None or name == plan:
                own.setdefault(name, []).append(record)
        status = getattr(event, "status", None)
        if status is not None and step == base:
            _keep_item(items, event, plan, step)
    named = [name for name, found in own.items() if any(_is_own(record.event, step) for record in found)]
    told = list(dict.fromkeys([*named, *items]))
    if len(told) > 1:
        return told
    if not told:
        return None
    name = told[0]
    teller = Teller(name, step, items.get(name, {}))
    sentences = teller.tell(sorted([*around, *own.get(name, ())], key=lambda record: record.seq))
    return Story(
        run_id=teller.run,
        plan=name,
        step=step,
        status=teller.status,
        final_mode=teller.passed,
        rule=teller.rule,
        sentences=sentences,
    )


_AROUND = frozenset({RunStarted, RunResumed, ContractSeen, PlanStarted, LockSeen, BreakerMoved, RunFinished})


def _plans_of(event: Any, step: str, base: str) -> Iterator[str]:
    """Yield the plans in which an event is about the step, or about the fan-out that it is an item of."""
    match event:
        case ConflictFound(conflict=conflict):
            yield from dict.fromkeys(ref.plan for ref in conflict.steps if ref.step in (step, base))
        case ApprovalRequested(request=request):
            if request.step_id in (step, base):
                yield request.plan_id
        case _:
            named = getattr(event, "step", None)
            if named is not None and named in (step, base):
                yield event.plan


def _keep_item(items: dict[str, dict[str, StepStatus]], event: Any, plan: str | None, step: str) -> None:
    """Note where an item of the step's fan-out stands, as of an event that settles it."""
    if event.step.startswith(f"{step}[") and plan in (None, event.plan):
        items.setdefault(event.plan, {})[event.step] = event.status


def _is_own(event: Any, step: str) -> bool:
    """Whether an event shows that there is such a step, and not only the fan-out around it."""
    match event:
        case ConflictFound(conflict=conflict):
            return any(ref.step == step for ref in conflict.steps)
        case ApprovalRequested(request=request):
            return request.step_id == step
        case _:
            return bool(event.step == step)
