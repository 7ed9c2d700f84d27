"""A whole run with everything that knows of it: journal, outputs, home, blobs."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from buddy.engine.verification import Report, verify
from buddy.journal.codec import Head
from buddy.journal.events import AnyEvent, ApprovalDecided, ApprovalRequested, Intent, LockSeen, Rung
from buddy.journal.times import seconds
from buddy.model.approval import Approval, ApprovalState, Vote
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus, UndoResult
from buddy.ports import LockState
from buddy.projections.outputs import project
from unit.core.journals import Story, at

BLOB = b'"a large result"'
BLOB_NAME = hashlib.sha256(BLOB).hexdigest()
SUCCEEDED = StepStatus.SUCCEEDED
LOG = "tool_execution_log.jsonl"
SUMMARY = "orchestration_summary.json"


def told() -> Story:
    """A run with a bit of everything: reads, writes, an approval, a fan-out, a lock, a failure, an undo."""
    story = Story().read("find").rehearsed("blob", "find")
    story.rung(Mode.LIVE, "blob", "find", reused=True, result_blob=BLOB_NAME)
    story.live("fill", sources=["find"], claims=["write:contact:a"]).asked_live("send")
    story.rehearsed("flaky", "copy").intent("flaky", "copy").failed("flaky", "copy")
    story.intent("flaky", "copy", attempt=2).outcome("flaky", "copy", attempt=2)
    story.lock()
    story.second += 100
    story.unlock().live("late")
    each = [{"to": "one"}, {"to": "two"}]
    story.expanded("fan", 2).rehearsed("fan[0]", "post", each[0]).rehearsed("fan[1]", "post", each[1])
    name = story.ask("fan", "post", each)
    story.decide(name)
    for index, item in enumerate(each):
        story.intent(f"fan[{index}]", "post", item, approval=name).outcome(f"fan[{index}]", "post")
    story.undo("late").undo("flaky", "copy", result=UndoResult.RESTORED_EQUIVALENT)
    return story.finished()


@dataclass
class Case:
    """A run with everything that knows of it."""

    lines: list[bytes]
    outputs: dict[str, bytes | None]
    head: Head | None
    locks: list[LockState]
    approvals: list[Approval]
    blobs: dict[str, bytes] = field(default_factory=lambda: {BLOB_NAME: BLOB})

    def verify(self) -> Report:
        return verify(
            iter(self.lines), self.outputs.get, self.head, self.locks, self.approvals, self.blobs.__getitem__
        )

    def found(self) -> set[str]:
        return {violation.rule for violation in self.verify().violations}


def home_locks(story: Story) -> list[LockState]:
    seen = [
        (event, seconds(when))
        for event, when in zip(story.events, story.times, strict=True)
        if isinstance(event, LockSeen)
    ]
    return [LockState(), *(LockState(event.epoch, event.engaged, "ada", "", when) for event, when in seen)]


def home_approvals(story: Story) -> list[Approval]:
    kept: dict[str, Approval] = {}
    for event in story.events:
        match event:
            case ApprovalRequested(request=request):
                kept[request.approval_id] = Approval(request=request, state=ApprovalState.PENDING)
            case ApprovalDecided():
                votes = tuple(
                    Vote(by=by, approve=event.state is ApprovalState.APPROVED, at=at(0)) for by in event.by
                )
                kept[event.approval] = msgspec.structs.replace(
                    kept[event.approval], state=event.state, votes=votes
                )
            case Intent(approval=str(name)) | Rung(approval=str(name)):
                before = kept[name].consumed_by
                after = tuple(dict.fromkeys((*before, f"{event.plan}/{event.step}")))
                kept[name] = msgspec.structs.replace(kept[name], consumed_by=after)
            case _:
                pass
    return list(kept.values())


def case_of(story: Story) -> Case:
    lines, head = story.lines()
    return Case(
        lines=lines,
        outputs=dict(project(story.records())),
        head=head,
        locks=home_locks(story),
        approvals=home_approvals(story),
    )


def rechained(story: Story) -> Callable[[Case], None]:
    """Replace a journal by another whose chain holds, and whose outputs fit it."""

    def do(case: Case) -> None:
        case.lines, _ = story.lines()
        case.outputs = dict(project(story.records()))

    return do


def place_of(kind: type[AnyEvent], which: Callable[[Any], bool] = lambda event: True) -> int:
    return next(
        place for place, event in enumerate(told().events) if isinstance(event, kind) and which(event)
    )
