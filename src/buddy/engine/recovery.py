"""What an earlier part of a run left: read from its journal, put back when the run goes on."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from buddy.core.catalogue import resources_of
from buddy.core.rollback import RESTORED, Done
from buddy.engine.doubts import TRIGGER
from buddy.engine.fanout import worst
from buddy.engine.plans import Doubt, PlanState, Rehearsed
from buddy.engine.run import Run
from buddy.journal.events import (
    FORMAT,
    AnyEvent,
    ApprovalRequested,
    ContractSeen,
    Expanded,
    Intent,
    Outcome,
    PlanStarted,
    Record,
    Resolved,
    Rung,
    RunResumed,
    RunStarted,
    Settled,
    TaskAssigned,
    UndoIntent,
    UndoOutcome,
)
from buddy.journal.times import seconds
from buddy.model.approval import Approval, ApprovalRequest
from buddy.model.conflict import StepRef
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import OutcomeKind, Preview, StepStatus, UndoResult

OPEN = frozenset({StepStatus.PENDING, StepStatus.HELD, StepStatus.UNKNOWN})


@dataclass(slots=True)
class StepPast:
    """What is known of one step; `args` are those of its last rehearsal, `acted` those of its live call."""

    tool: str
    agent: str
    status: StepStatus = StepStatus.PENDING
    reached: Mode | None = None
    rehearsed: tuple[str, str] | None = None
    args: dict[str, Any] = field(default_factory=dict)
    acted: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] | None = None
    digest: str = ""
    key: str = ""
    result: Any = UNSET
    attempts: list[int] = field(default_factory=lambda: [0, 0, 0])
    in_doubt: bool = False
    doubted: bool = False
    taken: int = 0
    outcome: int = -1
    undone: bool = False
    undo_tried: bool = False
    undo_lost: bool = False
    undoing: bool = False
    unrehearsed: bool = False

    @property
    def may_stand(self) -> bool:
        """Whether something of what its live calls did is there, or may be."""
        return self.in_doubt or (self.outcome >= 0 and not self.undone)


class Past:
    """A fold of a run's journal into where each of its steps stands.

    Args:
        blob: returns a large result by its digest.
    """

    def __init__(self, blob: Callable[[str], bytes]) -> None:
        self.started: RunStarted | None = None
        self.contracts: dict[str, ToolContract] = {}
        self.plans: dict[str, dict[str, StepPast]] = {}
        self.approvals: dict[tuple[str, str], str] = {}
        self.requested: set[str] = set()
        self.consumed: set[tuple[str, str]] = set()
        self.expanded: dict[tuple[str, str], int] = {}
        self.assigned: dict[str, dict[str, str]] = {}
        self._blob = blob
        self._outcomes = 0
        self._intents = 0
        self._present: dict[str, ToolContract] = {}
        self._time = ""

    def read(self, records: Iterable[Record]) -> "Past":
        """Take in a whole journal."""
        for record in records:
            self.feed(record)
        return self

    def feed(self, record: Record) -> None:
        """Take in one event."""
        event, self._time = record.event, record.time
        match event:
            case RunStarted():
                self.started = event
                self.contracts = {contract.name: contract for contract in event.contracts}
            case RunResumed():
                # A command that takes no tools names no contracts: those of before go for what was done.
                self.contracts |= {contract.name: contract for contract in event.contracts}
            case ContractSeen():
                self.contracts[event.contract.name] = event.contract
            case PlanStarted():
                self.plans.setdefault(event.plan, {})
            case ApprovalRequested():
                self._asked(event.request)
            case Expanded():
                self.expanded[event.plan, event.step] = event.items
            case TaskAssigned():
                self.assigned.setdefault(event.plan, {})[event.step] = event.agent
            case _:
                self._called(event)

    def _called(self, event: AnyEvent) -> None:
        match event:
            case Rung():
                self._rung(event)
                contract = self.contracts.get(event.tool)
                # A read is let through for its DRY_RUN, a write for its LIVE call alone.
                if contract is not None and not contract.writes:
                    self._consumed(event)
            case Intent():
                self._consumed(event)
                step = self._step(event.plan, event.step, event.tool, event.agent)
                self._intents += 1
                step.attempts[2], step.taken = event.attempt, self._intents
                step.doubted = step.in_doubt
                step.in_doubt, step.digest, step.key, step.acted = True, event.digest, event.key, step.args
                # Whatever was told of an earlier attempt is not told of this one.
                step.status = StepStatus.PENDING
            case Outcome():
                self._outcome(event)
            case UndoIntent():
                self._step(event.plan, event.step, event.tool, event.agent).undoing = True
            case Settled() | Resolved() | UndoOutcome():
                self._settled(event)
            case _:
                pass

    def _consumed(self, event: Rung | Intent) -> None:
        if event.approval is not None:
            self.consumed.add((event.approval, f"{event.plan}/{event.step}"))

    def _asked(self, request: ApprovalRequest) -> None:
        self.approvals[request.plan_id, request.step_id] = request.approval_id
        self.requested.add(request.approval_id)

    def go_on(
        self, run: Run, by: str, version: str, contracts: list[ToolContract], handlers: dict[str, list[str]]
    ) -> None:
        """Record that the run is taken up again, and what a crash kept out of its journal.

        Args:
            run: the run.
            by: the person.
            version: of Buddy.
            contracts: of the tools that the run uses, as they are now.
            handlers: tool -> its handlers.
        """
        changed = [contract.name for contract in contracts if self.contracts.get(contract.name) != contract]
        self._present = {contract.name: contract for contract in contracts}
        with suppress(ValueError):
            run.not_before(seconds(self._time))
        approvals = run.home.approvals(run.clock.now(), run.run_id)
        run.record(
            RunResumed(
                by=by,
                format=FORMAT,
                version=version,
                contracts=contracts,
                handlers=handlers,
                changed=changed,
                not_called=dict(self._not_called(approvals)),
            )
        )
        if run.config.mode is Mode.LIVE and not run.config.isolate:
            run.home.settle_all(run.run_id, list(self._standing_actions()))
        for approval in approvals:
            if approval.request.approval_id not in self.requested:
                run.record(ApprovalRequested(request=approval.request))
                self._asked(approval.request)

    def _not_called(self, approvals: list[Approval]) -> Iterator[tuple[str, list[str]]]:
        for one in approvals:
            name = one.request.approval_id
            left = [action for action in one.consumed_by if (name, action) not in self.consumed]
            if left:
                yield name, left

    def _standing_actions(self) -> Iterator[str]:
        """Yield the actions whose effect may be there: no other keeps anything from being done."""
        for plan, steps in self.plans.items():
            for name, step in steps.items():
                if step.may_stand:
                    yield f"{plan}/{name}"

    def _step(self, plan: str, step: str, tool: str, agent: str) -> StepPast:
        steps = self.plans.setdefault(plan, {})
        found = steps.get(step)
        if found is None:
            found = steps[step] = StepPast(tool, agent)
        return found

    def _value(self, event: Rung | Outcome) -> Any:
        return msgspec.json.decode(self._blob(event.result_blob)) if event.result_blob else event.result

    def _rung(self, event: Rung) -> None:
        step = self._step(event.plan, event.step, event.tool, event.agent)
        place = event.mode.rank
        step.attempts[place] = max(step.attempts[place], event.attempt)
        if step.asked is None and event.args is not UNSET:
            step.asked = event.args
        if event.error is None:
            step.reached = event.mode if step.reached is None else max(step.reached, event.mode)
            if event.mode is Mode.MOCK:
                contract = self.contracts.get(event.tool)
                step.rehearsed = (event.digest, contract.digest if contract else "")
                step.args = step.args if event.args is UNSET else event.args
            if not event.reused:
                step.result = _shown(event.preview) if event.preview is not None else self._value(event)
        if event.status is not None:
            step.status = event.status
            step.unrehearsed = event.rehearsal and event.status is StepStatus.FAILED

    def _outcome(self, event: Outcome) -> None:
        step = self._step(event.plan, event.step, event.tool, event.agent)
        failed = event.outcome is OutcomeKind.FAILED
        step.in_doubt = event.outcome is OutcomeKind.UNKNOWN or (failed and step.doubted)
        if event.outcome is OutcomeKind.SUCCEEDED:
            self._outcomes += 1
            step.outcome, step.reached, step.result = self._outcomes, Mode.LIVE, self._value(event)
        if event.status is not None:
            step.status = event.status

    def _settled(self, event: Settled | Resolved | UndoOutcome) -> None:
        step = self._step(event.plan, event.step, event.tool, event.agent)
        match event:
            case Settled():
                step.status = event.status
            case Resolved():
                step.status, step.in_doubt = event.status, False
                if event.happened:
                    self._outcomes += 1
                    step.outcome, step.reached, step.result = self._outcomes, Mode.LIVE, None
            case UndoOutcome():
                step.undone = step.undone or event.result in RESTORED
                step.undo_tried, step.undoing = True, False
                step.undo_lost = event.trigger == TRIGGER and event.result is UndoResult.FAILED
                step.status = event.status or step.status

    def put_back(self, state: PlanState, run: Run) -> bool:
        """Put a plan's steps back where they stood; returns False for a plan that had not started."""
        steps = self.plans.get(state.plan_id)
        if steps is None:
            return False
        for (plan, name), approval in self.approvals.items():
            if plan == state.plan_id:
                state.approvals[name] = approval
        for name, agent in self.assigned.get(state.plan_id, {}).items():
            own = state.schedule.index[name]
            state.schedule.steps[own] = replace(state.schedule.steps[own], agent=agent)
        items: dict[int, dict[str, StepPast]] = {}
        for name, step in steps.items():
            place = state.place_of(name)
            if name not in state.schedule.index:
                items.setdefault(place, {})[name] = step
                self._put_item(state, place, name, step)
            else:
                self._put_step(state, run, place, name, step)
            self._put_call(state, place, name, step)
        self._put_actions(state, steps)
        for place, parts in items.items():
            self._put_fan_out(state, run, place, parts)
        state.done.sort(key=lambda done: done.order)
        state.undo_tried = {name for name, step in steps.items() if step.undo_tried}
        if None in state.failed_groups:
            state.stopped = (StepStatus.SKIPPED, "failure", "a step of the plan failed")
        return True

    def put_back_one(self, state: PlanState, run: Run, name: str) -> None:
        """Put one call of a run of calls back where it stood."""
        step = self.plans[state.plan_id][name]
        approval = self.approvals.get((state.plan_id, name))
        if approval is not None:
            state.approvals[name] = approval
        self._put_step(state, run, 0, name, step)
        state.results[0] = None if step.result is UNSET else step.result
        self._put_call(state, 0, name, step)
        self._put_actions(state, {name: step})

    def _put_step(self, state: PlanState, run: Run, place: int, name: str, step: StepPast) -> None:
        status = self._standing(state, place, name, step)
        self._restore(state, run, place, status, step.reached, undoes=not step.unrehearsed)
        if step.reached is not None and status is not StepStatus.PENDING:
            # UNSET is also what a rehearsal does not know, which is all there is of a call in doubt.
            state.keep(place, None if step.result is UNSET and not step.in_doubt else step.result)

    def _restore(
        self,
        state: PlanState,
        run: Run,
        place: int,
        status: StepStatus,
        reached: Mode | None,
        *,
        undoes: bool,
    ) -> None:
        state.restore(place, status, reached)
        undoes = undoes and run.config.mode is Mode.LIVE and run.config.enable_rollback_on_failure
        if status is StepStatus.FAILED and undoes:
            state.failed_groups.add(state.steps[place].group)

    def _standing(self, state: PlanState, place: int, name: str, step: StepPast) -> StepStatus:
        """Return where a call stands now that the run goes on; one in doubt is never simply made again."""
        if not (step.in_doubt and step.status in OPEN):
            return StepStatus.PENDING if step.status is StepStatus.HELD else step.status
        contract = self.contracts.get(step.tool)
        # What it was when it was called counts, and so does what is known of it since.
        known = [one for one in (contract, self._present.get(step.tool)) if one is not None]
        again = bool(known) and all(one.repeatable for one in known)
        done = _done(state, place, name, step, self._outcomes + len(state.doubts) + 1)
        told = step.status is StepStatus.UNKNOWN
        state.doubts.append(Doubt(place=place, done=done, reached=step.reached, told=told, repeatable=again))
        return StepStatus.PENDING if again else StepStatus.UNKNOWN

    def _put_item(self, state: PlanState, place: int, name: str, step: StepPast) -> None:
        status = self._standing(state, place, name, step)
        if status is not StepStatus.PENDING:
            state.item_status[name] = (status, step.reached, None if step.result is UNSET else step.result)

    def _put_fan_out(self, state: PlanState, run: Run, place: int, parts: dict[str, StepPast]) -> None:
        step = state.steps[place].step_id
        count = self.expanded.get((state.plan_id, step), 0)
        done = [part for index in range(count) if (part := parts.get(f"{step}[{index}]")) is not None]
        settled = len(done) == count and not any(part.status in OPEN for part in done)
        if state.status(place) is StepStatus.PENDING and count and settled:
            reached = min((part.reached for part in done if part.reached is not None), default=None)
            status = worst(part.status for part in done)
            undoes = not all(part.unrehearsed for part in done if part.status is StepStatus.FAILED)
            self._restore(state, run, place, status, reached, undoes=undoes)
            state.keep(place, [None if part.result is UNSET else part.result for part in done])

    def _put_call(self, state: PlanState, place: int, name: str, step: StepPast) -> None:
        """Put back what the engine keeps by call: its rehearsal, its attempts, and what it did."""
        if step.rehearsed is not None:
            state.rehearsed[name] = Rehearsed(*step.rehearsed)
        state.attempts[name] = (step.attempts[0], step.attempts[1], step.attempts[2])
        contract = self.contracts.get(step.tool)
        if step.outcome < 0 or contract is None or not contract.writes or step.undone:
            return
        done = _done(state, place, name, step, step.outcome)
        state.done.append(done)
        if step.undoing or step.undo_lost:
            state.undo_doubts.append(done)
        if step.undo_lost:
            state.undo_lost.add(name)

    def _put_actions(self, state: PlanState, steps: dict[str, StepPast]) -> None:
        """Put back which actions stand or may stand, in the order in which they were taken."""
        standing = {name: step for name, step in steps.items() if step.taken and step.may_stand}
        for name, step in sorted(standing.items(), key=lambda found: found[1].taken):
            contract = self.contracts.get(step.tool)
            if contract is not None and contract.writes:
                resources = resources_of(contract, step.acted)
                state.actions.add(step.digest, resources, StepRef(state.plan_id, name))


def _done(state: PlanState, place: int, name: str, step: StepPast, order: int) -> Done:
    return Done(
        step_id=name,
        tool=step.tool,
        agent=step.agent,
        group=state.steps[place].group,
        order=order,
        args=step.acted,
        digest=step.digest,
        result=None if step.result is UNSET else step.result,
        key=step.key,
    )


def _shown(preview: Preview) -> Any:
    return preview.result if preview.available else UNSET
