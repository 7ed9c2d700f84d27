"""A run that takes calls one at a time."""

import asyncio
from collections.abc import Callable
from contextlib import closing

from buddy.adapters.home import SqliteHome
from buddy.engine import orchestrator
from buddy.engine.calls import Desk
from buddy.engine.run import Run
from buddy.wiring.offered import close_windows


class OpenCalls:
    """A run of calls that is open.

    Attributes:
        desk: takes the calls.
    """

    def __init__(self, run: Run, desk: Desk, store: SqliteHome, rest: Callable[[str], None]) -> None:
        self.desk = desk
        self._run = run
        self._store = store
        self._rest = rest
        self._closing: asyncio.Task[None] | None = None

    def new_id(self) -> str:
        """Return a name for a call that has none."""
        return self._run.ids.new("call")

    @property
    def is_closing(self) -> bool:
        """Whether no more calls are taken."""
        return self._closing is not None

    @property
    def is_closed(self) -> bool:
        """Whether the run has ended, in whatever way."""
        return self._closing is not None and self._closing.done()

    async def close(self) -> None:
        """End the run and write its outputs; whoever gives up waiting for that may ask again.

        Raises:
            BadInput: calls are under way in another event loop.
        """
        loop = asyncio.get_running_loop()
        if self._closing is None or self._closing.get_loop() is not loop:
            # A loop that stopped in the middle of it ends it no more.
            self.desk.leave_other_loops()
            self._closing = loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        state = "stopped"
        with closing(self._store):
            try:
                code = await self.desk.finish()
                held = code in (orchestrator.EXIT_HELD, orchestrator.EXIT_UNKNOWN)
                state = "held" if held else "finished"
            finally:
                self._rest(state)
                await close_windows(self._run.run_id)
