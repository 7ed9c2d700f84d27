"""Attempts: a call that nobody waits for any more ends quietly."""

import asyncio
import gc
from typing import Any

from buddy.engine.attempts import attempt, error_of
from buddy.errors import ToolError
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode


def test_a_thread_that_fails_once_its_run_stopped_is_not_told_to_the_terminal() -> None:
    told: list[dict[str, Any]] = []

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise ToolError("too late")

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        task = asyncio.ensure_future(attempt(fails(), ToolContract(name="t"), Mode.LIVE, in_thread=True))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0.05)
        gc.collect()

    asyncio.run(run())
    assert told == []


def test_a_whole_number_of_seconds_is_told_as_it_is_read_again() -> None:
    contract = ToolContract(name="t")
    told = error_of(ToolError("later", retry_after=30), contract, Mode.LIVE)
    assert repr(told.retry_after) == "30.0"
