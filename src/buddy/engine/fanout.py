"""A `for_each` step: one call an item, one question to a person for all of them."""

from collections.abc import Iterable
from typing import Any

from buddy.core import references
from buddy.core.approvals import binding
from buddy.core.canonical import NOTHING, keyed_digest
from buddy.engine import gating
from buddy.engine.asking import Edited, Granted, Question, Refused, Waiting, ask
from buddy.engine.climb import Climb, GroupGrant
from buddy.engine.ending import Ending
from buddy.engine.plans import PlanState
from buddy.engine.records import record_settled
from buddy.engine.run import Run
from buddy.engine.rungs import dry_run
from buddy.errors import InvalidArguments
from buddy.journal.events import Expanded
from buddy.model import decision
from buddy.model.decision import Ceiling
from buddy.model.mode import Mode
from buddy.model.outcome import Preview, StepStatus

WORST = (
    StepStatus.UNKNOWN,
    StepStatus.FAILED,
    StepStatus.HELD,
    StepStatus.ABORTED,
    StepStatus.SKIPPED,
    StepStatus.ROLLED_BACK,
    StepStatus.SUCCEEDED,
)
"""Where a fan-out stands whose items stand so: the first that any of them does."""


def items_of(plan: PlanState, place: int, results: dict[int, Any]) -> list[Any] | None:
    """Return the items that a step fans out over, None where a rehearsal cannot know them.

    Raises:
        InvalidArguments: there is no list at the path, or it is too long.
    """
    step = plan.steps[place]
    assert step.for_each is not None
    reference = {"$from": step.for_each.source, "path": step.for_each.path}
    found = references.resolve(
        {"for_each": reference}, lambda name: results.get(plan.schedule.index[name], NOTHING)
    )
    items = found["for_each"]
    if items is references.UNKNOWN:
        return None
    if not isinstance(items, list):
        raise InvalidArguments(
            f"for_each: expected a list at '{step.for_each.path or '/'}' in the result of step"
            f" '{step.for_each.source}', found {type(items).__name__}"
        )
    if len(items) > step.max_items:
        raise InvalidArguments(
            f"for_each: expected at most {step.max_items:,} items (max_items), found {len(items):,}"
        )
    return items


def climbs(run: Run, plan: PlanState, place: int, items: list[Any], results: dict[int, Any]) -> list[Climb]:
    """Return one climb an item."""
    step = plan.steps[place]
    made = []
    for index, item in enumerate(items):
        args, problem = arguments(plan, place, results, item)
        made.append(Climb(run, plan, place, f"{step.step_id}[{index}]", args, problem=problem))
    return made


def arguments(
    plan: PlanState, place: int, results: dict[int, Any], item: Any = NOTHING
) -> tuple[dict[str, Any], str]:
    """Return a step's arguments with references resolved, and what is wrong where they cannot be."""
    step = plan.steps[place]
    if not step.depends_on and item is NOTHING:
        return step.args, ""
    try:
        index = plan.schedule.index
        return references.resolve(step.args, lambda name: results.get(index[name], NOTHING), item), ""
    except InvalidArguments as problem:
        return step.args, str(problem)


async def climb_all(run: Run, plan: PlanState, place: int) -> Ending:
    """Take every item as far as it gets and say where the whole step came to rest."""
    step = plan.steps[place]
    try:
        items = items_of(plan, place, plan.results)
    except InvalidArguments as problem:
        if plan.is_lost(step.step_id):
            return lost(run, plan, place, f"and now: {problem}")
        return await Climb(run, plan, place, step.step_id, step.args, problem=str(problem)).climb()
    if items is None and plan.is_lost(step.step_id):
        return lost(run, plan, place, "and its items are not known any more")
    if items is None:
        return _not_known(Climb(run, plan, place, step.step_id, step.args))
    source = plan.source(place)
    real = run.config.mode if source is None else min(run.config.mode, source[0] or Mode.MOCK)
    made = climbs(run, plan, place, items, plan.results)
    run.record(Expanded(plan=plan.plan_id, step=step.step_id, mode=real, items=len(made)))
    if not made:
        record_settled(
            run,
            plan.plan_id,
            step.step_id,
            step,
            StepStatus.SUCCEEDED,
            real,
            reason="there was nothing to do",
        )
        return Ending(status=StepStatus.SUCCEEDED, reached=real, result=[])
    group = await _group(run, plan, place, made)
    if isinstance(group, Ending):
        return group
    return await _each(plan, made, group)


def _not_known(climb: Climb) -> Ending:
    climb.passed, climb.result = Mode.MOCK, references.UNKNOWN
    return climb.rest(Ceiling(Mode.MOCK, "dependency", "its items are not known before their source is LIVE"))


async def _group(run: Run, plan: PlanState, place: int, made: list[Climb]) -> GroupGrant | Ending | None:
    """Ask once for all items, where a person has to be asked: each is looked at in DRY_RUN first."""
    first = made[0]
    contract = first.contract
    asks = run.config.mode is Mode.LIVE and contract is not None and gating.approval_reasons(first)
    open_ones = [one for one in made if one.step_id not in plan.item_status and not one.problem]
    if not asks or contract is None or not open_ones or gating.top(first) is not None:
        return None
    step = plan.steps[place]
    for one in open_ones:
        if not await _look(one):
            return None
    bindings = {one.step_id: binding(contract, one.digest, _previews(one)) for one in open_ones}
    args = [one.args for one in made]
    question = Question(
        step_id=step.step_id,
        contract=contract,
        agent=step.agent,
        args=args,
        digest=keyed_digest(run.key, step.tool, args),
        previews=_seen(run, plan, step.step_id, made),
        fan_out=True,
        reasons=gating.approval_reasons(first),
        confidence=step.confidence,
    )
    answer = await ask(run, plan, question)
    match answer:
        case Granted():
            return GroupGrant(answer, bindings)
        case Edited():
            return Ending(
                status=StepStatus.HELD,
                reached=first.passed,
                rule="approval",
                reason="the arguments of a fan-out cannot be edited; approve or deny it",
            )
        case Waiting(approval, reason):
            return Ending(
                status=StepStatus.HELD,
                reached=first.passed,
                rule="approval",
                reason=reason,
                waits_for=approval,
            )
        case Refused(reason):
            status = worst(one.settle(StepStatus.ABORTED, "approval", reason).status for one in open_ones)
            return Ending(status=status, reached=first.passed, rule="approval", reason=reason)


def _seen(run: Run, plan: PlanState, asked: str, made: list[Climb]) -> tuple[Preview, ...]:
    """Return what each item looks like; one that is done already, as it looked when it was asked for."""
    known = plan.approvals.get(asked)
    before = run.home.approval(known, run.clock.now()) if known else None
    then = before.request.items if before is not None else []
    return tuple(
        then[index] if one.step_id in plan.item_status and index < len(then) else one.preview or Preview()
        for index, one in enumerate(made)
    )


def _previews(one: Climb) -> tuple[Preview, ...]:
    return (one.preview,) if one.preview is not None else ()


async def _look(one: Climb) -> bool:
    """Take an item through MOCK and, if it writes, DRY_RUN; False where it does not get that far."""
    ending = None if one.is_rehearsed() else await one.rehearse()
    if ending is not None:
        return False
    one.passed = Mode.MOCK
    if one.contract is not None and one.contract.writes:
        if not isinstance(gating.decide(one, Mode.DRY_RUN), decision.Run):
            return False
        return await dry_run(one, final=None) is None
    return True


async def _each(plan: PlanState, made: list[Climb], group: GroupGrant | None) -> Ending:
    results: list[Any] = []
    endings: list[Ending] = []
    for one in made:
        if one.step_id in plan.item_status:
            status, reached, result = plan.item_status[one.step_id]
            ending = Ending(status=status, reached=reached, result=result)
        elif any(before.status is StepStatus.FAILED for before in endings) and stops(one):
            ending = one.settle(StepStatus.SKIPPED, "dependency", "an item before it failed")
        else:
            one.group = group
            ending = await one.climb()
            if ending.status is not StepStatus.HELD:
                plan.item_status[one.step_id] = (ending.status, ending.reached, ending.result)
        endings.append(ending)
        results.append(ending.result)
    status = worst(ending.status for ending in endings)
    told = next(ending for ending in endings if ending.status is status)
    reached = min((ending.reached for ending in endings), key=lambda mode: -1 if mode is None else mode.rank)
    return Ending(
        status=status,
        reached=reached,
        result=results,
        rule=told.rule,
        reason=told.reason,
        waits_for=told.waits_for,
    )


def worst(statuses: Iterable[StepStatus]) -> StepStatus:
    """Return where a fan-out stands whose items stand so."""
    found = set(statuses)
    return next(status for status in WORST if status in found)


def lost(run: Run, plan: PlanState, place: int, why: str) -> Ending:
    """Record that calls of a step were cut off and are not made again, and return its ending."""
    step, reason = plan.steps[place], f"a call was cut off, {why}"
    for name in sorted(plan.lost_calls(step.step_id)):
        record_settled(run, plan.plan_id, name, step, StepStatus.UNKNOWN, plan.reached(place), "live", reason)
    return Ending(status=StepStatus.UNKNOWN, reached=plan.reached(place), rule="live", reason=reason)


def stops(one: Climb) -> bool:
    """Whether a failure stops what comes after it."""
    return (one.plan.on_failure or one.run.config.on_failure) == "stop"
