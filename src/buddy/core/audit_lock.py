"""The auditor's view of the system lock: which epoch is open, as far as the journal says."""

from collections.abc import Iterator

from buddy.core.audit_rules import Finding
from buddy.journal.events import LockSeen
from buddy.journal.times import seconds


class Lock:
    """The lock as the run saw it.

    Until the run saw it change, the epoch of its first live call is taken for the open one; whether it was
    is for the home's own history to say.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._engaged = False
        self._closed_from = ""
        self._closed_until = ""

    def see(self, event: LockSeen, time: str) -> Iterator[Finding]:
        """Take note of a change, and yield how it contradicts what was seen before."""
        known = self._epoch
        if known is not None and (
            event.epoch < known or (event.epoch == known and event.engaged is not self._engaged)
        ):
            yield "live_under_lock", f"the lock went from epoch {known} to epoch {event.epoch}"
        if event.engaged and not self._engaged:
            self._closed_from, self._closed_until = time, ""
        elif self._engaged and not event.engaged:
            self._closed_until = time
        self._epoch, self._engaged = event.epoch, event.engaged

    def act(self, epoch: int) -> Iterator[Finding]:
        """Yield why nobody may act who saw this epoch."""
        if self._epoch is None:
            self._epoch = epoch
        if self._engaged:
            yield "live_under_lock", f"the system lock is engaged since {self._closed_from}"
        elif epoch != self._epoch:
            yield "live_under_lock", f"it was let through in epoch {epoch}, and the open one is {self._epoch}"

    def looked(self, started_at: str) -> Iterator[Finding]:
        """Yield that a DRY_RUN began under lock; one that had begun before may end under it."""
        if not self._closed_from:
            return
        try:
            began, closed = seconds(started_at), seconds(self._closed_from)
            within = began > closed and (not self._closed_until or began < seconds(self._closed_until))
        except ValueError:
            within = self._engaged
        if within:
            yield "dry_run_under_lock", f"it began at {started_at}, under the lock of {self._closed_from}"
