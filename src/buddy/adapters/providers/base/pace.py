"""As many requests as a provider allows, and no more: a sliding window that learns from its headers."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

MARGIN = 0.01
"""Share of the window that is waited longer, for clocks that do not agree."""


class Place(Struct):
    """The place of one request in the window.

    Attributes:
        at: when it counts from: when it was to leave, and once it was answered that moment, which is not
            before the provider counted it. Seconds of a monotonic clock.
    """

    at: float


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
        self._places: list[Place] = []
        self._closed_until = 0.0
        self._lock = threading.Lock()

    async def take(self) -> Place:
        """Wait until one more request may be sent; returns its place, for `answered`."""
        now, place = self._book()
        if place.at > now:
            await self._sleep(place.at - now)
        return place

    def _book(self) -> tuple[float, Place]:
        with self._lock:
            now = self._monotonic()
            window = self._seconds * (1 + MARGIN)
            self._places = [one for one in self._places if one.at > now - window]
            place = Place(max(now, self._closed_until))
            if 0 < self._calls <= len(self._places):
                last = sorted(one.at for one in self._places)[-self._calls]
                place.at = max(place.at, last + window)
            self._places.append(place)
            return now, place

    def answered(self, place: Place) -> None:
        """Count a request from now: the provider counted it by now, and not later."""
        place.at = self._monotonic()

    def learn(self, calls: int, seconds: float) -> None:
        """Take over the limit that the provider names."""
        with self._lock:
            self._calls, self._seconds = calls, seconds

    def pause(self, seconds: float) -> None:
        """Send nothing for a while: the provider said that it was too much."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._monotonic() + seconds)
