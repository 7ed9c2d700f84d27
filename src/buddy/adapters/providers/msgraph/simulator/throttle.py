"""The vendor's limit: so many requests of one application to one mailbox in ten minutes."""

import math
from collections import deque
from collections.abc import Callable

from buddy.adapters.providers.msgraph.simulator.failures import GraphFailure


class Throttle:
    """A sliding window for each application and mailbox.

    Args:
        calls: that a window admits.
        seconds: that it lasts.
        now: seconds since the epoch.
    """

    def __init__(self, calls: int, seconds: float, now: Callable[[], float]) -> None:
        self._calls, self._seconds, self._now = calls, seconds, now
        self._taken: dict[tuple[str, str], deque[float]] = {}

    def take(self, application: str, mailbox: str) -> None:
        """Admit one request, or refuse it and say how long to wait."""
        taken, now = self._taken.setdefault((application, mailbox), deque()), self._now()
        while taken and taken[0] <= now - self._seconds:
            taken.popleft()
        if len(taken) >= self._calls:
            wait = max(1, math.ceil(taken[0] + self._seconds - now))
            why = "Application is over its MailboxConcurrency limit."
            raise GraphFailure(429, "ApplicationThrottled", why, {"Retry-After": str(wait)})
        taken.append(now)

    def reset(self) -> None:
        """Forget what was taken."""
        self._taken.clear()
