"""As many requests as a provider allows, and no more: a sliding window that learns from its headers."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

MARGIN = 0.01
"""Share of the window that is waited longer, for clocks that do not agree."""

TICK_S = 1e-6
"""Seconds that are not worth a sleep, and that a clock may not even tell from none."""


class Place(Struct, eq=False):
    """The place of one request in the window.

    Attributes:
        at: when it is to leave, and once it was answered that moment: the provider has counted it by then.
            Seconds of a monotonic clock.
        under_way: it has left and was not answered, so that the provider may count it at any moment.
    """

    at: float = 0.0
    under_way: bool = False


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
        place = Place()
        try:
            while (wait := self._wait(place)) > TICK_S:  # those before it may have been counted late
                await self._sleep(wait)
        except BaseException:
            with self._lock:
                self._places = [one for one in self._places if one is not place]
            raise
        place.under_way = True
        return place

    def _wait(self, place: Place) -> float:
        """Return the seconds until a request may leave, by those before it as they are known now."""
        with self._lock:
            now = self._monotonic()
            window = self._seconds * (1 + MARGIN)
            kept = [one for one in self._places if one is place or one.under_way or one.at > now - window]
            self._places = kept if place in kept else [*kept, place]
            ahead = self._places[: self._places.index(place)]
            before = sorted(max(one.at, now) if one.under_way else one.at for one in ahead)
            earliest = max(now, self._closed_until)
            if 0 < self._calls <= len(before):
                earliest = max(earliest, before[-self._calls] + window)
            place.at = earliest
            return earliest - now

    def answered(self, place: Place) -> None:
        """Count a request from now: it was answered, or nobody waits for its answer any more."""
        with self._lock:
            place.at, place.under_way = self._monotonic(), False

    def learn(self, calls: int, seconds: float) -> None:
        """Take over the limit that the provider names."""
        with self._lock:
            self._calls, self._seconds = calls, seconds

    def pause(self, seconds: float) -> None:
        """Send nothing for a while: the provider said that it was too much."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._monotonic() + seconds)

    def closed_s(self) -> float:
        """Return the seconds for which the provider still wants nothing."""
        with self._lock:
            return max(0.0, self._closed_until - self._monotonic())
