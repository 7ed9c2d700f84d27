"""One call on its way up the ladder: MOCK, DRY_RUN, LIVE, as far as the gate lets it.

`Climb.rehearse` is the MOCK pass of a plan that goes higher; `Climb.climb` takes the call as far as it gets
and says where it came to rest. Acting for real is `engine.live`.
"""

import hashlib
from typing import Any

from buddy.core import gate, ladder, references, retry
from buddy.core.canonical import keyed_digest
from buddy.core.catalogue import resources_of
from buddy.core.gate import Grant
from buddy.core.ladder import Trigger
from buddy.core.simulation import draw
from buddy.engine import gating, live, rungs
from buddy.engine.asking import (
    Answer,
    Edited,
    Granted,
    Question,
    Refused,
    Waiting,
    ask,
    refusal,
    take_up_edit,
)
from buddy.engine.ending import Ending
from buddy.engine.plans import PlanState, Rehearsed
from buddy.engine.records import record_settled, writable
from buddy.engine.repeats import late_duplicate, look_for_earlier
from buddy.engine.run import Run
from buddy.journal.events import Moved
from buddy.model.contract import ToolContract
from buddy.model.decision import Ceiling
from buddy.model.mode import MOCK, Mode
from buddy.model.outcome import ABORTED, FAILED, HELD, SUCCEEDED, UNKNOWN, CallError, Preview, StepStatus
from buddy.model.plan import Step
from buddy.ports import CallContext, ToolRuntime

NO_CONTRACT = ToolContract(name="unknown")
_NOT_ASKED, _PROMOTE = Grant.NOT_ASKED, Trigger.PROMOTE


class GroupGrant:
    """A yes to a whole fan-out, and what each of its items looked like then."""

    def __init__(self, granted: Granted, bindings: dict[str, str]) -> None:
        self.granted = granted
        self.bindings = bindings


class Climb:
    """One call of one step.

    Args:
        run: the run.
        plan: the step's plan.
        place: of the step in the plan's schedule.
        step_id: the step's id, or that of an item of its fan-out.
        args: the arguments, references resolved; None where that failed (`problem` says why).
        problem: why there are no arguments.
        group: a yes that was given to the whole fan-out.

    Attributes:
        key: the idempotency key: the same over retries and resumes, another for every other call.
    """

    def __init__(
        self,
        run: Run,
        plan: PlanState,
        place: int,
        step_id: str,
        args: dict[str, Any],
        *,
        problem: str = "",
        group: GroupGrant | None = None,
    ) -> None:
        self.run = run
        self.plan = plan
        self.place = place
        self.step: Step = plan.steps[place]
        self.step_id = step_id
        self.tool: ToolRuntime | None = plan.tools.get(self.step.tool)
        self.contract: ToolContract | None = self.tool.contract if self.tool else None
        self.handlers = self.tool.handlers if self.tool else frozenset[str]()
        if step_id in plan.approvals:
            take_up_edit(run, plan, step_id)
        edited = plan.edited.get(step_id)
        self.args, self.problem = (args, problem) if edited is None else (edited, "")
        self.digest = run.digest(self.step.tool, writable(self.args, self.step.args))
        self.key = idempotency_key(run.run_id, plan.plan_id, step_id)
        self.group = group
        self.passed: Mode | None = None
        self.preview: Preview | None = None
        self.result: Any = references.UNKNOWN
        self._resources: tuple[str, ...] | None = None
        self.reasons: tuple[str, ...] | None = None
        self.grant = _NOT_ASKED
        self.granted: Granted | None = None
        self.rides = False
        self.earlier = ""
        self.earlier_count = 0
        self.mock_attempts, self.dry_attempts, self.live_attempts = plan.attempts.get(step_id, (0, 0, 0))

    # rungs

    async def rehearse(self) -> Ending | None:
        """Run MOCK as the rehearsal for a higher rung; returns an ending only where it failed."""
        ending = await rungs.mock(self, rehearsal=True, final=None)
        if ending is None:
            self._note_rehearsed()
        return ending

    def _note_rehearsed(self) -> None:
        """Remember what MOCK was passed with: the last arguments on record are those of the call."""
        digest = self.contract.digest if self.contract else ""
        self.plan.rehearsed[self.step_id] = Rehearsed(self.digest, digest)

    def afresh(self) -> "Climb":
        """Return this call as it was before its rehearsal, which is no part of it."""
        self.passed, self.result, self.mock_attempts = None, references.UNKNOWN, 0
        return self

    async def climb(self) -> Ending:
        """Take the call as far as the gate lets it."""
        while True:
            ending = await self._climb_once()
            if ending is not None:
                if ending.status in (HELD, UNKNOWN):
                    self.plan.attempts[self.step_id] = (
                        self.mock_attempts,
                        self.dry_attempts,
                        self.live_attempts,
                    )
                return ending

    async def _climb_once(self) -> Ending | None:
        refused = self.plan.refused(self.place)
        if refused is not None:
            return self.settle(ABORTED, refused.rule, refused.reason)
        closed = self._closed()
        if closed is not None:
            return closed
        if not self.is_rehearsed():
            final = gating.top(self) if self.run.config.mode is MOCK else None
            ending = await rungs.mock(self, rehearsal=self.run.config.mode is not MOCK, final=final)
            if ending is not None:
                return ending
            if final is not None and self.run.config.mode is MOCK:
                return self.at_rest(self.resting_status(final), final.rule, final.reason)
            self._note_rehearsed()
        self.passed = MOCK
        limit = gating.top(self) or late_duplicate(self)
        if limit is not None and limit.mode is MOCK:
            return self.rest(limit)
        if limit is not None and limit.rule == "breaker" and self._is_probe():
            # Its DRY_RUN closes the breaker or leaves it open; the gate is asked again before LIVE.
            limit = None
        look_for_earlier(self)
        if self.contract is not None and self.contract.writes:
            return await live.write(self, limit)
        return await live.read(self, limit)

    def _closed(self) -> Ending | None:
        """Come to rest where what happened before leaves nothing to look at."""
        if self.plan.repeats.get(self.step_id, self.digest) != self.digest:
            # Under its key it would be taken for the one that may have happened.
            reason = "it had other arguments, so 'buddy resolve' has to say first whether it did"
            return self.settle(HELD, "live", reason)
        if self.step_id in self.plan.approvals and gating.approval_reasons(self):
            answer = refusal(self.run, self.plan, self.step_id)
            if answer is not None:
                return self.settle(ABORTED, "approval", answer.reason)
        return None

    def _is_probe(self) -> bool:
        """Whether every open breaker on this call may be closed by its DRY_RUN."""
        subjects = (f"tool:{self.step.tool}", f"agent:{self.step.agent}")
        return False not in [self.run.breaker_may_close(subject) for subject in subjects]

    def is_rehearsed(self) -> bool:
        """Whether MOCK was passed with these arguments under this contract."""
        known = self.plan.rehearsed.get(self.step_id)
        digest = self.contract.digest if self.contract else ""
        same = known is not None and known.digest == self.digest and known.contract == digest
        return same and not self.problem

    # people

    async def ask(self) -> Answer:
        """Ask a person about this call as it looks now."""
        assert self.contract is not None
        previews = (self.preview,) if self.preview is not None else ()
        question = Question(
            step_id=self.step_id,
            contract=self.contract,
            agent=self.step.agent,
            args=self.args,
            digest=self.digest,
            previews=previews,
            reasons=gating.approval_reasons(self),
            earlier=self.earlier_count,
            confidence=self.step.confidence,
        )
        if self.group is not None and self.group.bindings.get(self.step_id) == question.binding():
            answer: Answer = self.group.granted
        else:
            answer = await ask(self.run, self.plan, question)
        self.granted = answer if isinstance(answer, Granted) else None
        self.grant = Grant.APPROVED if self.granted else _NOT_ASKED
        return answer

    def unanswered(self, answer: Edited | Waiting | Refused) -> Ending | None:
        """Return where an answer other than yes leaves the call, None where it starts over."""
        match answer:
            case Edited(args):
                self.args = args
                self._resources = None
                self.digest = keyed_digest(self.run.key, self.step.tool, args)
                self.passed, self.preview = None, None
                return None
            case Waiting(approval, reason):
                return Ending(
                    status=HELD,
                    reached=self.passed,
                    result=self.result,
                    preview=self.preview,
                    rule="approval",
                    reason=reason,
                    waits_for=approval,
                )
            case Refused(reason):
                return self.settle(ABORTED, "approval", reason)

    def resources(self) -> tuple[str, ...]:
        """Return what the call writes, as far as its contract names it."""
        if self._resources is None:
            self._resources = resources_of(self.contract, self.args) if self.contract else ()
        return self._resources

    # coming to rest

    def resting_status(self, limit: Ceiling) -> StepStatus:
        """Return the status of a step that passed the ceiling that `limit` gives it."""
        if limit.rule == "dependency":
            return HELD if self.plan.held_source(self.place) else SUCCEEDED
        held = limit.rule in gate.HOLDING and limit.mode < self.run.config.mode
        return HELD if held else SUCCEEDED

    def told(self, status: StepStatus) -> StepStatus | None:
        """Return the status to record with an attempt; None where one before it is in doubt."""
        return status if self.plan.standing(self.step_id, status) is status else None

    def at_rest(self, status: StepStatus, rule: str, reason: str) -> Ending:
        """Return the ending of a step whose last attempt says how it stands, if none before is in doubt."""
        if self.told(status) is None:
            return self.settle(status, rule, reason)
        return self._ending(status, rule, reason)

    def rest(self, limit: Ceiling) -> Ending:
        """Settle the step below a ceiling; an aborted duplicate is refused altogether."""
        if limit.rule == "duplicate":
            return self.settle(ABORTED, "conflict", limit.reason)
        return self.settle(self.resting_status(limit), limit.rule, limit.reason)

    def promote(self) -> None:
        """Note that the next rung was passed.

        Raises:
            IllegalMove: there is none.
        """
        assert self.passed is not None
        self.passed = ladder.move(self.passed, _PROMOTE)

    def go_down(self, limit: Ceiling) -> Ending:
        """Settle a step that the gate stopped after it had climbed, and record the way down."""
        trigger = Trigger.LOCK if limit.rule == "lock" else Trigger.DEMOTE
        at = self.passed
        while at is not None and limit.mode < at:
            lower = ladder.move(at, trigger)
            self.run.record(
                Moved(
                    plan=self.plan.plan_id,
                    step=self.step_id,
                    agent=self.step.agent,
                    tool=self.step.tool,
                    from_mode=at,
                    to_mode=lower,
                    trigger=trigger.value,
                    rule=limit.rule,
                    reason=limit.reason,
                    confidence=self.step.confidence,
                )
            )
            at = lower
        return self.rest(limit)

    def settle(self, status: StepStatus, rule: str, reason: str) -> Ending:
        """Record that the step came to rest, and return the ending."""
        if self.told(status) is None:
            reason = f"an attempt before may have happened; {reason}"
            status = UNKNOWN
        record_settled(
            self.run, self.plan.plan_id, self.step_id, self.step, status, self.passed, rule, reason
        )
        return self._ending(status, rule, reason)

    def _ending(self, status: StepStatus, rule: str, reason: str) -> Ending:
        return Ending(
            status=status,
            reached=self.passed,
            result=None if status is FAILED else self.result,
            preview=self.preview,
            rule=rule,
            reason=reason,
        )

    # what handlers and retries are told

    def retry_after(self, error: CallError, mode: Mode, attempt_number: int) -> float | None:
        """Seconds to wait before another attempt, None where there is none."""
        run = self.run
        chance = draw(run.config.seed, self.plan.plan_id, self.step_id, mode.value, attempt_number)
        decided = retry.decide(run.config, self.contract or NO_CONTRACT, mode, error, attempt_number, chance)
        return decided.delay_s if isinstance(decided, retry.Retry) else None

    def context(self, mode: Mode, number: int) -> CallContext:
        """Return what a handler is told about this call."""
        timeout = self.contract.timeout_s if self.contract else 0.0
        return CallContext(
            mode=mode,
            run_id=self.run.run_id,
            step_id=self.step_id,
            agent=self.step.agent,
            attempt=number,
            deadline=self.run.clock.now() + timeout,
            idempotency_key=self.key,
        )


def idempotency_key(run_id: str, plan_id: str, step_id: str) -> str:
    """Return the key of a call: the same over retries and resumes, another for every other call."""
    return hashlib.sha256(f"{run_id}\0{plan_id}\0{step_id}".encode()).hexdigest()[:32]
