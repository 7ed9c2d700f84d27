"""What calls wait for: slots, rates and claims. First come, first served, everywhere."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from buddy.model.contract import Rate
from buddy.ports import Clock, HomeStore, LeaseWant

CROSS_PROCESS_POLL_S = 0.02
Claimed = tuple[tuple[str, bool], ...]
"""Resources that a call lays claim to, and of each whether it writes it."""


class Slots:
    """So many at once.

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def grab(self) -> bool:
        """Take a slot where one is free and nobody waits for it; returns whether that was so."""
        if self.taken < self.size and not self._waiting:
            self.taken += 1
            return True
        return False

    async def take(self) -> None:
        """Wait for a slot and take it."""
        if self.grab():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()
            raise

    def give(self) -> None:
        """Give a slot back; the one that waits longest gets it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1


class RateLimiter:
    """At most `rate.calls` starts in any `rate.seconds` seconds."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._starts: deque[float] = deque(maxlen=rate.calls)

    async def take(self) -> None:
        """Wait for the next free moment and take it."""
        now = self._clock.monotonic()
        start = now
        if len(self._starts) == self._rate.calls:
            start = max(now, self._starts[0] + self._rate.seconds)
        self._starts.append(start)
        if start > now:
            await self._clock.sleep(start - now)


class ToolLimits:
    """What tools' contracts allow, for all calls of a run together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rates: dict[str, RateLimiter] = {}
        self._slots: dict[str, Slots] = {}

    def rate(self, name: str, rate: Rate) -> RateLimiter:
        """Return the limiter of a tool that has a rate."""
        limiter = self._rates.get(name)
        if limiter is None:
            limiter = self._rates[name] = RateLimiter(rate, self._clock)
        return limiter

    def slots(self, name: str, size: int) -> Slots:
        """Return the slots of a tool that may have no more than so many calls at once."""
        slots = self._slots.get(name)
        if slots is None:
            slots = self._slots[name] = Slots(size)
        return slots


class Claims:
    """Leases of this process, taken and released in batches: one transaction a turn of the loop.

    Args:
        home: where leases live.
        clock: for polling while another process holds what we want.
        on_failure: called with the error that makes every lease impossible.
    """

    def __init__(self, home: HomeStore, clock: Clock, on_failure: Callable[[Exception], None]) -> None:
        self._home = home
        self._clock = clock
        self._on_failure = on_failure
        self._wanted: dict[str, tuple[LeaseWant, asyncio.Future[None]]] = {}
        self._released: list[str] = []
        self._kept: dict[str, Callable[[], bool]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        """On which a turn is scheduled."""
        self._poll: asyncio.TimerHandle | None = None

    async def take(self, holder: str, resources: Claimed) -> Claimed:
        """Wait until `holder` holds all of `resources`; returns them."""
        if not resources:
            return ()
        while holder in self._kept and self._kept[holder]():
            # The same call again, whose thread of before is still at it.
            await self._clock.sleep(CROSS_PROCESS_POLL_S)
        self._kept.pop(holder, None)
        granted: asyncio.Future[None] = self._schedule().create_future()
        self._wanted[holder] = (LeaseWant(holder, resources), granted)
        try:
            await granted
        except asyncio.CancelledError:
            self._wanted.pop(holder, None)
            self.give(holder)
            raise
        return resources

    def give(self, holder: str) -> None:
        """Release what a holder holds; on disk by the next turn of the loop."""
        self._released.append(holder)
        with suppress(RuntimeError):  # where no loop runs any more, a turn of the next one takes it along
            self._schedule()

    def give_after(self, holder: str, acts: Callable[[], bool]) -> None:
        """Release what a holder holds as soon as it acts no more; nobody tells that, so it is looked at."""
        if acts():
            self._kept[holder] = acts
        else:
            self.give(holder)

    def hand_over(self) -> list[str]:
        """Leave what is to be released to the caller, whose transaction is at hand."""
        if self._kept:
            over = [holder for holder, acts in self._kept.items() if not acts()]
            self._released += over
            for holder in over:
                del self._kept[holder]
        released, self._released = self._released, []
        return released

    def abandon(self, failure: BaseException) -> None:
        """Give nothing to whoever waits: the run has stopped."""
        for _, future in self._wanted.values():
            if not future.done():
                future.set_exception(failure)
                future.exception()
        self._wanted.clear()

    def close(self) -> None:
        """Release everything that is still to be released."""
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        if self._released:
            self._home.release(self._released)
            self._released = []

    def _schedule(self) -> asyncio.AbstractEventLoop:
        """Have a turn in the next turn of the running loop, which is returned."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._turn)
        return self._loop

    def _turn(self) -> None:
        self._loop = None
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        released = self.hand_over()
        wanted = list(self._wanted.values())
        try:
            granted = self._home.acquire([want for want, _ in wanted], released)
        except Exception as failure:  # noqa: BLE001 - every waiter has to hear of it, whatever it is
            self._fail(failure)
            return
        for (want, future), yes in zip(wanted, granted, strict=True):
            if yes:
                del self._wanted[want.holder]
                if not future.done():
                    future.set_result(None)
        if self._wanted:
            loop = asyncio.get_running_loop()
            self._poll = loop.call_later(CROSS_PROCESS_POLL_S, self._schedule)

    def _fail(self, failure: Exception) -> None:
        self._on_failure(failure)
        self.abandon(failure)
