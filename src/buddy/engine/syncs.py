"""When what a run records becomes durable: one fsync for all that ask in a turn of the loop."""

import asyncio
from collections.abc import Callable
from math import inf

from buddy.errors import ClosedStop

RIDE_S = 0.02
"""Seconds after which what rides is durable with the next record, however long a turn of the loop lasts."""
RIDE_TURNS = 4
"""Turns of the loop; an agent whose tool does not wait gets from an outcome to its next intent in less."""

Waiting = asyncio.Future[None]


class Syncs:
    """Shares fsyncs among those that need one.

    Args:
        flush: makes everything recorded durable, and calls `arrive`; or raises ClosedStop.
        write: puts everything recorded into the file, or raises ClosedStop.
        stop: is told of that.
        now: tells the time, in seconds.

    Attributes:
        due: when what rides is overdue, by `now`.
    """

    def __init__(
        self,
        flush: Callable[[], None],
        write: Callable[[], None],
        stop: Callable[[BaseException], None],
        now: Callable[[], float],
    ) -> None:
        self._flush = flush
        self._write = write
        self._stop = stop
        self._now = now
        self.due = inf
        self._durable: Waiting | None = None
        self._written: Waiting | None = None
        self._turns = 0
        self._is_on_its_way = False
        self._then: list[Callable[[], None]] = []

    def durable(self) -> Waiting:
        """Return a future that is done when everything recorded so far is durable.

        All that ask in one turn of the loop share one fsync.
        """
        if self._durable is None:
            self._durable = self._soon(self._flush_for_all)
        return self._durable

    def ride(self) -> Waiting:
        """Return a future that is done when everything recorded so far is in the file.

        It is durable a few turns of the loop later, or with what needs an fsync before: the intent of a call
        that begins in these turns is enough.
        """
        if self._written is None:
            self._written = self._soon(self._write_for_all)
        return self._written

    def then(self, do: Callable[[], None]) -> None:
        """Do something when what rides is durable, or cannot be any more; at once where nothing rides."""
        if self._turns:
            self._then.append(do)
        else:
            do()

    def arrive(self) -> None:
        """Hear that everything recorded is durable."""
        self._turns, self.due = 0, inf
        waiting, self._then = self._then, []
        for do in waiting:
            do()

    def _soon(self, do: Callable[[], None]) -> Waiting:
        loop = asyncio.get_running_loop()
        loop.call_soon(do)
        return loop.create_future()

    def _flush_for_all(self) -> None:
        waiting, self._durable = self._durable, None
        self._do(self._flush, waiting)

    def _write_for_all(self) -> None:
        waiting, self._written = self._written, None
        if not self._turns:
            self._turns, self.due = RIDE_TURNS, self._now() + RIDE_S
        self._do(self._write, waiting)
        self._go_along()

    def _go_along(self) -> None:
        if not self._is_on_its_way:
            self._is_on_its_way = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._is_on_its_way = False
        if not self._turns:
            return
        self._turns -= 1
        if self._turns:
            self._go_along()
        else:
            self._do(self._flush, None)
            # Where that failed the run has stopped, and whoever waits for a claim has to hear of it.
            self.arrive()

    def _do(self, sync: Callable[[], None], waiting: Waiting | None) -> None:
        try:
            sync()
        except ClosedStop as failure:
            self._stop(failure)
            # Who waited may have been given up with the run.
            if waiting is not None and not waiting.done():
                waiting.set_exception(failure)
                waiting.exception()
        else:
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
