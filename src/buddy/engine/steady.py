"""A clock that is never set back."""

from buddy.ports import Clock

STEP_S = 0.1
"""Seconds by which the other clock may be behind before that counts as set back."""


class SteadyClock:
    """Tells the time of another clock, or a later one where that was set back; `ports.Clock`.

    What is later has a later time: the journal and the home are read by it. After a step back this clock
    goes on as if there had been none, until the other one has caught up; small corrections it follows.

    Args:
        clock: whose time it tells.
    """

    def __init__(self, clock: Clock) -> None:
        self.virtual = clock.virtual
        self.monotonic = clock.monotonic
        self.sleep = clock.sleep
        self._now = clock.now
        self._latest = clock.now()
        self._since = clock.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        now, since = self._now(), self.monotonic()
        expected = self._latest + since - self._since
        told = now if now > expected - STEP_S else expected
        if told > self._latest:
            self._latest = told
        self._since = since
        return self._latest

    def not_before(self, at: float) -> None:
        """Tell no time before this one from now on.

        Args:
            at: seconds since the epoch.
        """
        self._latest = max(self._latest, at)
