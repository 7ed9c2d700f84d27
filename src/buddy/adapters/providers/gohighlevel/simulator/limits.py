"""The vendor's limit: so many requests in a sliding window, so many a day, and headers that say so."""

from collections import deque
from collections.abc import Callable

DAY_S = 86_400.0


class Limit:
    """How many requests one location may make.

    Args:
        calls: in a window; 0 is no limit.
        seconds: of the window.
        daily: in 24 hours.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        calls: int = 100,
        seconds: float = 10.0,
        daily: int = 200_000,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self.calls, self.seconds, self.daily = calls, seconds, daily
        self._monotonic = monotonic
        self.reset()

    def reset(self) -> None:
        """Forget what was asked so far."""
        self._times: deque[float] = deque()
        self._day = self._monotonic()
        self._today = 0

    def take(self) -> bool:
        """Count a request; returns whether it is within the limit. One that is not counts for nothing."""
        now = self._monotonic()
        if now - self._day >= DAY_S:
            self._day, self._today = now, 0
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        if (self.calls and len(self._times) >= self.calls) or self._today >= self.daily:
            return False
        self._times.append(now)
        self._today += 1
        return True

    def headers(self) -> dict[str, str]:
        """Return the vendor's headers."""
        return {
            "X-RateLimit-Limit-Daily": str(self.daily),
            "X-RateLimit-Daily-Remaining": str(max(0, self.daily - self._today)),
            "X-RateLimit-Interval-Milliseconds": str(round(self.seconds * 1000)),
            "X-RateLimit-Max": str(self.calls),
            "X-RateLimit-Remaining": str(max(0, self.calls - len(self._times))),
        }
