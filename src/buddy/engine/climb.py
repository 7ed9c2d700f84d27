"""One call on its way up the ladder: MOCK, DRY_RUN, LIVE, as far as the gate lets it.

`Climb.rehearse` is the MOCK pass of a plan that goes higher; `Climb.climb` takes the call as far as it gets
and says where it came to rest. Acting for real is `engine.live`.
"""

import hashlib
from typing import Any

import msgspec
from msgspec import UNSET

from buddy.core import gate, permissions, references, retry
from buddy.core.canonical import keyed_digest
from buddy.core.catalogue import resources_of
from buddy.core.conflicts import duplicate_strategy
from buddy.core.gate import Facts, Grant
from buddy.core.ladder import Trigger
from buddy.core.simulation import draw
from buddy.engine import live
from buddy.engine.asking import Answer, Edited, Granted, Question, Refused, Waiting, ask
from buddy.engine.attempts import (
    Attempt,
    Passed,
    StillRunning,
    attempt,
    hidden_value,
    is_large,
    timed_out,
    with_secrets,
)
from buddy.engine.ending import Ending
from buddy.engine.plans import PlanState, Rehearsed
from buddy.engine.run import Run
from buddy.errors import InvalidArguments
from buddy.journal.events import Moved, Rung, Settled
from buddy.journal.times import iso
from buddy.model import decision as decisions
from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.contract import ToolContract
from buddy.model.decision import Ceiling, Decision, Denied, NeedsApproval
from buddy.model.mode import Mode
from buddy.model.outcome import CallError, Preview, StepStatus
from buddy.model.plan import Step
from buddy.ports import CallContext, ToolRuntime

NO_CONTRACT = ToolContract(name="unknown")
PLANNED = frozenset({"rehearsal", "approval", "live_budget"})
"""Rules that say in which order and when, not how high."""


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
        self.step: Step = plan.step(place)
        self.step_id = step_id
        self.tool: ToolRuntime | None = plan.tools.get(self.step.tool)
        self.contract: ToolContract | None = self.tool.contract if self.tool else None
        self.handlers = self.tool.handlers if self.tool else frozenset[str]()
        self.args = plan.edited.get(step_id, args)
        known = plan.rehearsed.get(step_id)
        if known is not None and self.args is self.step.args:
            self.digest = known.digest
        else:
            self.digest = run.digest(self.step.tool, _writable(self.args, self.step.args))
        self.problem = problem
        self.group = group
        self.passed: Mode | None = None
        self.preview: Preview | None = None
        self.result: Any = None
        self._facts: Facts | None = None
        self._facts_at: object = None
        self._clear: Facts | None = None
        self._key = ""
        self._resources: tuple[str, ...] | None = None
        self._reasons: tuple[str, ...] | None = None
        self.grant = Grant.NOT_ASKED
        self.granted: Granted | None = None
        self.earlier = ""
        self.earlier_count = 0
        self.mock_attempts, self.dry_attempts, self.live_attempts = plan.attempts.get(step_id, (0, 0, 0))

    # what the gate is told

    def facts(self) -> Facts:
        """Return what the gate has to know about this call at this moment."""
        run, plan, step, config = self.run, self.plan, self.step, self.run.config
        lock = run.lock()
        breaker = run.breaker(step.tool, step.agent)
        now = (lock.epoch, breaker, self.passed, self.grant, self.earlier)
        if self._facts is not None and now == self._facts_at and not config.caps:
            return self._facts
        caps = ""
        if config.caps:
            caps = run.home.used_up(
                config.caps,
                step.agent,
                step.tool,
                bool(self.contract and self.contract.writes),
                None,
                run.clock.now(),
            )
        self._facts_at = now
        self._facts = Facts(
            tool=step.tool,
            agent=step.agent,
            contract=self.contract,
            runnable="live" in self.handlers,
            has_preview="preview" in self.handlers or not (self.contract and self.contract.writes),
            mode=config.mode,
            dry_run_only=config.dry_run_only,
            environment=run.environment,
            locked=lock.reason or "no reason given" if lock.engaged else None,
            missing=permissions.missing(plan.agent(step.agent), self.contract),
            confidence=step.confidence,
            live_floor=config.confidence_threshold_for_live,
            source=plan.source(self.place),
            breaker=breaker,
            caps=caps,
            passed=self.passed,
            approve_high=config.approval_required_for_high_risk,
            approve_all=config.approval_required == "all",
            earlier=self.earlier,
            grant=self.grant,
            in_flight=0,
            budget=config.max_live_escalations,
        )
        return self._facts

    def top(self) -> Ceiling | None:
        """Return how high this call may climb as things stand, None where it may go LIVE."""
        facts = self.facts()
        limit = gate.ceiling(facts, skip=PLANNED)
        self._clear = facts if limit is None and not self.approval_reasons() else None
        if self.args is not self.step.args and references.has_unknown(self.args):
            limit = Ceiling(
                Mode.MOCK, "dependency", "it takes a result that is not known before its source is LIVE"
            )
        by_conflict = self.plan.limit(self.place)
        if by_conflict is not None and (limit is None or by_conflict.mode < limit.mode):
            return by_conflict
        return limit

    # rungs

    async def rehearse(self) -> Ending | None:
        """Run MOCK as the rehearsal for a higher rung; returns an ending only where it failed."""
        ending = await self._mock(rehearsal=True, final=None)
        if ending is None:
            digest = self.contract.digest if self.contract else ""
            self.plan.rehearsed[self.step_id] = Rehearsed(self.digest, digest)
        return ending

    async def climb(self) -> Ending:
        """Take the call as far as the gate lets it."""
        while True:
            ending = await self._climb_once()
            if ending is not None:
                if ending.status in (StepStatus.HELD, StepStatus.UNKNOWN):
                    self.plan.attempts[self.step_id] = (
                        self.mock_attempts,
                        self.dry_attempts,
                        self.live_attempts,
                    )
                return ending

    async def _climb_once(self) -> Ending | None:
        refused = self.plan.refused(self.place)
        if refused is not None:
            return self.settle(StepStatus.ABORTED, refused.rule, refused.reason)
        if not self.is_rehearsed():
            final = self.top() if self.run.config.mode is Mode.MOCK else None
            ending = await self._mock(rehearsal=self.run.config.mode is not Mode.MOCK, final=final)
            if ending is not None:
                return ending
            if final is not None and self.run.config.mode is Mode.MOCK:
                return self.at_rest(final)
        self.passed = Mode.MOCK
        limit = self.top() or self._late_duplicate()
        if limit is not None and limit.mode is Mode.MOCK:
            return self.rest(limit)
        self._look_for_earlier()
        if self.contract is not None and self.contract.writes:
            return await live.write(self, limit)
        return await live.read(self, limit)

    def is_rehearsed(self) -> bool:
        """Whether MOCK was passed with these arguments under this contract."""
        known = self.plan.rehearsed.get(self.step_id)
        digest = self.contract.digest if self.contract else ""
        return known is not None and known.digest == self.digest and known.contract == digest

    async def _mock(self, *, rehearsal: bool, final: Ceiling | None) -> Ending | None:
        """Run MOCK, with retries; returns an ending where it did not pass."""
        while True:
            self.mock_attempts += 1
            started = self.run.clock.now()
            found = await self._mock_attempt(rehearsal)
            error = found if isinstance(found, CallError) else None
            again = self.retry_after(error, Mode.MOCK, self.mock_attempts) if error else None
            status = None
            if error is not None and again is None:
                status = StepStatus.FAILED
            elif error is None and final is not None:
                status = self.resting_status(final)
            result = UNSET if error else found.value if isinstance(found, Passed) else UNSET
            result = UNSET if references.has_unknown(result) else result
            self.record_rung(
                Mode.MOCK,
                self.mock_attempts,
                started,
                result=result,
                error=error,
                status=status,
                rehearsal=rehearsal,
                limit=final if status is not StepStatus.FAILED else None,
            )
            if error is None:
                self.result = found.value if isinstance(found, Passed) else None
                self.passed = Mode.MOCK
                return None
            if again is None:
                return Ending(status=StepStatus.FAILED, reached=None, rule="mock", reason=error.message)
            await self.run.clock.sleep(again)

    async def _mock_attempt(self, rehearsal: bool) -> Attempt:
        if self.problem:
            return _wrong_arguments(self.problem)
        if self.tool is None or self.contract is None:
            return Passed(references.UNKNOWN if rehearsal else None)
        problem = self.tool.check(self.args)
        if problem:
            return _wrong_arguments(problem)
        found = await attempt(
            self.tool.mock(self.args, self.context(Mode.MOCK, self.mock_attempts)), self.contract, Mode.MOCK
        )
        if isinstance(found, Passed) and "live" not in self.handlers and not rehearsal:
            await self.run.clock.sleep(self.step.estimated_duration_s or 0.0)
        shaped = (
            "mock" in self.handlers or self.contract.output is not None or self.contract.example is not UNSET
        )
        return found if shaped or not isinstance(found, Passed) else Passed(references.UNKNOWN)

    async def dry_run(self, *, final: Ceiling | None) -> Ending | None:
        """Run DRY_RUN, with retries; returns an ending where it did not pass or is as high as it goes."""
        assert self.tool is not None
        assert self.contract is not None
        while True:
            decision = self._decide_dry_run()
            if isinstance(decision, Denied):
                return self.go_down(decision.ceiling)
            if isinstance(decision, NeedsApproval):
                return Ending(
                    status=StepStatus.HELD, reached=self.passed, rule=decision.rule, reason=decision.reason
                )
            self.dry_attempts += 1
            first = self.passed is Mode.MOCK
            started = self.run.clock.now()
            found = await self._dry_attempt()
            error = found if isinstance(found, CallError) else None
            again = self.retry_after(error, Mode.DRY_RUN, self.dry_attempts) if error else None
            status = StepStatus.FAILED if error and again is None else None
            if error is None:
                self._take(found)
                status = self.resting_status(final) if final is not None else None
            self.record_rung(
                Mode.DRY_RUN,
                self.dry_attempts,
                started,
                error=error,
                status=status,
                result=UNSET if error or self.contract.writes else self.result,
                preview=None if error or not self.contract.writes else self.preview,
                moved_from=Mode.MOCK if first else None,
                limit=final if error is None else None,
            )
            if error is None:
                self.passed = Mode.DRY_RUN
                self.run.probe_passed(self.step.tool, self.step.agent)
                return None if final is None else self.at_rest(final)
            if again is None:
                return Ending(
                    status=StepStatus.FAILED, reached=self.passed, rule="dry_run", reason=error.message
                )
            await self.run.clock.sleep(again)

    def _decide_dry_run(self) -> Decision:
        """Ask the gate, unless it was asked about the very same facts a moment ago and no rule said a word."""
        facts = self.facts()
        if facts is self._clear:
            threshold = gate.threshold(self.contract, Mode.DRY_RUN, facts.live_floor)
            return decisions.Run(Mode.DRY_RUN, "", threshold)
        return gate.decide(facts, Mode.DRY_RUN)

    async def _dry_attempt(self) -> Attempt:
        assert self.tool is not None
        assert self.contract is not None
        writes = self.contract.writes
        try:
            args, secrets = with_secrets(self.args, self.contract.secret_args, self.run.secrets)
        except InvalidArguments as problem:
            return _wrong_arguments(str(problem))
        context = self.context(Mode.DRY_RUN, self.dry_attempts)
        if writes and "preview" not in self.handlers:
            return Passed(
                Preview(available=False, notes=["preview unavailable: the tool has no preview handler"])
            )
        work = self.tool.preview(args, context) if writes else self.tool.live(args, context)
        found = await attempt(
            work, self.contract, Mode.DRY_RUN, in_thread=self.tool.sync and not writes, redact=secrets
        )
        if isinstance(found, StillRunning):
            return timed_out(self.contract)
        if isinstance(found, Passed) and secrets:
            return Passed(_hidden(found.value, secrets))
        return found

    def _take(self, found: Attempt) -> None:
        assert isinstance(found, Passed)
        if isinstance(found.value, Preview) and self.contract is not None and self.contract.writes:
            self.preview = found.value
            self.result = found.value.result if found.value.available else references.UNKNOWN
        else:
            self.result = found.value

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
            reasons=self.approval_reasons(),
            earlier=self.earlier_count,
            confidence=self.step.confidence,
        )
        if self.group is not None and self.group.bindings.get(self.step_id) == question.binding():
            answer: Answer = self.group.granted
        else:
            answer = await ask(self.run, self.plan, question)
        self.granted = answer if isinstance(answer, Granted) else None
        self.grant = Grant.APPROVED if self.granted else Grant.NOT_ASKED
        return answer

    def approval_reasons(self) -> tuple[str, ...]:
        """Why a person has to say yes before this call is LIVE, empty where nobody has to."""
        if self._reasons is None:
            self._reasons = gate.approval_reasons(self.facts())
        return self._reasons

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
                    status=StepStatus.HELD,
                    reached=self.passed,
                    result=self.result,
                    preview=self.preview,
                    rule="approval",
                    reason=reason,
                    waits_for=approval,
                )
            case Refused(reason):
                return self.settle(StepStatus.ABORTED, "approval", reason)

    # duplicates

    def resources(self) -> tuple[str, ...]:
        """Return what the call writes, as far as its contract names it."""
        if self._resources is None:
            self._resources = resources_of(self.contract, self.args) if self.contract else ()
        return self._resources

    def _late_duplicate(self) -> Ceiling | None:
        """Look for an identical action in this run that the plan could not show before."""
        contract = self.contract
        if contract is None or not contract.writes or contract.idempotent or self.step.repeat:
            return None
        known_before = self.step.for_each is None and not references.has_references(self.step.args)
        if self.run.config.mode is not Mode.LIVE or (known_before and self.args == self.step.args):
            return None
        who = self.plan.actions.find(self.digest, self.resources())
        if who is None or who.step == self.step_id:
            return None
        return self.duplicate(f"the same action as {who}")

    def duplicate(self, told: str) -> Ceiling | None:
        """Note a duplicate found while running; returns the ceiling that it gives, None where it is allowed."""
        assert self.contract is not None
        strategy = duplicate_strategy(self.run.config, self.contract)
        conflict = Conflict(
            conflict_id=self.run.next_conflict(),
            type=ConflictType.DUPLICATE_ACTION,
            steps=(StepRef(self.plan.plan_id, self.step_id),),
            agents=(self.step.agent,),
            resource=f"tool:{self.step.tool}",
            resolution=strategy,
            reason=f"'{self.step.tool}' with these arguments is {told}, with no other write in between",
            step_count=1,
        )
        self.run.note_conflict(conflict)
        if strategy is Strategy.ALLOW:
            return None
        mode = Mode.MOCK if strategy is Strategy.ABORT else Mode.DRY_RUN
        return Ceiling(
            mode,
            "duplicate" if strategy is Strategy.ABORT else "conflict",
            f"{conflict.conflict_id}: {conflict.reason}",
        )

    def _look_for_earlier(self) -> None:
        """An irreversible action that was taken before, however long ago, is named to the person asked."""
        run, contract = self.run, self.contract
        if (
            contract is None
            or not contract.irreversible
            or run.config.isolate
            or run.config.mode is not Mode.LIVE
        ):
            return
        found = run.home.earlier(
            self.digest,
            run.run_id,
            f"{self.plan.plan_id}/{self.step_id}",
            self.resources(),
            run.clock.now(),
            run.config.duplicate_window_s,
        )
        self.earlier_count = len(found)
        self._reasons = None
        if found:
            self.earlier = (
                f"the same action was taken by {found[0].step} of {found[0].run_id} at {iso(found[0].at)}"
            )

    # coming to rest

    def resting_status(self, limit: Ceiling) -> StepStatus:
        """Return the status of a step that passed the ceiling that `limit` gives it."""
        if limit.rule == "dependency":
            return StepStatus.HELD if self.plan.held_source(self.place) else StepStatus.SUCCEEDED
        held = limit.rule in gate.HOLDING and limit.mode < self.run.config.mode
        return StepStatus.HELD if held else StepStatus.SUCCEEDED

    def at_rest(self, limit: Ceiling) -> Ending:
        """Return the ending of a step whose last attempt already says that it is settled."""
        return Ending(
            status=self.resting_status(limit),
            reached=self.passed,
            result=self.result,
            preview=self.preview,
            rule=limit.rule,
            reason=limit.reason,
        )

    def rest(self, limit: Ceiling) -> Ending:
        """Settle the step below a ceiling; an aborted duplicate is refused altogether."""
        if limit.rule == "duplicate":
            return self.settle(StepStatus.ABORTED, "conflict", limit.reason)
        return self.settle(self.resting_status(limit), limit.rule, limit.reason)

    def go_down(self, limit: Ceiling) -> Ending:
        """Settle a step that the gate stopped after it had climbed, and record the way down."""
        reached = self.passed
        if reached is not None and limit.mode < reached:
            locked = limit.rule == "lock"
            self.run.record(
                Moved(
                    plan=self.plan.plan_id,
                    step=self.step_id,
                    agent=self.step.agent,
                    tool=self.step.tool,
                    from_mode=reached,
                    to_mode=limit.mode,
                    trigger=(Trigger.LOCK if locked else Trigger.DEMOTE).value,
                    rule=limit.rule,
                    reason=limit.reason,
                    confidence=self.step.confidence,
                )
            )
        return self.rest(limit)

    def settle(self, status: StepStatus, rule: str, reason: str) -> Ending:
        """Record that the step came to rest, and return the ending."""
        self.run.record(
            Settled(
                plan=self.plan.plan_id,
                step=self.step_id,
                agent=self.step.agent,
                tool=self.step.tool,
                status=status,
                final_mode=self.passed,
                rule=rule,
                reason=reason,
            )
        )
        return Ending(
            status=status,
            reached=self.passed,
            result=self.result,
            preview=self.preview,
            rule=rule,
            reason=reason,
        )

    # records

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
            idempotency_key=self.key(),
        )

    def key(self) -> str:
        """Return the idempotency key: the same over retries and resumes, another for every other call."""
        if not self._key:
            name = f"{self.run.run_id}\0{self.plan.plan_id}\0{self.step_id}"
            self._key = hashlib.sha256(name.encode()).hexdigest()[:32]
        return self._key

    def record_rung(
        self,
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
        run, step = self.run, self.step
        blob = ""
        large = None if result is UNSET else is_large(result)
        if large is not None:
            blob, result = run.journal.write_blob(large), UNSET
        above = mode is not Mode.MOCK
        run.record(
            Rung(
                plan=self.plan.plan_id,
                step=self.step_id,
                agent=step.agent,
                tool=step.tool,
                mode=mode,
                attempt=number,
                digest=self.digest,
                args=UNSET if above else _writable(self.args, step.args),
                started_at=iso(started),
                duration_ms=0.0 if reused else round(max(0.0, run.clock.now() - started) * 1000, 3),
                confidence=step.confidence,
                threshold=gate.threshold(self.contract, mode, run.config.confidence_threshold_for_live)
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
                sources=self.plan.sources(self.place) if above else [],
                approval=self.granted.request.approval_id if above and self.granted else None,
                status=status,
                rule=limit.rule if limit and status is not None else "",
                reason=limit.reason if limit and status is not None else "",
            )
        )


def _wrong_arguments(problem: str) -> CallError:
    return CallError("InvalidArguments", problem, no_effect=True, retryable=False, counts=False)


def _writable(args: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments, or the plan's own where a rehearsal does not know them all."""
    return planned if args is not planned and references.has_unknown(args) else args


def _hidden(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, Preview):
        return Preview(
            changes=hidden_value(_plain(value.changes), secrets),
            result=hidden_value(value.result, secrets),
            notes=hidden_value(value.notes, secrets),
            available=value.available,
        )
    return hidden_value(value, secrets)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
