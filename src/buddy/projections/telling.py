"""The sentences of a step's story, one event at a time."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import UNSET

from buddy.journal.events import (
    ApprovalDecided,
    ApprovalRequested,
    BreakerMoved,
    ConflictFound,
    ContractSeen,
    Expanded,
    Intent,
    LockSeen,
    Moved,
    Outcome,
    PlanStarted,
    Reassigned,
    Record,
    Resolved,
    RunFinished,
    Rung,
    RunResumed,
    RunStarted,
    Settled,
    TaskAssigned,
    UndoIntent,
    UndoOutcome,
)
from buddy.model.approval import ApprovalState
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode, Undo
from buddy.model.outcome import OutcomeKind, StepStatus
from buddy.projections.phrases import (
    MOST_CHANGES,
    clock,
    count,
    decision,
    error,
    previewed,
    promise,
    quoted,
    resuming,
    short,
    ways_on,
)


class Teller:
    """What is known of a step as far as its story is told.

    Args:
        plan, step: whose story it is.
        items: of a fan-out, where each of its items stands.
    """

    def __init__(self, plan: str, step: str, items: dict[str, StepStatus]) -> None:
        self.plan = plan
        self.step = step
        self.items = items
        self.run = ""
        self.tool = ""
        self.agent = ""
        self.args: Any = UNSET
        self.contracts: dict[str, ToolContract] = {}
        self.status: StepStatus | None = None
        self.passed: Mode | None = None
        self.rule = ""
        self.reason = ""
        self.open_approval = ""
        self.in_call = False
        self.acted = False
        self.of_calls = False
        self._previewed = ""
        self._decision: tuple[str, ApprovalState] | None = None

    def tell(self, records: list[Record]) -> list[str]:
        """Return the story in sentences.

        Args:
            records: of the step and around it, in order.
        """
        self._meet(records)
        sentences = [
            f"{clock(record.time)}  {sentence}"
            for record in records
            for sentence in TELLS[type(record.event)](self, record.event)
        ]
        return [*sentences, *self._stands()]

    def _meet(self, records: list[Record]) -> None:
        """Learn whose step it is before anything is told, so that breakers can be told apart."""
        for record in records:
            event = record.event
            if isinstance(event, Rung | Settled | Intent | Moved) and event.step == self.step:
                self.tool, self.agent = event.tool, event.agent
                return
            if isinstance(event, ApprovalRequested) and not self.tool:
                self.tool, self.agent = event.request.tool, event.request.agent

    # around the step

    def _started(self, event: RunStarted) -> Iterator[str]:
        self.run, self.of_calls = event.run_id, event.kind == "calls"
        self.contracts = {contract.name: contract for contract in event.contracts}
        yield f"Run {event.run_id} began; {event.granted_by} asked for {event.mode.value} (times are UTC)."
        if event.environment_dry_run:
            yield "DRY_RUN=true was set in the environment, which keeps everything at MOCK."

    def _resumed(self, event: RunResumed) -> Iterator[str]:
        self.contracts.update((contract.name, contract) for contract in event.contracts)
        yield f"{event.by} took the run up again."
        if self.tool in event.changed:
            yield f"The contract of '{self.tool}' had changed, so earlier rehearsals and approvals are void."

    def _contract_seen(self, event: ContractSeen) -> Iterator[str]:
        self.contracts[event.contract.name] = event.contract
        # What it promises is told where it is called.
        yield from ()

    def _plan_started(self, event: PlanStarted) -> Iterator[str]:
        if event.plan != self.plan:
            return
        yield f"Plan {event.plan} was admitted ({count(event.steps, 'step')})."
        said = event.validation.get(self.step)
        if said is not None:
            score = "" if said.score is None else f" with a score of {said.score:g}"
            issues = f": {'; '.join(said.issues)}" if said.issues else ""
            yield f"A validator had {'passed' if said.passed else 'failed'} the step{score}{issues}."

    def _lock_seen(self, event: LockSeen) -> Iterator[str]:
        by = f" by {event.by}" if event.by else ""
        why = f": {event.reason}" if event.reason else ""
        yield f"The system was {'locked' if event.engaged else 'unlocked'}{by}{why}."

    def _breaker_moved(self, event: BreakerMoved) -> Iterator[str]:
        if event.subject in (f"tool:{self.tool}", f"agent:{self.agent}"):
            yield f"The breaker on {event.subject} {'opened' if event.open else 'closed'}: {event.reason}."

    def _finished(self, event: RunFinished) -> Iterator[str]:
        yield f"The run came to rest ({event.reason}, exit code {event.exit_code})."

    # before it runs

    def _conflict(self, event: ConflictFound) -> Iterator[str]:
        found = event.conflict
        listed = [f"{ref}" for ref in found.steps if (ref.plan, ref.step) != (self.plan, self.step)]
        hidden = max(found.step_count - len(found.steps), 0) + max(len(listed) - MOST_CHANGES, 0)
        others = ", ".join(listed[:MOST_CHANGES]) + (f" and {hidden:,} more" if hidden else "")
        beside = f" with {others}" if others else ""
        when = "before anything ran" if event.at == "plan" else "when it was about to run"
        done = f"done about it: {found.resolution.value}" if found.resolved else "nothing could be done"
        yield (
            f"It was found in conflict {found.conflict_id}{beside} {when}: {found.type.value} over"
            f" {found.resource}, {found.reason}; {done}."
        )

    def _reassigned(self, event: Reassigned) -> Iterator[str]:
        self.agent = event.to_agent
        yield f"It was given to {event.to_agent} instead of {event.from_agent}: {event.reason}."

    def _assigned(self, event: TaskAssigned) -> Iterator[str]:
        self.agent = event.agent
        instead = f" instead of {event.moved_from}" if event.moved_from else ""
        now = f", {event.recalibrated:.2f} as measured so far" if event.recalibrated != event.rate else ""
        yield (
            f"In wave {event.wave} it was assigned to {event.agent}{instead}: predicted to succeed at"
            f" {event.rate:.2f}{now}, estimated at {event.seconds:g} s."
        )

    def _expanded(self, event: Expanded) -> Iterator[str]:
        yield f"Its list had {count(event.items, 'item')}, each of which became a call ({event.mode.value})."

    # on the ladder

    def _rung(self, event: Rung) -> Iterator[str]:
        yield from self._asked(event)
        name = event.mode.value + (f", attempt {event.attempt}" if event.attempt > 1 else "")
        if event.error is not None:
            yield f"{name} did not pass: {error(event.error)}."
        elif event.reused:
            yield "LIVE passed: it only reads, so its DRY_RUN was the call and its result is the result."
        else:
            rehearsal = " as the plan's rehearsal" if event.rehearsal else ""
            took = f"{event.duration_ms:g} ms"
            yield f"{name} passed{rehearsal} in {took}{_around(event)}.{self._shown(event)}"
        if event.error is None:
            self.passed = event.mode
        if event.status is not None:
            yield from self._settle(event.status, event.rule, event.reason)

    def _shown(self, event: Rung) -> str:
        """Return what came back, a preview only where it is not the one told last."""
        told = _came_back(event)
        if event.preview is None:
            return told
        if told == self._previewed:
            return " It would change the same as before."
        self._previewed = told
        return told

    def _asked(self, event: Rung) -> Iterator[str]:
        if event.args is UNSET or event.args == self.args:
            return
        first, self.args = self.args is UNSET, event.args
        if not first:
            yield f"Its arguments were now {short(event.args)}."
            return
        sure = "no confidence score" if event.confidence is None else f"confidence {event.confidence:g}"
        promised = promise(self.contracts.get(event.tool))
        yield f"Agent {event.agent} was to call '{event.tool}' ({promised}) with {short(event.args)}, {sure}."

    def _moved(self, event: Moved) -> Iterator[str]:
        yield (
            f"It went down from {event.from_mode.value} to {event.to_mode.value} by the rule '{event.rule}':"
            f" {event.reason}."
        )

    def _intent(self, event: Intent) -> Iterator[str]:
        self.in_call = self.acted = True
        again = f" again (attempt {event.attempt})" if event.attempt > 1 else ""
        under = f", under approval {event.approval}" if event.approval else ""
        claims = f", holding {', '.join(event.claims)}" if event.claims else ""
        sure = f"confidence {event.confidence:g}" if event.confidence is not None else "no confidence score"
        asked = f" where {event.threshold:g} is needed" if event.threshold is not None else ""
        yield f"'{event.tool}' was called for real{again} with {sure}{asked}{under}{claims}."

    def _outcome(self, event: Outcome) -> Iterator[str]:
        self.in_call = False
        late = "Late, after it had been given up: t" if event.late else "T"
        why = f": {error(event.error)}" if event.error else ""
        match event.outcome:
            case OutcomeKind.SUCCEEDED:
                self.passed = Mode.LIVE
                yield f"{late}he call succeeded after {event.duration_ms:g} ms.{_came_back(event)}"
            case OutcomeKind.FAILED:
                yield f"{late}he call failed after {event.duration_ms:g} ms{why}."
            case OutcomeKind.UNKNOWN:
                yield f"{late}he call ended after {event.duration_ms:g} ms and nobody knows how{why}."
        if event.warning:
            yield f"The result does not fit the tool's contract: {event.warning}."
        if event.status is not None:
            yield from self._settle(event.status, "", event.reason if event.error is None else "")

    def _settled(self, event: Settled) -> Iterator[str]:
        if self.args is UNSET and event.step == self.step and self.status is None:
            promised = promise(self.contracts.get(event.tool))
            yield f"Agent {event.agent} was to call '{event.tool}' ({promised})."
        self.passed = event.final_mode or self.passed
        yield from self._settle(event.status, event.rule, event.reason)

    def _settle(self, status: StepStatus, rule: str, reason: str) -> Iterator[str]:
        self.status, self.rule, self.reason = status, rule, reason
        if rule or reason:
            by = f" by the rule '{rule}'" if rule else ""
            at = f" at {self.passed.value}" if self.passed else ""
            yield f"It came to rest as {status.value}{at}{by}{f': {reason}' if reason else ''}."

    # people

    def _requested(self, event: ApprovalRequested) -> Iterator[str]:
        request = event.request
        self.open_approval = request.approval_id
        many = f" for all {count(len(request.items), 'item')}" if request.items else ""
        people = "A person was" if request.quorum == 1 else f"{request.quorum} people were"
        yield (
            f"{people} asked{many} (approval {request.approval_id}, open until"
            f" {clock(request.expires_at)}): {'; '.join(request.reasons)}."
        )
        if request.earlier:
            yield f"The same action had been taken {count(request.earlier, 'time')} before."
        if request.supersedes:
            changed = f": {'; '.join(request.difference)}" if request.difference else ""
            yield f"That replaced approval {request.supersedes}, which no longer fits{changed}."

    def _decided(self, event: ApprovalDecided) -> Iterator[str]:
        self.open_approval = ""
        if self._decision == (event.approval, event.state):
            return
        self._decision = (event.approval, event.state)
        yield f"Approval {event.approval} {decision(event.state, event.by, event.reason)}."

    def _resolved(self, event: Resolved) -> Iterator[str]:
        self.in_call = False
        if event.happened:
            self.passed = Mode.LIVE
        self.status, self.rule, self.reason = event.status, "", ""
        who = "The tool's own probe" if event.by == "probe" else event.by
        yield f"{who} found out that the call had {'happened' if event.happened else 'not happened'}."

    # going back

    def _undo_intent(self, event: UndoIntent) -> Iterator[str]:
        locked = ", although the system was locked" if event.under_lock else ""
        yield f"It was to be undone ({event.trigger}){locked}."

    def _undone(self, event: UndoOutcome) -> Iterator[str]:
        if event.status is not None:
            self.status, self.rule, self.reason = event.status, "", ""
        read_back = ", and the state was read back" if event.verified else ", not read back"
        why = f": {event.error}" if event.error else ""
        yield f"The undo ended as {event.result.value}{read_back}{why}."

    # in the end

    def _stands(self) -> Iterator[str]:
        at = self.passed.value if self.passed else "no rung passed"
        if self.items:
            yield from self._fan_out()
        if self.status is None:
            where = "in a live call whose end is not recorded" if self.in_call else f"not settled ({at})"
            yield f"It stands: {where}."
        else:
            by = f", by the rule '{self.rule}'" if self.rule else ""
            yield f"It stands: {self.status.value} ({at}{by})."
        if self.open_approval and self.status is StepStatus.HELD:
            yield f"To do: `buddy approvals show {self.open_approval}` shows what is asked."
        yield f"To do: {self._way_on()}."

    def _fan_out(self) -> Iterator[str]:
        counts = dict.fromkeys(StepStatus, 0)
        for status in self.items.values():
            counts[status] += 1
        told = ", ".join(f"{status.value} {count:,}" for status, count in counts.items() if count)
        odd = next((item for item, it in self.items.items() if it is not StepStatus.SUCCEEDED), None)
        example = odd or next(iter(self.items))
        name = quoted(f"{self.plan}/{example}")
        yield f"Of its items: {told}; `buddy explain {self.run} {name}` tells of one."

    def _way_on(self) -> str:
        run, name = self.run, quoted(f"{self.plan}/{self.step}")
        contract = self.contracts.get(self.tool)
        again = f"harness.call(..., call_id={self.step!r})" if self.of_calls else resuming(run)
        match self.status:
            case None:
                return f"nothing while the run is under way; if it was killed, `{again}` goes on"
            case StepStatus.HELD:
                return ways_on(self.rule, run, again)
            case StepStatus.UNKNOWN:
                return (
                    f"look whether it happened, then say so with `buddy resolve {run} {name} --happened` or"
                    " `--did-not`"
                )
            case StepStatus.SUCCEEDED if self.passed is Mode.LIVE and contract and self.acted:
                if contract.undo is Undo.NONE:
                    return "nothing; it is done and cannot be undone"
                if self.of_calls:
                    return "nothing; it is done, and runs of calls are not rolled back"
                return f"nothing; `buddy rollback {run} --tools FILE --step {name}` would undo it"
            case StepStatus.SUCCEEDED if self.passed is Mode.LIVE:
                return "nothing; it is done"
            case StepStatus.SUCCEEDED:
                return "nothing; it went as high as it was to go"
            case StepStatus.ROLLED_BACK:
                return "nothing; what it did was undone, and a run of its own would do it again"
            case StepStatus.FAILED | StepStatus.ABORTED | StepStatus.SKIPPED | StepStatus.PENDING:
                return "mend what is told above and run it again; this run does not come back to it"


def _around(event: Rung) -> str:
    sources = f", with data from or after {', '.join(event.sources)}" if event.sources else ""
    under = f", under approval {event.approval}" if event.approval else ""
    return f"{sources}{under}"


def _came_back(event: Rung | Outcome) -> str:
    preview = event.preview if isinstance(event, Rung) else None
    if preview is not None:
        return f" {previewed(preview)}"
    if event.result_blob:
        return f" Its result is large and kept in blobs/{event.result_blob}."
    return "" if event.result is UNSET else f" Result: {short(event.result)}."


TELLS: dict[type, Callable[[Teller, Any], Iterator[str]]] = {
    RunStarted: Teller._started,
    RunResumed: Teller._resumed,
    ContractSeen: Teller._contract_seen,
    PlanStarted: Teller._plan_started,
    LockSeen: Teller._lock_seen,
    BreakerMoved: Teller._breaker_moved,
    RunFinished: Teller._finished,
    ConflictFound: Teller._conflict,
    Reassigned: Teller._reassigned,
    TaskAssigned: Teller._assigned,
    Expanded: Teller._expanded,
    Rung: Teller._rung,
    Moved: Teller._moved,
    Intent: Teller._intent,
    Outcome: Teller._outcome,
    Settled: Teller._settled,
    ApprovalRequested: Teller._requested,
    ApprovalDecided: Teller._decided,
    Resolved: Teller._resolved,
    UndoIntent: Teller._undo_intent,
    UndoOutcome: Teller._undone,
}
