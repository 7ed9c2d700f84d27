"""A run under way: what all of its parts share, and the only way that they write to the journal."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf

from msgspec.structs import replace

from buddy.core.canonical import keyed_digest
from buddy.engine.interrupt import Interrupt
from buddy.engine.limits import Claims, Slots, ToolLimits
from buddy.engine.steady import SteadyClock
from buddy.engine.syncs import Syncs
from buddy.errors import ClosedStop
from buddy.journal.events import AnyEvent, BreakerMoved, ConflictFound, Intent, LockSeen, Record, UndoIntent
from buddy.journal.times import iso
from buddy.model.config import ExecutionConfig
from buddy.model.conflict import Conflict
from buddy.model.mode import Mode
from buddy.ports import (
    Action,
    Admitted,
    Breaker,
    Clock,
    Freed,
    HomeStore,
    Ids,
    Interaction,
    JournalStore,
    LockState,
    OutputSink,
    Refused,
    Secrets,
    World,
)
from buddy.projections.alarms import Alarms
from buddy.projections.anomalies import Watch
from buddy.projections.anomaly import Anomaly, Severity
from buddy.projections.fleet.fold import Fleet

LOCK_AGE_S = 0.01
LATE_GRACE_S = 5.0
BREAKER_AGE_S = 0.25
WRITE_EVERY, FLUSH_EVERY = 128, 4096
"""Records after which lines that nobody waits for are written, and made durable."""
_ACTING = frozenset({Intent, UndoIntent})


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Everything from outside that a run needs."""

    clock: Clock
    ids: Ids
    journal: JournalStore
    sink: OutputSink
    home: HomeStore
    secrets: Secrets
    interaction: Interaction
    world: World


_Begin = tuple[Action, Intent, "asyncio.Future[Admitted | Refused]"]


@dataclass(slots=True)
class _Shared:
    lock: LockState = field(default_factory=LockState)
    lock_until: float = -1.0
    breakers: dict[str, Breaker] = field(default_factory=dict)
    breakers_until: float = -1.0


class Run:
    """The state that every part of a run shares.

    Args:
        run_id: its name.
        config: its settings.
        ports: the outside.
        key: secret for digests.
        environment: `DRY_RUN=true` is set.
        watch: the fold that finds anomalies, shared with the outputs.

    Attributes:
        now: tells the seconds since the epoch as the journal has them, never earlier than before. Only the
            order of things goes by it. What ends at some time of day goes by `clock`, as a clock that was
            ahead once would otherwise end it for good.
        durable, ride, when_durable: see `Syncs`.
        on_stop: is called when the run stops closed, to wake whoever waits for something else.
        not_before: takes a time, in seconds since the epoch, before which `now` tells none from then on.
    """

    def __init__(
        self,
        run_id: str,
        config: ExecutionConfig,
        ports: Ports,
        key: bytes,
        *,
        environment: bool = False,
        watch: Alarms | None = None,
    ) -> None:
        self.run_id, self.config = run_id, config
        steady = SteadyClock(ports.clock)
        self.clock, self.now, self.not_before = ports.clock, steady.now, steady.not_before
        self.ids = ports.ids
        self.home = ports.home
        self.secrets = ports.secrets
        self.interaction = ports.interaction
        self.world = ports.world
        self.key, self.environment = key, environment
        self.started = ports.clock.monotonic()
        self.failure: BaseException | None = None
        self.on_stop: Callable[[], None] = lambda: None
        self.interrupt = Interrupt()
        self.budget = Slots(config.max_live_escalations)
        self.limits = ToolLimits(ports.clock)
        self.claims = Claims(ports.home, ports.clock, self.stop)
        self.conflicts = 0
        self.late: set[asyncio.Task[None]] = set()
        self.journal = ports.journal
        self._syncs = Syncs(self.flush, self.journal.write, self.stop, self.now)
        self.durable, self.ride, self.when_durable = self._syncs.durable, self._syncs.ride, self._syncs.then
        self._sink = ports.sink
        self._watch: Alarms = watch or Watch()
        self._shared = _Shared(breakers_until=-1.0 if config.breaker else inf)
        if config.mode is Mode.LIVE:
            self.not_before(self.home.hear(self.now())[1])
        self._unflushed, self._intends = 0, False
        self._beginning: list[_Begin] = []
        self._freed: list[Freed] = []

    # the journal

    def record(self, event: AnyEvent, at: float | None = None) -> Record:
        """Append an event; it is durable after the next flush.

        Args:
            event: what happened.
            at: what `now` has just told, where the caller has asked it.

        Raises:
            ClosedStop: the journal failed, now or earlier.
        """
        if self.failure is not None:
            raise ClosedStop(str(self.failure)) from self.failure
        try:
            at = self.now() if at is None else at
            record = self.journal.append(event, iso(at))
            self._sink.feed(record)
            self._intends = self._intends or type(event) in _ACTING
            self._unflushed += 1
            if self._unflushed >= FLUSH_EVERY or at > self._syncs.due:
                self.flush()
            elif self._unflushed % WRITE_EVERY == 0:
                self.journal.write()
        except ClosedStop as failure:
            self.stop(failure)
            raise
        for anomaly in self._watch.feed(record):
            self._raised(anomaly)
        return record

    def keep(self, data: bytes) -> str:
        """Keep a result that is too large for a line, durable when this returns; returns its digest.

        Raises:
            ClosedStop: the journal failed, now or earlier.
        """
        try:
            return self.journal.write_blob(data)
        except ClosedStop as failure:
            self.stop(failure)
            raise

    def flush(self) -> None:
        """Make everything recorded durable, in this thread, and have the home know of every intent."""
        self._unflushed = 0
        self.journal.flush()
        self._syncs.arrive()
        if self._intends:
            self._intends = False
            # Before anything acts: who puts an older copy of the journal back is told apart from a crash.
            self.home.note_head(self.run_id, self.journal.durable, self.claims.hand_over())
        self._hear()

    def _hear(self) -> None:
        for sentence in self._sink.alerts():
            self.interaction.alert(sentence)

    def stop(self, failure: BaseException) -> None:
        """Stop closed: nothing is recorded or called any more."""
        if self.failure is None:
            self.failure = failure
            self.claims.abandon(failure)
            self.on_stop()

    # live calls

    def begin(self, action: Action, intent: Intent) -> "asyncio.Future[Admitted | Refused]":
        """Enter a live call into the home's books and its intent into the journal, both durable.

        All that begin in one turn of the loop share one transaction and one fsync. A refused action
        leaves no trace.
        """
        if self._beginning:
            # Asking for the running loop is a system call in Python 3.11.
            loop = self._beginning[0][2].get_loop()
        else:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._begin_all)
        answer: asyncio.Future[Admitted | Refused] = loop.create_future()
        self._beginning.append((action, intent, answer))
        return answer

    def _begin_all(self) -> None:
        # Who was given up meanwhile does not act.
        batch, self._beginning = [one for one in self._beginning if not one[2].done()], []
        try:
            if self.failure is not None:
                raise ClosedStop(str(self.failure))
            config = self.config
            verdicts = self.home.admit(
                [action for action, _, _ in batch],
                self.clock.now(),
                config.duplicate_window_s,
                config.caps,
                self.now(),
            )
            last, epoch, at = None, 0, 0.0
            for (_, intent, _), verdict in zip(batch, verdicts, strict=True):
                if not isinstance(verdict, Admitted):
                    continue
                if verdict is not last:
                    # One transaction lets all of them through in the same epoch.
                    last, epoch, at = verdict, self._opened(verdict), self.now()
                self.record(replace(intent, lock_epoch=epoch) if epoch else intent, at)
            self.flush()
        except ClosedStop as failure:
            self.stop(failure)
            for _, _, answer in batch:
                if not answer.done():
                    answer.set_exception(failure)
                    answer.exception()
            return
        for (_, _, answer), verdict in zip(batch, verdicts, strict=True):
            if not answer.done():
                answer.set_result(verdict)

    def free_action(self, step: str, digest: str) -> None:
        """Let an action that had no effect, or was undone, be taken again.

        Args:
            step: whose, `plan/step`.
            digest: of the call.
        """
        if self.config.isolate:
            return
        if not self._freed:
            asyncio.get_running_loop().call_soon(self._free_all)
        self._freed.append(Freed(step, digest))

    def _free_all(self) -> None:
        freed, self._freed = self._freed, []
        try:
            self.home.settle(self.run_id, freed)
        except ClosedStop as failure:
            self.stop(failure)

    async def hear_late_ends(self) -> None:
        """Give calls that were given up as UNKNOWN, and whose threads still run, a moment to end."""
        if self.late:
            await asyncio.wait(self.late, timeout=LATE_GRACE_S)

    # lock and breakers

    def lock(self) -> LockState:
        """Return the system lock, read at most `LOCK_AGE_S` ago."""
        now = self.clock.monotonic()
        if now > self._shared.lock_until:
            self._shared.lock_until = now + LOCK_AGE_S
            self._see(self.home.lock_state())
        return self._shared.lock

    def stops(self, tool: str, agent: str) -> tuple[LockState, str]:
        """Return what may stop any call of a tool and an agent short of LIVE.

        Returns:
            The lock, and why an open breaker stops the call, empty where none does. Both as they were at most
            `LOCK_AGE_S` and `BREAKER_AGE_S` ago.
        """
        shared, now = self._shared, self.clock.monotonic()
        if now > shared.lock_until or now > shared.breakers_until:
            self.lock()
            self._breakers()
        if not shared.breakers:
            return shared.lock, ""
        found = shared.breakers.get(f"tool:{tool}") or shared.breakers.get(f"agent:{agent}")
        return shared.lock, f"the breaker on {found.subject} is open: {found.reason}" if found else ""

    def look(self) -> LockState:
        """Return the system lock as it is now, and let the home know what time it is here."""
        state, now = self.home.hear(self.now())
        self.not_before(now)
        self._see(state)
        return state

    def _opened(self, verdict: Admitted) -> int:
        """Return the open epoch that an intent was admitted in, which is on record before the intent."""
        self.not_before(verdict.at)
        if verdict.lock_epoch != self._shared.lock.epoch:
            self._see(LockState(epoch=verdict.lock_epoch, engaged=False))
        return verdict.lock_epoch

    def _see(self, state: LockState) -> None:
        if state.epoch != self._shared.lock.epoch:
            self._shared.lock = state
            self.record(LockSeen(epoch=state.epoch, engaged=state.engaged, by=state.by, reason=state.reason))

    def breaker_may_close(self, subject: str) -> bool | None:
        """Whether the cooldown of an open breaker has passed; None where none is open."""
        entry = self._breakers().get(subject)
        return None if entry is None else self._is_cool(entry)

    def _is_cool(self, entry: Breaker) -> bool:
        # What was opened by a clock that was ahead is not open until that time comes.
        return abs(self.clock.now() - entry.opened_at) >= self.config.breaker_cooldown_s

    def _breakers(self) -> dict[str, Breaker]:
        """Return the open breakers by subject, read at most `BREAKER_AGE_S` ago."""
        now = self.clock.monotonic()
        if now > self._shared.breakers_until:
            self._shared.breakers_until = now + BREAKER_AGE_S
            self._shared.breakers = {entry.subject: entry for entry in self.home.breakers()}
        return self._shared.breakers

    def probe_passed(self, tool: str, agent: str) -> None:
        """Close the breakers on a tool and an agent that passed DRY_RUN after the cooldown."""
        if not self._shared.breakers:
            return
        for subject in (f"tool:{tool}", f"agent:{agent}"):
            entry = self._shared.breakers.get(subject)
            if entry and self._is_cool(entry):
                self.home.close_breaker(subject)
                del self._shared.breakers[subject]
                self.record(
                    BreakerMoved(subject=subject, open=False, reason="a DRY_RUN passed after the cooldown")
                )

    def _raised(self, anomaly: Anomaly) -> None:
        if anomaly.severity is not Severity.HIGH:
            return
        self.interaction.alert(anomaly.sentence)
        if not (self.config.breaker and anomaly.breaker) or self.clock.virtual:
            return
        if anomaly.subject.startswith(("tool:", "agent:")) and anomaly.subject not in self._shared.breakers:
            breaker = Breaker(anomaly.subject, self.clock.now(), anomaly.type.value)
            self.home.open_breaker(breaker)
            self._shared.breakers[anomaly.subject] = breaker
            self.record(BreakerMoved(subject=anomaly.subject, open=True, reason=anomaly.type.value))

    def digest(self, tool: str, args: object) -> str:
        """Return the digest of a call."""
        return keyed_digest(self.key, tool, args)

    # conflicts found while running

    def next_conflict(self) -> str:
        """Return an id for a conflict found while running."""
        self.conflicts += 1
        return f"c{self.conflicts}"

    def note_conflict(self, conflict: Conflict) -> None:
        """Record a conflict found while running."""
        self.record(ConflictFound(conflict=conflict, at="admission"))

    @property
    def fleet(self) -> Fleet | None:
        """The fold of the fleet, where the run has one."""
        return self._watch.fleet

    def elapsed(self) -> float:
        """Seconds since the run began (or was resumed)."""
        return self.clock.monotonic() - self.started

    def close(self) -> None:
        """Write what can only be written at the end and let go of the run's folder."""
        self.interrupt.closed = True
        with ExitStack() as last:
            # From the last to the first, each whatever becomes of the others.
            last.callback(self._hear)
            last.callback(self._sink.close)
            last.callback(self.journal.close)
            self.claims.close()
            if self._freed:
                self.home.settle(self.run_id, self._freed)
                self._freed = []
