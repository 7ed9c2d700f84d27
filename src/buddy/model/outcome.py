"""How calls end, and how steps do."""

from enum import Enum
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from buddy.model.mode import Mode


class StepStatus(Enum):
    """Where a step stands.

    `SUCCEEDED`: its ceiling passed. `HELD`: a ceiling that can rise without changed input stopped it.
    `FAILED`: for good. `ABORTED`: refused (denied, duplicate). `SKIPPED`: never tried. `UNKNOWN`: a live
    call began and nobody knows how it ended. `ROLLED_BACK`: acted, then undone.
    """

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    HELD = "HELD"
    FAILED = "FAILED"
    ABORTED = "ABORTED"
    SKIPPED = "SKIPPED"
    UNKNOWN = "UNKNOWN"
    ROLLED_BACK = "ROLLED_BACK"

    __hash__ = object.__hash__


# Names of their own, which Python 3.11 finds ten times as fast as members of a class.
PENDING: Final = StepStatus.PENDING
SUCCEEDED: Final = StepStatus.SUCCEEDED
HELD: Final = StepStatus.HELD
FAILED: Final = StepStatus.FAILED
ABORTED: Final = StepStatus.ABORTED
SKIPPED: Final = StepStatus.SKIPPED
UNKNOWN: Final = StepStatus.UNKNOWN
ROLLED_BACK: Final = StepStatus.ROLLED_BACK


class OutcomeKind(Enum):
    """How a live call ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class UndoResult(Enum):
    """How an undo ended."""

    RESTORED_EXACT = "RESTORED_EXACT"
    RESTORED_EQUIVALENT = "RESTORED_EQUIVALENT"
    NOT_REVERSIBLE = "NOT_REVERSIBLE"
    CHANGED_SINCE = "CHANGED_SINCE"
    FAILED = "FAILED"


class CallError(Struct, frozen=True, omit_defaults=True):
    """Why an attempt did not pass.

    Attributes:
        type: class of the error.
        message: one sentence, secrets redacted.
        no_effect: the world is as it was.
        retryable: trying again can help.
        counts: it is a mark against the tool (no argument or permission error).
        retry_after: seconds that the other side asked for.
    """

    type: str
    message: str
    no_effect: bool = True
    retryable: bool = True
    counts: bool = True
    retry_after: float | None = None


class Change(Struct, frozen=True, omit_defaults=True):
    """One thing that a call changes.

    Attributes:
        resource: what is changed.
        before: its state before; None where it is created.
        after: its state after; None where it is deleted.
    """

    resource: str
    before: Any = None
    after: Any = None


class Preview(Struct, frozen=True, omit_defaults=True):
    """What a live call would do, found out by reading only.

    Attributes:
        changes: what would change, `Change` records or any JSON.
        result: what the call would return.
        notes: sentences for the person who approves.
        available: False where the tool has no preview.
    """

    changes: list[Any] = []
    result: Any = None
    notes: list[str] = []
    available: bool = True


class Restored(Struct, frozen=True):
    """What an undo handler reports.

    Attributes:
        verified: the state was read back and is what it should be.
        exact: False lowers the claim of a contract with `undo = exact` to equivalent.
    """

    verified: bool = False
    exact: bool = True


class Call(Struct, frozen=True, kw_only=True):
    """One call of a tool, as its handlers for undo and probe see it.

    Attributes:
        tool: its name.
        args: the arguments, secrets resolved.
        agent: who called.
        run_id: of which run.
        step_id: of which step.
        idempotency_key: the same over retries and resumes.
    """

    tool: str
    args: dict[str, Any]
    agent: str
    run_id: str
    step_id: str
    idempotency_key: str


class CallResult(Struct, frozen=True, kw_only=True):
    """What `Harness.call` answers.

    Attributes:
        status: where the call stands.
        final_mode: the highest rung passed, None where none was.
        rule: the rule that stopped it, empty where it went as far as it should.
        result: what the tool returned on the highest rung passed.
        preview: what DRY_RUN said would change.
        approval_id: the request that it waits for.
        call_id: hand it in again to continue this call.
        reason: one sentence on why it stands where it stands.
    """

    status: StepStatus
    final_mode: Mode | None
    rule: str
    result: Any
    preview: Preview | None
    approval_id: str | None
    call_id: str
    reason: str


Result = Any | UnsetType
NO_RESULT = UNSET
