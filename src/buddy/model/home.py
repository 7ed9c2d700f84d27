"""What the home keeps across runs, as records. Times are seconds since the epoch."""

from msgspec import Struct


class LockState(Struct, frozen=True, gc=False):
    """The system lock. `epoch` grows by one whenever it is engaged or released."""

    epoch: int = 0
    engaged: bool = False
    by: str = ""
    reason: str = ""
    at: float = 0.0


class LeaseWant(Struct, frozen=True, gc=False):
    """All of `resources` (name, is it a write) for `holder`, or none of them."""

    holder: str
    resources: tuple[tuple[str, bool], ...]


class Action(Struct, frozen=True, kw_only=True, gc=False):
    """A live call about to be made, as the home has to know it.

    Attributes:
        run_id, step: whose; `step` is `plan/step`.
        tool, agent: of the call.
        digest: HMAC over tool and canonical arguments.
        writes: a write; only writes enter the action ledger.
        irreversible: stays in the ledger for good.
        idempotent: never a duplicate.
        repeat: the step declares that it means the same action again.
        resources: that it writes.
        recipient: value of the cap's recipient argument, where caps ask for it.
        approval: id of the approval to consume.
        binding: that the approval must have.
        ledger: False where plans do not share a world.
        ignore_duplicates: the configuration allows duplicates.
    """

    run_id: str
    step: str
    tool: str
    agent: str
    digest: str
    writes: bool
    irreversible: bool = False
    idempotent: bool = False
    repeat: bool = False
    resources: tuple[str, ...] = ()
    recipient: str | None = None
    approval: str | None = None
    binding: str = ""
    ledger: bool = True
    ignore_duplicates: bool = False


class Admitted(Struct, frozen=True, gc=False):
    """The action is in the home's books and may be called.

    Attributes:
        lock_epoch: in which it was let through.
        at: when, in a time that never goes back; seconds since the epoch.
    """

    lock_epoch: int
    at: float


class Refused(Struct, frozen=True, gc=False):
    """Nothing was written: why not."""

    rule: str
    reason: str


class Freed(Struct, frozen=True, gc=False):
    """An action of a run that is not there any more.

    Attributes:
        step: whose, `plan/step`.
        digest: of the action.
    """

    step: str
    digest: str


class Earlier(Struct, frozen=True):
    """An identical action taken before, and what is known of it."""

    run_id: str
    step: str
    at: float
    irreversible: bool


class Breaker(Struct, frozen=True):
    """An open breaker on `tool:NAME` or `agent:NAME`."""

    subject: str
    opened_at: float
    reason: str
