"""Honest journals, told step by step; tests break them."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import msgspec

from buddy.core.audit import Audit, Violation
from buddy.journal.codec import Head, encode
from buddy.journal.events import (
    AnyEvent,
    ApprovalDecided,
    ApprovalRequested,
    ContractSeen,
    Expanded,
    Intent,
    LockSeen,
    Moved,
    Outcome,
    Record,
    Resolved,
    RunFinished,
    Rung,
    RunResumed,
    RunStarted,
    Settled,
    UndoIntent,
    UndoOutcome,
)
from buddy.model.approval import ApprovalRequest, ApprovalState
from buddy.model.contract import ToolContract
from buddy.model.mode import Effect, Mode, Risk, Undo
from buddy.model.outcome import CallError, OutcomeKind, Preview, StepStatus, UndoResult

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "run_1"


def at(second: float) -> str:
    return (EPOCH + timedelta(seconds=second)).isoformat(timespec="microseconds")


def digest_of(tool: str, args: Any) -> str:
    return hashlib.sha256(tool.encode() + msgspec.json.encode(args, order="sorted")).hexdigest()[:32]


def contract(name: str, risk: Risk, effect: Effect, undo: Undo = Undo.EXACT, **more: Any) -> ToolContract:
    return ToolContract(name=name, risk=risk, effect=effect, undo=undo, permissions=("all",), **more)


CONTRACTS = {
    "find": contract("find", Risk.LOW, Effect.READ),
    "peek": contract("peek", Risk.HIGH, Effect.READ),
    "fill": contract("fill", Risk.MEDIUM, Effect.WRITE),
    "copy": contract("copy", Risk.MEDIUM, Effect.WRITE, Undo.EQUIVALENT),
    "put": contract("put", Risk.MEDIUM, Effect.WRITE, idempotent=True),
    "send": contract("send", Risk.HIGH, Effect.WRITE, Undo.NONE),
    "post": contract("post", Risk.LOW, Effect.WRITE, Undo.NONE),
    "blind": contract("blind", Risk.LOW, Effect.WRITE),
    "paper": contract("paper", Risk.LOW, Effect.WRITE),
}
HANDLERS = {name: ["live", "preview", "undo"] for name in CONTRACTS} | {"blind": ["live"], "paper": ["mock"]}


class Story:
    """A journal that grows by honest events; `second` is the time of the next one."""

    def __init__(self, mode: Mode = Mode.LIVE, environment_dry_run: bool = False, **config: Any) -> None:
        self.events: list[AnyEvent] = []
        self.times: list[str] = []
        self.second = 0.0
        self.epoch = 0
        self.contracts = dict(CONTRACTS)
        self.handlers = dict(HANDLERS)
        self.asked = 0
        self.add(
            RunStarted(
                run_id=RUN,
                format=1,
                version="0",
                mode=mode,
                granted_by="ada",
                environment_dry_run=environment_dry_run,
                config=config,
                inputs=[],
                plans=1,
                steps=1,
                contracts=list(self.contracts.values()),
                handlers=self.handlers,
            )
        )

    def add(self, event: AnyEvent) -> Self:
        self.events.append(event)
        self.times.append(at(self.second))
        self.second += 1.0
        return self

    def last(self, kind: type, **changes: Any) -> Self:
        """Change the last event of a kind."""
        place = max(index for index, event in enumerate(self.events) if isinstance(event, kind))
        self.events[place] = msgspec.structs.replace(self.events[place], **changes)
        return self

    def drop(self, kind: type, which: Callable[[Any], bool] = lambda event: True) -> Self:
        """Leave out every event of a kind that is chosen."""
        told = list(zip(self.events, self.times, strict=True))
        kept = [(event, time) for event, time in told if not (isinstance(event, kind) and which(event))]
        assert len(kept) < len(told)
        self.events, self.times = [event for event, _ in kept], [time for _, time in kept]
        return self

    def records(self) -> list[Record]:
        return [
            Record(seq, time, event)
            for seq, (time, event) in enumerate(zip(self.times, self.events, strict=True), 1)
        ]

    def lines(self) -> tuple[list[bytes], Head]:
        return chained(zip(self.events, self.times, strict=True))

    # the ladder

    def rung(self, mode: Mode, step: str, tool: str, args: Any = None, **more: Any) -> Self:
        shown = {} if args is None else args
        given: dict[str, Any] = {
            "plan": "p",
            "agent": "bo",
            "digest": digest_of(tool, shown),
            "started_at": at(self.second - 0.1),
            "confidence": 0.9,
        }
        if mode is Mode.MOCK:
            given["args"] = shown
        return self.add(Rung(step=step, tool=tool, mode=mode, **(given | more)))

    def mock(self, step: str, tool: str, args: Any = None, **more: Any) -> Self:
        return self.rung(Mode.MOCK, step, tool, args, **more)

    def dry(self, step: str, tool: str, args: Any = None, **more: Any) -> Self:
        return self.rung(Mode.DRY_RUN, step, tool, args, **more)

    def rehearsed(self, step: str, tool: str, args: Any = None, **more: Any) -> Self:
        return self.mock(step, tool, args, rehearsal=True, **more).dry(step, tool, args, **more)

    def read(self, step: str, tool: str = "find", args: Any = None, **more: Any) -> Self:
        return self.rehearsed(step, tool, args, **more).rung(Mode.LIVE, step, tool, args, reused=True, **more)

    def intent(self, step: str, tool: str, args: Any = None, **more: Any) -> Self:
        given: dict[str, Any] = {
            "plan": "p",
            "agent": "bo",
            "digest": digest_of(tool, {} if args is None else args),
            "key": step,
            "confidence": 0.9,
            "lock_epoch": self.epoch,
        }
        return self.add(Intent(step=step, tool=tool, **(given | more)))

    def outcome(self, step: str, tool: str, kind: OutcomeKind = OutcomeKind.SUCCEEDED, **more: Any) -> Self:
        given: dict[str, Any] = {"plan": "p", "agent": "bo", "started_at": at(self.second)}
        return self.add(Outcome(step=step, tool=tool, outcome=kind, **(given | more)))

    def failed(self, step: str, tool: str, no_effect: bool = True, **more: Any) -> Self:
        error = CallError("Boom", "it broke", no_effect=no_effect)
        return self.outcome(step, tool, OutcomeKind.FAILED, error=error, **more)

    def unknown(self, step: str, tool: str, **more: Any) -> Self:
        return self.outcome(step, tool, OutcomeKind.UNKNOWN, **more)

    def live(self, step: str, tool: str = "fill", args: Any = None, **more: Any) -> Self:
        """A whole live call of a tool that asks nobody; its arguments are its own unless they are given."""
        own = {"of": step} if args is None else args
        plan = {"plan": more["plan"]} if "plan" in more else {}
        self.rehearsed(step, tool, own, **plan)
        return self.intent(step, tool, own, **more).outcome(step, tool, **plan)

    def asked_live(self, step: str, tool: str = "send", args: Any = None) -> Self:
        """A whole live call of a tool that asks a person."""
        own = {"of": step} if args is None else args
        return self.approved(step, tool, own).intent(step, tool, own, approval=self.name).outcome(step, tool)

    def approved(self, step: str = "s", tool: str = "send", args: Any = None, **request: Any) -> Self:
        """A rehearsed call that a person said yes to; the approval is `name`."""
        self.rehearsed(step, tool, args)
        return self.decide(self.ask(step, tool, args, **request))

    @property
    def name(self) -> str:
        """Id of the last request."""
        return f"a{self.asked}"

    def moved(self, step: str, tool: str, from_mode: Mode, to_mode: Mode) -> Self:
        return self.add(
            Moved(
                plan="p",
                step=step,
                agent="bo",
                tool=tool,
                from_mode=from_mode,
                to_mode=to_mode,
                trigger="lock",
                rule="lock",
                reason="locked",
            )
        )

    def expanded(self, step: str, items: int, mode: Mode = Mode.DRY_RUN) -> Self:
        return self.add(Expanded(plan="p", step=step, mode=mode, items=items))

    def settled(self, step: str, status: StepStatus) -> Self:
        return self.add(Settled(plan="p", step=step, agent="bo", tool="fill", status=status))

    def resolved(self, step: str, tool: str, happened: bool) -> Self:
        status = StepStatus.SUCCEEDED if happened else StepStatus.PENDING
        return self.add(
            Resolved(plan="p", step=step, agent="bo", tool=tool, happened=happened, by="ada", status=status)
        )

    # people

    def ask(self, step: str, tool: str, args: Any = None, **more: Any) -> str:
        """File a request and return its id."""
        self.asked += 1
        given: dict[str, Any] = {
            "approval_id": f"a{self.asked}",
            "run_id": RUN,
            "plan_id": "p",
            "agent": "bo",
            "args": {} if args is None else args,
            "preview": Preview(),
            "risk": Risk.HIGH,
            "reasons": ("risk",),
            "binding": "b",
            "contract": self.contracts[tool].digest,
            "requested_at": at(self.second),
            "expires_at": at(self.second + 1000),
        }
        request = ApprovalRequest(step_id=step, tool=tool, **(given | more))
        self.add(ApprovalRequested(request=request))
        return request.approval_id

    def decide(
        self, approval: str, state: ApprovalState = ApprovalState.APPROVED, by: Iterable[str] = ("ada",)
    ) -> Self:
        request = next(
            event.request
            for event in self.events
            if isinstance(event, ApprovalRequested) and event.request.approval_id == approval
        )
        return self.add(
            ApprovalDecided(
                approval=approval,
                plan=request.plan_id,
                step=request.step_id,
                tool=request.tool,
                state=state,
                by=list(by),
            )
        )

    def lock(self) -> Self:
        self.epoch += 1
        return self.add(LockSeen(epoch=self.epoch, engaged=True, by="ada", reason="stop"))

    def unlock(self) -> Self:
        self.epoch += 1
        return self.add(LockSeen(epoch=self.epoch, engaged=False, by="ada", reason="go"))

    # undo, and the run

    def undo_intent(self, step: str, tool: str = "fill", **more: Any) -> Self:
        given: dict[str, Any] = {"plan": "p", "agent": "bo", "trigger": "failed", "lock_epoch": self.epoch}
        return self.add(UndoIntent(step=step, tool=tool, **(given | more)))

    def undone(
        self, step: str, tool: str = "fill", result: UndoResult = UndoResult.RESTORED_EXACT, **more: Any
    ) -> Self:
        given: dict[str, Any] = {"plan": "p", "agent": "bo", "trigger": "failed"}
        return self.add(UndoOutcome(step=step, tool=tool, result=result, **(given | more)))

    def undo(self, step: str, tool: str = "fill", **more: Any) -> Self:
        return self.undo_intent(step, tool).undone(step, tool, **more)

    def resumed(self, **changed: ToolContract) -> Self:
        self.contracts |= changed
        return self.add(RunResumed(by="ada", contracts=list(self.contracts.values()), handlers=self.handlers))

    def seen(self, contract: ToolContract, *handlers: str) -> Self:
        self.contracts[contract.name] = contract
        return self.add(ContractSeen(contract=contract, handlers=list(handlers)))

    def finished(self) -> Self:
        return self.add(RunFinished(reason="done", exit_code=0))


def chained(told: Iterable[tuple[AnyEvent, str]]) -> tuple[list[bytes], Head]:
    """Return the lines of a journal, and where it ends."""
    head, lines = Head(), []
    for event, time in told:
        line, head = encode(event, head, time)
        lines.append(line)
    return lines, head


def audit(records: Iterable[Record]) -> list[Violation]:
    """Everything that the auditor finds."""
    fold = Audit()
    found = [violation for record in records for violation in fold.feed(record)]
    return found + fold.finish()


def rules(story: Story) -> set[str]:
    """Names of the rules that a story breaks."""
    return {violation.rule for violation in audit(story.records())}


def on(mode: Mode) -> Callable[[Rung], bool]:
    """Which rungs are on this one."""
    return lambda rung: rung.mode is mode
