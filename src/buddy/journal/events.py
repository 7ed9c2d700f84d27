"""What can happen in a run: one small record a kind of event.

The journal is a list of these and the only truth. A LIVE call is four of them: `rung` (MOCK passed),
`rung` (DRY_RUN passed), `intent` (durable before the call), `outcome` (durable before anyone is told).
A step's status rides on the event that settles it (`status`), so that no event is written only to say
what the one before it meant.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from buddy.journal.fleet_events import FleetPlan as FleetPlan
from buddy.journal.fleet_events import TaskAssigned as TaskAssigned
from buddy.journal.fleet_events import WaveFinished as WaveFinished
from buddy.journal.fleet_events import WaveStarted as WaveStarted
from buddy.model.approval import ApprovalRequest, ApprovalState
from buddy.model.conflict import Conflict
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import CallError, OutcomeKind, Preview, StepStatus, UndoResult
from buddy.model.plan import Validation

FORMAT = 2
"""Version of the journal format; what older ones are read by is in `buddy.journal.upcast`."""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """Something that happened; `seq`, `time` and `hash` are added when it is written."""


class InputDigest(Struct, frozen=True):
    """One input of the run, and the SHA-256 of its bytes."""

    name: str
    sha256: str


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """A run began.

    Attributes:
        run_id: its name.
        format: version of the journal format.
        version: of Buddy.
        kind: `plans`, or `calls` for a run that takes calls one at a time.
        mode: the run's mode.
        granted_by: the person who said so; for LIVE this is the run's own approval.
        environment_dry_run: `DRY_RUN=true` was set.
        config: every setting in force.
        inputs: what was read.
        plans, steps: how many there are.
        contracts: of every tool that the plans name and that has one.
        handlers: tool -> which handlers it has, of `live preview mock undo probe`.
        plans_sha256: of the canonical plans kept in the run's folder.
    """

    run_id: str
    format: int
    version: str
    kind: str = "plans"
    mode: Mode
    granted_by: str
    environment_dry_run: bool = False
    config: dict[str, Any]
    inputs: list[InputDigest]
    plans: int
    steps: int
    contracts: list[ToolContract]
    handlers: dict[str, list[str]]
    plans_sha256: str = ""


class RunResumed(Event, frozen=True, kw_only=True, tag="run_resumed"):
    """A run goes on; contracts and handlers as they are now.

    Attributes:
        by: the person.
        format, version: of the journal and of Buddy from here on; a format that is not said is 1.
        contracts, handlers: as in `run_started`.
        changed: tools whose contract is another one than before.
        not_called: approval -> each `plan/step` that it let through and whose call no line announces.
    """

    by: str
    format: int = 1
    version: str = ""
    contracts: list[ToolContract]
    handlers: dict[str, list[str]]
    changed: list[str] = []
    not_called: dict[str, list[str]] = {}


class ContractSeen(Event, frozen=True, kw_only=True, tag="contract_seen"):
    """A run of calls met a tool for the first time."""

    contract: ToolContract
    handlers: list[str]


class PlanStarted(Event, frozen=True, kw_only=True, tag="plan_started"):
    """A plan was admitted; `fleet` where its steps are the tasks of one."""

    plan: str
    steps: int
    chain: bool = True
    validation: dict[str, Validation] = {}
    fleet: FleetPlan | None = None


class ConflictFound(Event, frozen=True, kw_only=True, tag="conflict"):
    """A conflict, with what is done about it.

    Attributes:
        conflict: what and how.
        at: `plan` before anything ran, `admission` when a step was about to run.
    """

    conflict: Conflict
    at: str = "plan"


class Reassigned(Event, frozen=True, kw_only=True, tag="reassigned"):
    """A step was given to another agent."""

    plan: str
    step: str
    from_agent: str
    to_agent: str
    reason: str


class Expanded(Event, frozen=True, kw_only=True, tag="expanded"):
    """A `for_each` became one call an item."""

    plan: str
    step: str
    mode: Mode
    items: int


class Rung(Event, frozen=True, kw_only=True, tag="rung"):
    """One attempt at MOCK or DRY_RUN (or at LIVE for a read, which reuses DRY_RUN's result).

    Attributes:
        plan, step, agent, tool: whose.
        mode: the rung.
        attempt: 1 for the first.
        digest: HMAC of the canonical arguments.
        args: the arguments, secrets as references; only where they are first seen (MOCK).
        started_at: UTC ISO 8601; the event's own time is the end.
        duration_ms: of the attempt.
        confidence: of the step.
        threshold: that the confidence was held against.
        moved_from: the rung it climbed from, where this attempt was a move.
        trigger: what caused the move.
        rehearsal: MOCK only checked, as the plan's rehearsal for a higher rung.
        reused: a LIVE read that is its DRY_RUN.
        result: what came back, where something did.
        result_blob: digest of the blob that holds a large result instead.
        preview: what DRY_RUN of a write says would change.
        error: why it did not pass.
        sources: steps that it depends on or takes data from; above MOCK only.
        approval: id of the approval that a HIGH risk read consumed.
        status: set where the attempt settles the step.
        rule: the rule that stopped the step at this rung, where one did.
        reason: its sentence.
    """

    plan: str
    step: str
    agent: str
    tool: str
    mode: Mode
    attempt: int = 1
    digest: str
    args: dict[str, Any] | UnsetType = UNSET
    started_at: str
    duration_ms: float = 0.0
    confidence: float | None = None
    threshold: float | None = None
    moved_from: Mode | None = None
    trigger: str = ""
    rehearsal: bool = False
    reused: bool = False
    result: Any = UNSET
    result_blob: str = ""
    preview: Preview | None = None
    error: CallError | None = None
    sources: list[str] = []
    approval: str | None = None
    status: StepStatus | None = None
    rule: str = ""
    reason: str = ""


class Moved(Event, frozen=True, kw_only=True, tag="moved"):
    """A step went down the ladder: `demote`, or `lock`."""

    plan: str
    step: str
    agent: str
    tool: str
    from_mode: Mode
    to_mode: Mode
    trigger: str
    rule: str
    reason: str
    confidence: float | None = None


class Intent(Event, frozen=True, kw_only=True, tag="intent"):
    """A LIVE call is about to be made; durable before it is.

    Attributes:
        key: idempotency key, the same over retries and resumes.
        approval: id of the approval that this call consumes.
        lock_epoch: epoch of the system lock that was seen open.
        claims: resources held, `read:` or `write:` in front.
        repeat: the step declares that it means the same action again.
        sources: steps that it depends on or takes data from.
    """

    plan: str
    step: str
    agent: str
    tool: str
    attempt: int = 1
    digest: str
    key: str
    confidence: float | None = None
    threshold: float | None = None
    moved_from: Mode | None = None
    rule: str = ""
    approval: str | None = None
    lock_epoch: int = 0
    claims: list[str] = []
    repeat: bool = False
    sources: list[str] = []


class Outcome(Event, frozen=True, kw_only=True, tag="outcome"):
    """How a LIVE call ended; durable before anyone is told.

    Attributes:
        late: it came after the call had been given up as UNKNOWN.
        warning: the result does not fit the contract's schema.
    """

    plan: str
    step: str
    agent: str
    tool: str
    attempt: int = 1
    outcome: OutcomeKind
    started_at: str
    duration_ms: float = 0.0
    result: Any = UNSET
    result_blob: str = ""
    error: CallError | None = None
    late: bool = False
    warning: str = ""
    status: StepStatus | None = None
    reason: str = ""


class Settled(Event, frozen=True, kw_only=True, tag="settled"):
    """A step came to rest without an attempt that says so."""

    plan: str
    step: str
    agent: str
    tool: str
    status: StepStatus
    final_mode: Mode | None = None
    rule: str = ""
    reason: str = ""


class ApprovalRequested(Event, frozen=True, kw_only=True, tag="approval_requested"):
    """A person was asked."""

    request: ApprovalRequest


class ApprovalDecided(Event, frozen=True, kw_only=True, tag="approval_decided"):
    """A request came to its end."""

    approval: str
    plan: str
    step: str
    tool: str
    state: ApprovalState
    by: list[str] = []
    reason: str = ""


class LockSeen(Event, frozen=True, kw_only=True, tag="lock"):
    """The system lock was seen to change."""

    epoch: int
    engaged: bool
    by: str = ""
    reason: str = ""


class BreakerMoved(Event, frozen=True, kw_only=True, tag="breaker"):
    """A breaker opened or closed."""

    subject: str
    open: bool
    reason: str


class UndoIntent(Event, frozen=True, kw_only=True, tag="undo_intent"):
    """An undo is about to be made; durable before it is."""

    plan: str
    step: str
    agent: str
    tool: str
    trigger: str
    lock_epoch: int = 0
    under_lock: bool = False


class UndoOutcome(Event, frozen=True, kw_only=True, tag="undo"):
    """How an undo ended."""

    plan: str
    step: str
    agent: str
    tool: str
    trigger: str
    result: UndoResult
    verified: bool = False
    error: str = ""
    duration_ms: float = 0.0
    status: StepStatus | None = None


class Resolved(Event, frozen=True, kw_only=True, tag="resolved"):
    """A person (or a probe) found out how an UNKNOWN call ended."""

    plan: str
    step: str
    agent: str
    tool: str
    happened: bool
    by: str
    status: StepStatus


class RunFinished(Event, frozen=True, kw_only=True, tag="run_finished"):
    """The run came to rest; it can be resumed where steps are held."""

    reason: str
    exit_code: int
    duration_s: float = field(default=0.0)


AnyEvent = (
    RunStarted
    | RunResumed
    | ContractSeen
    | PlanStarted
    | WaveStarted
    | TaskAssigned
    | WaveFinished
    | ConflictFound
    | Reassigned
    | Expanded
    | Rung
    | Moved
    | Intent
    | Outcome
    | Settled
    | ApprovalRequested
    | ApprovalDecided
    | LockSeen
    | BreakerMoved
    | UndoIntent
    | UndoOutcome
    | Resolved
    | RunFinished
)


class Record(Struct, frozen=True, gc=False):
    """An event in its place.

    Attributes:
        seq: 1 for the first line.
        time: UTC ISO 8601, when it was written.
        event: what happened.
    """

    seq: int
    time: str
    event: AnyEvent
