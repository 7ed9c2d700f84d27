"""Stopping a run in good order: nothing more is begun, what acts comes to its end, the rest is given up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from buddy.errors import Interrupted

T = TypeVar("T")


class Interrupt:
    """Whether a run was asked to stop, and what still acts.

    Attributes:
        reason: who asked, empty where nobody did.
        acting: live calls and undos whose intent is durable and whose outcome is not in the file yet.
        closed: the run is over, and there is nothing left to stop.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.acting = 0
        self.closed = False
        self._changed = asyncio.Event()

    def ask(self, reason: str) -> None:
        """Ask the run to stop.

        Args:
            reason: who asks, `SIGTERM` for example.
        """
        self.reason = reason
        self._changed.set()

    def acts(self) -> "Interrupt":
        """Keep the run from being given up while something acts: `with` this."""
        return self

    def __enter__(self) -> None:
        self.acting += 1

    def __exit__(self, *problem: object) -> None:
        self.acting -= 1
        if self.reason:
            self._changed.set()

    async def go_on(self) -> None:
        """Return at once, or never where the run is to stop: whoever waits here is given up."""
        if self.reason:
            await asyncio.get_running_loop().create_future()

    async def over(self) -> str:
        """Wait until somebody asked and nothing acts any more; returns who asked."""
        while not self.reason or self.acting:
            self._changed.clear()
            await self._changed.wait()
        return f"interrupted by {self.reason}"

    async def unless_over(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something to its end, or give it up once somebody asked and nothing acts any more.

        Raises:
            Interrupted: it was given up.
        """
        loop = asyncio.get_running_loop()
        task, over = loop.create_task(work), loop.create_task(self.over())
        try:
            await asyncio.wait((task, over), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Interrupted(over.result())
        finally:
            task.cancel()
            over.cancel()
            await asyncio.wait((task, over))
