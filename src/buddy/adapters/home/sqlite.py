"""`ports.HomeStore` on SQLite: which part does what, and which commit has to survive the loss of power."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from buddy.adapters.home import (
    approvals,
    breakers,
    database,
    leases,
    ledger,
    lock,
    runs,
    times,
    unavailable,
    usage,
)
from buddy.adapters.home.database import Database
from buddy.adapters.home.folder import DATABASE, door
from buddy.adapters.home.owners import Owner
from buddy.errors import HomeUnavailable
from buddy.journal.codec import Head
from buddy.model.approval import Approval, ApprovalRequest, ApprovalState, Vote
from buddy.model.config import Cap
from buddy.ports import (
    Action,
    Admitted,
    Breaker,
    Earlier,
    Freed,
    LeaseWant,
    LockState,
    Refused,
    RunRow,
)

BUSY_TIMEOUT_S = 5.0


class SqliteHome:
    """What lives across runs, in `buddy.db`; for one thread at a time and any number of processes.

    Every call is one transaction, but for `settle_all`, which looks through the whole ledger in one before.
    Leases, freed ledger rows and heads of journals are committed without waiting for the disk: losing the
    last of them with the power leaves things more careful than needed, and an older copy of a journal unknown
    for one that the power cut short.

    Args:
        folder: of the home, made where it is not there.
        busy_timeout_s: seconds to wait for another process.

    Raises:
        HomeUnavailable: here and from every method: it cannot be trusted or reached.

    Attributes:
        key: secret of this home.
    """

    key: bytes

    def __init__(self, folder: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.folder = folder
        path = folder / DATABASE
        self._open: list[Database | Owner] = []
        self._asking: set[str] = set()
        try:
            with door(folder, busy_timeout_s):
                database.ready(folder, busy_timeout_s)
                self._database = Database(folder, busy_timeout_s)
                self._open.append(self._database)
                self._owner = Owner(folder)
                self._open.append(self._owner)
                with self._database.quick as connection:
                    self.key = database.key(connection)
                    self._bury_dead(connection)
        except BaseException as problem:
            self._let_go()
            if isinstance(problem, sqlite3.Error):
                raise unavailable.from_sqlite(path, problem) from problem
            if isinstance(problem, OSError):
                raise unavailable.from_system(folder, problem) from problem
            raise

    def close(self) -> None:
        """Give up every lease, and let go of the database."""
        if not self._open:
            return
        try:
            with self._database.quick as connection:
                leases.bury(connection, self._owner.token)
        except HomeUnavailable:
            # Whoever meets the rows sees that their owner is gone.
            return
        finally:
            self._let_go()

    def register_run(self, row: RunRow) -> None:
        """Add a run, or take up again the one with this id and folder.

        Raises:
            BadInput: a run with this id goes on in another folder.
        """
        with self._database.durable as connection:
            runs.register(connection, row)

    def keep_head(self, run_id: str, head: Head, state: str) -> None:
        """Remember where a run's journal ends.

        Raises:
            IllegalMove: the run was never registered.
        """
        with self._database.quick as connection:
            runs.keep_head(connection, run_id, head, state)

    def note_head(self, run_id: str, head: Head, released: Sequence[str] = ()) -> None:
        """Remember how far the journal of a run under way has come; a run that is not known here is none.

        Args:
            run_id: of the run.
            head: a line that is durable.
            released: holders of leases that give up what they hold.
        """
        with self._database.quick as connection:
            runs.note_head(connection, run_id, head)
            leases.release(connection, self._owner, released)
        self._asking.difference_update(released)

    def runs(self) -> list[RunRow]:
        """Every run, newest first."""
        with self._database.reading as connection:
            return runs.every(connection)

    def hear(self, now: float) -> tuple[LockState, float]:
        """Note what time it is where somebody acts; returns the lock, and that time or a later one known.

        Args:
            now: seconds since the epoch.
        """
        with self._database.quick as connection:
            return lock.state(connection), times.advance(connection, now)

    def lock_state(self) -> LockState:
        """The system lock as it is on disk now."""
        with self._database.reading as connection:
            return lock.state(connection)

    def set_lock(self, engaged: bool, by: str, reason: str, at: float) -> LockState:
        """Engage or release the lock; a call that changes nothing leaves the epoch."""
        with self._database.durable as connection:
            return lock.change(connection, engaged, by, reason, at)

    def lock_history(self) -> list[LockState]:
        """Every epoch so far, oldest first; the first is the open one that a home begins with."""
        with self._database.reading as connection:
            return lock.history(connection)

    def acquire(self, wants: Sequence[LeaseWant], released: Sequence[str] = ()) -> list[bool]:
        """Grant each want whole or queue it behind those that came before it; ask again to be granted later.

        Args:
            wants: what is asked for.
            released: holders that give up what they hold or wait for, before anything is granted.

        Raises:
            IllegalMove: a holder asks for other resources than those it holds; nothing was released.
        """
        if not (wants or released):
            return []
        try:
            with self._database.quick as connection:
                leases.release(connection, self._owner, released)
                granted = leases.acquire(connection, self._owner, wants, self._asking) if wants else []
                # Before the commit: who is thought to have asked and has not costs a look, no more.
                self._asking.update([want.holder for want in wants])
        except OSError as problem:
            raise unavailable.from_system(self.folder, problem) from problem
        self._asking.difference_update(set(released).difference([want.holder for want in wants]))
        return granted

    def release(self, holders: Sequence[str]) -> None:
        """Give up what these holders hold or wait for."""
        self.acquire((), holders)

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
        if not actions:
            return []
        with self._database.durable as connection:
            return ledger.admit(connection, actions, now, window_s, caps, reached)

    def settle(self, run_id: str, freed: Sequence[Freed]) -> None:
        """Free the ledger rows of actions that had no effect or were rolled back."""
        if freed:
            with self._database.quick as connection:
                ledger.settle(connection, run_id, freed)

    def settle_all(self, run_id: str, standing: Sequence[str]) -> None:
        """Free every ledger row of a run but those of the steps (`plan/step`) that may stand."""
        with self._database.reading as connection:
            freed = ledger.not_standing(connection, run_id, standing)
        with self._database.quick as connection:
            ledger.remove(connection, freed)

    def earlier(
        self, digest: str, run_id: str, step: str, resources: Sequence[str], now: float, window_s: float
    ) -> list[Earlier]:
        """Identical actions of other steps with no other write to the same resources since.

        Within the window, or irreversible at any age; newest first.
        """
        with self._database.reading as connection:
            return list(ledger.earlier(connection, digest, run_id, step, resources, now - window_s))

    def used_up(
        self, caps: Sequence[Cap], agent: str, tool: str, writes: bool, recipient: str | None, now: float
    ) -> str:
        """One sentence on the first cap that leaves no room for one more call, or an empty string."""
        if not caps:
            return ""
        with self._database.reading as connection:
            return usage.used_up(connection, caps, agent, tool, writes, recipient, now)

    def ask(self, request: ApprovalRequest) -> Approval:
        """File a request, superseding the one it names; the same id again changes nothing."""
        with self._database.durable as connection:
            return approvals.ask(connection, request)

    def approval(self, approval_id: str, now: float) -> Approval | None:
        """Return one request as it stands; past its expiry it is EXPIRED."""
        with self._database.reading as connection:
            return approvals.one(connection, approval_id, now)

    def approvals(
        self, now: float, run_id: str | None = None, state: ApprovalState | None = None
    ) -> list[Approval]:
        """Return requests, oldest first."""
        with self._database.reading as connection:
            return approvals.several(connection, now, run_id, state)

    def vote(self, approval_id: str, vote: Vote, now: float) -> Approval:
        """Record what a person said.

        Raises:
            BadInput: unknown request, no longer pending, the requester itself, the same person twice, or for
                arguments that it cannot have.
        """
        with self._database.durable as connection:
            return approvals.vote(connection, approval_id, vote, now)

    def cancel_approvals(self, run_id: str) -> int:
        """Close every pending request of a run; returns how many."""
        with self._database.durable as connection:
            return approvals.cancel(connection, run_id)

    def approvals_version(self) -> int:
        """A number that changes whenever any request changes; cheap to poll."""
        with self._database.reading as connection:
            return approvals.version(connection)

    def breakers(self) -> list[Breaker]:
        """Every open breaker."""
        with self._database.reading as connection:
            return breakers.every(connection)

    def open_breaker(self, breaker: Breaker) -> None:
        """Open one, or leave it open."""
        with self._database.durable as connection:
            breakers.open_one(connection, breaker)

    def close_breaker(self, subject: str) -> bool:
        """Close one; returns whether it was open."""
        with self._database.durable as connection:
            return breakers.close_one(connection, subject)

    def _bury_dead(self, connection: sqlite3.Connection) -> None:
        known = {*leases.owners(connection), *self._owner.others()}
        for token in sorted(known):
            if not self._owner.lives(token):
                leases.bury(connection, token)
                self._owner.forget(token)

    def _let_go(self) -> None:
        while self._open:
            self._open.pop().close()
