"""What the engine needs from outside, as protocols; `wiring` chooses who provides it.

Times are seconds since the epoch (float) here and UTC ISO 8601 in records. A `HomeStore` call is one
transaction and takes lists, so that many waiting calls share one commit.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from buddy.journal.codec import Head
from buddy.journal.events import AnyEvent, Record
from buddy.model.approval import Approval, ApprovalRequest, ApprovalState, Vote
from buddy.model.config import Cap
from buddy.model.contract import ToolContract
from buddy.model.home import Action as Action
from buddy.model.home import Admitted as Admitted
from buddy.model.home import Breaker as Breaker
from buddy.model.home import Earlier as Earlier
from buddy.model.home import Freed as Freed
from buddy.model.home import LeaseWant as LeaseWant
from buddy.model.home import LockState as LockState
from buddy.model.home import Refused as Refused
from buddy.model.mode import Mode
from buddy.model.outcome import Call, Preview, Restored
from buddy.model.plan import Plan

PLANS = "plans.jsonl"
"""The file in a run's folder that holds its plans as they were when it began."""
RUNNING = "running"
"""The state, in the home, of a run that is under way, or was when its process died."""


class Clock(Protocol):
    """Time."""

    virtual: bool

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Ids(Protocol):
    """Names for things that have none."""

    def new(self, prefix: str) -> str:
        """Return a short name that nothing else in the home has, `prefix` in front."""
        ...


class JournalStore(Protocol):
    """One run's journal, open for writing by this process alone."""

    head: Head
    """The last line that is durable or about to be."""

    durable: Head
    """The last line that is known to be durable."""

    def append(self, event: AnyEvent, time: str) -> Record:
        """Put an event at the end; it is durable after the next `flush`."""
        ...

    def write(self) -> None:
        """Put everything appended into the file: it survives the end of the process; raises as `flush`."""
        ...

    def flush(self) -> None:
        """Make everything appended durable.

        Raises:
            ClosedStop: a write or fsync failed; the journal takes nothing more, ever.
        """
        ...

    def write_blob(self, data: bytes) -> str:
        """Keep a large result; returns its SHA-256."""
        ...

    def read_blob(self, digest: str) -> bytes:
        """Return a large result."""
        ...

    def close(self) -> None:
        """Flush, and let go of the folder."""
        ...


class OutputSink(Protocol):
    """Where the projections of a run are written."""

    def feed(self, record: Record) -> None:
        """Bring every output up to this record."""
        ...

    def alerts(self) -> list[str]:
        """Return what the outputs found that the run has not, a sentence each, once."""
        ...

    def close(self) -> None:
        """Write what can only be written at the end."""
        ...

    def drop(self) -> None:
        """Let go of the outputs as they are."""
        ...


class RunRow(Struct, frozen=True, kw_only=True):
    """A run as the home knows it."""

    run_id: str
    folder: str
    mode: Mode
    started_at: float
    state: str
    head: Head

    @property
    def at_rest(self) -> bool:
        """Whether the journal ends with the head; that of a run under way, or that crashed, may go on."""
        return self.state != RUNNING


class HomeStore(Protocol):
    """What lives across runs: `buddy.db`. Every call may raise `HomeUnavailable`."""

    key: bytes
    """Secret of this home, for HMACs of arguments."""

    def close(self) -> None:
        """Let go of the database."""
        ...

    # runs
    def register_run(self, row: RunRow) -> None:
        """Add a run, or take up again the one with this id and folder."""
        ...

    def keep_head(self, run_id: str, head: Head, state: str) -> None:
        """Remember where a run's journal ends."""
        ...

    def note_head(self, run_id: str, head: Head, released: Sequence[str] = ()) -> None:
        """Remember a durable line of a run, where the run is known; `released` give up their leases."""
        ...

    def runs(self) -> list[RunRow]:
        """Every run, newest first."""
        ...

    # lock
    def hear(self, now: float) -> tuple[LockState, float]:
        """Note what time it is where somebody acts; returns the lock, and that time or a later one known."""
        ...

    def lock_state(self) -> LockState:
        """The system lock as it is on disk now."""
        ...

    def set_lock(self, engaged: bool, by: str, reason: str, at: float) -> LockState:
        """Engage or release the lock; a call that changes nothing leaves the epoch."""
        ...

    def lock_history(self) -> list[LockState]:
        """Every epoch so far, oldest first."""
        ...

    # leases
    def acquire(self, wants: Sequence[LeaseWant], released: Sequence[str] = ()) -> list[bool]:
        """Release what some holders hold, then grant each want whole or queue it behind those before it."""
        ...

    def release(self, holders: Sequence[str]) -> None:
        """Give up what these holders hold or wait for."""
        ...

    # the action ledger
    def admit(
        self,
        actions: Sequence[Action],
        now: float,
        window_s: float,
        caps: Sequence[Cap],
        reached: float = 0.0,
    ) -> list[Admitted | Refused]:
        """Check lock, approval, caps and duplicates, and write the ledger rows: one durable transaction.

        Args:
            actions: that are to be taken.
            now: by the machine's clock, which windows and expiry go by; seconds since the epoch.
            window_s: how long an action is remembered.
            caps: that they are held against.
            reached: latest time in the caller's journal; seconds since the epoch.
        """
        ...

    def settle(self, run_id: str, freed: Sequence[Freed]) -> None:
        """Free the ledger rows of actions that had no effect or were rolled back."""
        ...

    def settle_all(self, run_id: str, standing: Sequence[str]) -> None:
        """Free every ledger row of a run but those of the steps (`plan/step`) that may stand."""
        ...

    def earlier(
        self, digest: str, run_id: str, step: str, resources: Sequence[str], now: float, window_s: float
    ) -> list[Earlier]:
        """Identical actions of other steps with no other write to the same resources since.

        Within the window, or irreversible at any age; newest first.
        """
        ...

    def used_up(
        self, caps: Sequence[Cap], agent: str, tool: str, writes: bool, recipient: str | None, now: float
    ) -> str:
        """One sentence on the first cap that leaves no room for one more call, or an empty string."""
        ...

    # approvals
    def ask(self, request: ApprovalRequest) -> Approval:
        """File a request, superseding the one it names; the same id again changes nothing."""
        ...

    def approval(self, approval_id: str, now: float) -> Approval | None:
        """Return one request as it stands; past its expiry it is EXPIRED."""
        ...

    def approvals(
        self, now: float, run_id: str | None = None, state: ApprovalState | None = None
    ) -> list[Approval]:
        """Return requests, oldest first."""
        ...

    def vote(self, approval_id: str, vote: Vote, now: float) -> Approval:
        """Record what a person said.

        Raises:
            BadInput: unknown request, no longer pending, the requester itself, the same person twice, or for
                arguments that it cannot have.
        """
        ...

    def cancel_approvals(self, run_id: str) -> int:
        """Close every pending request of a run; returns how many."""
        ...

    def approvals_version(self) -> int:
        """A number that changes whenever any request changes; cheap to poll."""
        ...

    # breakers
    def breakers(self) -> list[Breaker]:
        """Every open breaker."""
        ...

    def open_breaker(self, breaker: Breaker) -> None:
        """Open one, or leave it open."""
        ...

    def close_breaker(self, subject: str) -> bool:
        """Close one; returns whether it was open."""
        ...


class CallContext(Struct, frozen=True, kw_only=True, gc=False):
    """What a handler that takes a parameter `ctx` is told.

    Attributes:
        mode: the rung.
        run_id, step_id, agent: whose call.
        attempt: 1 for the first.
        deadline: seconds since the epoch when the call times out.
        idempotency_key: the same over retries and resumes.
    """

    mode: Mode
    run_id: str
    step_id: str
    agent: str
    attempt: int
    deadline: float
    idempotency_key: str

    @property
    def logger(self) -> Any:
        """A standard logger named after the step."""
        import logging

        return logging.getLogger(f"buddy.step.{self.step_id}")


class ToolRuntime(Protocol):
    """One tool with its handlers. Handlers raise `ToolError` for "nothing happened"."""

    contract: ToolContract
    sync: bool
    """Handlers run in threads, which a timeout cannot stop."""

    @property
    def handlers(self) -> frozenset[str]:
        """Which of `live`, `preview`, `mock`, `undo`, `probe` it has."""
        ...

    def check(self, args: dict[str, Any]) -> str:
        """One sentence on what is wrong with the arguments, or an empty string."""
        ...

    def check_result(self, result: Any) -> str:
        """One sentence on what is wrong with a result, or an empty string."""
        ...

    def acts(self, key: str) -> bool:
        """Whether `live` or `undo` still runs in a thread for the call with this idempotency key."""
        ...

    async def live(self, args: dict[str, Any], ctx: CallContext) -> Any:
        """Act (or, for a read, read)."""
        ...

    async def preview(self, args: dict[str, Any], ctx: CallContext) -> Preview:
        """Find out by reading only what `live` would do."""
        ...

    async def mock(self, args: dict[str, Any], ctx: CallContext) -> Any:
        """Make up a result."""
        ...

    async def undo(self, call: Call, result: Any) -> Restored:
        """Compensate; raises `ChangedSince` where somebody else changed the record."""
        ...

    async def probe(self, call: Call) -> bool | None:
        """Look whether the call happened; None cannot tell."""
        ...


class Toolbox(Protocol):
    """The tools of one world."""

    def get(self, name: str) -> ToolRuntime | None:
        """Return the tool, None where no catalogue names it."""
        ...

    def names(self) -> Iterable[str]:
        """Every tool's name."""
        ...


class Secrets(Protocol):
    """Where `{"$secret": "env:NAME"}` is looked up."""

    def resolve(self, reference: str) -> str:
        """Return the secret; raises `InvalidArguments` naming what is missing."""
        ...


class PlanSource(Protocol):
    """The plans of a run; several are read again each time they are asked for, so that none is held."""

    def plans(self) -> Iterator[Plan]:
        """Yield the plans in order."""
        ...


class Interaction(Protocol):
    """How the engine talks to the people around a run."""

    async def decide(self, request: ApprovalRequest, confidence: float | None) -> Vote | None:
        """Answer a request at once (policy, callback, terminal), or None where it has to wait."""
        ...

    def approval_requested(self, request: ApprovalRequest) -> None:
        """A request was filed that nobody answered at once."""
        ...

    def alert(self, message: str) -> None:
        """Something HIGH happened."""
        ...

    def progress(self, settled: int, total: int) -> None:
        """Steps settled so far."""
        ...


World = Callable[[str], Toolbox]
"""Plan id -> the tools of the world in which that plan acts."""

Waiter = Callable[[], Awaitable[None]]
