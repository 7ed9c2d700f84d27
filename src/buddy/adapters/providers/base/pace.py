"""As many requests as a provider allows, and no more: a sliding window that learns from its headers."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable

MARGIN = 0.01
"""Share of the window that is waited longer, for requests that arrive closer together than they left."""


class Pace:
    """A window that everybody who calls one account shares, in any thread and on any event loop.

    Args:
        calls: that are allowed in a window; 0 is no limit.
        seconds: that the window lasts.
        monotonic: seconds that never go back.
        sleep: waits.
    """

    def __init__(
        self,
        calls: int = 0,
        seconds: float = 0.0,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._calls, self._seconds = calls, seconds
        self._monotonic, self._sleep = monotonic, sleep
        self._taken: deque[float] = deque()
        self._closed_until = 0.0
        self._lock = threading.Lock()

    async def take(self) -> None:
        """Wait until one more request may be sent."""
        wait = self._book()
        if wait > 0:
            await self._sleep(wait)

    def _book(self) -> float:
        with self._lock:
            now = self._monotonic()
            at = max(now, self._closed_until)
            if self._calls:
                while len(self._taken) > self._calls:
                    self._taken.popleft()
                if len(self._taken) == self._calls:
                    at = max(at, self._taken[0] + self._seconds * (1 + MARGIN))
                self._taken.append(at)
            return at - now

    def learn(self, calls: int, seconds: float) -> None:
        """Take over the limit that the provider names."""
        with self._lock:
            self._calls, self._seconds = calls, seconds

    def pause(self, seconds: float) -> None:
        """Send nothing for a while: the provider said that it was too much."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._monotonic() + seconds)
