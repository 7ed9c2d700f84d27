"""Time: the machine's, or one that passes only while everything waits for it."""

import asyncio
import math
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from datetime import UTC, datetime
from typing import Any, TypeVar, TypeVarTuple, Unpack

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_NANO = 9

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class RealClock:
    """The machine's time; `ports.Clock`."""

    virtual = False
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """Time from a fixed epoch on, moved by `VirtualLoop` alone; `ports.Clock`.

    Attributes:
        elapsed: seconds since the epoch of this clock, in whole nanoseconds.
    """

    virtual = True

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return EPOCH + self.elapsed

    def monotonic(self) -> float:
        """Seconds since the epoch of this clock."""
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until the loop has nothing else to do and this is the next thing that is due."""
        await asyncio.sleep(seconds)

    def leap(self, seconds: float) -> None:
        """Let time pass at once.

        Args:
            seconds: more than 0. The end is rounded to the nanosecond, so that the errors of sums such
                as 0.1 + 0.2 do not add up over a day.
        """
        end = math.nextafter(self.elapsed + seconds, math.inf)
        rounded = round(end, _NANO)
        self.elapsed = rounded if rounded > self.elapsed else end

    def loop(self) -> "VirtualLoop":
        """Make an event loop that lives in this time; fits `asyncio.Runner(loop_factory=...)`."""
        return VirtualLoop(self)


class _Leaper(selectors.DefaultSelector):
    """Never blocks: what would be waited for is leapt over."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            raise RuntimeError("deadlock: everything waits, and nothing is due at any time")
        self._clock.leap(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time.

    Functions for threads run at once in the loop itself: a thread would live in real time, and what it
    does would not come in the same order twice.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual_clock = clock
        super().__init__(_Leaper(clock))

    def time(self) -> float:
        """Seconds since the epoch of the clock."""
        return self._virtual_clock.elapsed

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call a function when the clock has come to `when`."""
        # asyncio calls what is due before a nanosecond from now, and half a year on a float has no
        # nanoseconds: a hair earlier, it is due as soon as the clock is there.
        return super().call_at(math.nextafter(when, -math.inf), callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run a function now, in the loop."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as problem:  # noqa: BLE001 (whatever it raises belongs to the one who awaits it)
            future.set_exception(problem)
        return future


def run_virtual(main: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
    """Run a coroutine in virtual time.

    Args:
        main: what to run.
        clock: whose time it is; it stands where the run ended afterwards.

    Raises:
        RuntimeError: everything waits, and nothing is due at any time.
    """
    with asyncio.Runner(loop_factory=clock.loop) as runner:
        return runner.run(main)
